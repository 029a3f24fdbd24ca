//! `checkout`: a customer pays for an order with wallet, points and card (design.md §5, Checkout).
//! Both modes from one input; a step whose amount is 0 is left out.

use super::{DefinitionError, Order, Planned, StepSketch, assemble, decode};
use crate::history::Reuse;
use crate::plan::Mode;
use amends_card_number::holds_card_number;
use amends_proto::amends::v1::StepPolicy;
use amends_proto::pay::checkout::v1::{Card, CheckoutInput};
use amends_proto::pay::money::v1::Money;
use amends_proto::pay::{account::v1 as account, gateway::v1 as gateway, inventory::v1 as inventory};
use amends_proto::pay::{order::v1 as order_v1, points::v1 as points};
use std::collections::BTreeMap;
use uuid::Uuid;

/// Name of the definition.
pub const NAME: &str = "checkout";
const VERSION: i32 = 1;
const INPUT: &str = "pay.checkout.v1.CheckoutInput";
/// Largest amount, in minor units (payments-domain.md §1).
const MAX_AMOUNT: i64 = 100_000_000_000_000;
/// Lines of one order (reliability.md §5, Input).
const MAX_LINES: usize = 100;
/// Basis points in a whole.
const WHOLE_BP: i64 = 10_000;

/// What the amounts of a checkout come to; all in one currency.
struct Parts {
    total: Money,
    wallet: Money,
    points_value: Money,
    card: Money,
    earned: i64,
}

/// Makes the plan.
pub fn plan(order: &Order<'_>) -> Result<Planned, DefinitionError> {
    if order.mode == Mode::Unspecified {
        return Err(DefinitionError::Mode);
    }
    let mut input: CheckoutInput = decode(order.input, INPUT)?;
    input.order_id = order_id(&input.order_id)?;
    no_card_numbers(&input)?;
    let parts = check(&input)?;
    let card = input.card.clone().ok_or_else(|| field("card", "is missing"))?;
    let sketch = Sketch { input: &input, parts: &parts, card: &card, order, payment_id: new_id() };
    let steps = match order.mode {
        Mode::Tcc => sketch.tcc(),
        Mode::Saga | Mode::Unspecified => sketch.saga(),
    };
    let own_key = format!("{}/{}", input.merchant_id, input.out_trade_no);
    let key = if order.business_key.is_empty() { own_key } else { order.business_key.to_owned() };
    let worth = (parts.total.minor_units, parts.total.currency.as_str());
    let plan = assemble(order, NAME, VERSION, &key, worth, steps.into_iter().flatten().collect())?;
    // An order that is paid must not be paid again (payments-domain.md §5, I4).
    Ok(Planned { plan, reuse: Reuse::AfterFailed })
}

fn field(field: &'static str, what: impl Into<String>) -> DefinitionError {
    DefinitionError::Field { field, what: what.into() }
}

fn order_id(given: &str) -> Result<String, DefinitionError> {
    if given.is_empty() {
        return Ok(Uuid::now_v7().to_string());
    }
    match Uuid::parse_str(given) {
        Ok(id) if id.get_version_num() == 7 && id.to_string() == given => Ok(given.to_owned()),
        Ok(_) | Err(_) => Err(field("order_id", "must be a lower-case UUIDv7 with hyphens")),
    }
}

/// A plan is kept for ever: a card number in any text is refused before there is one (payments-domain.md §1).
fn no_card_numbers(input: &CheckoutInput) -> Result<(), DefinitionError> {
    let card = input.card.as_ref();
    let of_card = |value: fn(&Card) -> &String| card.map(|card| value(card).as_str()).unwrap_or_default();
    let texts = [
        ("merchant_id", input.merchant_id.as_str()),
        ("out_trade_no", &input.out_trade_no),
        ("user_id", &input.user_id),
        ("card.psp", of_card(|card| &card.psp)),
        ("card.method", of_card(|card| &card.method)),
        ("card.card_token", of_card(|card| &card.card_token)),
        ("card.card_fingerprint", of_card(|card| &card.card_fingerprint)),
    ];
    let skus = input.lines.iter().map(|line| ("lines.sku", line.sku.as_str()));
    match texts.into_iter().chain(skus).find(|(_, text)| holds_card_number(text)) {
        Some((field, _)) => Err(DefinitionError::CardNumber(field)),
        None => Ok(()),
    }
}

/// The checks that decide the shape of the plan; the services check everything else and refuse.
fn check(input: &CheckoutInput) -> Result<Parts, DefinitionError> {
    for (name, value) in [
        ("merchant_id", &input.merchant_id),
        ("out_trade_no", &input.out_trade_no),
        ("user_id", &input.user_id),
    ] {
        if value.is_empty() || value.len() > 64 {
            return Err(field(name, "must have 1 to 64 characters"));
        }
    }
    if input.lines.is_empty() || input.lines.len() > MAX_LINES {
        return Err(field("lines", format!("must be 1 to {MAX_LINES}")));
    }
    if input.lines.iter().any(|line| line.sku.is_empty() || line.quantity < 1) {
        return Err(field("lines", "each has a sku and a quantity of at least 1"));
    }
    if !(0..=100_000).contains(&input.earn_bp) {
        return Err(field("earn_bp", "must be 0 to 100,000 basis points"));
    }
    if !(0..=MAX_AMOUNT).contains(&input.points) {
        return Err(field("points", "must be 0 to 10^14"));
    }
    amounts(input)
}

