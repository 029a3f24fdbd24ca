//! Compares the two books about final global transactions: history, and what DTM wrote down. Pure. History is the truth
//! (design.md §2): DTM may lag behind, may have lost its store, and has nothing to say of what never ran on it; it may
//! not say the opposite for good.
use crate::snapshot::{CoordinatorStatus, Ending, Snapshot};
use amends_proto::amends::v1::GlobalTransaction;

/// DTM heals itself at its next poll; what it has not finished this long after the end is a breach.
const GRACE_US: i64 = 180_000_000;
/// The coordinator whose only book is history.
const EMBEDDED: &str = "embedded";

/// How DTM's book agrees with the end that history has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Agreement {
    /// It says the same.
    Same,
    /// History is its only book.
    OnlyHistory,
    /// History is its only book, and yet DTM has an entry: somebody else gave it the gid.
    Stranger,
    /// It is final; DTM has not finished yet, but may still do so.
    Behind,
    /// It is final; DTM has had the time to finish and has not.
    FarBehind,
    /// DTM has no entry: it never got one (cancelled before that), or has lost it with its store. The engine then
    /// ends what history decided, so this breaks nothing: the branches are judged by the rows of the participants.
    Unknown,
    /// No DTM server is configured here: nobody can be asked.
    NotAsked,
    /// DTM says that it succeeded, history that it is undone.
    SaysSucceeded,
    /// DTM says that it failed, history that it is applied.
    SaysFailed,
}

/// What comes of comparing; `None` = not final, nothing is to be compared.
pub(crate) fn compare(snapshot: &Snapshot, transaction: &GlobalTransaction) -> Option<Agreement> {
    let ending = snapshot.ending(&transaction.gid);
    let applied = match ending {
        Ending::Applied => true,
        Ending::Undone => false,
        Ending::Open | Ending::Foreign => return None,
    };
    let entry = snapshot.dtm.as_ref().map(|entries| entries.get(&transaction.gid).copied());
    if transaction.coordinator == EMBEDDED {
        return Some(match entry {
            Some(Some(_)) => Agreement::Stranger,
            Some(None) | None => Agreement::OnlyHistory,
        });
    }
    Some(match (entry, applied) {
        (None, _) => Agreement::NotAsked,
        (Some(None), _) => Agreement::Unknown,
        (Some(Some(CoordinatorStatus::Succeeded)), true) | (Some(Some(CoordinatorStatus::Failed)), false) => {
            Agreement::Same
        }
        // An operator turned it back after the commit decision: DTM was told so that it may end.
        (Some(Some(CoordinatorStatus::Succeeded)), false) if transaction.after_commit => Agreement::Same,
        (Some(Some(CoordinatorStatus::Succeeded)), false) => Agreement::SaysSucceeded,
        (Some(Some(CoordinatorStatus::Failed)), true) => Agreement::SaysFailed,
        (Some(Some(CoordinatorStatus::Open)), _) if ended_long_ago(snapshot, transaction) => {
            Agreement::FarBehind
        }
        (Some(Some(CoordinatorStatus::Open)), _) => Agreement::Behind,
    })
}

fn ended_long_ago(snapshot: &Snapshot, transaction: &GlobalTransaction) -> bool {
    transaction.finished_at.as_ref().is_some_and(|at| {
        let ended_us = at.seconds.saturating_mul(1_000_000) + i64::from(at.nanos) / 1_000;
        snapshot.read_at_us - ended_us > GRACE_US
    })
}

/// What the comparison of both lists as a whole has to tell and breaks nothing.
pub(crate) fn notes(snapshot: &Snapshot) -> Vec<String> {
    let with = |wanted: Agreement| {
        let all = snapshot.transactions.values();
        all.filter(move |transaction| compare(snapshot, transaction) == Some(wanted))
    };
    let mut notes: Vec<String> = with(Agreement::Behind)
        .map(|transaction| format!("{} is final, the coordinator has not caught up", transaction.gid))
        .collect();
    notes.extend(with(Agreement::Stranger).map(|transaction| {
        format!("{} does not run on DTM, which has an entry for it: somebody else made that", transaction.gid)
    }));
    match with(Agreement::Unknown).count() {
        0 => {}
        count => notes.push(format!(
            "DTM has no entry for {count} final global transactions: it never got one, or has lost it; history and the \
             participants' rows judge them"
        )),
    }
    match with(Agreement::NotAsked).count() {
        0 => {}
        count => notes.push(format!(
            "no DTM is configured: {count} global transactions that ran on one are judged without it"
        )),
    }
    notes
}

