//! What becomes of a points op: pure, total over every (state, event) pair.
//! Knows no purse, no clock, no store and no requests.

/// Where a points op stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OpState {
    /// Burning tried: part of the balance is frozen.
    Frozen,
    /// Burnt.
    Burnt,
    /// The frozen part is free again.
    Thawed,
    /// Burnt, then given back.
    Returned,
    /// Earning tried: noted, not spendable.
    Pending,
    /// Earned.
    Earned,
    /// The note is void.
    Voided,
    /// Earned, then taken back.
    Revoked,
}

/// What is asked of a points op.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OpEvent {
    /// TCC: freeze.
    TryBurn,
    /// TCC: the frozen part goes.
    ConfirmBurn,
    /// TCC: the frozen part is free again.
    CancelBurn,
    /// SAGA: burn at once.
    Burn,
    /// SAGA: undo of burn.
    ReturnBurn,
    /// TCC: note points to come.
    TryEarn,
    /// TCC: the noted points come.
    ConfirmEarn,
    /// TCC: the noted points do not come.
    CancelEarn,
    /// SAGA, and grants: earn at once.
    Earn,
    /// SAGA: undo of earn.
    RevokeEarn,
}

/// The event has no place in that state; nothing changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("points that are {from:?} do not take {event:?}")]
pub struct IllegalTransition {
    /// State before the event; none = no op yet.
    pub from: Option<OpState>,
    /// What was asked for.
    pub event: OpEvent,
}

impl OpState {
    /// Every state, in the order above.
    pub const ALL: [OpState; 8] = [
        OpState::Frozen,
        OpState::Burnt,
        OpState::Thawed,
        OpState::Returned,
        OpState::Pending,
        OpState::Earned,
        OpState::Voided,
        OpState::Revoked,
    ];

    /// Decides what an op becomes. A repeated event is not expected: the branch guard answers it.
    pub fn next(from: Option<OpState>, event: OpEvent) -> Result<OpState, IllegalTransition> {
        use OpEvent::{
            Burn, CancelBurn, CancelEarn, ConfirmBurn, ConfirmEarn, Earn, ReturnBurn, RevokeEarn, TryBurn,
            TryEarn,
        };
        use OpState::{Burnt, Earned, Frozen, Pending, Returned, Revoked, Thawed, Voided};
        match (from, event) {
            (None, TryBurn) => Ok(Frozen),
            (None, Burn) | (Some(Frozen), ConfirmBurn) => Ok(Burnt),
            (Some(Frozen), CancelBurn) => Ok(Thawed),
            (Some(Burnt), ReturnBurn) => Ok(Returned),
            (None, TryEarn) => Ok(Pending),
            (None, Earn) | (Some(Pending), ConfirmEarn) => Ok(Earned),
            (Some(Pending), CancelEarn) => Ok(Voided),
            (Some(Earned), RevokeEarn) => Ok(Revoked),
            (Some(_), TryBurn | Burn | TryEarn | Earn)
            | (
                None | Some(Burnt | Thawed | Returned | Pending | Earned | Voided | Revoked),
                ConfirmBurn | CancelBurn,
            )
            | (None | Some(Frozen | Thawed | Returned | Pending | Earned | Voided | Revoked), ReturnBurn)
            | (
                None | Some(Frozen | Burnt | Thawed | Returned | Earned | Voided | Revoked),
                ConfirmEarn | CancelEarn,
            )
            | (None | Some(Frozen | Burnt | Thawed | Returned | Pending | Voided | Revoked), RevokeEarn) => {
                Err(IllegalTransition { from, event })
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const EVENTS: [OpEvent; 10] = [
        OpEvent::TryBurn,
        OpEvent::ConfirmBurn,
        OpEvent::CancelBurn,
        OpEvent::Burn,
        OpEvent::ReturnBurn,
        OpEvent::TryEarn,
        OpEvent::ConfirmEarn,
        OpEvent::CancelEarn,
        OpEvent::Earn,
        OpEvent::RevokeEarn,
    ];
    /// One row per state before, one letter per event: `.` illegal, F frozen, B burnt, T thawed, R returned,
    /// P pending, E earned, V voided, X revoked.
    const TABLE: [&str; 9] = [
        "F..B.P..E.",
        ".BT.......",
        "....R.....",
        "..........",
        "..........",
        "......EV..",
        ".........X",
        "..........",
        "..........",
    ];

    fn letter(outcome: Result<OpState, IllegalTransition>) -> char {
        match outcome {
            Ok(OpState::Frozen) => 'F',
            Ok(OpState::Burnt) => 'B',
            Ok(OpState::Thawed) => 'T',
            Ok(OpState::Returned) => 'R',
            Ok(OpState::Pending) => 'P',
            Ok(OpState::Earned) => 'E',
            Ok(OpState::Voided) => 'V',
            Ok(OpState::Revoked) => 'X',
            Err(_) => '.',
        }
    }

    #[test]
    fn every_pair_of_state_and_event_is_decided_as_the_table_says() {
        let states = std::iter::once(None).chain(OpState::ALL.map(Some));
        for (from, row) in states.zip(TABLE) {
            let decided: String =
                EVENTS.into_iter().map(|event| letter(OpState::next(from, event))).collect();
            assert_eq!(decided, row, "from {from:?}");
        }
    }
}
