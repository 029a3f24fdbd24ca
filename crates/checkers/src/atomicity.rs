//! I7: when a global transaction is final all its branches agree. Three sources: history, the coordinator, and the
//! guard's rows at the participants. How history and DTM are compared is `books.rs`' affair.
use crate::books::{self, Agreement};
use crate::report::{Invariant, Violation};
use crate::snapshot::{Ending, Rows, Snapshot};
use amends_proto::amends::v1::{GlobalTransaction, Mode, Step};
use amends_proto::pay::branch::v1::BranchOpStatus;
use std::collections::{BTreeMap, BTreeSet};

/// Every final global transaction of history, and every foreign one that only the coordinator knows.
#[must_use]
pub fn check(snapshot: &Snapshot) -> Vec<Violation> {
    let rows = snapshot.rows();
    let mut found = Vec::new();
    for transaction in snapshot.transactions.values() {
        let ending = snapshot.ending(&transaction.gid);
        if matches!(ending, Ending::Open | Ending::Foreign) {
            continue;
        }
        for step in &transaction.steps {
            found.extend(step_agrees(transaction, step, ending, &rows));
        }
        found.extend(coordinator_agrees(snapshot, transaction));
    }
    found.extend(outside_plans(snapshot));
    found.extend(foreign(snapshot));
    found
}

/// One step's rows against the end of its global transaction.
fn step_agrees(
    transaction: &GlobalTransaction,
    step: &Step,
    ending: Ending,
    rows: &Rows<'_>,
) -> Vec<Violation> {
    // A participant that the checkers cannot read says nothing.
    let Some(rows) = rows.get(step.participant.as_str()) else { return Vec::new() };
    let row = |op: &str| rows.get(&(transaction.gid.as_str(), step.branch_id.as_str(), op)).copied();
    let branch = match transaction.mode() {
        Mode::Tcc => Branch { forward: row("try"), confirm: Some(row("confirm")), undo: row("cancel") },
        Mode::Saga | Mode::Unspecified => {
            Branch { forward: row("action"), confirm: None, undo: row("compensate") }
        }
    };
    let complaint = branch.complaint(ending);
    complaint
        .map(|text| {
            let status = transaction.status().as_str_name();
            let text = format!("{status}, but branch {} at {} {text}", step.branch_id, step.participant);
            i7(&transaction.gid, text)
        })
        .into_iter()
        .collect()
}

/// The guard's rows of one branch; `confirm` is `None` where there is no such op.
struct Branch {
    forward: Option<BranchOpStatus>,
    confirm: Option<Option<BranchOpStatus>>,
    undo: Option<BranchOpStatus>,
}

impl Branch {
    fn complaint(&self, ending: Ending) -> Option<&'static str> {
        match ending {
            Ending::Applied => self.not_applied(),
            Ending::Undone => self.not_undone(),
            Ending::Open | Ending::Foreign => None,
        }
    }

    fn not_applied(&self) -> Option<&'static str> {
        if self.forward != Some(BranchOpStatus::Done) {
            return Some("was not applied");
        }
        if self.confirm.is_some_and(|confirm| confirm != Some(BranchOpStatus::Done)) {
            return Some("was not confirmed");
        }
        self.undo.is_some().then_some("was undone")
    }

    fn not_undone(&self) -> Option<&'static str> {
        if self.confirm.flatten().is_some() {
            return Some("was confirmed");
        }
        match self.forward {
            None | Some(BranchOpStatus::Refused | BranchOpStatus::Tombstone) => None,
            Some(BranchOpStatus::Done) if self.undo == Some(BranchOpStatus::Done) => None,
            Some(BranchOpStatus::Done) => Some("was applied and not undone"),
            Some(BranchOpStatus::Running | BranchOpStatus::Unspecified) => Some("is still running"),
        }
    }
}

