//! The four sums of an account and what a posting does to them: pure, checked arithmetic.
//! Knows no account ids and no rules about who may pay whom.

/// Sums of one account, in minor units of its currency. Each pair (pending + posted) fits an i64, so that settling
/// what is held cannot overflow.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Balances {
    /// Promised to others, not yet gone.
    pub debits_pending: i64,
    /// Gone.
    pub debits_posted: i64,
    /// Promised by others, not yet here.
    pub credits_pending: i64,
    /// Arrived.
    pub credits_posted: i64,
}

/// Which side of a transfer the account is on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// The money leaves it.
    Debit,
    /// The money comes to it.
    Credit,
}

/// What is done with an amount.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Posting {
    /// Set aside: pending grows.
    Hold,
    /// Pending becomes posted.
    Settle,
    /// Pending goes away.
    Release,
    /// Posted at once.
    Post,
}

/// A sum would leave the range that the store can hold, or a pending sum would go below zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a sum of the account would leave its range")]
pub struct OutOfRange;

impl Balances {
    /// What may still be spent, before the floor is looked at.
    #[must_use]
    pub fn available(&self) -> i64 {
        self.credits_posted.saturating_sub(self.debits_posted).saturating_sub(self.debits_pending)
    }

    /// The sums after `posting` of `amount` on `side`.
    pub fn apply(self, side: Side, posting: Posting, amount: i64) -> Result<Balances, OutOfRange> {
        let mut after = self;
        match side {
            Side::Debit => {
                (after.debits_pending, after.debits_posted) =
                    shift((self.debits_pending, self.debits_posted), posting, amount)?;
            }
            Side::Credit => {
                (after.credits_pending, after.credits_posted) =
                    shift((self.credits_pending, self.credits_posted), posting, amount)?;
            }
        }
        Ok(after)
    }

    /// How much of a new debit of `amount` the account cannot bear without going below `floor`; 0 without floor.
    #[must_use]
    pub fn shortfall(&self, floor: Option<i64>, amount: i64) -> i64 {
        let Some(floor) = floor else { return 0 };
        let spendable = self.available().saturating_sub(floor);
        amount.saturating_sub(spendable).clamp(0, amount)
    }
}

fn shift((pending, posted): (i64, i64), posting: Posting, amount: i64) -> Result<(i64, i64), OutOfRange> {
    let (pending_by, posted_by) = match posting {
        Posting::Hold => (amount, 0),
        Posting::Settle => (-amount, amount),
        Posting::Release => (-amount, 0),
        Posting::Post => (0, amount),
    };
    let pending = pending.checked_add(pending_by).filter(|sum| *sum >= 0).ok_or(OutOfRange)?;
    let posted = posted.checked_add(posted_by).ok_or(OutOfRange)?;
    pending.checked_add(posted).ok_or(OutOfRange)?;
    Ok((pending, posted))
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: Balances =
        Balances { debits_pending: 5, debits_posted: 20, credits_pending: 7, credits_posted: 100 };

    #[test]
    fn each_posting_moves_its_own_side_only() {
        let table = [
            (Side::Debit, Posting::Hold, (8, 20, 7, 100)),
            (Side::Debit, Posting::Settle, (2, 23, 7, 100)),
            (Side::Debit, Posting::Release, (2, 20, 7, 100)),
            (Side::Debit, Posting::Post, (5, 23, 7, 100)),
            (Side::Credit, Posting::Hold, (5, 20, 10, 100)),
            (Side::Credit, Posting::Settle, (5, 20, 4, 103)),
            (Side::Credit, Posting::Release, (5, 20, 4, 100)),
            (Side::Credit, Posting::Post, (5, 20, 7, 103)),
        ];
        for (side, posting, (debits_pending, debits_posted, credits_pending, credits_posted)) in table {
            let expected = Balances { debits_pending, debits_posted, credits_pending, credits_posted };
            assert_eq!(START.apply(side, posting, 3), Ok(expected), "{posting:?} on {side:?}");
        }
    }

    #[test]
    fn sums_never_wrap_and_pending_never_goes_below_zero() {
        for side in [Side::Debit, Side::Credit] {
            assert_eq!(START.apply(side, Posting::Release, 8), Err(OutOfRange));
            assert_eq!(START.apply(side, Posting::Settle, 8), Err(OutOfRange));
            for posting in [Posting::Hold, Posting::Post] {
                assert_eq!(
                    START.apply(side, posting, i64::MAX - 20),
                    Err(OutOfRange),
                    "{posting:?} on {side:?}"
                );
            }
        }
    }

    #[test]
    fn shortfall_is_what_the_floor_leaves_uncovered() {
        let table = [
            (None, i64::MAX, 0),
            (Some(0), 75, 0),
            (Some(0), 76, 1),
            (Some(-10), 85, 0),
            (Some(-10), 86, 1),
            (Some(80), 3, 3), // already below its floor: never more than the amount itself
        ];
        for (floor, amount, expected) in table {
            assert_eq!(START.shortfall(floor, amount), expected, "floor {floor:?}, amount {amount}");
        }
    }
}
