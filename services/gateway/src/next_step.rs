//! What to do next about a payment, from what is stored. Pure: knows no clock, no store, no wire.

use crate::state::{Doubt, PspOp, State};

/// Whether somebody asked for the undo.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Undo {
    /// Nobody.
    NotWanted,
    /// Nothing may be kept.
    Wanted,
}

impl From<bool> for Undo {
    fn from(wanted: bool) -> Undo {
        if wanted { Undo::Wanted } else { Undo::NotWanted }
    }
}

/// The request whose outcome is open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Open {
    /// It is not its time yet.
    NotDue,
    /// It may have left this machine, and it is time to ask.
    Due(PspOp),
    /// It never left this machine, and it is time to send it.
    Unsent(PspOp),
}

/// What to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    /// Nothing for now.
    Rest,
    /// Send the open request.
    Send,
    /// Ask what became of the open request.
    Ask,
    /// Give up the open request: it never left.
    Withdraw,
    /// Make a new request.
    Begin(PspOp),
}

/// What to do next.
#[must_use]
pub fn next_step(state: State, undo: Undo, open: Option<Open>) -> Next {
    match open {
        Some(Open::NotDue) => Next::Rest,
        Some(Open::Due(_)) => Next::Ask,
        Some(Open::Unsent(op)) if op.is_forward() && undo == Undo::Wanted => Next::Withdraw,
        Some(Open::Unsent(_)) => Next::Send,
        None => match undo {
            Undo::NotWanted => Next::Rest,
            Undo::Wanted => undo_of(state),
        },
    }
}

fn undo_of(state: State) -> Next {
    match state {
        State::Authorized | State::InDoubt(Doubt::CaptureRefused) => Next::Begin(PspOp::Void),
        State::Captured => Next::Begin(PspOp::Refund),
        State::Created
        | State::Authorizing(_)
        | State::Capturing
        | State::Voiding
        | State::Reversing
        | State::InDoubt(Doubt::Outcome(_))
        | State::Declined
        | State::Closed
        | State::Voided
        | State::Reversed => Next::Rest,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_may_have_left_is_asked_about_before_anything_else() {
        for op in PspOp::ALL {
            for undo in [Undo::Wanted, Undo::NotWanted] {
                assert_eq!(next_step(State::Captured, undo, Some(Open::Due(op))), Next::Ask);
                assert_eq!(next_step(State::Captured, undo, Some(Open::NotDue)), Next::Rest);
            }
        }
    }

    #[test]
    fn what_never_left_is_sent_unless_the_payment_is_not_wanted_any_more() {
        for op in PspOp::ALL {
            let state = State::Capturing;
            assert_eq!(next_step(state, Undo::NotWanted, Some(Open::Unsent(op))), Next::Send);
            let wanted = if op.is_forward() { Next::Withdraw } else { Next::Send };
            assert_eq!(next_step(state, Undo::Wanted, Some(Open::Unsent(op))), wanted);
        }
    }

    #[test]
    fn money_is_given_back_only_when_asked_for_and_only_where_there_is_some() {
        for (state, wanted) in [
            (State::Authorized, Next::Begin(PspOp::Void)),
            (State::InDoubt(Doubt::CaptureRefused), Next::Begin(PspOp::Void)),
            (State::Captured, Next::Begin(PspOp::Refund)),
            (State::InDoubt(Doubt::Outcome(PspOp::Sale)), Next::Rest),
            (State::Voided, Next::Rest),
            (State::Reversed, Next::Rest),
            (State::Closed, Next::Rest),
            (State::Declined, Next::Rest),
        ] {
            assert_eq!(next_step(state, Undo::Wanted, None), wanted);
            assert_eq!(next_step(state, Undo::NotWanted, None), Next::Rest);
        }
    }
}
