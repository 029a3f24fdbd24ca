//! What a reservation may become and how each step moves the stock (payments-domain §4.3).
//! Owns the rule, not the rows: knows no clock, no database, no caller.

/// Where a reservation stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// Goods are set aside.
    Reserved,
    /// Goods are sold.
    Committed,
    /// Goods that were set aside are free again; terminal.
    Released,
    /// Goods that were sold came back; terminal.
    Returned,
}

/// What happens to a reservation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// TCC: goods are set aside.
    TryReserve,
    /// TCC: the whole transaction was committed.
    ConfirmReserve,
    /// TCC: the whole transaction was given up.
    CancelReserve,
    /// SAGA: goods are taken at once.
    Deduct,
    /// SAGA, undo: the goods come back.
    ReturnStock,
}

/// How one unit of a line changes the numbers of its sku.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Movement {
    /// Change of `on_hand`.
    pub on_hand: i64,
    /// Change of `reserved`.
    pub reserved: i64,
    /// Change of `sold`.
    pub sold: i64,
    /// Change of `returned`.
    pub returned: i64,
}

/// An event that the reservation's state does not allow; nothing changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{event:?} does not apply to a reservation that is {from:?}")]
pub struct IllegalTransition {
    /// State of the reservation; `None`: there is none.
    pub from: Option<State>,
    /// What was asked for.
    pub event: Event,
}

impl State {
    /// The word that is stored.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            State::Reserved => "reserved",
            State::Committed => "committed",
            State::Released => "released",
            State::Returned => "returned",
        }
    }

    /// Reads a stored word; `None` if no state has that name.
    #[must_use]
    pub fn parse(word: &str) -> Option<State> {
        Some(match word {
            "reserved" => State::Reserved,
            "committed" => State::Committed,
            "released" => State::Released,
            "returned" => State::Returned,
            _unknown => return None,
        })
    }
}

impl Event {
    /// What this event does to the stock, for each unit.
    #[must_use]
    pub fn movement(self) -> Movement {
        match self {
            Event::TryReserve => Movement { on_hand: 0, reserved: 1, sold: 0, returned: 0 },
            Event::ConfirmReserve => Movement { on_hand: -1, reserved: -1, sold: 1, returned: 0 },
            Event::CancelReserve => Movement { on_hand: 0, reserved: -1, sold: 0, returned: 0 },
            Event::Deduct => Movement { on_hand: -1, reserved: 0, sold: 1, returned: 0 },
            Event::ReturnStock => Movement { on_hand: 1, reserved: 0, sold: 0, returned: 1 },
        }
    }
}

/// Decides what a reservation becomes.
///
/// # Errors
/// The pair is not in the table; the reservation and the stock stay as they are.
pub fn next(from: Option<State>, event: Event) -> Result<State, IllegalTransition> {
    match (from, event) {
        (None, Event::TryReserve) => Ok(State::Reserved),
        (None, Event::Deduct) | (Some(State::Reserved), Event::ConfirmReserve) => Ok(State::Committed),
        (Some(State::Reserved), Event::CancelReserve) => Ok(State::Released),
        (Some(State::Committed), Event::ReturnStock) => Ok(State::Returned),
        (None, Event::ConfirmReserve | Event::CancelReserve | Event::ReturnStock)
        | (Some(State::Reserved), Event::TryReserve | Event::Deduct | Event::ReturnStock)
        | (
            Some(State::Committed),
            Event::TryReserve | Event::ConfirmReserve | Event::CancelReserve | Event::Deduct,
        )
        | (
            Some(State::Released | State::Returned),
            Event::TryReserve
            | Event::ConfirmReserve
            | Event::CancelReserve
            | Event::Deduct
            | Event::ReturnStock,
        ) => Err(IllegalTransition { from, event }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STATES: [Option<State>; 5] =
        [None, Some(State::Reserved), Some(State::Committed), Some(State::Released), Some(State::Returned)];

    /// One row for each event; columns in the order of `STATES`: – RESERVED COMMITTED RELEASED RETURNED.
    /// Letters: S set aside (reserved), C committed, L released, T returned, `.` illegal.
    const TABLE: [(Event, &str); 5] = [
        (Event::TryReserve, "S...."),
        (Event::ConfirmReserve, ".C..."),
        (Event::CancelReserve, ".L..."),
        (Event::Deduct, "C...."),
        (Event::ReturnStock, "..T.."),
    ];

    fn letter(state: State) -> char {
        match state {
            State::Reserved => 'S',
            State::Committed => 'C',
            State::Released => 'L',
            State::Returned => 'T',
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
    fn no_movement_makes_or_loses_goods() {
        for (event, _) in TABLE {
            let moved = event.movement();
            assert_eq!(moved.returned, moved.on_hand + moved.sold, "{event:?} breaks received + returned");
        }
    }

    #[test]
    fn each_way_to_an_end_gives_back_what_it_set_aside() {
        let ways: [&[Event]; 4] = [
            &[Event::TryReserve, Event::ConfirmReserve],
            &[Event::TryReserve, Event::CancelReserve],
            &[Event::Deduct, Event::ReturnStock],
            &[Event::TryReserve, Event::ConfirmReserve, Event::ReturnStock],
        ];
        for way in ways {
            let reserved: i64 = way.iter().map(|event| event.movement().reserved).sum();
            assert_eq!(reserved, 0, "{way:?}");
            let end = way.iter().try_fold(None, |from, event| next(from, *event).map(Some));
            assert!(end.is_ok(), "{way:?}: {end:?}");
        }
    }

    #[test]
    fn every_state_is_read_back_from_its_word() {
        for state in STATES.into_iter().flatten() {
            assert_eq!(State::parse(state.as_str()), Some(state));
        }
        assert_eq!(State::parse("RESERVED"), None);
    }
}
