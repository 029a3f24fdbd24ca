//! What an order may become (payments-domain §4.1). Owns the rule, not the rows: knows no clock, no database, no caller.

/// Where an order stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// Recorded, not yet paid.
    Pending,
    /// Paid in full.
    Paid,
    /// Given up; terminal.
    Closed,
    /// Paid and delivered.
    Fulfilled,
    /// Part of the money went back.
    PartiallyRefunded,
    /// All of the money went back; terminal.
    Refunded,
}

/// Which payment an event speaks of, compared with the one that the order remembers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Payment {
    /// The very one that paid the order.
    Recorded,
    /// Another one, or the order remembers none.
    Other,
}

/// How much of the paid money a refund returns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refund {
    /// Some is still kept afterwards.
    Part,
    /// Nothing is kept afterwards.
    Rest,
}

/// What happens to an order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// TCC: a place is tried.
    TryPlace,
    /// SAGA: it is placed.
    Place,
    /// TCC: the whole transaction was committed.
    ConfirmPlace,
    /// TCC: the whole transaction was given up.
    CancelPlace,
    /// SAGA: a payment is certain.
    MarkPaid(Payment),
    /// SAGA, undo: the payment does not count any more.
    RevertPaid(Payment),
    /// SAGA, undo: the order is given up.
    ClosePlaced,
    /// Nobody paid in time, and the gateway proved that nothing was charged.
    PayTimeout,
    /// Money went back.
    RefundDone(Refund),
    /// The goods were delivered.
    Fulfil,
    /// A charge turned up after the order was closed; it is refunded elsewhere.
    LateCharge,
}

/// An event that the order's state does not allow; nothing changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{event:?} does not apply to an order that is {from:?}")]
pub struct IllegalTransition {
    /// State of the order; `None`: there is no such order.
    pub from: Option<State>,
    /// What was asked for.
    pub event: Event,
}

impl State {
    /// The word that is stored.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            State::Pending => "pending",
            State::Paid => "paid",
            State::Closed => "closed",
            State::Fulfilled => "fulfilled",
            State::PartiallyRefunded => "partially_refunded",
            State::Refunded => "refunded",
        }
    }

    /// Reads a stored word; `None` if no state has that name.
    #[must_use]
    pub fn parse(word: &str) -> Option<State> {
        Some(match word {
            "pending" => State::Pending,
            "paid" => State::Paid,
            "closed" => State::Closed,
            "fulfilled" => State::Fulfilled,
            "partially_refunded" => State::PartiallyRefunded,
            "refunded" => State::Refunded,
            _unknown => return None,
        })
    }
}

/// Decides what an order becomes. A self-loop means: it happened before, nothing is to be done again.
///
/// # Errors
/// The pair is not in the table; the order stays as it is.
pub fn next(from: Option<State>, event: Event) -> Result<State, IllegalTransition> {
    let Some(state) = from else { return first(event) };
    match (state, event) {
        (State::Pending, Event::ConfirmPlace | Event::MarkPaid(_)) => Ok(State::Paid),
        (State::Pending, Event::CancelPlace | Event::ClosePlaced | Event::PayTimeout) => Ok(State::Closed),
        (State::Paid, Event::MarkPaid(Payment::Recorded)) => Ok(State::Paid),
        (State::Paid, Event::RevertPaid(Payment::Recorded)) => Ok(State::Pending),
        (State::Paid, Event::Fulfil) => Ok(State::Fulfilled),
        (State::Paid | State::Fulfilled | State::PartiallyRefunded, Event::RefundDone(Refund::Part)) => {
            Ok(State::PartiallyRefunded)
        }
        (State::Paid | State::Fulfilled | State::PartiallyRefunded, Event::RefundDone(Refund::Rest)) => {
            Ok(State::Refunded)
        }
        (State::Closed, Event::LateCharge) => Ok(State::Closed),
        (
            State::Pending,
            Event::TryPlace
            | Event::Place
            | Event::RevertPaid(_)
            | Event::RefundDone(_)
            | Event::Fulfil
            | Event::LateCharge,
        )
        | (
            State::Paid,
            Event::TryPlace
            | Event::Place
            | Event::ConfirmPlace
            | Event::CancelPlace
            | Event::MarkPaid(Payment::Other)
            | Event::RevertPaid(Payment::Other)
            | Event::ClosePlaced
            | Event::PayTimeout
            | Event::LateCharge,
        )
        | (
            State::Fulfilled | State::PartiallyRefunded,
            Event::TryPlace
            | Event::Place
            | Event::ConfirmPlace
            | Event::CancelPlace
            | Event::MarkPaid(_)
            | Event::RevertPaid(_)
            | Event::ClosePlaced
            | Event::PayTimeout
            | Event::Fulfil
            | Event::LateCharge,
        )
        | (
            State::Closed,
            Event::TryPlace
            | Event::Place
            | Event::ConfirmPlace
            | Event::CancelPlace
            | Event::MarkPaid(_)
            | Event::RevertPaid(_)
            | Event::ClosePlaced
            | Event::PayTimeout
            | Event::RefundDone(_)
            | Event::Fulfil,
        )
        | (State::Refunded, _) => Err(IllegalTransition { from, event }),
    }
}

