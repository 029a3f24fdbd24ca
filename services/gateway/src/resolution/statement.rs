//! What a person's statement about a payment in doubt means for it, and what the processor's later word says of the
//! statement. Pure: knows no clock, no store, no wire.

use crate::finding::Finding;
use crate::in_doubt::Kind;
use crate::state::{Doubt, PspOp, State, pending};

/// What a person states.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Statement {
    /// The money was taken.
    Charged,
    /// No money was taken, or none is kept, and none will be.
    NotCharged,
    /// Nobody can say: the processor is asked again.
    QueryAgain,
}

/// What it leads to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Meaning {
    /// The open request was carried out.
    CarriedOut,
    /// The open request never was, and never will be.
    NeverCarriedOut,
    /// The capture that was refused was made after all.
    CapturedElsewhere,
    /// There was no capture: what is reserved is released.
    Release,
    /// The open request is asked about now.
    Ask,
    /// Nothing moves; what people did about it is written down.
    Noted,
}

impl Statement {
    /// All, for reading words and for tests.
    pub const ALL: [Statement; 3] = [Statement::Charged, Statement::NotCharged, Statement::QueryAgain];

    /// The word in the store.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Statement::Charged => "charged",
            Statement::NotCharged => "not_charged",
            Statement::QueryAgain => "query_again",
        }
    }

    /// The statement of that word.
    #[must_use]
    pub fn parse(text: &str) -> Option<Statement> {
        Statement::ALL.into_iter().find(|statement| statement.as_str() == text)
    }
}

/// What a statement about a payment that stands at `state` leads to; `None` = it makes no sense there.
#[must_use]
pub fn meaning(kind: Kind, state: State, statement: Statement) -> Option<Meaning> {
    match (kind, statement) {
        (Kind::Contradicted, Statement::Charged | Statement::NotCharged) => return Some(Meaning::Noted),
        (Kind::Contradicted, Statement::QueryAgain) => return None,
        (Kind::PaymentUnknown | Kind::CaptureRefused | Kind::UndoRefused, _) => {}
    }
    // It was about the capture; an undo that has begun since is another request.
    if kind == Kind::CaptureRefused && state != State::InDoubt(Doubt::CaptureRefused) {
        return None;
    }
    if state == State::InDoubt(Doubt::CaptureRefused) {
        return match statement {
            Statement::Charged => Some(Meaning::CapturedElsewhere),
            Statement::NotCharged => Some(Meaning::Release),
            // It has said no; there is nothing to ask about.
            Statement::QueryAgain => None,
        };
    }
    match (pending(state)?, statement) {
        (_, Statement::QueryAgain) => Some(Meaning::Ask),
        (PspOp::Authorize | PspOp::Sale | PspOp::Capture, Statement::Charged) => Some(Meaning::CarriedOut),
        (PspOp::Authorize | PspOp::Sale, Statement::NotCharged) => Some(Meaning::NeverCarriedOut),
        (PspOp::Capture, Statement::NotCharged) => Some(Meaning::Release),
        // Nothing is kept: the undo is done, whoever did it.
        (PspOp::Void | PspOp::Refund, Statement::NotCharged) => Some(Meaning::CarriedOut),
        // The undo goes on by itself as long as money is kept.
        (PspOp::Void | PspOp::Refund, Statement::Charged) => None,
    }
}

/// What the processor's later word is to a statement.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Later {
    /// It says the same.
    Confirms,
    /// It says the opposite.
    Contradicts,
    /// It says nothing that proves anything.
    Open,
}

