//! The writer of a history on SQLite: one thread with one connection of its own, so that a batch costs one hop
//! between threads and not one for each statement (ARCHITECTURE.md, Figures). Must not know what the events mean.

use super::entity::{event, global_transaction};
use super::writer::{Append, AppendError, Conflict, Done, MAX_BATCH, NewTransaction, Reuse, Waiting};
use amends_serve::store::LOCK_WAIT;
use rusqlite::{
    CachedStatement, Connection, ErrorCode, OptionalExtension as _, Row, Transaction, TransactionBehavior,
};
use std::path::{Path, PathBuf};
use tokio::sync::mpsc;

type Model = global_transaction::Model;

/// Statements kept prepared: all there are.
const STATEMENTS: usize = 16;
/// Pages of the write-ahead log before it is folded into the file: 16 MiB. Seldom enough to not show under load, soon
/// enough to keep start-up and disk small.
const CHECKPOINT_PAGES: u32 = 4_096;

const SAME_REQUEST: &str = "SELECT * FROM global_transaction WHERE caller = ?1 AND request_id = ?2";
const SAME_KEY: &str = "SELECT * FROM global_transaction WHERE definition = ?1 AND business_key = ?2 \
    AND (is_open OR (?3 AND status = 'succeeded')) LIMIT 1";
const NEW_ROW: &str = "INSERT INTO global_transaction (gid, caller, request_id, request_digest, definition, \
    definition_version, mode, business_key, status, reason, is_open, needs_attention, coordinator, owner, \
    created_at_us, finished_at_us) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16)";
const CHANGED_ROW: &str = "UPDATE global_transaction SET status = ?2, reason = ?3, is_open = ?4, \
    needs_attention = ?5, finished_at_us = ?6 WHERE gid = ?1";
const NEW_PLAN: &str = "INSERT INTO plan (gid, body) VALUES (?1, ?2)";
const NEW_EVENT: &str = "INSERT INTO event (gid, seq, time_us, kind, branch_id, op, attempt, code, reason, build_id) \
    VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)";

/// Writes what comes through the queue until its last sender is gone.
pub(super) fn write(path: PathBuf, mut queue: mpsc::Receiver<Waiting>) {
    let mut ledger = Ledger { path, connection: None };
    let mut batch = Vec::with_capacity(MAX_BATCH);
    while queue.blocking_recv_many(&mut batch, MAX_BATCH) > 0 {
        let (appends, waiting): (Vec<Append>, Vec<Done>) = batch.drain(..).unzip();
        ledger.settle(&appends, waiting);
    }
}

/// The file, opened when first needed and again after it failed.
struct Ledger {
    path: PathBuf,
    connection: Option<Connection>,
}

impl Ledger {
    fn settle(&mut self, appends: &[Append], waiting: Vec<Done>) {
        match self.commit(appends) {
            Ok(conflicts) => {
                for (conflict, done) in conflicts.into_iter().zip(waiting) {
                    // Whoever no longer waits reads the store again.
                    let _ = done.send(conflict.map_or(Ok(()), |found| Err(AppendError::Conflict(found))));
                }
            }
            // One bad append must not take its neighbours down; but where the file is at fault, each would wait for the same.
            Err(error) if appends.len() > 1 && is_refusal(&error) => {
                tracing::error!(%error, appends = appends.len(), "history did not commit");
                for (append, done) in appends.iter().zip(waiting) {
                    self.settle(std::slice::from_ref(append), vec![done]);
                }
            }
            Err(error) => {
                tracing::error!(%error, appends = appends.len(), "history did not commit");
                for done in waiting {
                    let _ = done.send(Err(AppendError::Store(error.to_string())));
                }
            }
        }
    }

    /// Commits all appends but the starts that stand against others; tells those by their places.
    fn commit(&mut self, appends: &[Append]) -> rusqlite::Result<Vec<Option<Box<Conflict>>>> {
        let connection = match &mut self.connection {
            Some(connection) => connection,
            closed @ None => closed.insert(open(&self.path)?),
        };
        let outcome = commit(connection, appends);
        if outcome.as_ref().is_err_and(|error| !is_refusal(error)) {
            self.connection = None;
        }
        outcome
    }
}

/// The store is well and said no to a statement.
fn is_refusal(error: &rusqlite::Error) -> bool {
    matches!(error.sqlite_error_code(), Some(ErrorCode::ConstraintViolation | ErrorCode::TooBig))
}

fn open(path: &Path) -> rusqlite::Result<Connection> {
    let connection = Connection::open(path)?;
    connection.busy_timeout(LOCK_WAIT)?;
    connection.set_prepared_statement_cache_capacity(STATEMENTS);
    connection.pragma_update(None, "journal_mode", "WAL")?;
    connection.pragma_update(None, "synchronous", "FULL")?;
    connection.pragma_update(None, "foreign_keys", true)?;
    connection.pragma_update(None, "temp_store", "MEMORY")?;
    connection.pragma_update(None, "wal_autocheckpoint", CHECKPOINT_PAGES)?;
    Ok(connection)
}

