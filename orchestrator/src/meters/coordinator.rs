//! Calls to the DTM server: how often each is made, what it says, how long it takes. Must not know what they are for.

use super::table::{DTM_CALLS, DTM_SECONDS};
use amends_serve::metrics::{Counter, Histogram};
use std::time::Duration;

/// The calls that there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum CoordinatorCall {
    /// A SAGA is submitted, or submitted again.
    Saga,
    /// A TCC is prepared.
    Prepare,
    /// One of its branches is registered.
    Branch,
    /// It is submitted.
    Submit,
    /// It is aborted.
    Abort,
    /// All that wait are to be looked at.
    Nudge,
    /// What it has of a gid is read.
    View,
    /// Its version is asked for, to see whether it is there.
    Version,
}

/// What came of one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Said {
    /// It did.
    Done,
    /// It said no.
    Refused,
    /// Nobody knows.
    Unknown,
}

impl CoordinatorCall {
    const ALL: [Self; 8] = [
        Self::Saga,
        Self::Prepare,
        Self::Branch,
        Self::Submit,
        Self::Abort,
        Self::Nudge,
        Self::View,
        Self::Version,
    ];

    fn name(self) -> &'static str {
        match self {
            Self::Saga => "saga",
            Self::Prepare => "prepare",
            Self::Branch => "branch",
            Self::Submit => "submit",
            Self::Abort => "abort",
            Self::Nudge => "nudge",
            Self::View => "view",
            Self::Version => "version",
        }
    }
}

impl Said {
    const ALL: [Self; 3] = [Self::Done, Self::Refused, Self::Unknown];

    fn name(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Refused => "refused",
            Self::Unknown => "unknown",
        }
    }
}

/// The figures of one client of DTM: all of them, so that the first failure of a call is a step from 0 to 1.
pub(crate) struct CoordinatorMeters {
    calls: [[Counter; 3]; 8],
    seconds: [Histogram; 8],
}

impl CoordinatorMeters {
    pub(crate) fn new() -> Self {
        let calls = CoordinatorCall::ALL
            .map(|call| Said::ALL.map(|said| DTM_CALLS.counter(&[call.name(), said.name()])));
        let seconds = CoordinatorCall::ALL.map(|call| DTM_SECONDS.histogram(&[call.name()]));
        Self { calls, seconds }
    }

    /// Notes a call that has ended.
    pub(crate) fn ended(&self, call: CoordinatorCall, said: Said, took: Duration) {
        // Both are declared in the order of their tables.
        self.calls[call as usize][said as usize].increment(1);
        self.seconds[call as usize].record(took);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_call_and_answer_is_at_its_own_place() {
        for (place, call) in CoordinatorCall::ALL.into_iter().enumerate() {
            assert_eq!(call as usize, place, "{call:?}");
        }
        for (place, said) in Said::ALL.into_iter().enumerate() {
            assert_eq!(said as usize, place, "{said:?}");
        }
    }
}
