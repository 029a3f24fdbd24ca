//! What an append changes for whoever looks after needs: the rows of what is open, and one notice for each opening and
//! closing. Pure: from the folds before and after each event. What is told is fixed here, once.

use crate::history::entity::{attention, event, notice};
use crate::history::{Attention, Needs, Row, State};
use crate::plan::Plan;
use chrono::{DateTime, SecondsFormat, Utc};
use serde::Serialize;

/// One opening or closing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// The need, as it is or was.
    pub need: Attention,
    /// Which of both.
    pub turn: Turn,
    /// Seq of the event that did it.
    pub seq: i64,
    /// Unix microseconds.
    pub time_us: i64,
    /// Kind of that event.
    pub by: String,
}

/// Which way a need turned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Turn {
    /// A person is needed.
    Opened,
    /// Not any more.
    Closed,
}

/// What one event opened and closed, given what was open before it and after it.
pub fn changes(before: &[Attention], after: &[Attention], event: &event::Model) -> Vec<Change> {
    let is_in = |open: &[Attention], need: &Attention| {
        open.iter().any(|other| other.cause == need.cause && other.opened_seq == need.opened_seq)
    };
    let change = |need: &Attention, turn| Change {
        need: need.clone(),
        turn,
        seq: event.seq,
        time_us: event.time_us,
        by: event.kind.clone(),
    };
    let closed = before.iter().filter(|need| !is_in(after, need)).map(|need| change(need, Turn::Closed));
    let opened = after.iter().filter(|need| !is_in(before, need)).map(|need| change(need, Turn::Opened));
    closed.chain(opened).collect()
}

/// What is to be stored with the events between both folds; `None` = they changed nothing of it.
#[must_use]
pub fn needs(row: &Row, plan: &Plan, before: &State, after: &State, changes: &[Change]) -> Option<Needs> {
    if changes.is_empty() && before.attention == after.attention {
        return None;
    }
    Some(Needs {
        gid: row.gid.clone(),
        open: after.attention.iter().map(|open| open_row(&row.gid, plan, open)).collect(),
        notices: changes.iter().map(|change| notice_row(row, plan, change)).collect(),
    })
}

fn branch_and_op(plan: &Plan, need: &Attention) -> (String, String) {
    let named = need.at.map(|at| (plan.branch_id(at.step).as_str().to_owned(), at.op.as_str().to_owned()));
    named.unwrap_or_default()
}

fn open_row(gid: &str, plan: &Plan, open: &Attention) -> attention::Model {
    let (branch_id, op) = branch_and_op(plan, open);
    let acknowledged = open.acknowledged.clone().unwrap_or_default();
    attention::Model {
        gid: gid.to_owned(),
        cause: open.cause.clone(),
        opened_seq: open.opened_seq,
        since_us: open.since_us,
        branch_id,
        op,
        reason: open.text.clone(),
        owner: acknowledged.owner,
        acknowledged_by: acknowledged.by,
        acknowledged_at_us: acknowledged.at_us,
        note: acknowledged.note,
    }
}

/// The body of a notice. Its fields are a promise to receivers: only added, never renamed (docs/attention.md).
#[derive(Serialize)]
struct Told<'a> {
    event_id: String,
    kind: &'static str,
    gid: &'a str,
    cause: &'a str,
    seq: i64,
    time: String,
    opened_event_id: String,
    opened_at: String,
    closed_by: &'a str,
    branch_id: String,
    op: String,
    participant: &'a str,
    text: &'a str,
    definition: &'a str,
    business_key: &'a str,
    owner: &'a str,
    acknowledged_by: &'a str,
}

/// The one id of an opening or closing, the same in each delivery.
#[must_use]
pub fn event_id(gid: &str, seq: i64, cause: &str) -> String {
    format!("{gid}.{seq}.{cause}")
}

fn notice_row(row: &Row, plan: &Plan, change: &Change) -> notice::Model {
    let Change { need, turn, seq, time_us, by } = change;
    let (branch_id, op) = branch_and_op(plan, need);
    let (kind, closed_by) = match turn {
        Turn::Opened => ("attention_opened", ""),
        Turn::Closed => ("attention_closed", by.as_str()),
    };
    let participant = need.at.and_then(|at| plan.steps().get(at.step)).map(|step| step.participant.as_str());
    let acknowledged = need.acknowledged.as_ref();
    let told = Told {
        event_id: event_id(&row.gid, *seq, &need.cause),
        kind,
        gid: &row.gid,
        cause: &need.cause,
        seq: *seq,
        time: rfc3339(*time_us),
        opened_event_id: event_id(&row.gid, need.opened_seq, &need.cause),
        opened_at: rfc3339(need.since_us),
        closed_by,
        branch_id,
        op,
        participant: participant.unwrap_or_default(),
        text: &need.text,
        definition: &row.definition,
        business_key: &row.business_key,
        owner: acknowledged.map(|acknowledged| acknowledged.owner.as_str()).unwrap_or_default(),
        acknowledged_by: acknowledged.map(|acknowledged| acknowledged.by.as_str()).unwrap_or_default(),
    };
    notice::Model {
        gid: row.gid.clone(),
        cause: need.cause.clone(),
        seq: *seq,
        time_us: *time_us,
        body: serde_json::to_string(&told).expect("texts and numbers make JSON"),
        attempts: 0,
        next_at_us: 0,
        last_error: String::new(),
    }
}

fn rfc3339(unix_us: i64) -> String {
    let time = DateTime::<Utc>::from_timestamp_micros(unix_us).unwrap_or_default();
    time.to_rfc3339_opts(SecondsFormat::Micros, true)
}

#[cfg(test)]
#[path = "needs_tests.rs"]
mod tests;