/// The coordinator may lag behind for a while, but never says the opposite for good.
fn coordinator_agrees(snapshot: &Snapshot, transaction: &GlobalTransaction) -> Option<Violation> {
    let says = match books::compare(snapshot, transaction)? {
        Agreement::SaysSucceeded => "succeeded",
        Agreement::SaysFailed => "failed",
        Agreement::FarBehind => "not finished",
        Agreement::Same
        | Agreement::OnlyHistory
        | Agreement::Stranger
        | Agreement::Behind
        | Agreement::Unknown
        | Agreement::NotAsked => return None,
    };
    let status = transaction.status().as_str_name();
    Some(i7(&transaction.gid, format!("{status}, but the coordinator says {says}")))
}

/// A participant has no row of a known global transaction that its plan does not have there.
fn outside_plans(snapshot: &Snapshot) -> Vec<Violation> {
    let planned: BTreeSet<(&str, &str, &str)> = snapshot
        .transactions
        .values()
        .flat_map(|t| t.steps.iter().map(|s| (t.gid.as_str(), s.branch_id.as_str(), s.participant.as_str())))
        .collect();
    let mut found = Vec::new();
    for (participant, ops) in &snapshot.branch_ops {
        for op in ops.iter().filter(|op| snapshot.transactions.contains_key(&op.gid)) {
            if !planned.contains(&(op.gid.as_str(), op.branch_id.as_str(), participant.as_str())) {
                let text =
                    format!("{} of branch {} at {participant} is not in the plan", op.op, op.branch_id);
                found.push(i7(&op.gid, text));
            }
        }
    }
    found
}

/// A global transaction of a plain DTM client: no plan is known, so each branch that has rows is judged by them.
fn foreign(snapshot: &Snapshot) -> Vec<Violation> {
    let mut branches: BTreeMap<(&str, &str, &str), Branch> = BTreeMap::new();
    for (participant, ops) in &snapshot.branch_ops {
        for op in ops.iter().filter(|op| !snapshot.transactions.contains_key(&op.gid)) {
            let key = (op.gid.as_str(), participant.as_str(), op.branch_id.as_str());
            let empty = || Branch { forward: None, confirm: None, undo: None };
            let branch = branches.entry(key).or_insert_with(empty);
            match op.op.as_str() {
                "try" => {
                    branch.forward = Some(op.status());
                    branch.confirm = branch.confirm.or(Some(None));
                }
                "confirm" => branch.confirm = Some(Some(op.status())),
                "action" => branch.forward = Some(op.status()),
                "cancel" | "compensate" => branch.undo = Some(op.status()),
                // Other modes of DTM bring no other op to these services.
                _ => {}
            }
        }
    }
    let complaint = |((gid, participant, branch_id), branch): ((&str, &str, &str), Branch)| {
        let text = branch.complaint(snapshot.ending(gid))?;
        Some(i7(gid, format!("of a plain DTM client: branch {branch_id} at {participant} {text}")))
    };
    branches.into_iter().filter_map(complaint).collect()
}

fn i7(subject: &str, text: String) -> Violation {
    Violation::new(Invariant::I7, subject, text)
}

#[cfg(test)]
mod tests {
    use super::check;
    use crate::sample::{self, Row};
    use crate::snapshot::{CoordinatorStatus, Snapshot};
    use amends_proto::amends::v1::Status;
    use amends_proto::pay::branch::v1::BranchOpStatus;
    use std::collections::BTreeMap;

    #[test]
    fn a_clean_world_agrees() {
        assert_eq!(check(&sample::world()), []);
    }

    #[test]
    fn each_missing_or_surplus_row_is_found() {
        use BranchOpStatus::{Done, Running};
        let cases: [(&str, &str, Option<BranchOpStatus>, &str); 7] = [
            (sample::SAGA_PAID, "action", None, "was not applied"),
            (sample::SAGA_PAID, "action", Some(Running), "was not applied"),
            (sample::SAGA_PAID, "compensate", Some(Done), "was undone"),
            (sample::TCC_PAID, "confirm", None, "was not confirmed"),
            (sample::TCC_PAID, "cancel", Some(Done), "was undone"),
            (sample::SAGA_DECLINED, "compensate", None, "was applied and not undone"),
            (sample::TCC_CANCELLED, "confirm", Some(Done), "was confirmed"),
        ];
        for (gid, op, state, text) in cases {
            let mut world = sample::world();
            sample::plant(&mut world, Row { participant: "inventory", gid, op }, state);
            assert!(sample::says(&check(&world), text), "{gid} {op}: {text}");
        }
    }

