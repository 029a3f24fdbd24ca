//! Looks from outside into the file in which an orchestrator keeps its history, at the moment of a branch call and at
//! the moment of an answer: what must be durable by then has to be there. SQLite shows other processes a commit only
//! after it was synced. Knows the tables' form, nothing of the orchestrator's code.
use anyhow::{Context as _, bail, ensure};
use rusqlite::{Connection, OpenFlags};
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Of so many global transactions, one is looked at: few enough to cost nothing. A gid ends in random hexadecimal digits.
const SAMPLED: &str = "00";
/// How long a look may wait where the file is locked; a reader of a write-ahead log waits for nobody.
const LOCK_WAIT: Duration = Duration::from_secs(2);

/// A branch call, or what came of it.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Deed {
    branch_id: String,
    op: String,
}

/// One event of the file.
struct Written {
    kind: String,
    deed: Deed,
    code: String,
}

/// A witness of one orchestrator.
pub struct Witness {
    file: PathBuf,
    connection: Mutex<Option<Connection>>,
    seen: Mutex<Seen>,
}

#[derive(Default)]
struct Seen {
    /// Branch calls that were answered, by sampled gid.
    answered: HashMap<String, Vec<Deed>>,
    looks: usize,
    breaches: Vec<String>,
}

impl Witness {
    /// Of the orchestrator with this data folder.
    pub fn new(data_dir: &Path) -> Arc<Witness> {
        Arc::new(Witness {
            file: data_dir.join("orchestrator.db"),
            connection: Mutex::default(),
            seen: Mutex::default(),
        })
    }

    /// Whether this one is looked at.
    pub fn samples(gid: &str) -> bool {
        gid.ends_with(SAMPLED)
    }

    /// Before a branch call is answered: every earlier one of its gid, and the decision that it rests on, are durable.
    pub async fn called(self: &Arc<Self>, gid: &str, branch_id: &str, op: &str) {
        if !Witness::samples(gid) {
            return;
        }
        let deed = Deed { branch_id: branch_id.to_owned(), op: op.to_owned() };
        let answered = {
            let mut seen = lock(&self.seen);
            let answered = seen.answered.entry(gid.to_owned()).or_default();
            let earlier = answered.clone();
            if !earlier.contains(&deed) {
                answered.push(deed.clone());
            }
            earlier
        };
        let outcome = self.read(gid).await.and_then(|events| judge_call(&deed, &answered, &events));
        self.note(outcome.with_context(|| format!("{gid}: call {} {}", deed.branch_id, deed.op)));
    }

    /// When a client has its answer: the end is durable, and so is all that was called for it.
    pub async fn answered(self: &Arc<Self>, gid: &str, end: &str) {
        if Witness::samples(gid) {
            let outcome = self.ended(gid, end).await;
            lock(&self.seen).answered.remove(gid);
            self.note(outcome);
        }
    }

    /// That the file has this end of any gid.
    pub async fn ended(self: &Arc<Self>, gid: &str, end: &str) -> anyhow::Result<()> {
        let calls = lock(&self.seen).answered.get(gid).cloned().unwrap_or_default();
        let outcome = self.read(gid).await.and_then(|events| judge_end(end, &calls, &events));
        outcome.with_context(|| format!("{gid}: end {end}"))
    }

    /// How often it looked; an error if anything was not there yet.
    pub fn verdict(&self) -> anyhow::Result<usize> {
        let seen = lock(&self.seen);
        match seen.breaches.first() {
            None => Ok(seen.looks),
            Some(first) => {
                bail!("{} of {} looks found too little in history: {first}", seen.breaches.len(), seen.looks)
            }
        }
    }

    fn note(&self, outcome: anyhow::Result<()>) {
        let mut seen = lock(&self.seen);
        seen.looks += 1;
        seen.breaches.extend(outcome.err().map(|error| format!("{error:#}")));
    }

    async fn read(self: &Arc<Self>, gid: &str) -> anyhow::Result<Vec<Written>> {
        let (witness, gid) = (Arc::clone(self), gid.to_owned());
        tokio::task::spawn_blocking(move || witness.read_blocking(&gid)).await?
    }

    fn read_blocking(&self, gid: &str) -> anyhow::Result<Vec<Written>> {
        let mut held = lock(&self.connection);
        let connection = match held.take() {
            Some(open) => held.insert(open),
            None => held.insert(open(&self.file).with_context(|| self.file.display().to_string())?),
        };
        let mut events = connection.prepare("SELECT kind, branch_id, op, code FROM event WHERE gid = ?1")?;
        let rows = events.query_map([gid], |row| {
            let deed = Deed { branch_id: row.get(1)?, op: row.get(2)? };
            Ok(Written { kind: row.get(0)?, deed, code: row.get(3)? })
        })?;
        Ok(rows.collect::<Result<_, _>>()?)
    }
}

