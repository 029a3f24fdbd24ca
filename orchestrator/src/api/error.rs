//! Every refusal of the API, and its one gRPC status with `google.rpc.ErrorInfo`.

use crate::definitions::DefinitionError;
use crate::definitions::own::OwnError;
use crate::engine::Denied;
use crate::filter::FilterError;
use crate::history::{AppendError, ReadError, bounded};
use crate::replica;
use std::collections::HashMap;
use tonic::{Code, Status};
use tonic_types::{ErrorDetails, StatusExt as _};

/// Domain of our error details.
const DOMAIN: &str = "amends.v1";

/// Why a call was not served. Nothing was changed then, but by what is told as UNAVAILABLE: of an act whose answer or
/// whose commit was lost nobody can tell whether it was done, only its history can.
#[derive(Debug, thiserror::Error)]
pub enum ApiError {
    /// A field of the request is wrong.
    #[error("{field}: {what}")]
    Invalid {
        /// Name of the field.
        field: &'static str,
        /// What is wrong with it.
        what: String,
    },
    /// The filter cannot be read.
    #[error(transparent)]
    Filter(#[from] FilterError),
    /// The definition did not take the input.
    #[error(transparent)]
    Definition(#[from] DefinitionError),
    /// There is none to be paused.
    #[error("there is no definition `{name}`; known are: {known}")]
    UnknownDefinition {
        /// Its name.
        name: String,
        /// The names there are.
        known: String,
    },
    /// Never heard of.
    #[error("there is no global transaction {0}")]
    NotFound(String),
    /// The request id was used with other content.
    #[error("request_id was used before for {gid} with another {differs}")]
    RequestReused {
        /// The earlier one.
        gid: String,
        /// Which fields differ.
        differs: String,
    },
    /// The business key is taken.
    #[error("business_key is taken by {gid}, which is {status}")]
    KeyTaken {
        /// The one that holds it.
        gid: String,
        /// Where that one stands.
        status: String,
    },
    /// A cancel that comes too late.
    #[error("{gid} is past its pivot: it can only go forward")]
    PastPivot {
        /// Which one.
        gid: String,
    },
    /// A cancel while the pivot's outcome is open.
    #[error("the pivot of {gid} is being attempted: its outcome decides")]
    PivotInFlight {
        /// Which one.
        gid: String,
    },
    /// History does not allow the act.
    #[error("{gid}: {why}")]
    Denied {
        /// Which one.
        gid: String,
        /// Why not.
        why: Denied,
    },
    /// A definition or participant is held by another rule.
    #[error("{what}: {why}")]
    HeldOtherwise {
        /// Which one.
        what: String,
        /// By which rule.
        why: Denied,
    },
    /// Nobody is needed, or not for that.
    #[error("{gid} has no open need for a person{}", named(.cause))]
    NotOpen {
        /// Which one.
        gid: String,
        /// The cause that was named, or empty.
        cause: String,
    },
    /// An act in bulk that nobody asked for.
    #[error("there is no act in bulk {0}")]
    NoErrand(String),
    /// The request id was used for another act in bulk.
    #[error("request_id was used before for the act in bulk {id} with another {differs}")]
    ErrandReused {
        /// The earlier one.
        id: String,
        /// Which fields differ.
        differs: String,
    },
    /// The filter finds others than the preview.
    #[error("the filter fits {now} now, {}", not_those(*.expected, *.now))]
    OthersMeanwhile {
        /// As the preview counted; 0 = nobody said.
        expected: i64,
        /// As it is.
        now: i64,
    },
    /// A watch from a seq that is not there: the watcher knows another history.
    #[error("from_seq: the history ends with seq {newest}")]
    AheadOfHistory {
        /// Its newest seq.
        newest: i64,
    },
    /// No room for one more watcher.
    #[error("{0} watchers are the most that one process takes")]
    TooManyWatchers(usize),
    /// Another replica has it, and did not answer for us.
    #[error("the orchestrator that has it does not answer; ask again")]
    Elsewhere {
        /// That replica.
        owner: String,
    },
    /// Our own store is away.
    #[error("the history store is away: {0}")]
    Store(String),
    /// The process is going down.
    #[error("the process is going down")]
    Stopping,
}

fn named(cause: &str) -> String {
    if cause.is_empty() { String::new() } else { format!(" of cause {cause}") }
}

fn not_those(expected: i64, now: i64) -> String {
    if expected == 0 || expected == now {
        return "and not the same ones as the preview".to_owned();
    }
    format!("not {expected}")
}

impl From<ReadError> for ApiError {
    fn from(error: ReadError) -> Self {
        match error {
            ReadError::Elsewhere { owner } => Self::Elsewhere { owner },
            ReadError::Store(_) | ReadError::Plan(_) | ReadError::Event(_) => Self::Store(error.to_string()),
        }
    }
}

impl From<sea_orm::DbErr> for ApiError {
    fn from(error: sea_orm::DbErr) -> Self {
        Self::Store(error.to_string())
    }
}

impl From<AppendError> for ApiError {
    fn from(error: AppendError) -> Self {
        match error {
            AppendError::Conflict(_) | AppendError::Closed => Self::Stopping,
            AppendError::Store(text) => Self::Store(text),
        }
    }
}

impl From<ApiError> for Status {
    fn from(error: ApiError) -> Self {
        let (code, reason, gid) = match &error {
            ApiError::Invalid { .. } => (Code::InvalidArgument, "INVALID_REQUEST", None),
            ApiError::Filter(_) => (Code::InvalidArgument, "INVALID_FILTER", None),
            ApiError::Definition(DefinitionError::Unknown(_)) | ApiError::UnknownDefinition { .. } => {
                (Code::InvalidArgument, "UNKNOWN_DEFINITION", None)
            }
            ApiError::Definition(
                DefinitionError::CardNumber(_) | DefinitionError::Own(OwnError::CardNumber { .. }),
            ) => (Code::InvalidArgument, "PAN_REJECTED", None),
            ApiError::Definition(_) => (Code::InvalidArgument, "INVALID_REQUEST", None),
            ApiError::NotFound(gid) => (Code::NotFound, "GID_NOT_FOUND", Some(gid)),
            ApiError::RequestReused { gid, .. } => (Code::AlreadyExists, "IDEMPOTENCY_MISMATCH", Some(gid)),
            ApiError::KeyTaken { gid, .. } => (Code::AlreadyExists, "BUSINESS_KEY_TAKEN", Some(gid)),
            ApiError::PastPivot { gid } => (Code::FailedPrecondition, "PAST_PIVOT", Some(gid)),
            ApiError::PivotInFlight { gid } => (Code::FailedPrecondition, "PIVOT_IN_FLIGHT", Some(gid)),
            ApiError::NotOpen { gid, .. } => (Code::FailedPrecondition, "ATTENTION_NOT_OPEN", Some(gid)),
            ApiError::Denied { gid, why: why @ Denied::OtherOutcome { .. } } => {
                (Code::InvalidArgument, why.reason(), Some(gid))
            }
            ApiError::HeldOtherwise { why, .. } => (Code::FailedPrecondition, why.reason(), None),
            ApiError::Denied { gid, why } => (Code::FailedPrecondition, why.reason(), Some(gid)),
            ApiError::NoErrand(_) => (Code::NotFound, "BULK_NOT_FOUND", None),
            ApiError::ErrandReused { .. } => (Code::AlreadyExists, "IDEMPOTENCY_MISMATCH", None),
            ApiError::OthersMeanwhile { .. } => (Code::FailedPrecondition, "CHANGED_MEANWHILE", None),
            ApiError::AheadOfHistory { .. } => (Code::OutOfRange, "AHEAD_OF_HISTORY", None),
            ApiError::TooManyWatchers(_) => (Code::ResourceExhausted, "TOO_MANY_WATCHERS", None),
            ApiError::Elsewhere { .. } => (Code::Unavailable, "OWNER_AWAY", None),
            ApiError::Store(_) => (Code::Unavailable, "STORAGE_UNAVAILABLE", None),
            ApiError::Stopping => (Code::Unavailable, "STOPPING", None),
        };
        let named = gid.map(|gid| ("gid".to_owned(), gid.clone()));
        let details =
            ErrorDetails::with_error_info(reason, DOMAIN, named.into_iter().collect::<HashMap<_, _>>());
        let text = format!("{reason}|{error}");
        // Whoever wrote a filter is to see its line and the mark below: bounded where it is made.
        let text = if matches!(error, ApiError::Filter(_)) { text } else { bounded(&text) };
        let mut status = Status::with_error_details(code, text, details);
        if let ApiError::Elsewhere { owner } = &error {
            replica::ask(&mut status, owner);
        }
        status
    }
}