/// What an order that does not exist yet becomes.
fn first(event: Event) -> Result<State, IllegalTransition> {
    match event {
        Event::TryPlace | Event::Place => Ok(State::Pending),
        Event::ConfirmPlace
        | Event::CancelPlace
        | Event::MarkPaid(_)
        | Event::RevertPaid(_)
        | Event::ClosePlaced
        | Event::PayTimeout
        | Event::RefundDone(_)
        | Event::Fulfil
        | Event::LateCharge => Err(IllegalTransition { from: None, event }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STATES: [Option<State>; 7] = [
        None,
        Some(State::Pending),
        Some(State::Paid),
        Some(State::Closed),
        Some(State::Fulfilled),
        Some(State::PartiallyRefunded),
        Some(State::Refunded),
    ];

    /// One row for each event; columns in the order of `STATES`: – PENDING PAID CLOSED FULFILLED PART REFUNDED.
    /// Letters: N pending, P paid, C closed, F fulfilled, R partially refunded, Z refunded, `.` illegal.
    const TABLE: [(Event, &str); 14] = [
        (Event::TryPlace, "N......"),
        (Event::Place, "N......"),
        (Event::ConfirmPlace, ".P....."),
        (Event::CancelPlace, ".C....."),
        (Event::MarkPaid(Payment::Recorded), ".PP...."),
        (Event::MarkPaid(Payment::Other), ".P....."),
        (Event::RevertPaid(Payment::Recorded), "..N...."),
        (Event::RevertPaid(Payment::Other), "......."),
        (Event::ClosePlaced, ".C....."),
        (Event::PayTimeout, ".C....."),
        (Event::RefundDone(Refund::Part), "..R.RR."),
        (Event::RefundDone(Refund::Rest), "..Z.ZZ."),
        (Event::Fulfil, "..F...."),
        (Event::LateCharge, "...C..."),
    ];

    fn letter(state: State) -> char {
        match state {
            State::Pending => 'N',
            State::Paid => 'P',
            State::Closed => 'C',
            State::Fulfilled => 'F',
            State::PartiallyRefunded => 'R',
            State::Refunded => 'Z',
        }
    }

    #[test]
    fn every_pair_of_state_and_event_goes_where_the_table_says() {
        for (event, row) in TABLE {
            let actual: String = STATES.iter().map(|from| next(*from, event).map_or('.', letter)).collect();
            assert_eq!(actual, row, "{event:?}");
        }
    }

    #[test]
    fn an_illegal_event_says_from_where_it_came() {
        let event = Event::MarkPaid(Payment::Other);
        assert_eq!(
            next(Some(State::Closed), event),
            Err(IllegalTransition { from: Some(State::Closed), event })
        );
    }

    #[test]
    fn every_state_is_read_back_from_its_word() {
        for state in STATES.into_iter().flatten() {
            assert_eq!(State::parse(state.as_str()), Some(state));
        }
        assert_eq!(State::parse("PAID"), None);
    }
}
