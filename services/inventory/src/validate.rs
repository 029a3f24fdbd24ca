//! From requests to checked values. Knows the limits of a field, no row and no state.
use crate::entity::reservation::{Line, Lines};
use amends_participant::{Reason, Refusal, fields};
use amends_proto::pay::inventory::v1::{self as pb, ReserveRequest, RestockRequest};

/// Lines of one reservation.
const MAX_LINES: usize = 100;
/// Units of one line.
const MAX_QUANTITY: i64 = 1_000_000;
/// Time until a reservation is looked after, when the caller names none.
const DEFAULT_HOLD_TTL_S: i32 = 900;
/// Longest time until a reservation is looked after: 30 days.
const MAX_HOLD_TTL_S: i32 = 30 * 24 * 3_600;
/// Units that one restock brings at most.
const MAX_RESTOCK: i64 = 1_000_000_000;

/// Goods to be set aside or taken: lines in the order of their skus, each sku once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reserving {
    /// `UUIDv7`.
    pub reservation_id: String,
    /// `UUIDv7`.
    pub order_id: String,
    /// What.
    pub lines: Lines,
    /// Time until somebody looks after it.
    pub hold_ttl_us: i64,
}

/// Checks goods that are to be set aside or taken.
///
/// # Errors
/// The first field that is out of its limits, or a sku that comes twice.
pub fn reserving(request: ReserveRequest) -> Result<Reserving, Refusal> {
    fields::uuid7(&request.reservation_id, "reservation_id")?;
    fields::uuid7(&request.order_id, "order_id")?;
    Ok(Reserving {
        reservation_id: request.reservation_id,
        order_id: request.order_id,
        lines: lines(request.lines)?,
        hold_ttl_us: hold_ttl_us(request.hold_ttl_s)?,
    })
}

/// Checks goods that arrived. The idempotency key is checked by the kit.
///
/// # Errors
/// The first field that is out of its limits.
pub fn restock(request: &RestockRequest) -> Result<(), Refusal> {
    fields::name(&request.sku, "sku")?;
    if !(0..=MAX_RESTOCK).contains(&request.quantity) {
        return Err(invalid(format!("quantity: 0 to {MAX_RESTOCK}")));
    }
    Ok(())
}

fn lines(lines: Vec<pb::Line>) -> Result<Lines, Refusal> {
    if lines.is_empty() || lines.len() > MAX_LINES {
        return Err(invalid(format!("lines: 1 to {MAX_LINES}, not {}", lines.len())));
    }
    let mut checked = Vec::with_capacity(lines.len());
    for line in lines {
        fields::name(&line.sku, "lines.sku")?;
        if !(1..=MAX_QUANTITY).contains(&line.quantity) {
            return Err(invalid(format!("lines.quantity: 1 to {MAX_QUANTITY}")));
        }
        checked.push(Line { sku: line.sku, quantity: line.quantity });
    }
    checked.sort_by(|a, b| a.sku.cmp(&b.sku));
    match checked.windows(2).find(|pair| pair[0].sku == pair[1].sku) {
        Some(pair) => Err(invalid(format!("lines: sku {} comes twice", pair[0].sku))),
        None => Ok(Lines(checked)),
    }
}

fn hold_ttl_us(seconds: i32) -> Result<i64, Refusal> {
    match seconds {
        0 => Ok(i64::from(DEFAULT_HOLD_TTL_S) * 1_000_000),
        1..=MAX_HOLD_TTL_S => Ok(i64::from(seconds) * 1_000_000),
        _outside => Err(invalid(format!("hold_ttl_s: 0 to {MAX_HOLD_TTL_S}"))),
    }
}

fn invalid(text: impl Into<String>) -> Refusal {
    Refusal::new(Reason::InvalidRequest, text)
}
