//! The points of one user and what each event does to them: pure, checked arithmetic.
//! Knows no ops, no clock, no store.

use crate::state::OpEvent;

/// Points of one user. `frozen` is part of `balance`; `pending_earn` is not; `debt` was taken back but not there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Purse {
    /// All points, frozen ones too.
    pub balance: i64,
    /// Set aside for burning.
    pub frozen: i64,
    /// To come when confirmed.
    pub pending_earn: i64,
    /// To be netted from the next earnings.
    pub debt: i64,
}

/// Why an event cannot be applied to a purse.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PurseError {
    /// Fewer free points than asked for.
    #[error("too few points")]
    TooFew,
    /// A sum would leave the range that the store can hold.
    #[error("a sum of points would leave its range")]
    OutOfRange,
}

impl Purse {
    /// Points that may be spent.
    #[must_use]
    pub fn free(&self) -> i64 {
        self.balance - self.frozen
    }

    /// The purse after `event` with `points` (> 0). Keeps 0 ≤ frozen ≤ balance and debt ≥ 0, and balance − debt moves
    /// by exactly what was earned, revoked, burnt or returned.
    pub fn apply(self, event: OpEvent, points: i64) -> Result<Purse, PurseError> {
        match event {
            OpEvent::TryBurn => self.freeze(points),
            OpEvent::ConfirmBurn => self.thaw(points)?.spend(points),
            OpEvent::CancelBurn => self.thaw(points),
            OpEvent::Burn => self.spend(points),
            OpEvent::ReturnBurn => Purse { balance: add(self.balance, points)?, ..self }.in_range(),
            OpEvent::TryEarn => Purse { pending_earn: add(self.pending_earn, points)?, ..self }.in_range(),
            OpEvent::ConfirmEarn => self.forget(points)?.earn(points),
            OpEvent::CancelEarn => self.forget(points),
            OpEvent::Earn => self.earn(points),
            OpEvent::RevokeEarn => self.revoke(points),
        }
    }

    fn freeze(self, points: i64) -> Result<Purse, PurseError> {
        if self.free() < points {
            return Err(PurseError::TooFew);
        }
        Ok(Purse { frozen: self.frozen + points, ..self })
    }

    fn thaw(self, points: i64) -> Result<Purse, PurseError> {
        if self.frozen < points {
            return Err(PurseError::TooFew);
        }
        Ok(Purse { frozen: self.frozen - points, ..self })
    }

    fn spend(self, points: i64) -> Result<Purse, PurseError> {
        if self.free() < points {
            return Err(PurseError::TooFew);
        }
        Ok(Purse { balance: self.balance - points, ..self })
    }

    fn forget(self, points: i64) -> Result<Purse, PurseError> {
        if self.pending_earn < points {
            return Err(PurseError::TooFew);
        }
        Ok(Purse { pending_earn: self.pending_earn - points, ..self })
    }

    /// Debt takes its part of what is earned first.
    fn earn(self, points: i64) -> Result<Purse, PurseError> {
        let netted = points.min(self.debt);
        let balance = add(self.balance, points - netted)?;
        Purse { balance, debt: self.debt - netted, ..self }.in_range()
    }

    /// Frozen points are promised to a burn already; they are not taken back.
    fn revoke(self, points: i64) -> Result<Purse, PurseError> {
        let taken = points.min(self.free());
        Ok(Purse { balance: self.balance - taken, debt: add(self.debt, points - taken)?, ..self })
    }

    /// Balance and what is to come fit an i64 together, so that a confirm cannot overflow.
    fn in_range(self) -> Result<Purse, PurseError> {
        add(self.balance, self.pending_earn)?;
        Ok(self)
    }
}

fn add(a: i64, b: i64) -> Result<i64, PurseError> {
    a.checked_add(b).ok_or(PurseError::OutOfRange)
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
    const START: Purse = Purse { balance: 10, frozen: 4, pending_earn: 3, debt: 2 };

    #[test]
    fn every_event_moves_the_purse_as_the_table_says() {
        use OpEvent::*;
        let table = [
            (TryBurn, 6, Ok((10, 10, 3, 2))),
            (TryBurn, 7, Err(PurseError::TooFew)),
            (ConfirmBurn, 4, Ok((6, 0, 3, 2))),
            (ConfirmBurn, 5, Err(PurseError::TooFew)),
            (CancelBurn, 4, Ok((10, 0, 3, 2))),
            (CancelBurn, 5, Err(PurseError::TooFew)),
            (Burn, 6, Ok((4, 4, 3, 2))),
            (Burn, 7, Err(PurseError::TooFew)),
            (ReturnBurn, 5, Ok((15, 4, 3, 2))),
            (ReturnBurn, i64::MAX - 10, Err(PurseError::OutOfRange)),
            (TryEarn, 5, Ok((10, 4, 8, 2))),
            (TryEarn, i64::MAX - 12, Err(PurseError::OutOfRange)),
            (ConfirmEarn, 3, Ok((11, 4, 0, 0))),
            (ConfirmEarn, 4, Err(PurseError::TooFew)),
            (CancelEarn, 3, Ok((10, 4, 0, 2))),
            (CancelEarn, 4, Err(PurseError::TooFew)),
            (Earn, 1, Ok((10, 4, 3, 1))),
            (Earn, 9, Ok((17, 4, 3, 0))),
            (Earn, i64::MAX, Err(PurseError::OutOfRange)),
            (RevokeEarn, 6, Ok((4, 4, 3, 2))),
            (RevokeEarn, 9, Ok((4, 4, 3, 5))),
            (RevokeEarn, i64::MAX, Ok((4, 4, 3, i64::MAX - 4))),
        ];
        for (event, points, expected) in table {
            let expected = expected.map(|(balance, frozen, pending_earn, debt)| Purse {
                balance,
                frozen,
                pending_earn,
                debt,
            });
            assert_eq!(START.apply(event, points), expected, "{event:?} of {points}");
        }
    }

    #[test]
    fn debt_never_wraps() {
        let owing = Purse { debt: i64::MAX - 1, ..START };
        assert_eq!(owing.apply(OpEvent::RevokeEarn, 8), Err(PurseError::OutOfRange));
    }

    #[test]
    fn a_purse_keeps_its_invariants_on_every_path() {
        let mut seen = vec![Purse::default()];
        for _ in 0..5 {
            let reached: Vec<Purse> = seen
                .iter()
                .flat_map(|purse| EVENTS.map(|event| [1, 3].map(|points| purse.apply(event, points))))
                .flatten()
                .flatten()
                .collect();
            for purse in &reached {
                assert!(0 <= purse.frozen && purse.frozen <= purse.balance && purse.debt >= 0, "{purse:?}");
            }
            seen = reached;
            seen.sort_by_key(|purse| (purse.balance, purse.frozen, purse.pending_earn, purse.debt));
            seen.dedup();
        }
    }
}
