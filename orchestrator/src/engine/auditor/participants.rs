//! Reads the guard rows of one global transaction from a participant, in the language of the branch guard. Knows who
//! does not speak it, and who does not answer. Must not know what the rows mean.

use super::branches::{Row, RowStatus};
use crate::engine::lanes::Lane;
use amends_crash_points::{Place, around};
use amends_proto::pay::branch::v1::{BranchOp, BranchOpStatus, ListBranchOpsRequest, ListBranchOpsResponse};
use http::uri::PathAndQuery;
use std::collections::HashMap;
use std::time::Duration;
use tokio::time::Instant;
use tonic::{Code, Status};
use tonic_prost::ProstCodec;

/// A participant that has this method keeps guard rows; any service may be a participant without it.
const METHOD: &str = "ListBranchOps";
/// Time for one answer.
const TIMEOUT: Duration = Duration::from_secs(3);
/// Rows in one answer: a plan of 50 steps has at most 250 rows.
const LIMIT: i32 = 1_000;
/// A participant that does not have the method is asked again after this time: it may be upgraded.
const WITHOUT_ROWS: Duration = Duration::from_secs(600);

/// Who is not to be asked now: by participant and service.
#[derive(Debug, Default)]
pub struct Silent {
    by_name: HashMap<(String, String), Why>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Why {
    /// It has no such method.
    NoRows { again: Instant },
    /// It did not answer in this pass.
    Silence,
}

/// What became of a question.
#[derive(Debug)]
pub enum Answer {
    /// Its rows of the gid.
    Rows(Vec<Row>),
    /// It keeps none: nothing can be compared there.
    NoRows,
    /// It did not answer, or not in time.
    Silence,
}

impl Silent {
    /// A new pass: whoever did not answer is asked again.
    pub fn new_pass(&mut self) {
        self.by_name.retain(|_, why| *why != Why::Silence);
    }

    /// What is known without asking.
    #[must_use]
    pub fn known(&mut self, participant: &str, service: &str, now: Instant) -> Option<Answer> {
        let key = (participant.to_owned(), service.to_owned());
        match self.by_name.get(&key)? {
            Why::Silence => Some(Answer::Silence),
            Why::NoRows { again } if *again > now => Some(Answer::NoRows),
            Why::NoRows { .. } => {
                self.by_name.remove(&key);
                None
            }
        }
    }

    /// Remembers who need not be asked again.
    pub fn remember(&mut self, participant: &str, service: &str, answer: &Answer, now: Instant) {
        let why = match answer {
            Answer::Rows(_) => return,
            Answer::NoRows => Why::NoRows { again: now + WITHOUT_ROWS },
            Answer::Silence => Why::Silence,
        };
        self.by_name.insert((participant.to_owned(), service.to_owned()), why);
    }
}

/// The service of a method's full name.
#[must_use]
pub fn service_of(method: &str) -> &str {
    method.rsplit_once('/').map_or(method, |(service, _)| service)
}

/// Asks `service` behind `lane` for its rows of `gid`.
pub async fn ask(lane: &Lane, service: &str, gid: &str) -> Answer {
    match read(lane, service, gid, TIMEOUT).await {
        Told::Rows(rows) => Answer::Rows(rows.iter().filter_map(row).collect()),
        Told::NoRows => Answer::NoRows,
        Told::Silence => Answer::Silence,
    }
}

/// What became of a question, word by word.
#[derive(Debug)]
pub enum Told {
    /// Its rows of the gid.
    Rows(Vec<BranchOp>),
    /// It keeps none.
    NoRows,
    /// It did not answer, or not in time.
    Silence,
}

/// Asks `service` behind `lane` for its rows of `gid`, and gives up after `patience`.
pub async fn read(lane: &Lane, service: &str, gid: &str, patience: Duration) -> Told {
    let listed = tokio::time::timeout(patience, list(lane, service, gid, patience));
    match around!(Place::GuardRows, listed.await) {
        Ok(Ok(answer)) => Told::Rows(answer.branch_ops),
        Ok(Err(status)) => match status.code() {
            // Whoever does not know the method, or does not let us read, keeps no rows for us.
            Code::Unimplemented | Code::PermissionDenied | Code::Unauthenticated => Told::NoRows,
            Code::Ok
            | Code::Cancelled
            | Code::Unknown
            | Code::InvalidArgument
            | Code::DeadlineExceeded
            | Code::NotFound
            | Code::AlreadyExists
            | Code::ResourceExhausted
            | Code::FailedPrecondition
            | Code::Aborted
            | Code::OutOfRange
            | Code::Internal
            | Code::Unavailable
            | Code::DataLoss => {
                tracing::debug!(gid, service, %status, "the participant tells no rows");
                Told::Silence
            }
        },
        Err(_) => Told::Silence,
    }
}

async fn list(
    lane: &Lane,
    service: &str,
    gid: &str,
    patience: Duration,
) -> Result<ListBranchOpsResponse, Status> {
    let path = PathAndQuery::from_maybe_shared(format!("/{service}/{METHOD}"))
        .map_err(|_| Status::unimplemented("the plan names no service"))?;
    let mut client = lane.client();
    client.ready().await.map_err(|error| Status::unavailable(error.to_string()))?;
    let mut request = tonic::Request::new(ListBranchOpsRequest {
        gid: gid.to_owned(),
        cursor: String::new(),
        limit: LIMIT,
    });
    request.set_timeout(patience);
    let codec: ProstCodec<ListBranchOpsRequest, ListBranchOpsResponse> = ProstCodec::default();
    Ok(client.unary(request, path, codec).await?.into_inner())
}

/// `None` = a word of tomorrow, which says nothing today.
pub fn row(told: &BranchOp) -> Option<Row> {
    let status = match told.status() {
        BranchOpStatus::Unspecified => return None,
        BranchOpStatus::Running => RowStatus::Running,
        BranchOpStatus::Done => RowStatus::Done,
        BranchOpStatus::Refused => RowStatus::Refused,
        BranchOpStatus::Tombstone => RowStatus::Tombstone,
    };
    let op = told.op.parse().ok()?;
    let BranchOp { branch_id, method, request_hash, .. } = told.clone();
    Some(Row { branch_id, op, status, method, request_hash })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_is_silent_is_asked_again_later() {
        let (mut silent, now) = (Silent::default(), Instant::now());
        silent.remember("order", "s", &Answer::Rows(Vec::new()), now);
        assert!(silent.known("order", "s", now).is_none());
        silent.remember("order", "s", &Answer::Silence, now);
        assert!(matches!(silent.known("order", "s", now), Some(Answer::Silence)));
        silent.remember("other", "s", &Answer::NoRows, now);
        silent.new_pass();
        assert!(silent.known("order", "s", now).is_none());
        assert!(matches!(silent.known("other", "s", now), Some(Answer::NoRows)));
        assert!(silent.known("other", "s", now + WITHOUT_ROWS).is_none());
    }

    #[test]
    fn the_service_is_what_stands_before_the_method() {
        assert_eq!(service_of("shop.v1.Orders/Place"), "shop.v1.Orders");
    }
}
