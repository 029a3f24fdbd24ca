//! Every (state, event) pair of the payment's machine: what is listed happens, nothing else does.

use super::*;

const STATES: [State; 18] = [
    State::Created,
    State::Authorizing(Form::Authorize),
    State::Authorizing(Form::Sale),
    State::Authorized,
    State::Capturing,
    State::Captured,
    State::Voiding,
    State::Reversing,
    State::InDoubt(Doubt::Outcome(PspOp::Authorize)),
    State::InDoubt(Doubt::Outcome(PspOp::Sale)),
    State::InDoubt(Doubt::Outcome(PspOp::Capture)),
    State::InDoubt(Doubt::Outcome(PspOp::Void)),
    State::InDoubt(Doubt::Outcome(PspOp::Refund)),
    State::InDoubt(Doubt::CaptureRefused),
    State::Declined,
    State::Closed,
    State::Voided,
    State::Reversed,
];

const EVENTS: [Event; 12] = [
    Event::Begin(Form::Authorize),
    Event::Begin(Form::Sale),
    Event::Capture,
    Event::Void,
    Event::Refund,
    Event::Succeeded,
    Event::Declined,
    Event::Closed,
    Event::Unknown,
    Event::AlreadyCaptured,
    Event::NotCaptured,
    Event::Charged,
];

fn doubt(op: PspOp) -> State {
    State::InDoubt(Doubt::Outcome(op))
}

/// The table of payments-domain §4.5, as far as this service goes.
fn table() -> Vec<(State, Event, State)> {
    use Event as E;
    use State as S;
    let refused = S::InDoubt(Doubt::CaptureRefused);
    let mut table = vec![
        (S::Created, E::Begin(Form::Authorize), S::Authorizing(Form::Authorize)),
        (S::Created, E::Begin(Form::Sale), S::Authorizing(Form::Sale)),
        (S::Authorized, E::Capture, S::Capturing),
        (S::Authorized, E::Void, S::Voiding),
        (S::Captured, E::Refund, S::Reversing),
        (refused, E::Void, S::Voiding),
        (refused, E::Charged, S::Captured),
    ];
    for (under_way, op) in [
        (S::Authorizing(Form::Authorize), PspOp::Authorize),
        (S::Authorizing(Form::Sale), PspOp::Sale),
        (S::Capturing, PspOp::Capture),
        (S::Voiding, PspOp::Void),
        (S::Reversing, PspOp::Refund),
    ] {
        for from in [under_way, doubt(op)] {
            table.push((from, E::Unknown, doubt(op)));
            let (succeeded, declined) = match op {
                PspOp::Authorize => (S::Authorized, S::Declined),
                PspOp::Sale => (S::Captured, S::Declined),
                PspOp::Capture => (S::Captured, refused),
                PspOp::Void => (S::Voided, doubt(op)),
                PspOp::Refund => (S::Reversed, doubt(op)),
            };
            table.extend([(from, E::Succeeded, succeeded), (from, E::Declined, declined)]);
            match op {
                PspOp::Authorize | PspOp::Sale => table.push((from, E::Closed, S::Closed)),
                PspOp::Capture => table.push((from, E::Closed, refused)),
                PspOp::Void => table.push((from, E::AlreadyCaptured, S::Reversing)),
                PspOp::Refund => table.push((from, E::NotCaptured, S::Voiding)),
            }
        }
    }
    table
}

#[test]
fn every_pair_does_what_the_table_says_and_nothing_else() {
    let table = table();
    for from in STATES {
        for event in EVENTS {
            let listed = table.iter().find(|row| row.0 == from && row.1 == event).map(|row| row.2);
            assert_eq!(
                next(from, event),
                listed.ok_or(IllegalTransition { from, event }),
                "{from:?} {event:?}"
            );
        }
    }
}

#[test]
fn what_keeps_nothing_never_changes() {
    for from in STATES.into_iter().filter(|state| state.keeps_nothing()) {
        assert!(EVENTS.into_iter().all(|event| next(from, event).is_err()), "{from:?}");
    }
}

#[test]
fn running_out_of_knowledge_never_means_failed() {
    for from in STATES {
        if let Ok(to) = next(from, Event::Unknown) {
            assert!(matches!(to, State::InDoubt(Doubt::Outcome(_))), "{from:?}");
        }
    }
}
