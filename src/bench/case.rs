//! What is measured: the cases, and the shape of each one's no-op global transactions. Knows no process and no client.
use amends_dtm::client::DtmStatus;
use amends_dtm::{BranchId, Op};
use amends_proto::amends::v1::{Mode, Status};

/// One kind of global transaction, raw and through the orchestrator.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Case {
    /// SAGA of two no-op steps
    #[value(name = "saga2")]
    Saga2,
    /// SAGA of seven no-op steps
    #[value(name = "saga7")]
    Saga7,
    /// TCC of two no-op branches
    #[value(name = "tcc2")]
    Tcc2,
    /// SAGA of two steps whose second refuses, so that the first is undone
    #[value(name = "saga2_refused")]
    Saga2Refused,
    /// The checkout of seven steps on the five services, against a raw SAGA of seven no-op steps
    #[value(name = "checkout")]
    Checkout,
}

/// A global transaction of no-ops.
#[derive(Debug, Clone, Copy)]
pub struct Shape {
    pub mode: Mode,
    pub steps: usize,
    pub end: End,
}

/// How it ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    Succeeds,
    /// Its last step refuses.
    Refused,
}

impl Case {
    pub const ALL: [Case; 5] = [Case::Saga2, Case::Saga7, Case::Tcc2, Case::Saga2Refused, Case::Checkout];

    pub fn name(self) -> &'static str {
        match self {
            Case::Saga2 => "saga2",
            Case::Saga7 => "saga7",
            Case::Tcc2 => "tcc2",
            Case::Saga2Refused => "saga2_refused",
            Case::Checkout => "checkout",
        }
    }

    /// What the raw client runs; the orchestrator runs the same, except in `checkout`.
    pub fn shape(self) -> Shape {
        let (mode, steps, end) = match self {
            Case::Saga2 => (Mode::Saga, 2, End::Succeeds),
            Case::Saga7 | Case::Checkout => (Mode::Saga, 7, End::Succeeds),
            Case::Tcc2 => (Mode::Tcc, 2, End::Succeeds),
            Case::Saga2Refused => (Mode::Saga, 2, End::Refused),
        };
        Shape { mode, steps, end }
    }
}

impl Shape {
    /// The branch call with which DTM's work at the participants is over.
    pub fn last_call(self) -> (BranchId, Op) {
        match (self.mode, self.end) {
            // Confirms and undo run in reverse order.
            (Mode::Tcc, End::Succeeds) => (BranchId::of_index(0), Op::Confirm),
            (Mode::Tcc, End::Refused) => (BranchId::of_index(0), Op::Cancel),
            (Mode::Saga | Mode::Unspecified, End::Succeeds) => {
                (BranchId::of_index(self.steps - 1), Op::Action)
            }
            (Mode::Saga | Mode::Unspecified, End::Refused) => (BranchId::of_index(0), Op::Compensate),
        }
    }

    /// Whether the step at this position, from 0, refuses.
    pub fn refuses(self, step: usize) -> bool {
        self.end == End::Refused && step + 1 == self.steps
    }

    /// What the orchestrator says in the end.
    pub fn status(self) -> Status {
        match self.end {
            End::Succeeds => Status::Succeeded,
            End::Refused => Status::Failed,
        }
    }

    /// What DTM says in the end.
    pub fn dtm_status(self) -> DtmStatus {
        match self.end {
            End::Succeeds => DtmStatus::Succeed,
            End::Refused => DtmStatus::Failed,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_case_ends_with_the_call_that_dtm_makes_last() {
        let last = |case: Case| {
            let (branch, op) = case.shape().last_call();
            format!("{branch} {op}")
        };
        let calls = Case::ALL.map(last);
        assert_eq!(calls, ["02 action", "07 action", "01 confirm", "01 compensate", "07 action"]);
    }

    #[test]
    fn only_the_last_step_of_a_refused_one_refuses() {
        let refuses = |case: Case| [0, 1].map(|step| case.shape().refuses(step));
        assert_eq!(refuses(Case::Saga2Refused), [false, true]);
        assert_eq!(refuses(Case::Saga2), [false, false]);
    }
}