    #[test]
    fn a_forward_call_still_running_after_the_end_is_found() {
        let mut world = sample::world();
        let row = Row { participant: "gateway", gid: sample::SAGA_DECLINED, op: "action" };
        sample::plant(&mut world, row, Some(BranchOpStatus::Running));
        assert!(sample::says(&check(&world), "is still running"));
    }

    #[test]
    fn a_participant_that_has_lost_all_its_rows_is_found() {
        let mut world = sample::world();
        world.branch_ops.get_mut("gateway").unwrap().clear();
        assert!(sample::says(&check(&world), "at gateway was not applied"));
        world.branch_ops.remove("gateway");
        assert_eq!(check(&world), [], "nobody was asked");
    }

    #[test]
    fn an_open_global_transaction_is_not_judged() {
        let mut world = sample::world();
        let row = Row { participant: "inventory", gid: sample::SAGA_PAID, op: "action" };
        sample::plant(&mut world, row, None);
        world.transactions.get_mut(sample::SAGA_PAID).unwrap().set_status(Status::Running);
        assert_eq!(check(&world), []);
    }

    #[test]
    fn a_coordinator_that_says_the_opposite_is_found() {
        let mut world = sample::world();
        dtm(&mut world).insert(sample::SAGA_PAID.into(), CoordinatorStatus::Failed);
        assert!(sample::says(&check(&world), "the coordinator says failed"));
        let mut world = sample::world();
        dtm(&mut world).insert(sample::TCC_CANCELLED.into(), CoordinatorStatus::Succeeded);
        assert!(sample::says(&check(&world), "the coordinator says succeeded"));
    }

    #[test]
    fn a_coordinator_may_lag_but_not_for_ever() {
        let mut world = sample::world();
        dtm(&mut world).insert(sample::SAGA_PAID.into(), CoordinatorStatus::Open);
        assert_eq!(check(&world), []);
        world.read_at_us += 181_000_000;
        assert!(sample::says(&check(&world), "not finished"));
    }

    #[test]
    fn a_branch_outside_the_plan_is_found() {
        let mut world = sample::world();
        world.branch_ops.get_mut("account").unwrap()[0].branch_id = "19".into();
        assert!(sample::says(&check(&world), "is not in the plan"));
    }

    #[test]
    fn a_plain_dtm_client_is_judged_by_what_dtm_says() {
        let mut world = strip_history(sample::world());
        assert_eq!(check(&world), []);
        let row = Row { participant: "inventory", gid: sample::SAGA_DECLINED, op: "compensate" };
        sample::plant(&mut world, row, None);
        assert!(sample::says(&check(&world), "of a plain DTM client: branch 02 at inventory was applied"));
        dtm(&mut world).clear();
        assert_eq!(check(&world), [], "nobody knows the gid: nothing to conclude");
    }

    /// What DTM lost is no breach as long as the participants' rows agree; where they do not, it is found all the same.
    #[test]
    fn what_dtm_has_lost_is_judged_by_the_participants() {
        for gone in [true, false] {
            let mut world = sample::world();
            world.dtm = if gone { None } else { Some(BTreeMap::new()) };
            assert_eq!(check(&world), []);
            for (gid, op) in [(sample::SAGA_PAID, "action"), (sample::TCC_CANCELLED, "cancel")] {
                let mut world = world.clone();
                sample::plant(&mut world, Row { participant: "inventory", gid, op }, None);
                assert!(!check(&world).is_empty(), "{gid} without {op}");
            }
        }
    }

    fn dtm(world: &mut Snapshot) -> &mut BTreeMap<String, CoordinatorStatus> {
        world.dtm.as_mut().unwrap()
    }

    fn strip_history(mut world: Snapshot) -> Snapshot {
        world.transactions.clear();
        world
    }
}