#[cfg(test)]
mod tests {
    use super::Agreement::{
        Behind, FarBehind, NotAsked, OnlyHistory, Same, SaysFailed, SaysSucceeded, Stranger, Unknown,
    };
    use super::{Agreement, CoordinatorStatus, EMBEDDED, compare, notes};
    use crate::sample::{self, SAGA_DECLINED, SAGA_PAID};
    use crate::snapshot::Snapshot;
    use amends_proto::amends::v1::Status;

    /// The sample world, in which DTM says this of the gid; the outer `None` = there is no DTM.
    fn world(gid: &str, says: Option<Option<CoordinatorStatus>>) -> Snapshot {
        let mut world = sample::world();
        match (says, &mut world.dtm) {
            (Some(Some(status)), Some(entries)) => drop(entries.insert(gid.into(), status)),
            (Some(None), Some(entries)) => drop(entries.remove(gid)),
            (None, dtm) => *dtm = None,
            (Some(_), None) => panic!("the sample has a DTM"),
        }
        world
    }

    fn on(world: &mut Snapshot, gid: &str, coordinator: &str) {
        world.transactions.get_mut(gid).unwrap().coordinator = coordinator.into();
    }

    #[test]
    fn every_pair_of_entries_is_judged() {
        use CoordinatorStatus::{Failed, Open, Succeeded};
        let cases: [(Option<Option<CoordinatorStatus>>, Agreement, Agreement, Agreement); 5] = [
            // What DTM says; of what history has as applied, as undone, and of what is not DTM's.
            (Some(Some(Succeeded)), Same, SaysSucceeded, Stranger),
            (Some(Some(Failed)), SaysFailed, Same, Stranger),
            (Some(Some(Open)), Behind, Behind, Stranger),
            (Some(None), Unknown, Unknown, OnlyHistory),
            (None, NotAsked, NotAsked, OnlyHistory),
        ];
        for (says, applied, undone, foreign) in cases {
            for (gid, expected) in [(SAGA_PAID, applied), (SAGA_DECLINED, undone)] {
                let mut world = world(gid, says);
                assert_eq!(compare(&world, &world.transactions[gid]), Some(expected), "{gid} {says:?}");
                on(&mut world, gid, EMBEDDED);
                assert_eq!(compare(&world, &world.transactions[gid]), Some(foreign), "{gid} {says:?}");
                world.transactions.get_mut(gid).unwrap().set_status(Status::Compensating);
                assert_eq!(compare(&world, &world.transactions[gid]), None, "{gid} {says:?}");
            }
        }
        let mut late = world(SAGA_PAID, Some(Some(Open)));
        late.read_at_us += 181_000_000;
        assert_eq!(compare(&late, &late.transactions[SAGA_PAID]), Some(FarBehind));
    }

    #[test]
    fn the_lists_are_compared_as_a_whole() {
        assert_eq!(notes(&sample::world()), Vec::<String>::new());
        let mut lost = sample::world();
        lost.dtm.as_mut().unwrap().clear();
        on(&mut lost, SAGA_PAID, EMBEDDED);
        let told = notes(&lost);
        assert_eq!(told.len(), 1, "{told:?}");
        assert!(
            told[0].contains("no entry for 3 final"),
            "what never ran there is not missing there: {told:?}"
        );
        lost.dtm = None;
        let told = notes(&lost);
        assert_eq!(told.len(), 1, "{told:?}");
        assert!(told[0].contains("no DTM is configured: 3"), "{told:?}");
        let mut forged = sample::world();
        on(&mut forged, SAGA_PAID, EMBEDDED);
        assert!(notes(&forged)[0].starts_with(SAGA_PAID), "{:?}", notes(&forged));
    }
}