/// Compares the processor's word about the request with what was stated: that it was carried out, or that it was not.
#[must_use]
pub fn compare(stated: Meaning, finding: &Finding) -> Later {
    let carried_out = match finding {
        Finding::Succeeded(_) => true,
        Finding::Declined(_) | Finding::Closed | Finding::AlreadyCaptured | Finding::NotCaptured => false,
        Finding::Open | Finding::SendClose | Finding::SendQuery | Finding::SendAgain | Finding::NeverLeft => {
            return Later::Open;
        }
    };
    match stated {
        Meaning::CarriedOut if carried_out => Later::Confirms,
        Meaning::CarriedOut => Later::Contradicts,
        Meaning::NeverCarriedOut | Meaning::Release if carried_out => Later::Contradicts,
        Meaning::NeverCarriedOut | Meaning::Release => Later::Confirms,
        Meaning::CapturedElsewhere | Meaning::Ask | Meaning::Noted => Later::Open,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::finding::Receipt;
    use crate::state::Form;

    fn doubt(op: PspOp) -> State {
        State::InDoubt(Doubt::Outcome(op))
    }

    #[test]
    fn each_statement_means_what_the_table_says() {
        use Meaning as M;
        let refused = State::InDoubt(Doubt::CaptureRefused);
        for (state, charged, not_charged, again) in [
            (doubt(PspOp::Sale), Some(M::CarriedOut), Some(M::NeverCarriedOut), Some(M::Ask)),
            (doubt(PspOp::Authorize), Some(M::CarriedOut), Some(M::NeverCarriedOut), Some(M::Ask)),
            (State::Authorizing(Form::Sale), Some(M::CarriedOut), Some(M::NeverCarriedOut), Some(M::Ask)),
            (doubt(PspOp::Capture), Some(M::CarriedOut), Some(M::Release), Some(M::Ask)),
            (doubt(PspOp::Void), None, Some(M::CarriedOut), Some(M::Ask)),
            (doubt(PspOp::Refund), None, Some(M::CarriedOut), Some(M::Ask)),
            (refused, Some(M::CapturedElsewhere), Some(M::Release), None),
            (State::Captured, None, None, None),
            (State::Closed, None, None, None),
        ] {
            let said = Statement::ALL.map(|statement| meaning(Kind::PaymentUnknown, state, statement));
            assert_eq!(said, [charged, not_charged, again], "{state:?}");
        }
        let noted = Statement::ALL.map(|said| meaning(Kind::Contradicted, State::Closed, said));
        assert_eq!(noted, [Some(M::Noted), Some(M::Noted), None]);
    }

    /// It was about the capture: whatever else the payment has come to since, nothing is stated of that.
    #[test]
    fn of_a_refused_capture_something_can_be_stated_until_its_undo_begins() {
        let said = |state| Statement::ALL.map(|statement| meaning(Kind::CaptureRefused, state, statement));
        let refused = State::InDoubt(Doubt::CaptureRefused);
        assert_eq!(said(refused), [Some(Meaning::CapturedElsewhere), Some(Meaning::Release), None]);
        for state in [
            State::Authorized,
            State::Capturing,
            State::Captured,
            State::Voiding,
            doubt(PspOp::Capture),
            doubt(PspOp::Void),
            State::Voided,
        ] {
            assert_eq!(said(state), [None; 3], "{state:?}");
        }
    }

    #[test]
    fn only_proof_confirms_or_contradicts_a_statement() {
        let paid = Finding::Succeeded(Receipt::default());
        let unpaid = [Finding::Closed, Finding::Declined(String::new()), Finding::NotCaptured];
        assert_eq!(compare(Meaning::CarriedOut, &paid), Later::Confirms);
        assert_eq!(compare(Meaning::NeverCarriedOut, &paid), Later::Contradicts);
        assert_eq!(compare(Meaning::Release, &paid), Later::Contradicts);
        for finding in unpaid {
            assert_eq!(compare(Meaning::CarriedOut, &finding), Later::Contradicts);
            assert_eq!(compare(Meaning::NeverCarriedOut, &finding), Later::Confirms);
        }
        for finding in [Finding::Open, Finding::SendAgain, Finding::SendClose] {
            for stated in [Meaning::CarriedOut, Meaning::NeverCarriedOut] {
                assert_eq!(compare(stated, &finding), Later::Open);
            }
        }
    }
}
