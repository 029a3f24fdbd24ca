//! What can come of a call to DTM. The one question callers ask of it: was it surely not done, or does nobody know?

use tonic::{Code, Status};

/// A call to DTM that was not answered with OK.
#[derive(Debug, thiserror::Error)]
pub enum DtmError {
    /// The request is not one that may be sent to DTM. It was not sent.
    #[error("invalid request to DTM: {0}")]
    InvalidRequest(String),
    /// DTM said no, because of the state the global transaction is in. Nothing was done; read the status.
    #[error("DTM refused: {0}")]
    Refused(String),
    /// No answer, or one that does not tell: it may have been done.
    #[error("nobody knows whether DTM did it")]
    ReplyUnknown(#[source] Box<Status>),
    /// An HTTP query was not answered. Queries change nothing.
    #[error("DTM did not answer a query")]
    NoAnswer(#[from] reqwest::Error),
    /// DTM answered a query with something we do not understand.
    #[error("DTM answered a query strangely: {0}")]
    Protocol(String),
}

impl DtmError {
    pub(crate) fn of(status: Status) -> DtmError {
        if status.code() == Code::Aborted {
            DtmError::Refused(status.message().to_owned())
        } else {
            DtmError::ReplyUnknown(Box::new(status))
        }
    }

    /// Whether what was asked for may have been done although the call failed.
    pub fn may_have_been_done(&self) -> bool {
        match self {
            DtmError::ReplyUnknown(_) => true,
            DtmError::InvalidRequest(_)
            | DtmError::Refused(_)
            | DtmError::NoAnswer(_)
            | DtmError::Protocol(_) => false,
        }
    }
}
