//! Whether the stores of a backup are of one moment: judged row by row, before anything is restored. Knows the tables.
use crate::site::Site;
use crate::{LOADED, amends, tell};
use amends_stack::CoordinatorChoice;
use rusqlite::{Connection, OpenFlags};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// Backups in a row.
const BACKUPS: usize = 10;
/// Checkouts that end between two of them.
const ENDS_BETWEEN: u64 = 12;
/// Judged in each of them, at least.
const JUDGED: usize = 100;
const PARTICIPANTS: [&str; 5] = ["order", "account", "inventory", "points", "gateway"];

/// What makes sound stores unsound.
type Change<'a> = &'a dyn Fn(&mut Stores);
/// gid, branch, op.
type Op = (String, String, String);

#[tokio::test(flavor = "multi_thread")]
async fn backups_under_load_are_what_a_crash_could_have_left_on_dtm() {
    judge_backups(CoordinatorChoice::Dtm).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn backups_under_load_are_what_a_crash_could_have_left_on_the_embedded_coordinator() {
    judge_backups(CoordinatorChoice::Embedded).await;
}

async fn judge_backups(coordinator: CoordinatorChoice) {
    let _alone = LOADED.lock().await;
    let folder = tempfile::tempdir().unwrap();
    let site = Site::open(folder.path(), coordinator).await;
    let mut waits = Vec::new();
    for number in 0..BACKUPS {
        site.ends(ENDS_BETWEEN).await;
        let backup = folder.path().join(format!("backup-{number}"));
        let manifest = amends::back_up(site.stack.data_dir(), &backup).await;
        let stores = Stores::read(&backup);
        assert_eq!(stores.breaches(), Vec::<String>::new(), "backup {number}: {manifest}");
        assert!(
            number == 0 || stores.rows.len() > JUDGED,
            "only {} rows in backup {number}",
            stores.rows.len()
        );
        waits.push(manifest["frozen_us"].as_u64().unwrap());
    }
    tell(&format!("work had to wait {waits:?} us"));
    site.kill().await;
}

/// The stores that depend on one another, as a backup has them.
#[derive(Default, Clone)]
struct Stores {
    gids: BTreeSet<String>,
    succeeded: BTreeSet<Op>,
    decided: BTreeMap<String, BTreeSet<String>>,
    /// Rows of the participants' guards, with their status.
    rows: BTreeMap<Op, String>,
    /// The gateway's requests to the provider, with their state.
    asked: BTreeMap<String, String>,
    charged: BTreeSet<String>,
}

impl Stores {
    fn read(folder: &Path) -> Stores {
        let op = |mut row: Vec<String>| (row.remove(0), row.remove(0), row.remove(0));
        let history = |sql: &str| rows(folder, "orchestrator", sql);
        let mut stores = Stores {
            gids: history("SELECT gid FROM global_transaction").into_iter().flatten().collect(),
            ..Stores::default()
        };
        let done = "SELECT gid, branch_id, op FROM event WHERE kind = 'attempt_succeeded'";
        stores.succeeded = history(done).into_iter().map(op).collect();
        for decision in history("SELECT gid, kind FROM event WHERE kind LIKE '%_decided'") {
            stores.decided.entry(decision[0].clone()).or_default().insert(decision[1].clone());
        }
        for participant in PARTICIPANTS {
            for row in rows(folder, participant, "SELECT gid, branch_id, op, status FROM branch_op") {
                let status = row[3].clone();
                stores.rows.insert(op(row), status);
            }
        }
        let asked = rows(folder, "gateway", "SELECT psp_request_id, state FROM attempt");
        stores.asked = asked.into_iter().map(|mut row| (row.remove(0), row.remove(0))).collect();
        stores.charged =
            rows(folder, "psp", "SELECT psp_request_id FROM request").into_iter().flatten().collect();
        stores
    }

    /// What no crash could have left behind.
    fn breaches(&self) -> Vec<String> {
        let mut found = Vec::new();
        for op in &self.succeeded {
            if self.rows.get(op).map(String::as_str) != Some("done") {
                found.push(format!("history says done, the participant lacks it: {op:?}"));
            }
        }
        for op in self.rows.keys() {
            if !self.gids.contains(&op.0) {
                found.push(format!("a gid that history does not know: {op:?}"));
            } else if !self.permits(op) {
                found.push(format!("further than one op beyond history: {op:?}"));
            }
        }
        found.extend(
            self.charged
                .iter()
                .filter(|id| !self.asked.contains_key(*id))
                .map(|id| format!("nobody asked for {id}")),
        );
        let answered = self.asked.iter().filter(|(_, state)| *state == "succeeded");
        found.extend(
            answered
                .filter(|(id, _)| !self.charged.contains(*id))
                .map(|(id, _)| format!("{id} is not at the PSP")),
        );
        found
    }

    /// Whether history, as it is, would have let this op begin.
    fn permits(&self, (gid, branch, op): &Op) -> bool {
        let decided = |kind: &str| self.decided.get(gid).is_some_and(|kinds| kinds.contains(kind));
        match op.as_str() {
            "action" | "try" => (1..branch.parse::<u32>().unwrap())
                .all(|before| self.succeeded.contains(&(gid.clone(), format!("{before:02}"), op.clone()))),
            "confirm" => decided("submit_decided"),
            "cancel" => decided("abort_decided"),
            "compensate" => decided("undo_decided"),
            other => panic!("what is {other}?"),
        }
    }
}

fn rows(folder: &Path, store: &str, sql: &str) -> Vec<Vec<String>> {
    let uri = format!("file:{}?immutable=1", folder.join(format!("{store}.db")).display());
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_URI;
    let store = Connection::open_with_flags(uri, flags).unwrap();
    let mut statement = store.prepare(sql).unwrap();
    let columns = statement.column_count();
    let texts = statement.query_map([], |row| (0..columns).map(|at| row.get(at)).collect()).unwrap();
    texts.map(Result::unwrap).collect()
}

/// The judge can say no, for each of its reasons.
#[test]
fn stores_of_different_moments_are_seen() {
    let op = |branch: &str, op: &str| ("g".to_owned(), branch.to_owned(), op.to_owned());
    let mut sound = Stores::default();
    sound.gids.insert("g".into());
    sound.succeeded.insert(op("01", "action"));
    sound.rows.extend([(op("01", "action"), "done".into()), (op("02", "action"), "done".into())]);
    sound.asked.extend([("r1".into(), "succeeded".into()), ("r2".into(), "initiated".into())]);
    sound.charged.insert("r1".into());
    assert_eq!(sound.breaches(), Vec::<String>::new());
    let broken = |change: Change<'_>| {
        let mut stores = sound.clone();
        change(&mut stores);
        stores.breaches()
    };
    let cases: [(Change<'_>, &str); 6] = [
        (&|it| drop(it.rows.remove(&op("01", "action"))), "the participant lacks it"),
        (&|it| it.gids.clear(), "history does not know"),
        (&|it| drop(it.rows.insert(op("03", "action"), "done".into())), "further than one op"),
        (&|it| drop(it.rows.insert(op("01", "compensate"), "done".into())), "further than one op"),
        (&|it| it.charged.extend(["r3".into()]), "nobody asked for r3"),
        (&|it| it.charged.clear(), "r1 is not at the PSP"),
    ];
    for (change, says) in cases {
        assert!(broken(change).iter().any(|breach| breach.contains(says)), "{says}: {:?}", broken(change));
    }
}
