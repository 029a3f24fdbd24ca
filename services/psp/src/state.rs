//! What the processor decides: where a request stands, what it does to the money of its payment, what it answers.
//! Pure: knows no clock, no store, no wire.

use crate::op::Op;

/// Where a stored request stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// Received but invisible until it is due.
    Late,
    /// Received and visible, decided when it is due.
    Processing,
    /// Carried out.
    Succeeded,
    /// A payment turned down.
    Declined,
    /// A capture, void, refund or close that cannot be done.
    Refused,
    /// Forbidden for ever.
    Closed,
}

impl Standing {
    /// All standings, for tables and tests.
    pub const ALL: [Standing; 6] = [
        Standing::Late,
        Standing::Processing,
        Standing::Succeeded,
        Standing::Declined,
        Standing::Refused,
        Standing::Closed,
    ];

    /// The word in the store.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Standing::Late => "late",
            Standing::Processing => "processing",
            Standing::Succeeded => "succeeded",
            Standing::Declined => "declined",
            Standing::Refused => "refused",
            Standing::Closed => "closed",
        }
    }

    /// The standing of that word.
    #[must_use]
    pub fn parse(text: &str) -> Option<Standing> {
        Standing::ALL.into_iter().find(|standing| standing.as_str() == text)
    }
}

/// Money of one payment, in minor units: reserved on the card, and taken from it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Money {
    /// Reserved and neither taken nor released.
    pub authorized: i64,
    /// Taken and not given back.
    pub kept: i64,
}

/// The payment that a capture, void or refund refers to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Original {
    /// How it was opened.
    pub op: Op,
    /// Where it stands.
    pub standing: Standing,
    /// Its money.
    pub money: Money,
}

/// The money of the payment after `op` over `amount`, or the code of the refusal. For Authorize and Sale the payment is
/// the request itself and there is no original.
pub fn judge(op: Op, amount: i64, original: Option<Original>) -> Result<Money, &'static str> {
    match op {
        Op::Authorize => Ok(Money { authorized: amount, kept: 0 }),
        Op::Sale => Ok(Money { authorized: 0, kept: amount }),
        Op::Capture => capture(amount, succeeded(original)?),
        Op::Void => void(succeeded(original)?),
        Op::Refund => refund(amount, succeeded(original)?),
        Op::Query | Op::Close => Err("not_a_money_op"),
    }
}

fn succeeded(original: Option<Original>) -> Result<Money, &'static str> {
    let Some(original) = original.filter(is_payment) else {
        return Err("original_not_found");
    };
    match original.standing {
        Standing::Late => Err("original_not_found"),
        Standing::Processing => Err("processing"),
        // For ever without money. No behaviour has this code, so it is proof.
        Standing::Declined | Standing::Refused | Standing::Closed => Err("nothing_kept"),
        Standing::Succeeded => Ok(original.money),
    }
}

/// Also one that was closed before anybody had heard of it: it will never be opened.
fn is_payment(original: &Original) -> bool {
    original.op.opens_payment() || original.op == Op::Close
}

fn capture(amount: i64, money: Money) -> Result<Money, &'static str> {
    match money {
        Money { authorized: 0, kept: 0 } => Err("nothing_kept"),
        Money { authorized: 0, kept: _ } => Err("captured"),
        Money { authorized, kept } if amount <= authorized => {
            Ok(Money { authorized: authorized - amount, kept: kept + amount })
        }
        Money { .. } => Err("amount_too_large"),
    }
}

fn void(money: Money) -> Result<Money, &'static str> {
    match money {
        Money { authorized: 0, kept: 0 } => Err("nothing_kept"),
        Money { authorized: _, kept: 0 } => Ok(Money::default()),
        Money { .. } => Err("captured"),
    }
}

fn refund(amount: i64, money: Money) -> Result<Money, &'static str> {
    match money {
        Money { authorized: 0, kept: 0 } => Err("nothing_kept"),
        Money { authorized: _, kept: 0 } => Err("not_captured"),
        Money { authorized, kept } if amount <= kept => Ok(Money { authorized, kept: kept - amount }),
        Money { .. } => Err("amount_too_large"),
    }
}

