//! What a caller is told when no effect ran: a stored answer, a denial, a database in trouble. Decides nothing.

use prost::Message;
use sea_orm::DbErr;
use tonic::metadata::MetadataValue;
use tonic::{Response, Status};

use crate::branch::Ticket;
use crate::branch_ops::{Model, RowStatus};
use crate::layer::REPLAYED;
use crate::reason::Reason;
use crate::refusal::{Fault, Refusal, storage_refusal};
use crate::rows;
use crate::verdict::{Phase, Verdict};

/// What goes back to the caller.
pub(crate) type Answer<Resp> = Result<Response<Resp>, Status>;

/// Every verdict that changes nothing and has no stored answer.
pub(crate) fn denied(verdict: Verdict, ticket: &Ticket) -> Status {
    let refusal = running(verdict);
    if refusal.reason.is_alarm() {
        let Ticket { branch, phase, .. } = ticket;
        tracing::error!(
            alarm = refusal.reason.as_str(),
            method = %branch.method, phase = phase.as_str(), "security event: branch call denied"
        );
    }
    refusal.into_branch_status(ticket.phase)
}

pub(crate) fn running(verdict: Verdict) -> Refusal {
    match verdict {
        Verdict::Deny(Reason::IdempotencyMismatch) => {
            Refusal::new(Reason::IdempotencyMismatch, "this branch was called before with another request")
        }
        Verdict::Deny(Reason::BranchClosed) => {
            Refusal::new(Reason::BranchClosed, "the undo of this branch came first")
        }
        Verdict::Deny(reason) => Refusal::new(reason, "the branch does not allow this call"),
        Verdict::OwnRunning => Refusal::new(Reason::InProgress, "the first call is still running"),
        Verdict::ForwardRunning => Refusal::new(Reason::UndoInProgress, "the forward call is still running"),
        Verdict::Run | Verdict::Replay | Verdict::NothingToUndo | Verdict::Tombstone => {
            Refusal::new(Reason::Locked, "another call of this branch was faster, ask again")
        }
    }
}

pub(crate) fn replay<Resp: Message + Default>(row: Option<&Model>, phase: Phase) -> Answer<Resp> {
    let broken = |text| Fault::Broken(Refusal::new(Reason::Broken, text)).into_branch_status(phase);
    let marker = MetadataValue::from_static("1");
    let Some(row) = row else { return Err(broken("a stored answer is gone")) };
    match row.status {
        RowStatus::Done => {
            let stored = row.response.as_deref().unwrap_or_default();
            let response = Resp::decode(stored).map_err(|_| broken("a stored answer cannot be read"))?;
            let mut response = Response::new(response);
            response.metadata_mut().insert(REPLAYED, marker);
            Ok(response)
        }
        RowStatus::Refused => {
            let mut status = rows::stored_status(row);
            status.metadata_mut().insert(REPLAYED, marker);
            Err(status)
        }
        RowStatus::Running | RowStatus::Tombstone => Err(broken("a stored answer has no outcome")),
    }
}

pub(crate) fn storage(error: &DbErr, phase: Phase) -> Status {
    storage_refusal(error).into_branch_status(phase)
}
