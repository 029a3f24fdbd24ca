//! From requests to checked values. Knows the limits of a field, no row and no state.
use crate::entity::{Line, Lines};
use amends_participant::money::Amount;
use amends_participant::{Reason, Refusal, fields};
use amends_proto::pay::order::v1::{self as pb, MarkPaidRequest, PlaceRequest};

/// Lines of one order.
const MAX_LINES: usize = 100;
/// Units of one line.
const MAX_QUANTITY: i64 = 1_000_000;
/// Time to pay, when the caller names none.
const DEFAULT_PAY_TTL_S: i32 = 1_800;
/// Longest time to pay: 30 days.
const MAX_PAY_TTL_S: i32 = 30 * 24 * 3_600;

/// An order to be recorded: its total is the sum of its lines, all of one currency.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Placing {
    /// `UUIDv7`.
    pub order_id: String,
    /// Whose order it is.
    pub merchant_id: String,
    /// The merchant's own number.
    pub out_trade_no: String,
    /// Who orders.
    pub user_id: String,
    /// What is ordered.
    pub lines: Lines,
    /// Sum of the lines.
    pub total: Amount,
    /// Time to pay.
    pub pay_ttl_us: i64,
}

/// A payment of an order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Paying {
    /// `UUIDv7` of the order.
    pub order_id: String,
    /// `UUIDv7` of the payment.
    pub payment_id: String,
    /// How much.
    pub paid: Amount,
}

/// Checks an order that is to be placed.
///
/// # Errors
/// The first field that is out of its limits, or a total that is not the sum of the lines.
pub fn placing(request: PlaceRequest) -> Result<Placing, Refusal> {
    fields::uuid7(&request.order_id, "order_id")?;
    fields::name(&request.merchant_id, "merchant_id")?;
    fields::trade_no(&request.out_trade_no, "out_trade_no")?;
    fields::name(&request.user_id, "user_id")?;
    let total = Amount::checked(request.total.as_ref(), "total")?;
    let lines = lines(request.lines, &total)?;
    Ok(Placing {
        order_id: request.order_id,
        merchant_id: request.merchant_id,
        out_trade_no: request.out_trade_no,
        user_id: request.user_id,
        lines,
        total,
        pay_ttl_us: pay_ttl_us(request.pay_ttl_s)?,
    })
}

/// Checks a payment that is to be recorded.
///
/// # Errors
/// The first field that is out of its limits.
pub fn paying(request: MarkPaidRequest) -> Result<Paying, Refusal> {
    fields::uuid7(&request.order_id, "order_id")?;
    fields::uuid7(&request.payment_id, "payment_id")?;
    let paid = Amount::checked(request.paid.as_ref(), "paid")?;
    Ok(Paying { order_id: request.order_id, payment_id: request.payment_id, paid })
}

fn lines(lines: Vec<pb::Line>, total: &Amount) -> Result<Lines, Refusal> {
    if lines.is_empty() || lines.len() > MAX_LINES {
        return Err(invalid(format!("lines: 1 to {MAX_LINES}, not {}", lines.len())));
    }
    let mut sum: i64 = 0;
    let mut checked = Vec::with_capacity(lines.len());
    for line in lines {
        fields::name(&line.sku, "lines.sku")?;
        if !(1..=MAX_QUANTITY).contains(&line.quantity) {
            return Err(invalid(format!("lines.quantity: 1 to {MAX_QUANTITY}")));
        }
        let price = Amount::checked(line.unit_price.as_ref(), "lines.unit_price")?;
        if price.currency != total.currency {
            return Err(Refusal::new(
                Reason::CurrencyMismatch,
                "lines and total are of different currencies",
            ));
        }
        sum = price
            .minor_units
            .checked_mul(line.quantity)
            .and_then(|cost| sum.checked_add(cost))
            .ok_or_else(|| Refusal::new(Reason::AmountOutOfRange, "sum of the lines"))?;
        checked.push(Line { sku: line.sku, quantity: line.quantity, unit_price_minor: price.minor_units });
    }
    if sum != total.minor_units {
        let text = format!("lines make {sum}, total says {}", total.minor_units);
        return Err(Refusal::new(Reason::TotalMismatch, text));
    }
    Ok(Lines(checked))
}

fn pay_ttl_us(seconds: i32) -> Result<i64, Refusal> {
    match seconds {
        0 => Ok(i64::from(DEFAULT_PAY_TTL_S) * 1_000_000),
        1..=MAX_PAY_TTL_S => Ok(i64::from(seconds) * 1_000_000),
        _outside => Err(invalid(format!("pay_ttl_s: 0 to {MAX_PAY_TTL_S}"))),
    }
}

fn invalid(text: impl Into<String>) -> Refusal {
    Refusal::new(Reason::InvalidRequest, text)
}
