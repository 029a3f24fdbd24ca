//! An input of each definition whose plan has every step that there can be: what preflight looks at.

use super::{bench, checkout};
use amends_proto::amends::v1::BenchInput;
use amends_proto::pay::checkout::v1::{Card, CheckoutInput, Line};
use amends_proto::pay::money::v1::Money;
use prost::Message;
use prost_types::Any;

/// A definition, and an input that leaves nothing out.
pub struct Sample {
    /// Name of the definition.
    pub definition: &'static str,
    /// The participants that its steps name.
    pub participants: &'static [&'static str],
    /// The input.
    pub input: Any,
}

/// One for each definition.
pub fn all() -> [Sample; 2] {
    let shops: &[&str] = &["order", "inventory", "points", "account", "gateway"];
    [
        Sample { definition: checkout::NAME, participants: shops, input: checkout() },
        Sample { definition: bench::NAME, participants: &[bench::PARTICIPANT], input: bench() },
    ]
}

/// Wallet, points and card together.
fn checkout() -> Any {
    let usd = |minor_units| Some(Money { minor_units, currency: "USD".to_owned() });
    let line = Line { sku: "tea".to_owned(), quantity: 2, unit_price: usd(500) };
    let card = Card {
        psp: "sim".to_owned(),
        method: "card".to_owned(),
        card_token: "tok".to_owned(),
        ..Card::default()
    };
    let input = CheckoutInput {
        merchant_id: "merchant".to_owned(),
        out_trade_no: "1".to_owned(),
        user_id: "user".to_owned(),
        lines: vec![line],
        total: usd(1_000),
        wallet: usd(200),
        points: 100,
        points_value: usd(100),
        card: Some(card),
        earn_bp: 100,
        ..CheckoutInput::default()
    };
    any("pay.checkout.v1.CheckoutInput", &input)
}

fn bench() -> Any {
    any("amends.v1.BenchInput", &BenchInput { steps: 2, refuse_branch: 2 })
}

fn any(name: &str, input: &impl Message) -> Any {
    Any { type_url: format!("type.googleapis.com/{name}"), value: input.encode_to_vec() }
}
