//! Which methods of a service belong together, and which op each of them is called with. Knows no descriptor.
use amends_dtm::{Op, TransType};

/// A forward method with the methods of its second phase, by their names within the service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Form {
    /// A step of a SAGA.
    Saga {
        /// Does it.
        action: String,
        /// Undoes it.
        compensate: String,
    },
    /// A branch of a TCC.
    Tcc {
        /// Reserves.
        r#try: String,
        /// Applies what was reserved.
        confirm: String,
        /// Gives back what was reserved.
        cancel: String,
    },
}

/// What a call is for, in either form.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Phase {
    Forward,
    Confirm,
    Undo,
}

impl Form {
    /// The kind of global transaction that it is a part of.
    #[must_use]
    pub fn trans_type(&self) -> TransType {
        match self {
            Form::Saga { .. } => TransType::Saga,
            Form::Tcc { .. } => TransType::Tcc,
        }
    }

    /// Each method with its phase.
    pub(crate) fn methods(&self) -> Vec<(Phase, &str)> {
        match self {
            Form::Saga { action, compensate } => vec![(Phase::Forward, action), (Phase::Undo, compensate)],
            Form::Tcc { r#try, confirm, cancel } => {
                vec![(Phase::Forward, r#try), (Phase::Confirm, confirm), (Phase::Undo, cancel)]
            }
        }
    }

    /// DTM's word for a phase; a SAGA has no confirm, which is never called then.
    pub(crate) fn op(&self, phase: Phase) -> Op {
        match (self, phase) {
            (Form::Saga { .. }, Phase::Forward) => Op::Action,
            (Form::Saga { .. }, Phase::Undo) => Op::Compensate,
            (Form::Tcc { .. }, Phase::Forward) => Op::Try,
            (Form::Tcc { .. }, Phase::Undo) => Op::Cancel,
            (Form::Saga { .. } | Form::Tcc { .. }, Phase::Confirm) => Op::Confirm,
        }
    }
}
