//! `BranchRows`: what the participants of a global transaction remember of it, as they tell it at this moment.

use super::error::ApiError;
use crate::engine::{Engine, Glance, Live, Told, glance};
use amends_proto::amends::v1 as pb;
use amends_proto::pay::branch::v1::{BranchOp, BranchOpStatus};
use std::sync::Arc;

/// Asks the participants of `gid`.
///
/// # Errors
/// Where it is not known, or the store is away. A participant that does not answer is no error.
pub async fn answer(engine: &Arc<Engine>, gid: &str) -> Result<pb::BranchRowsResponse, ApiError> {
    let live = engine.find(gid).await?.ok_or_else(|| ApiError::NotFound(gid.to_owned()))?;
    let Glance { told, differences } = glance(engine, &live).await;
    let moved = differences.is_none();
    let differs = |found| difference(&live, found);
    Ok(pb::BranchRowsResponse {
        gid: gid.to_owned(),
        participants: told
            .into_iter()
            .map(|(name, service, told)| participant(name, service, told))
            .collect(),
        differences: differences.into_iter().flatten().map(differs).collect(),
        moved,
    })
}

fn participant(participant: String, service: String, told: Told) -> pb::ParticipantRows {
    let (state, rows) = match told {
        Told::Rows(rows) => (pb::RowsState::Told, rows),
        Told::NoRows => (pb::RowsState::NoneKept, Vec::new()),
        Told::Silence => (pb::RowsState::NotReachable, Vec::new()),
    };
    let rows = rows.into_iter().map(row).collect();
    pb::ParticipantRows { participant, service, state: state.into(), rows }
}

fn row(told: BranchOp) -> pb::BranchRow {
    let status = match told.status() {
        BranchOpStatus::Unspecified => "unknown",
        BranchOpStatus::Running => "running",
        BranchOpStatus::Done => "done",
        BranchOpStatus::Refused => "refused",
        BranchOpStatus::Tombstone => "tombstone",
    };
    let BranchOp { branch_id, op, method, reason, created_at, .. } = told;
    pb::BranchRow { branch_id, op, status: status.to_owned(), method, reason, created_at }
}

fn difference(live: &Live, found: crate::engine::Difference) -> pb::RowDifference {
    let branch_id = found.at.map(|at| live.plan.branch_id(at.step).as_str().to_owned());
    let op = found.at.map(|at| at.op.as_str().to_owned());
    pb::RowDifference {
        branch_id: branch_id.unwrap_or_default(),
        op: op.unwrap_or_default(),
        text: found.text,
    }
}
