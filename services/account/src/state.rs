//! What becomes of a hold and of an account: pure, total over every (state, event) pair.
//! Knows no amounts in accounts (`balances`), no clock, no store.

/// Where a hold stands. `reversed` is what was given back of a settled amount.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HoldState {
    /// The amount is pending on both accounts.
    Held,
    /// The amount is posted on both accounts.
    Settled {
        /// Minor units given back so far, at most the hold's amount.
        reversed: i64,
    },
    /// Nothing is pending any more, nothing was posted.
    Released,
}

/// What a branch call asks of a hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HoldEvent {
    /// TCC: set the amount aside.
    Try,
    /// SAGA: post at once.
    Post,
    /// Make what is held final.
    Confirm,
    /// Let go of what is held.
    Cancel,
    /// Give back a part of what was settled.
    Reverse {
        /// Minor units to give back.
        part: i64,
    },
}

/// The event has no place in that state; nothing changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a hold that is {from:?} does not take {event:?}")]
pub struct IllegalTransition {
    /// State before the event; none = no hold yet.
    pub from: Option<HoldState>,
    /// What was asked for.
    pub event: HoldEvent,
}

impl HoldState {
    /// Decides what a hold of `amount` becomes. A repeated event is not expected: the branch guard answers it.
    pub fn next(
        from: Option<HoldState>,
        event: HoldEvent,
        amount: i64,
    ) -> Result<HoldState, IllegalTransition> {
        use HoldEvent::{Cancel, Confirm, Post, Reverse, Try};
        use HoldState::{Held, Released, Settled};
        match (from, event) {
            (None, Try) => Ok(Held),
            (None, Post) | (Some(Held), Confirm) => Ok(Settled { reversed: 0 }),
            (Some(Held), Cancel) => Ok(Released),
            (Some(Settled { reversed }), Reverse { part }) if part > 0 && part <= amount - reversed => {
                Ok(Settled { reversed: reversed + part })
            }
            (None, Confirm | Cancel | Reverse { .. })
            | (Some(Held), Try | Post | Reverse { .. })
            | (Some(Settled { .. }), Try | Post | Confirm | Cancel | Reverse { .. })
            | (Some(Released), Try | Post | Confirm | Cancel | Reverse { .. }) => {
                Err(IllegalTransition { from, event })
            }
        }
    }
}

/// Whether an account may be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AccountState {
    /// Takes and gives money.
    Open,
    /// Takes money; gives none but what was already promised or must be given back.
    Frozen,
    /// Takes part in no new transfer.
    Closed,
}

/// What happens to an account as a whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AccountEvent {
    /// An operator stops spending.
    Freeze,
    /// An operator allows spending again.
    Thaw,
    /// A reversal found less than it had to take back.
    FellShort,
}

/// A closed account is neither frozen nor thawed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the account is closed")]
pub struct AccountClosed;

impl AccountState {
    /// Decides what an account becomes. Freezing the frozen and thawing the open change nothing.
    pub fn next(self, event: AccountEvent) -> Result<AccountState, AccountClosed> {
        use AccountEvent::{FellShort, Freeze, Thaw};
        use AccountState::{Closed, Frozen, Open};
        match (self, event) {
            (Open | Frozen, Freeze | FellShort) => Ok(Frozen),
            (Open | Frozen, Thaw) => Ok(Open),
            (Closed, FellShort) => Ok(Closed), // a reversal cannot refuse, and closed is stricter than frozen
            (Closed, Freeze | Thaw) => Err(AccountClosed),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const AMOUNT: i64 = 10;
    const HOLDS: [Option<HoldState>; 6] = [
        None,
        Some(HoldState::Held),
        Some(HoldState::Settled { reversed: 0 }),
        Some(HoldState::Settled { reversed: 4 }),
        Some(HoldState::Settled { reversed: 10 }),
        Some(HoldState::Released),
    ];
    const EVENTS: [HoldEvent; 8] = [
        HoldEvent::Try,
        HoldEvent::Post,
        HoldEvent::Confirm,
        HoldEvent::Cancel,
        HoldEvent::Reverse { part: -1 },
        HoldEvent::Reverse { part: 6 },
        HoldEvent::Reverse { part: 10 },
        HoldEvent::Reverse { part: i64::MAX },
    ];

    /// One row per state before, one letter per event of `EVENTS`: `.` illegal, H held, S settled, R released,
    /// a digit or X = settled with that much (X = all) given back.
    const TABLE: [&str; 6] = ["HS......", "..SR....", ".....6X.", ".....X..", "........", "........"];

    fn letter(outcome: Result<HoldState, IllegalTransition>) -> char {
        match outcome {
            Ok(HoldState::Held) => 'H',
            Ok(HoldState::Released) => 'R',
            Ok(HoldState::Settled { reversed: 0 }) => 'S',
            Ok(HoldState::Settled { reversed: AMOUNT }) => 'X',
            Ok(HoldState::Settled { reversed }) => {
                char::from_digit(u32::try_from(reversed).unwrap(), 10).unwrap()
            }
            Err(_) => '.',
        }
    }

    #[test]
    fn every_pair_of_hold_state_and_event_is_decided_as_the_table_says() {
        for (from, row) in HOLDS.into_iter().zip(TABLE) {
            let decided: String =
                EVENTS.into_iter().map(|event| letter(HoldState::next(from, event, AMOUNT))).collect();
            assert_eq!(decided, row, "from {from:?}");
        }
    }

    #[test]
    fn a_refused_event_names_state_and_event() {
        let refused = HoldState::next(Some(HoldState::Released), HoldEvent::Confirm, AMOUNT).unwrap_err();
        assert_eq!(refused, IllegalTransition { from: Some(HoldState::Released), event: HoldEvent::Confirm });
    }

    #[test]
    fn every_pair_of_account_state_and_event_is_decided_as_the_table_says() {
        use AccountEvent::{FellShort, Freeze, Thaw};
        use AccountState::{Closed, Frozen, Open};
        let table = [
            (Open, [Ok(Frozen), Ok(Open), Ok(Frozen)]),
            (Frozen, [Ok(Frozen), Ok(Open), Ok(Frozen)]),
            (Closed, [Err(AccountClosed), Err(AccountClosed), Ok(Closed)]),
        ];
        for (from, expected) in table {
            assert_eq!([Freeze, Thaw, FellShort].map(|event| from.next(event)), expected, "from {from:?}");
        }
    }
}
