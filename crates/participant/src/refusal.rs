//! A reason with its text, and what an effect may fail with; both become a gRPC status here and nowhere else.

use std::collections::BTreeMap;
use std::fmt;

use amends_serve::store;
use prost::Message;
use sea_orm::DbErr;
use tonic::{Code, Response, Status};
use tonic_types::pb;

use crate::reason::Reason;
use crate::verdict::Phase;

/// The coordinator keeps the message in a column of 1,024 characters; we stay far below (dtm.md D17).
const MESSAGE_MAX_BYTES: usize = 256;
/// `domain` of the `google.rpc.ErrorInfo` detail.
const DOMAIN: &str = "amends";
const INFO_TYPE: &str = "type.googleapis.com/google.rpc.ErrorInfo";

/// A reason and a short text for people; never personal data, the coordinator stores it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// Why, for programs.
    pub reason: Reason,
    /// Why, for people.
    pub text: String,
    facts: Vec<(&'static str, String)>,
}

impl Refusal {
    /// A refusal without further facts.
    pub fn new(reason: Reason, text: impl Into<String>) -> Refusal {
        Refusal { reason, text: text.into(), facts: Vec::new() }
    }

    /// Adds a fact for programs (`psp_code`, `retriable`); it travels in the `ErrorInfo` detail.
    #[must_use]
    pub fn with(mut self, name: &'static str, value: impl Into<String>) -> Refusal {
        self.facts.push((name, value.into()));
        self
    }

    /// The status of a direct call.
    #[must_use]
    pub fn into_direct_status(self) -> Status {
        let code = self.reason.on_direct();
        self.into_status(code)
    }

    /// The status of a branch call of this phase.
    #[must_use]
    pub fn into_branch_status(self, phase: Phase) -> Status {
        let code = phase.code(self.reason);
        self.into_status(code)
    }

    pub(crate) fn into_status(self, code: Code) -> Status {
        let message = self.to_string();
        let info = Info {
            reason: self.reason.as_str().to_owned(),
            domain: DOMAIN.to_owned(),
            metadata: self.facts.into_iter().map(|(name, value)| (name.to_owned(), value)).collect(),
        };
        let info = prost_types::Any { type_url: INFO_TYPE.to_owned(), value: info.encode_to_vec() };
        let details = pb::Status { code: code.into(), message: message.clone(), details: vec![info] };
        Status::with_details(code, message, details.encode_to_vec().into())
    }
}

/// `google.rpc.ErrorInfo` whose facts have an order: a refusal and its repeat are the same bytes
/// (reliability.md §3.1, C14).
#[derive(Clone, PartialEq, Message)]
struct Info {
    #[prost(string, tag = "1")]
    reason: String,
    #[prost(string, tag = "2")]
    domain: String,
    #[prost(btree_map = "string, string", tag = "3")]
    metadata: BTreeMap<String, String>,
}

/// `REASON|text`, cut to 256 bytes.
impl fmt::Display for Refusal {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let room = MESSAGE_MAX_BYTES - self.reason.as_str().len() - 1;
        let cut = self.text.floor_char_boundary(room);
        write!(out, "{}|{}", self.reason.as_str(), &self.text[..cut])
    }
}

/// Why an effect did not succeed. Its local transaction is rolled back in every case.
#[derive(Debug, thiserror::Error)]
pub enum Fault {
    /// A definite no. On a forward call whose reason is ABORTED there: answered ABORTED and remembered for ever.
    #[error("{0}")]
    Refused(Refusal),
    /// Not finished, ask again: FAILED_PRECONDITION, nothing remembered.
    #[error("{0}")]
    NotYet(Refusal),
    /// Must not happen: INTERNAL and an alarm, nothing remembered, so that a repaired service can go on.
    #[error("{0}")]
    Broken(Refusal),
    /// The database failed: LOCKED if only its lock was not to be had in time, else STORAGE_UNAVAILABLE.
    #[error("database")]
    Store(#[from] DbErr),
}

impl From<Refusal> for Fault {
    fn from(refusal: Refusal) -> Fault {
        Fault::Refused(refusal)
    }
}

impl Fault {
    /// The status of a direct call.
    #[must_use]
    pub fn into_direct_status(self) -> Status {
        match self {
            Fault::Refused(refusal) => refusal.into_direct_status(),
            Fault::NotYet(refusal) => refusal.into_status(Code::FailedPrecondition),
            Fault::Broken(refusal) => {
                tracing::error!(alarm = refusal.reason.as_str(), text = refusal.text, "broken");
                refusal.into_status(Code::Internal)
            }
            Fault::Store(error) => storage_refusal(&error).into_direct_status(),
        }
    }

