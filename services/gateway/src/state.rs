//! Where a payment stands and what moves it (payments-domain §4.5). Pure: knows no clock, no store, no wire.

/// What is asked of the processor.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum PspOp {
    /// Reserve the amount.
    Authorize,
    /// Take it at once.
    Sale,
    /// Take what is reserved.
    Capture,
    /// Release what is reserved.
    Void,
    /// Give back what was taken.
    Refund,
}

/// How a payment begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// TryPay.
    Authorize,
    /// Charge.
    Sale,
}

/// What nobody knows, or nobody but an operator can decide.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Doubt {
    /// The outcome of this request is unknown.
    Outcome(PspOp),
    /// The capture was refused after the commit was decided.
    CaptureRefused,
}

/// Where a payment stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// Nothing was sent yet.
    Created,
    /// The first request is under way.
    Authorizing(Form),
    /// The amount is reserved.
    Authorized,
    /// The capture is under way.
    Capturing,
    /// The amount is taken.
    Captured,
    /// The release is under way.
    Voiding,
    /// Giving it back is under way.
    Reversing,
    /// See [`Doubt`].
    InDoubt(Doubt),
    /// The processor said no.
    Declined,
    /// The processor will never carry it out.
    Closed,
    /// The reservation was released.
    Voided,
    /// Everything was given back.
    Reversed,
}

/// What happens to a payment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Event {
    /// TryPay or Charge.
    Begin(Form),
    /// ConfirmPay.
    Capture,
    /// The undo of a reservation.
    Void,
    /// The undo of what was taken.
    Refund,
    /// The pending request was carried out; for an undo also: nothing is kept.
    Succeeded,
    /// The pending request was refused for good.
    Declined,
    /// The pending request will never be carried out.
    Closed,
    /// Nobody knows yet what became of the pending request.
    Unknown,
    /// The release came too late: the amount was taken.
    AlreadyCaptured,
    /// There is nothing to give back yet: the amount is only reserved.
    NotCaptured,
    /// People state that the capture which the processor refused was made after all.
    Charged,
}

/// The state does not allow this event.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{event:?} is not possible in {from:?}")]
pub struct IllegalTransition {
    /// Where the payment stands.
    pub from: State,
    /// What was to happen.
    pub event: Event,
}

/// Decides where a payment goes.
pub fn next(from: State, event: Event) -> Result<State, IllegalTransition> {
    let to = match event {
        Event::Begin(form) => (from == State::Created).then_some(State::Authorizing(form)),
        Event::Capture => (from == State::Authorized).then_some(State::Capturing),
        Event::Void => matches!(from, State::Authorized | State::InDoubt(Doubt::CaptureRefused))
            .then_some(State::Voiding),
        Event::Refund => (from == State::Captured).then_some(State::Reversing),
        Event::Succeeded => pending(from).map(succeeded),
        Event::Declined => pending(from).map(declined),
        Event::Closed => pending(from).and_then(closed),
        Event::Unknown => pending(from).map(|op| State::InDoubt(Doubt::Outcome(op))),
        Event::AlreadyCaptured => (pending(from) == Some(PspOp::Void)).then_some(State::Reversing),
        Event::NotCaptured => (pending(from) == Some(PspOp::Refund)).then_some(State::Voiding),
        Event::Charged => (from == State::InDoubt(Doubt::CaptureRefused)).then_some(State::Captured),
    };
    to.ok_or(IllegalTransition { from, event })
}

/// The request that is under way or whose outcome is unknown.
#[must_use]
pub fn pending(state: State) -> Option<PspOp> {
    match state {
        State::Authorizing(Form::Authorize) => Some(PspOp::Authorize),
        State::Authorizing(Form::Sale) => Some(PspOp::Sale),
        State::Capturing => Some(PspOp::Capture),
        State::Voiding => Some(PspOp::Void),
        State::Reversing => Some(PspOp::Refund),
        State::InDoubt(Doubt::Outcome(op)) => Some(op),
        State::Created
        | State::Authorized
        | State::Captured
        | State::InDoubt(Doubt::CaptureRefused)
        | State::Declined
        | State::Closed
        | State::Voided
        | State::Reversed => None,
    }
}

fn succeeded(op: PspOp) -> State {
    match op {
        PspOp::Authorize => State::Authorized,
        PspOp::Sale | PspOp::Capture => State::Captured,
        PspOp::Void => State::Voided,
        PspOp::Refund => State::Reversed,
    }
}

/// A refused capture waits for an operator; a refused undo is tried again, the money may still be kept.
fn declined(op: PspOp) -> State {
    match op {
        PspOp::Authorize | PspOp::Sale => State::Declined,
        PspOp::Capture => State::InDoubt(Doubt::CaptureRefused),
        PspOp::Void | PspOp::Refund => State::InDoubt(Doubt::Outcome(op)),
    }
}

/// Only requests that take money are ever closed.
fn closed(op: PspOp) -> Option<State> {
    match op {
        PspOp::Authorize | PspOp::Sale => Some(State::Closed),
        PspOp::Capture => Some(State::InDoubt(Doubt::CaptureRefused)),
        PspOp::Void | PspOp::Refund => None,
    }
}

impl State {
    /// Whether it is proven that the processor keeps no money of this payment, for ever.
    #[must_use]
    pub fn keeps_nothing(self) -> bool {
        match self {
            State::Declined | State::Closed | State::Voided | State::Reversed => true,
            State::Created
            | State::Authorizing(_)
            | State::Authorized
            | State::Capturing
            | State::Captured
            | State::Voiding
            | State::Reversing
            | State::InDoubt(_) => false,
        }
    }
}

impl PspOp {
    /// All, for reading words and for tests.
    pub const ALL: [PspOp; 5] = [PspOp::Authorize, PspOp::Sale, PspOp::Capture, PspOp::Void, PspOp::Refund];

    /// The word in the store.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            PspOp::Authorize => "authorize",
            PspOp::Sale => "sale",
            PspOp::Capture => "capture",
            PspOp::Void => "void",
            PspOp::Refund => "refund",
        }
    }

    /// The op of that word.
    #[must_use]
    pub fn parse(text: &str) -> Option<PspOp> {
        PspOp::ALL.into_iter().find(|op| op.as_str() == text)
    }

    /// Whether this request opens a payment.
    #[must_use]
    pub fn is_forward(self) -> bool {
        match self {
            PspOp::Authorize | PspOp::Sale => true,
            PspOp::Capture | PspOp::Void | PspOp::Refund => false,
        }
    }
}

impl Form {
    /// The request with which a payment of this form begins.
    #[must_use]
    pub fn op(self) -> PspOp {
        match self {
            Form::Authorize => PspOp::Authorize,
            Form::Sale => PspOp::Sale,
        }
    }
}

#[cfg(test)]
#[path = "state_tests.rs"]
mod tests;
