//! What is wrong with an answer, whoever gave it. Asks nobody and knows no service but by its rules.
use std::time::Duration;
use tonic::{Code, Status};

/// What a client takes of one call unless it is told otherwise.
const MAX_ANSWER_BYTES: usize = 4 << 20;
/// Message and details of a status travel in headers, of which a client takes 16 KiB.
const MAX_STATUS_BYTES: usize = 8 << 10;
/// What the gRPC library says of a message that cannot be read; the frame of a process makes INVALID_ARGUMENT of it.
const UNREADABLE: &str = "failed to decode Protobuf message";
/// So long a call may take that has nothing to wait for, on a machine that is busy with other things.
pub const LONGEST: Duration = Duration::from_secs(30);

/// What a server may say.
#[derive(Debug, Clone, Copy)]
pub struct Rules {
    /// Methods, by their last word, that may keep a caller waiting: whoever is not answered in a moment goes away.
    pub waits: &'static [&'static str],
    /// Whether this INTERNAL is the contract's own word.
    pub says_internal: fn(&Status) -> bool,
    /// A refusal of such a code has changed nothing …
    pub changed_nothing: &'static [Code],
    /// … of this, which is one number, asked of the store in SQL.
    pub book: &'static str,
    /// A word of as many bytes as an id has, in place of an id that only the server can know: the SQL asks for it.
    pub newest: Option<(&'static str, &'static str)>,
}

/// All that came back.
#[derive(Debug)]
pub struct Answer {
    /// From wherever it was.
    pub status: Result<(), Status>,
    /// Of the body.
    pub bytes: usize,
}

impl Answer {
    /// Its code.
    pub fn code(&self) -> Code {
        self.status.as_ref().map_or_else(Status::code, |()| Code::Ok)
    }
}

/// Why this answer must not be; none where it may.
pub fn breach(rules: &Rules, answer: &Answer) -> Option<String> {
    if answer.bytes > MAX_ANSWER_BYTES {
        return Some(format!("an answer of {} bytes", answer.bytes));
    }
    let status = answer.status.as_ref().err()?;
    let length = status.message().len() + status.details().len();
    if length > MAX_STATUS_BYTES {
        return Some(format!("a status of {length} bytes: {:.200}", status.message()));
    }
    let unreadable = status.message().starts_with(UNREADABLE);
    let internal = status.code() == Code::Internal && !unreadable && !(rules.says_internal)(status);
    let defect = internal || status.code() == Code::Unknown;
    defect.then(|| format!("{status:?}"))
}

/// A second phase that cannot be carried out as it was asked has no other code: participants name their reason in the
/// details. `BROKEN` is a reason that nobody may give.
pub fn a_participants_reason(status: &Status) -> bool {
    !status.details().is_empty() && !status.message().starts_with("BROKEN")
}

/// No contract has an INTERNAL.
pub fn never(_status: &Status) -> bool {
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules(says_internal: fn(&Status) -> bool) -> Rules {
        Rules { waits: &[], says_internal, changed_nothing: &[], book: "SELECT 0", newest: None }
    }

    fn said(code: Code, message: &str, details: &'static [u8]) -> Answer {
        let status = Status::with_details(code, message, bytes::Bytes::from_static(details));
        Answer { status: Err(status), bytes: 0 }
    }

    #[test]
    fn what_nobody_thought_of_is_a_breach() {
        let long = "x".repeat(MAX_STATUS_BYTES + 1);
        let never = rules(never);
        for answer in [
            said(Code::Unknown, "transport", b""),
            said(Code::Internal, "the call broke down", b""),
            said(Code::Internal, "PHASE_CONFLICT|x", b"why"),
            said(Code::InvalidArgument, &long, b""),
            Answer { status: Ok(()), bytes: MAX_ANSWER_BYTES + 1 },
        ] {
            assert!(breach(&never, &answer).is_some(), "{answer:?}");
        }
        let named = rules(a_participants_reason);
        assert!(breach(&named, &said(Code::Internal, "BROKEN|the payment is gone", b"why")).is_some());
        assert!(breach(&named, &said(Code::Internal, "PHASE_CONFLICT|no details", b"")).is_some());
    }

    #[test]
    fn a_refusal_is_none() {
        let named = rules(a_participants_reason);
        for answer in [
            Answer { status: Ok(()), bytes: 5 },
            said(Code::Aborted, "INSUFFICIENT_FUNDS|x", b"why"),
            said(Code::Unavailable, "STOPPING|x", b"why"),
            said(Code::Internal, "CONFIRM_WITHOUT_TRY|x", b"why"),
            said(Code::Internal, "failed to decode Protobuf message: invalid tag", b""),
        ] {
            assert_eq!(breach(&named, &answer), None, "{answer:?}");
        }
    }
}