fn commit(connection: &mut Connection, appends: &[Append]) -> rusqlite::Result<Vec<Option<Box<Conflict>>>> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let mut statements = Statements::of(&transaction)?;
    let found = appends.iter().map(|append| statements.append(append)).collect::<rusqlite::Result<_>>()?;
    drop(statements);
    transaction.commit()?;
    Ok(found)
}

struct Statements<'c> {
    same_request: CachedStatement<'c>,
    same_key: CachedStatement<'c>,
    new_row: CachedStatement<'c>,
    changed_row: CachedStatement<'c>,
    new_plan: CachedStatement<'c>,
    new_event: CachedStatement<'c>,
}

impl<'c> Statements<'c> {
    fn of(transaction: &'c Transaction<'_>) -> rusqlite::Result<Self> {
        Ok(Self {
            same_request: transaction.prepare_cached(SAME_REQUEST)?,
            same_key: transaction.prepare_cached(SAME_KEY)?,
            new_row: transaction.prepare_cached(NEW_ROW)?,
            changed_row: transaction.prepare_cached(CHANGED_ROW)?,
            new_plan: transaction.prepare_cached(NEW_PLAN)?,
            new_event: transaction.prepare_cached(NEW_EVENT)?,
        })
    }

    /// A later start of the same batch meets this one: it is in the table already.
    fn append(&mut self, append: &Append) -> rusqlite::Result<Option<Box<Conflict>>> {
        match (&append.new, &append.row) {
            (Some(new), Some(row)) => {
                match self.conflict(row, new.reuse)? {
                    // Itself: it was committed, and only the answer got lost.
                    Some(Conflict::Request(same)) if same.gid == row.gid => return Ok(None),
                    Some(conflict) => return Ok(Some(Box::new(conflict))),
                    None => self.start(row, new)?,
                }
            }
            (None, Some(row)) => self.change(row)?,
            (Some(_) | None, None) => {}
        }
        append.events.iter().try_for_each(|event| self.event(event)).map(|()| None)
    }

    fn conflict(&mut self, row: &Model, reuse: Reuse) -> rusqlite::Result<Option<Conflict>> {
        let same = self.same_request.query_row((&row.caller, &row.request_id), read).optional()?;
        if let Some(same) = same {
            return Ok(Some(Conflict::Request(same)));
        }
        let also_succeeded = match reuse {
            Reuse::Always => return Ok(None),
            Reuse::RejectWhileRunning => false,
            Reuse::AfterFailed => true,
        };
        let key = (&row.definition, &row.business_key, also_succeeded);
        Ok(self.same_key.query_row(key, read).optional()?.map(Conflict::BusinessKey))
    }

    fn start(&mut self, row: &Model, new: &NewTransaction) -> rusqlite::Result<()> {
        self.new_row.execute(rusqlite::params![
            row.gid,
            row.caller,
            row.request_id,
            row.request_digest,
            row.definition,
            row.definition_version,
            row.mode,
            row.business_key,
            row.status,
            row.reason,
            row.is_open,
            row.needs_attention,
            row.coordinator,
            row.owner,
            row.created_at_us,
            row.finished_at_us,
        ])?;
        self.new_plan.execute((&row.gid, &new.plan)).map(|_| ())
    }

    fn change(&mut self, row: &Model) -> rusqlite::Result<()> {
        let Model { gid, status, reason, is_open, needs_attention, finished_at_us, .. } = row;
        self.changed_row.execute((gid, status, reason, is_open, needs_attention, finished_at_us)).map(|_| ())
    }

    fn event(&mut self, event: &event::Model) -> rusqlite::Result<()> {
        let event::Model { gid, seq, time_us, kind, branch_id, op, attempt, code, reason, build_id } = event;
        self.new_event
            .execute((gid, seq, time_us, kind, branch_id, op, attempt, code, reason, build_id))
            .map(|_| ())
    }
}

fn read(row: &Row<'_>) -> rusqlite::Result<Model> {
    Ok(Model {
        gid: row.get("gid")?,
        caller: row.get("caller")?,
        request_id: row.get("request_id")?,
        request_digest: row.get("request_digest")?,
        definition: row.get("definition")?,
        definition_version: row.get("definition_version")?,
        mode: row.get("mode")?,
        business_key: row.get("business_key")?,
        status: row.get("status")?,
        reason: row.get("reason")?,
        is_open: row.get("is_open")?,
        needs_attention: row.get("needs_attention")?,
        coordinator: row.get("coordinator")?,
        owner: row.get("owner")?,
        created_at_us: row.get("created_at_us")?,
        finished_at_us: row.get("finished_at_us")?,
    })
}