fn amounts(input: &CheckoutInput) -> Result<Parts, DefinitionError> {
    let total = input.total.clone().ok_or_else(|| field("total", "is missing"))?;
    if !(1..=MAX_AMOUNT).contains(&total.minor_units) {
        return Err(field("total", "must be 1 to 10^14 minor units"));
    }
    if total.currency.len() != 3 || !total.currency.bytes().all(|letter| letter.is_ascii_uppercase()) {
        return Err(field("total", "its currency must be three upper-case letters"));
    }
    let part = |name, money: &Option<Money>| match money {
        None => Ok(Money { minor_units: 0, currency: total.currency.clone() }),
        Some(money) if !(0..=MAX_AMOUNT).contains(&money.minor_units) => {
            Err(field(name, "must be 0 to 10^14 minor units"))
        }
        Some(money) if money.minor_units > 0 && money.currency != total.currency => {
            Err(field(name, "must be in the currency of the total"))
        }
        Some(money) => Ok(Money { minor_units: money.minor_units, currency: total.currency.clone() }),
    };
    let wallet = part("wallet", &input.wallet)?;
    let points_value = part("points_value", &input.points_value)?;
    if (input.points == 0) != (points_value.minor_units == 0) {
        return Err(field("points_value", "points and their value go together"));
    }
    let card = total.minor_units - wallet.minor_units - points_value.minor_units;
    if card < 1 {
        return Err(field("wallet", "total less wallet and points must leave at least 1 for the card"));
    }
    let paid = i128::from(wallet.minor_units) + i128::from(card);
    let earned = i64::try_from(paid * i128::from(input.earn_bp) / i128::from(WHOLE_BP))
        .ok()
        .filter(|earned| *earned <= MAX_AMOUNT)
        .ok_or_else(|| field("earn_bp", "earns more points than there are"))?;
    let card = Money { minor_units: card, currency: total.currency.clone() };
    Ok(Parts { total, wallet, points_value, card, earned })
}

struct Sketch<'a> {
    input: &'a CheckoutInput,
    parts: &'a Parts,
    card: &'a Card,
    order: &'a Order<'a>,
    payment_id: String,
}

