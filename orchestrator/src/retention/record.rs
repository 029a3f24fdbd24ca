//! One global transaction as the archive keeps it: a line of JSON that has all of its rows. Fields are only ever added.

use crate::history::entity::{event, global_transaction};
use crate::history::{FlatFact, Whole};
use crate::plan::Plan;
use serde::{Deserialize, Serialize};

/// Version of the lines.
const VERSION: u32 = 1;

/// A line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[allow(missing_docs)] // the columns of the history, by their names
pub struct Record {
    pub version: u32,
    pub gid: String,
    pub caller: String,
    pub request_id: String,
    pub request_digest: String,
    pub definition: String,
    pub definition_version: i32,
    pub mode: String,
    pub business_key: String,
    pub status: String,
    pub reason: String,
    pub coordinator: String,
    pub created_at_us: i64,
    pub finished_at_us: i64,
    pub attempts: i32,
    pub codes: String,
    /// For people; `plan` has all of it.
    pub steps: Vec<StepName>,
    /// Hex of the plan's encoding.
    pub plan: String,
    pub events: Vec<EventLine>,
}

/// Who did what.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[allow(missing_docs)]
pub struct StepName {
    pub branch_id: String,
    pub participant: String,
    pub forward: String,
}

/// An event.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[allow(missing_docs)]
pub struct EventLine {
    pub seq: i64,
    pub time_us: i64,
    pub kind: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub branch_id: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub op: String,
    #[serde(default)]
    pub attempt: i32,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub code: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub reason: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub detail: String,
    pub build_id: String,
}

impl From<Whole> for Record {
    fn from(whole: Whole) -> Self {
        let Whole { row, plan, events } = whole;
        // What cannot be decoded is kept all the same.
        let steps = Plan::decode(&plan).map(|plan| plan.steps().to_vec()).unwrap_or_default();
        let step = |step: amends_proto::amends::v1::PlanStep| StepName {
            branch_id: step.branch_id,
            participant: step.participant,
            forward: step.forward,
        };
        Self {
            version: VERSION,
            gid: row.gid,
            caller: row.caller,
            request_id: row.request_id,
            request_digest: hex::encode(row.request_digest),
            definition: row.definition,
            definition_version: row.definition_version,
            mode: row.mode,
            business_key: row.business_key,
            status: row.status,
            reason: row.reason,
            coordinator: row.coordinator,
            created_at_us: row.created_at_us,
            finished_at_us: row.finished_at_us,
            attempts: row.attempts,
            codes: row.codes,
            steps: steps.into_iter().map(step).collect(),
            plan: hex::encode(plan),
            events: events.into_iter().map(EventLine::from).collect(),
        }
    }
}

impl From<event::Model> for EventLine {
    fn from(row: event::Model) -> Self {
        let (seq, time_us, build_id) = (row.seq, row.time_us, row.build_id.clone());
        let FlatFact { kind, branch_id, op, attempt, code, reason, detail } = FlatFact::from(row);
        Self { seq, time_us, kind, branch_id, op, attempt, code, reason, detail, build_id }
    }
}

impl Record {
    /// The sequence number of its newest event; 0 = it has none.
    pub(super) fn newest(&self) -> i64 {
        self.events.last().map_or(0, |event| event.seq)
    }

    /// The row that it had.
    #[must_use]
    pub fn row(&self) -> global_transaction::Model {
        global_transaction::Model {
            gid: self.gid.clone(),
            caller: self.caller.clone(),
            request_id: self.request_id.clone(),
            request_digest: hex::decode(&self.request_digest).unwrap_or_default(),
            definition: self.definition.clone(),
            definition_version: self.definition_version,
            mode: self.mode.clone(),
            business_key: self.business_key.clone(),
            status: self.status.clone(),
            reason: self.reason.clone(),
            coordinator: self.coordinator.clone(),
            created_at_us: self.created_at_us,
            finished_at_us: self.finished_at_us,
            attempts: self.attempts,
            codes: self.codes.clone(),
            ..global_transaction::Model::default()
        }
    }

    /// The events that it had.
    #[must_use]
    pub fn events(&self) -> Vec<event::Model> {
        let gid = &self.gid;
        let event = |line: &EventLine| event::Model {
            gid: gid.clone(),
            seq: line.seq,
            time_us: line.time_us,
            kind: line.kind.clone(),
            branch_id: line.branch_id.clone(),
            op: line.op.clone(),
            attempt: line.attempt,
            code: line.code.clone(),
            reason: line.reason.clone(),
            build_id: line.build_id.clone(),
            detail: line.detail.clone(),
        };
        self.events.iter().map(event).collect()
    }
}
