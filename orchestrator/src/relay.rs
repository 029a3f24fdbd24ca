//! What the coordinator calls for each branch op. Translates metadata and answers; decides nothing.

use crate::engine::{Answer, Engine, RelayCall, RelayError};
use crate::history::bounded;
use crate::replica;
use amends_crash_points::{Place, around};
use amends_dtm::{BranchId, Op, metadata};
use amends_proto::amends::v1::relay_server::Relay;
use amends_proto::amends::v1::{RunRequest, RunResponse};
use amends_serve::traces;
use std::sync::Arc;
use tonic::{Request, Response, Status};

/// The relay service.
pub struct RelayService {
    engine: Arc<Engine>,
}

impl RelayService {
    /// A relay in front of `engine`.
    #[must_use]
    pub fn new(engine: Arc<Engine>) -> Self {
        Self { engine }
    }
}

#[tonic::async_trait]
impl Relay for RelayService {
    async fn run(&self, request: Request<RunRequest>) -> Result<Response<RunResponse>, Status> {
        // Never ABORTED: a call that cannot be understood proves nothing about the branch.
        let call =
            parse(&request).ok_or_else(|| Status::failed_precondition("NOT_A_BRANCH|metadata is missing"))?;
        let engine = Arc::clone(&self.engine);
        // The task outlives a caller that gives up.
        let answer = tokio::spawn(traces::carried(async move {
            let answer = around!(Place::Relay, engine.relay(&call).await);
            (answer, call)
        }));
        let (answer, call) =
            answer.await.map_err(|_| Status::failed_precondition("BROKEN|the relay failed; ask again"))?;
        match answer {
            Ok(Answer::Ok) => Ok(Response::new(RunResponse {})),
            Ok(Answer::Aborted) => Err(Status::aborted(self.why_undone(&call).await)),
            Ok(Answer::InProgress) => Err(Status::failed_precondition("IN_PROGRESS|ask again")),
            Err(error @ (RelayError::Store(_) | RelayError::Append(_))) => {
                Err(Status::unavailable(format!("STORAGE_UNAVAILABLE|{error}")))
            }
            Err(RelayError::Elsewhere { owner }) => {
                let mut status = Status::failed_precondition("IN_PROGRESS|another replica has it; ask again");
                replica::ask(&mut status, &owner);
                Err(status)
            }
        }
    }
}

impl RelayService {
    /// DTM keeps this text as its rollback reason; ours is bounded already (dtm.md D17).
    async fn why_undone(&self, call: &RelayCall) -> String {
        let live = self.engine.find(&call.gid).await.ok().flatten();
        let cause = live.and_then(|live| Some(bounded(live.state().cause()?.text())));
        cause.unwrap_or_else(|| "UNDO|see the history".to_owned())
    }
}

/// Tries are ours to call: the coordinator never asks for one.
fn parse(request: &Request<RunRequest>) -> Option<RelayCall> {
    let text = |key| request.metadata().get(key)?.to_str().ok();
    Some(RelayCall {
        gid: text(metadata::GID)?.to_owned(),
        branch_id: BranchId::parse(text(metadata::BRANCH_ID)?).ok()?,
        op: text(metadata::OP)?.parse::<Op>().ok().filter(|op| *op != Op::Try)?,
        plan_hash: request.get_ref().plan_hash.to_vec(),
    })
}