impl Sketch<'_> {
    fn saga(&self) -> Vec<Option<StepSketch>> {
        vec![
            Some(self.step("order", ("Place", "", "ClosePlaced"), self.place().into())),
            Some(self.step("inventory", ("Deduct", "", "ReturnStock"), self.reserve().into())),
            self.burn().map(|burn| self.step("points", ("Burn", "", "ReturnBurn"), burn.into())),
            self.transfer().map(|pay| self.step("account", ("Transfer", "", "ReverseTransfer"), pay.into())),
            Some(StepSketch {
                pivot: true,
                ..self.step("gateway", ("Charge", "", "ReverseCharge"), self.pay().into())
            }),
            Some(self.step("order", ("MarkPaid", "", ""), self.mark_paid().into())),
            self.earn().map(|earn| self.step("points", ("Earn", "", ""), earn.into())),
        ]
    }

    fn tcc(&self) -> Vec<Option<StepSketch>> {
        let points = |methods, body: points::PointsRequest| self.step("points", methods, body.into());
        vec![
            Some(self.step("order", ("TryPlace", "ConfirmPlace", "CancelPlace"), self.place().into())),
            Some(self.step(
                "inventory",
                ("TryReserve", "ConfirmReserve", "CancelReserve"),
                self.reserve().into(),
            )),
            self.earn().map(|earn| points(("TryEarn", "ConfirmEarn", "CancelEarn"), earn)),
            self.burn().map(|burn| points(("TryBurn", "ConfirmBurn", "CancelBurn"), burn)),
            self.transfer().map(|pay| {
                self.step("account", ("TryTransfer", "ConfirmTransfer", "CancelTransfer"), pay.into())
            }),
            Some(self.step("gateway", ("TryPay", "ConfirmPay", "CancelPay"), self.pay().into())),
        ]
    }

    fn step(
        &self,
        participant: &'static str,
        (forward, confirm, undo): (&'static str, &'static str, &'static str),
        body: Body,
    ) -> StepSketch {
        let service = match participant {
            "order" => "pay.order.v1.OrderService",
            "inventory" => "pay.inventory.v1.InventoryService",
            "points" => "pay.points.v1.PointsService",
            "account" => "pay.account.v1.AccountService",
            _ => "pay.gateway.v1.GatewayService",
        };
        let policy = self.policy(participant);
        StepSketch { participant, service, forward, confirm, undo, pivot: false, payload: body.0, policy }
    }

    /// Payments-domain.md §3, Times; orchestration.md items 3 and 4.
    fn policy(&self, participant: &str) -> StepPolicy {
        let times = &self.order.times;
        let (attempt_timeout_ms, step_timeout_ms) = match (participant, self.order.mode) {
            ("gateway", _) => (8_000, times.pivot_timeout_ms),
            (_, Mode::Tcc) => (3_000, times.try_timeout_ms),
            (_, Mode::Saga | Mode::Unspecified) => (3_000, 0),
        };
        StepPolicy {
            attempt_timeout_ms,
            step_timeout_ms,
            initial_interval_ms: 100,
            max_interval_ms: 30_000,
            attention_after_ms: 600_000,
            ..StepPolicy::default()
        }
    }

    fn place(&self) -> order_v1::PlaceRequest {
        let input = self.input;
        let lines = input.lines.iter().map(|line| order_v1::Line {
            sku: line.sku.clone(),
            quantity: line.quantity,
            unit_price: line.unit_price.clone(),
        });
        order_v1::PlaceRequest {
            order_id: input.order_id.clone(),
            merchant_id: input.merchant_id.clone(),
            out_trade_no: input.out_trade_no.clone(),
            user_id: input.user_id.clone(),
            lines: lines.collect(),
            total: Some(self.parts.total.clone()),
            pay_ttl_s: input.pay_ttl_s,
        }
    }

    /// One line for each sku, summed: a reservation names a sku once.
    fn reserve(&self) -> inventory::ReserveRequest {
        let mut quantities: BTreeMap<&str, i64> = BTreeMap::new();
        for line in &self.input.lines {
            let quantity = quantities.entry(&line.sku).or_default();
            *quantity = quantity.saturating_add(line.quantity);
        }
        let lines =
            quantities.into_iter().map(|(sku, quantity)| inventory::Line { sku: sku.to_owned(), quantity });
        inventory::ReserveRequest {
            reservation_id: new_id(),
            order_id: self.input.order_id.clone(),
            lines: lines.collect(),
            hold_ttl_s: 0,
        }
    }

    fn transfer(&self) -> Option<account::TransferRequest> {
        let (input, wallet) = (self.input, &self.parts.wallet);
        (wallet.minor_units > 0).then(|| account::TransferRequest {
            transfer_id: new_id(),
            debit_account_id: format!("USER_WALLET:{}:{}", input.user_id, wallet.currency),
            credit_account_id: format!("MERCHANT_PENDING:{}:{}", input.merchant_id, wallet.currency),
            amount: Some(wallet.clone()),
            code: "WALLET_PAY".to_owned(),
            order_id: input.order_id.clone(),
            hold_ttl_s: 0,
        })
    }

    fn burn(&self) -> Option<points::PointsRequest> {
        (self.input.points > 0).then(|| self.points(self.input.points, self.parts.points_value.clone()))
    }

    fn earn(&self) -> Option<points::PointsRequest> {
        let parts = self.parts;
        let paid = Money {
            minor_units: parts.wallet.minor_units + parts.card.minor_units,
            currency: parts.total.currency.clone(),
        };
        (parts.earned > 0).then(|| self.points(parts.earned, paid))
    }

    fn points(&self, points: i64, basis: Money) -> points::PointsRequest {
        points::PointsRequest {
            op_id: new_id(),
            user_id: self.input.user_id.clone(),
            order_id: self.input.order_id.clone(),
            points,
            basis: Some(basis),
        }
    }

    fn pay(&self) -> gateway::PayRequest {
        let (input, card) = (self.input, self.card);
        gateway::PayRequest {
            payment_id: self.payment_id.clone(),
            order_id: input.order_id.clone(),
            merchant_id: input.merchant_id.clone(),
            user_id: input.user_id.clone(),
            amount: Some(self.parts.card.clone()),
            psp: card.psp.clone(),
            method: card.method.clone(),
            card_token: card.card_token.clone(),
            risk: Some(gateway::Risk {
                ip: String::new(),
                device_id: String::new(),
                card_fingerprint: card.card_fingerprint.clone(),
            }),
            notify_url_id: String::new(),
        }
    }

    fn mark_paid(&self) -> order_v1::MarkPaidRequest {
        order_v1::MarkPaidRequest {
            order_id: self.input.order_id.clone(),
            payment_id: self.payment_id.clone(),
            paid: Some(self.parts.total.clone()),
        }
    }
}

/// An encoded request.
struct Body(bytes::Bytes);

impl<M: prost::Message> From<M> for Body {
    fn from(message: M) -> Self {
        Self(message.encode_to_vec().into())
    }
}

fn new_id() -> String {
    Uuid::now_v7().to_string()
}

#[cfg(test)]
#[path = "checkout_tests.rs"]
mod tests;
