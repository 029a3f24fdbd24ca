//! What an answer of a branch call means, and how its code is spelled. The one place where a status code becomes an outcome.

use tonic::Code;

/// What is known about an op after one call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// Done.
    Succeeded,
    /// Definitely not done and never will be: roll back. Only a forward op can be refused.
    Refused,
    /// Still running: ask again.
    InProgress,
    /// Done or not, nobody knows: ask again.
    Unknown,
}

impl Outcome {
    /// The outcome that a status code stands for. A timeout is not a refusal; only ABORTED is one.
    pub fn of(code: Code) -> Outcome {
        match code {
            Code::Ok => Outcome::Succeeded,
            Code::Aborted => Outcome::Refused,
            Code::FailedPrecondition => Outcome::InProgress,
            Code::Cancelled
            | Code::Unknown
            | Code::InvalidArgument
            | Code::DeadlineExceeded
            | Code::NotFound
            | Code::AlreadyExists
            | Code::PermissionDenied
            | Code::ResourceExhausted
            | Code::OutOfRange
            | Code::Unimplemented
            | Code::Internal
            | Code::Unavailable
            | Code::DataLoss
            | Code::Unauthenticated => Outcome::Unknown,
        }
    }
}

/// Name of a code as gRPC spells it.
#[must_use]
pub fn code_name(code: Code) -> &'static str {
    match code {
        Code::Ok => "OK",
        Code::Cancelled => "CANCELLED",
        Code::Unknown => "UNKNOWN",
        Code::InvalidArgument => "INVALID_ARGUMENT",
        Code::DeadlineExceeded => "DEADLINE_EXCEEDED",
        Code::NotFound => "NOT_FOUND",
        Code::AlreadyExists => "ALREADY_EXISTS",
        Code::PermissionDenied => "PERMISSION_DENIED",
        Code::ResourceExhausted => "RESOURCE_EXHAUSTED",
        Code::FailedPrecondition => "FAILED_PRECONDITION",
        Code::Aborted => "ABORTED",
        Code::OutOfRange => "OUT_OF_RANGE",
        Code::Unimplemented => "UNIMPLEMENTED",
        Code::Internal => "INTERNAL",
        Code::Unavailable => "UNAVAILABLE",
        Code::DataLoss => "DATA_LOSS",
        Code::Unauthenticated => "UNAUTHENTICATED",
    }
}

#[cfg(test)]
mod tests {
    use super::Outcome;
    use tonic::Code;

    #[test]
    fn of_all_seventeen_codes_only_aborted_is_a_refusal() {
        let outcomes: Vec<(i32, Outcome)> =
            (0..17).map(|code| (code, Outcome::of(Code::from(code)))).collect();
        for (code, outcome) in outcomes {
            let expected = match code {
                0 => Outcome::Succeeded,
                9 => Outcome::InProgress,
                10 => Outcome::Refused,
                _ => Outcome::Unknown,
            };
            assert_eq!(outcome, expected, "code {code}");
        }
    }
}
