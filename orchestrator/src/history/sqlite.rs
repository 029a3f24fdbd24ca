//! The writer of a history on SQLite: one thread with one connection of its own, so that a batch costs one hop
//! between threads and not one for each statement (ARCHITECTURE.md, Figures). Must not know what the events mean.

use super::entity::{attention, event, global_transaction, notice, shape};
use super::shapes::Stored;
use super::writer::{Append, AppendError, Conflict, Done, MAX_BATCH, Needs, NewTransaction, Reuse, Waiting};
use crate::meters;
use amends_crash_points::{Place, around};
use amends_serve::outage::Outage;
use amends_serve::store::LOCK_WAIT;
use rusqlite::{
    CachedStatement, Connection, ErrorCode, OpenFlags, OptionalExtension as _, Row, Transaction,
    TransactionBehavior,
};
use std::path::{Path, PathBuf};
use std::time::Instant;
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
    created_at_us, finished_at_us, shape, attempts) \
    VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18)";
const CHANGED_ROW: &str = "UPDATE global_transaction SET status = ?2, reason = ?3, is_open = ?4, \
    needs_attention = ?5, finished_at_us = ?6, attempts = ?7, paused = ?8, codes = ?9, waiting_for = ?10 WHERE gid = ?1";
const NEW_SHAPE: &str = "INSERT OR IGNORE INTO shape (id, definition, mode, coordinator, participants, steps) \
    VALUES (?1, ?2, ?3, ?4, ?5, ?6)";
const NEW_PLAN: &str = "INSERT INTO plan (gid, body) VALUES (?1, ?2)";
const NEW_EVENT: &str = "INSERT INTO event (gid, seq, time_us, kind, branch_id, op, attempt, code, reason, build_id, \
    detail) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)";
const NOT_OPEN: &str = "DELETE FROM attention WHERE gid = ?1";
const STILL_OPEN: &str = "INSERT INTO attention (gid, cause, opened_seq, since_us, branch_id, op, reason, owner, \
    acknowledged_by, acknowledged_at_us, note) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)";
const NEW_NOTICE: &str = "INSERT INTO notice (gid, cause, seq, time_us, body, attempts, next_at_us, last_error) \
    VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)";

/// Writes what comes through the queue until its last sender is gone.
pub(super) fn write(path: PathBuf, mut queue: mpsc::Receiver<Waiting>) {
    let mut ledger = Ledger {
        path,
        connection: None,
        shapes: Stored::default(),
        outage: Outage::of("history did not commit"),
    };
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
    shapes: Stored,
    outage: Outage,
}

impl Ledger {
    fn settle(&mut self, appends: &[Append], waiting: Vec<Done>) {
        match self.commit(appends) {
            Ok(conflicts) => {
                self.outage.over();
                for (conflict, done) in conflicts.into_iter().zip(waiting) {
                    // Whoever no longer waits reads the store again.
                    let _ = done.send(conflict.map_or(Ok(()), |found| Err(AppendError::Conflict(found))));
                }
            }
            // One bad append must not take its neighbours down; but where the file is at fault, each would wait for the same.
            Err(error) if appends.len() > 1 && is_refusal(&error) => {
                for (append, done) in appends.iter().zip(waiting) {
                    self.settle(std::slice::from_ref(append), vec![done]);
                }
            }
            Err(error) => {
                self.outage.met(&error);
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
        let shapes = self.shapes.missing(appends.iter());
        let began = Instant::now();
        let outcome = commit(connection, appends, &shapes);
        meters::committed(appends.len(), began.elapsed(), &outcome);
        if outcome.is_ok() {
            self.shapes.remember(&shapes);
        }
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
    // Where the file is gone none is made: it would be another one, without tables and for everybody to read.
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)?;
    connection.busy_timeout(LOCK_WAIT)?;
    connection.set_prepared_statement_cache_capacity(STATEMENTS);
    connection.pragma_update(None, "journal_mode", "WAL")?;
    connection.pragma_update(None, "synchronous", "FULL")?;
    connection.pragma_update(None, "foreign_keys", true)?;
    connection.pragma_update(None, "temp_store", "MEMORY")?;
    connection.pragma_update(None, "wal_autocheckpoint", CHECKPOINT_PAGES)?;
    Ok(connection)
}

fn commit(
    connection: &mut Connection,
    appends: &[Append],
    shapes: &[shape::Model],
) -> rusqlite::Result<Vec<Option<Box<Conflict>>>> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    for shape in shapes {
        let shape::Model { id, definition, mode, coordinator, participants, steps } = shape;
        let values = (id, definition, mode, coordinator, participants, steps);
        transaction.prepare_cached(NEW_SHAPE)?.execute(values)?;
    }
    let mut statements = Statements::of(&transaction)?;
    let found: Vec<_> =
        appends.iter().map(|append| statements.append(append)).collect::<rusqlite::Result<_>>()?;
    drop(statements);
    for (append, conflict) in appends.iter().zip(&found) {
        if let (Some(needs), None) = (&append.needs, conflict) {
            write_needs(&transaction, needs)?;
        }
    }
    around!(Place::History, transaction.commit())?;
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
            row.shape,
            row.attempts,
        ])?;
        self.new_plan.execute((&row.gid, &new.plan)).map(|_| ())
    }

    fn change(&mut self, row: &Model) -> rusqlite::Result<()> {
        let Model { gid, status, reason, is_open, needs_attention, finished_at_us, .. } = row;
        let Model { attempts, paused, codes, waiting_for, .. } = row;
        let values = (
            gid,
            status,
            reason,
            is_open,
            needs_attention,
            finished_at_us,
            attempts,
            paused,
            codes,
            waiting_for,
        );
        self.changed_row.execute(values).map(|_| ())
    }

    fn event(&mut self, event: &event::Model) -> rusqlite::Result<()> {
        let event::Model { gid, seq, time_us, kind, branch_id, op, attempt, code, reason, build_id, detail } =
            event;
        self.new_event
            .execute((gid, seq, time_us, kind, branch_id, op, attempt, code, reason, build_id, detail))
            .map(|_| ())
    }
}

/// Of one append among thousands: its statements are prepared only then.
fn write_needs(transaction: &Transaction<'_>, needs: &Needs) -> rusqlite::Result<()> {
    transaction.prepare_cached(NOT_OPEN)?.execute([&needs.gid])?;
    for open in &needs.open {
        let attention::Model { gid, cause, opened_seq, since_us, branch_id, op, reason, owner, .. } = open;
        let attention::Model { acknowledged_by, acknowledged_at_us, note, .. } = open;
        transaction.prepare_cached(STILL_OPEN)?.execute(rusqlite::params![
            gid,
            cause,
            opened_seq,
            since_us,
            branch_id,
            op,
            reason,
            owner,
            acknowledged_by,
            acknowledged_at_us,
            note,
        ])?;
    }
    for notice in &needs.notices {
        let notice::Model { gid, cause, seq, time_us, body, attempts, next_at_us, last_error } = notice;
        let values = (gid, cause, seq, time_us, body, attempts, next_at_us, last_error);
        transaction.prepare_cached(NEW_NOTICE)?.execute(values)?;
    }
    Ok(())
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
        shape: row.get("shape")?,
        attempts: row.get("attempts")?,
        paused: row.get("paused")?,
        codes: row.get("codes")?,
        waiting_for: row.get("waiting_for")?,
        created_at_us: row.get("created_at_us")?,
        finished_at_us: row.get("finished_at_us")?,
    })
}