    /// The status of a branch call of this phase.
    #[must_use]
    pub fn into_branch_status(self, phase: Phase) -> Status {
        match self {
            Fault::Refused(refusal) => {
                if phase.code(refusal.reason) == Code::Internal {
                    alarm(&refusal, phase);
                }
                refusal.into_branch_status(phase)
            }
            Fault::NotYet(refusal) => refusal.into_status(Code::FailedPrecondition),
            Fault::Broken(refusal) => {
                alarm(&refusal, phase);
                refusal.into_status(Code::Internal)
            }
            Fault::Store(error) => storage_refusal(&error).into_branch_status(phase),
        }
    }
}

fn alarm(refusal: &Refusal, phase: Phase) {
    tracing::error!(
        alarm = refusal.reason.as_str(),
        phase = phase.as_str(),
        text = refusal.text,
        "branch call broken"
    );
}

/// The text names no statement and no value: the caller cannot do anything with them. Nor does it say that nothing was
/// changed: where a commit failed, nobody knows before the call is made again.
pub(crate) fn storage_refusal(error: &DbErr) -> Refusal {
    if store::is_locked(error) {
        return Refusal::new(Reason::Locked, "another call holds the lock, ask again");
    }
    tracing::error!(%error, "database");
    Refusal::new(Reason::StorageUnavailable, "the database failed, ask again")
}

/// The answer of a direct call.
pub fn direct_answer<T>(done: Result<T, impl Into<Fault>>) -> Result<Response<T>, Status> {
    done.map(Response::new).map_err(|fault| fault.into().into_direct_status())
}

#[cfg(test)]
mod tests {
    use super::{Fault, Refusal};
    use crate::reason::Reason;
    use crate::verdict::Phase;
    use tonic::Code;
    use tonic_types::StatusExt as _;

    #[test]
    fn the_message_is_cut_to_256_bytes_between_two_characters() {
        let long = Refusal::new(Reason::InsufficientStock, "ü".repeat(300)).to_string();
        assert!(long.starts_with("INSUFFICIENT_STOCK|üü") && long.ends_with('ü'));
        assert_eq!(long.len(), 255, "a half character is left out");
        let exact = Refusal::new(Reason::Locked, "x".repeat(300)).to_string();
        assert_eq!(exact.len(), 256);
        assert_eq!(Refusal::new(Reason::Locked, "short").to_string(), "LOCKED|short");
    }

    #[test]
    fn a_status_carries_the_reason_for_programs_too() {
        let refusal = Refusal::new(Reason::PspDeclined, "no").with("psp_code", "51");
        let status = refusal.into_branch_status(Phase::Forward);
        let info = status.get_error_details().error_info().unwrap().clone();
        assert_eq!((status.code(), status.message()), (Code::Aborted, "PSP_DECLINED|no"));
        assert_eq!((info.reason.as_str(), info.metadata["psp_code"].as_str()), ("PSP_DECLINED", "51"));
    }

    #[test]
    fn the_same_refusal_is_always_the_same_bytes() {
        let bytes = || {
            let facts = ["psp_code", "retriable", "psp", "method"].into_iter();
            let refusal = Refusal::new(Reason::PspDeclined, "no");
            let refusal = facts.fold(refusal, |refusal, name| refusal.with(name, "x"));
            refusal.into_branch_status(Phase::Forward).details().to_vec()
        };
        assert!((0..50).all(|_| bytes() == bytes()));
    }

    #[test]
    fn only_a_refusal_of_a_forward_call_is_aborted() {
        let refusal = || Refusal::new(Reason::InsufficientFunds, "no");
        let codes = |fault: fn(Refusal) -> Fault| {
            [
                fault(refusal()).into_branch_status(Phase::Forward).code(),
                fault(refusal()).into_branch_status(Phase::Undo).code(),
                fault(refusal()).into_direct_status().code(),
            ]
        };
        assert_eq!(codes(Fault::Refused), [Code::Aborted, Code::Internal, Code::FailedPrecondition]);
        assert_eq!(codes(Fault::NotYet), [Code::FailedPrecondition; 3]);
        assert_eq!(codes(Fault::Broken), [Code::Internal; 3]);
    }
}