fn open(file: &Path) -> rusqlite::Result<Connection> {
    let connection = Connection::open_with_flags(file, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
    connection.busy_timeout(LOCK_WAIT)?;
    Ok(connection)
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn judge_call(deed: &Deed, answered: &[Deed], events: &[Written]) -> anyhow::Result<()> {
    let decision = match deed.op.as_str() {
        "confirm" => "submit_decided",
        "compensate" => "undo_decided",
        "cancel" => "abort_decided",
        _ => "started",
    };
    ensure!(events.iter().any(|event| event.kind == decision), "`{decision}` was not durable");
    // A repeated call says nothing: its own outcome may be what is missing.
    all_recorded(answered.iter().filter(|earlier| *earlier != deed), events)
}

fn judge_end(end: &str, calls: &[Deed], events: &[Written]) -> anyhow::Result<()> {
    let is_end = |event: &&Written| event.kind == "finished" && event.code == end;
    ensure!(events.iter().any(|event| is_end(&event)), "its end was not durable");
    all_recorded(calls.iter(), events)
}

fn all_recorded<'a>(deeds: impl Iterator<Item = &'a Deed>, events: &[Written]) -> anyhow::Result<()> {
    for deed in deeds {
        let is_outcome = |kind: &str| matches!(kind, "attempt_succeeded" | "attempt_refused");
        let recorded = events.iter().any(|event| is_outcome(&event.kind) && event.deed == *deed);
        ensure!(recorded, "the outcome of {} {} was not durable", deed.branch_id, deed.op);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const GID: &str = "018f0000-0000-7000-8000-000000000000";

    struct File {
        writer: Connection,
        witness: Arc<Witness>,
        _folder: tempfile::TempDir,
    }

    impl File {
        fn new() -> File {
            let folder = tempfile::tempdir().unwrap();
            let writer = Connection::open(folder.path().join("orchestrator.db")).unwrap();
            let create = "PRAGMA journal_mode = WAL; CREATE TABLE event (gid, kind, branch_id, op, code)";
            writer.execute_batch(create).unwrap();
            File { writer, witness: Witness::new(folder.path()), _folder: folder }
        }

        fn write(&self, kind: &str, branch_id: &str, op: &str, code: &str) {
            let insert = "INSERT INTO event VALUES (?1, ?2, ?3, ?4, ?5)";
            self.writer.execute(insert, [GID, kind, branch_id, op, code]).unwrap();
        }
    }

    #[tokio::test]
    async fn what_is_committed_before_each_call_satisfies() {
        let file = File::new();
        file.write("started", "", "", "");
        file.witness.called(GID, "01", "action").await;
        file.write("attempt_succeeded", "01", "action", "OK");
        file.witness.called(GID, "02", "action").await;
        file.write("attempt_refused", "02", "action", "ABORTED");
        file.write("undo_decided", "", "", "");
        file.witness.called(GID, "01", "compensate").await;
        file.write("attempt_succeeded", "01", "compensate", "OK");
        file.write("finished", "", "", "failed");
        file.witness.answered(GID, "failed").await;
        assert_eq!(file.witness.verdict().unwrap(), 4);
    }

    #[tokio::test]
    async fn an_effect_before_its_commit_is_seen() {
        let file = File::new();
        file.witness.called(GID, "01", "action").await;
        let told = file.witness.verdict().unwrap_err().to_string();
        assert!(told.contains("1 of 1") && told.contains("`started` was not durable"), "{told}");

        let file = File::new();
        file.write("started", "", "", "");
        file.witness.called(GID, "01", "action").await;
        file.writer.execute_batch("BEGIN").unwrap();
        file.write("attempt_succeeded", "01", "action", "OK");
        file.witness.called(GID, "02", "action").await;
        let told = file.witness.verdict().unwrap_err().to_string();
        assert!(told.contains("the outcome of 01 action was not durable"), "{told}");
    }

    #[tokio::test]
    async fn an_answer_before_the_end_is_seen() {
        let file = File::new();
        file.write("started", "", "", "");
        file.write("finished", "", "", "failed");
        file.witness.answered(GID, "succeeded").await;
        assert!(file.witness.verdict().is_err());
    }

    #[tokio::test]
    async fn others_than_the_sample_are_let_be() {
        let file = File::new();
        file.witness.called("018f0000-0000-7000-8000-000000000001", "01", "action").await;
        assert_eq!(file.witness.verdict().unwrap(), 0);
    }
}