/// What a close comes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Closing {
    /// Nothing was known of the request: it is stored as closed.
    Forbid,
    /// The request was known and not yet carried out: it becomes closed.
    Withdraw,
    /// Closed before, or turned down: the request stays as it is.
    Stands(Standing),
    /// It cannot be closed, for this reason.
    Refuse(&'static str),
}

/// What a close of a request with this standing (none: unknown) comes to.
#[must_use]
pub fn close(standing: Option<Standing>) -> Closing {
    match standing {
        None => Closing::Forbid,
        Some(Standing::Late) => Closing::Withdraw,
        Some(Standing::Processing) => Closing::Refuse("processing"),
        Some(Standing::Succeeded) => Closing::Refuse("paid"),
        Some(standing @ (Standing::Declined | Standing::Refused | Standing::Closed)) => {
            Closing::Stands(standing)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: Money = Money { authorized: 100, kept: 0 };
    const K: Money = Money { authorized: 0, kept: 100 };
    const PART: Money = Money { authorized: 60, kept: 40 };
    const NIL: Money = Money { authorized: 0, kept: 0 };

    #[test]
    fn every_money_op_on_every_purse() {
        let of = |authorized, kept| Ok(Money { authorized, kept });
        for (op, amount, money, wanted) in [
            (Op::Capture, 100, A, of(0, 100)),
            (Op::Capture, 40, A, of(60, 40)),
            (Op::Capture, 101, A, Err("amount_too_large")),
            (Op::Capture, 100, K, Err("captured")),
            (Op::Capture, 60, PART, of(0, 100)),
            (Op::Capture, 1, NIL, Err("nothing_kept")),
            (Op::Void, 100, A, of(0, 0)),
            (Op::Void, 100, K, Err("captured")),
            (Op::Void, 100, PART, Err("captured")),
            (Op::Void, 100, NIL, Err("nothing_kept")),
            (Op::Refund, 100, A, Err("not_captured")),
            (Op::Refund, 100, K, of(0, 0)),
            (Op::Refund, 30, K, of(0, 70)),
            (Op::Refund, 41, PART, Err("amount_too_large")),
            (Op::Refund, 1, NIL, Err("nothing_kept")),
        ] {
            let original = Original { op: Op::Authorize, standing: Standing::Succeeded, money };
            assert_eq!(judge(op, amount, Some(original)), wanted, "{op:?} {amount} {money:?}");
        }
    }

    #[test]
    fn only_a_successful_payment_can_be_worked_on() {
        for op in [Op::Capture, Op::Void, Op::Refund] {
            assert_eq!(judge(op, 1, None), Err("original_not_found"));
            for standing in Standing::ALL {
                let original = Original { op: Op::Sale, standing, money: K };
                let code = match standing {
                    Standing::Late => Some("original_not_found"),
                    Standing::Processing => Some("processing"),
                    Standing::Declined | Standing::Refused | Standing::Closed => Some("nothing_kept"),
                    Standing::Succeeded => None,
                };
                let judged = judge(op, 1, Some(original)).err().filter(|code| *code != "captured");
                assert_eq!(judged, code, "{op:?} {standing:?}");
            }
            let not_a_payment = Original { op: Op::Refund, standing: Standing::Succeeded, money: K };
            assert_eq!(judge(op, 1, Some(not_a_payment)), Err("original_not_found"));
        }
    }

    #[test]
    fn a_close_never_undoes_a_success() {
        for (standing, wanted) in [
            (None, Closing::Forbid),
            (Some(Standing::Late), Closing::Withdraw),
            (Some(Standing::Processing), Closing::Refuse("processing")),
            (Some(Standing::Succeeded), Closing::Refuse("paid")),
            (Some(Standing::Declined), Closing::Stands(Standing::Declined)),
            (Some(Standing::Refused), Closing::Stands(Standing::Refused)),
            (Some(Standing::Closed), Closing::Stands(Standing::Closed)),
        ] {
            assert_eq!(close(standing), wanted);
        }
    }
}
