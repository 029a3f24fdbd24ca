//! What the gateway accepts: a wire message in, a checked payment out. Knows no store.

use amends_participant::money::Amount;
use amends_participant::{Refusal, fields};
use amends_proto::pay::gateway::v1::PayRequest;

const LONGEST_TOKEN: usize = 128;
const LONGEST_TEXT: usize = 128;

/// A payment that was asked for, checked.
#[derive(Debug, Clone)]
pub struct PaymentOrder {
    /// Its id.
    pub payment_id: String,
    /// What is paid.
    pub order_id: String,
    /// To whom.
    pub merchant_id: String,
    /// By whom.
    pub user_id: String,
    /// How much.
    pub amount: Amount,
    /// Through which processor.
    pub psp: String,
    /// Kind of card.
    pub method: String,
    /// Stands for the card; opaque.
    pub card_token: String,
}

/// Checks a request.
pub fn payment_order(request: &PayRequest) -> Result<PaymentOrder, Refusal> {
    let risk = request.risk.clone().unwrap_or_default();
    fields::text(&risk.ip, LONGEST_TEXT, "risk.ip")?;
    fields::text(&risk.device_id, LONGEST_TEXT, "risk.device_id")?;
    fields::text(&risk.card_fingerprint, LONGEST_TEXT, "risk.card_fingerprint")?;
    fields::text(&request.notify_url_id, LONGEST_TEXT, "notify_url_id")?;
    Ok(PaymentOrder {
        payment_id: fields::uuid7(&request.payment_id, "payment_id")?.to_owned(),
        order_id: fields::uuid7(&request.order_id, "order_id")?.to_owned(),
        merchant_id: fields::name(&request.merchant_id, "merchant_id")?.to_owned(),
        user_id: fields::name(&request.user_id, "user_id")?.to_owned(),
        amount: Amount::checked(request.amount.as_ref(), "amount")?,
        psp: fields::name(&request.psp, "psp")?.to_owned(),
        method: fields::name(&request.method, "method")?.to_owned(),
        card_token: fields::required_text(&request.card_token, LONGEST_TOKEN, "card_token")?.to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use amends_participant::Reason;
    use amends_proto::pay::gateway::v1::Risk;
    use amends_proto::pay::money::v1::Money;

    fn request() -> PayRequest {
        PayRequest {
            payment_id: "01930000-0000-7000-8000-000000000001".into(),
            order_id: "01930000-0000-7000-8000-000000000002".into(),
            merchant_id: "m".into(),
            user_id: "u".into(),
            amount: Some(Money { minor_units: 1, currency: "USD".into() }),
            psp: "psp".into(),
            method: "card".into(),
            card_token: "tok_ok".into(),
            risk: None,
            notify_url_id: String::new(),
        }
    }

    #[test]
    fn each_field_is_checked_on_its_own() {
        assert!(payment_order(&request()).is_ok());
        let money = |minor_units, currency: &str| Some(Money { minor_units, currency: currency.into() });
        let long = "x".repeat(129);
        for (name, wrong, reason) in [
            ("payment_id", PayRequest { payment_id: "p".into(), ..request() }, Reason::InvalidRequest),
            ("order_id", PayRequest { order_id: String::new(), ..request() }, Reason::InvalidRequest),
            ("merchant_id", PayRequest { merchant_id: "a b".into(), ..request() }, Reason::InvalidRequest),
            ("user_id", PayRequest { user_id: long.clone(), ..request() }, Reason::InvalidRequest),
            ("amount", PayRequest { amount: None, ..request() }, Reason::InvalidRequest),
            ("amount", PayRequest { amount: money(0, "USD"), ..request() }, Reason::AmountOutOfRange),
            ("amount", PayRequest { amount: money(-1, "USD"), ..request() }, Reason::AmountOutOfRange),
            ("amount", PayRequest { amount: money(1, "usd"), ..request() }, Reason::CurrencyUnsupported),
            ("psp", PayRequest { psp: String::new(), ..request() }, Reason::InvalidRequest),
            ("method", PayRequest { method: String::new(), ..request() }, Reason::InvalidRequest),
            ("card_token", PayRequest { card_token: String::new(), ..request() }, Reason::InvalidRequest),
            ("card_token", PayRequest { card_token: long.clone(), ..request() }, Reason::InvalidRequest),
            (
                "card_token",
                PayRequest { card_token: "4111 1111 1111 1111".into(), ..request() },
                Reason::PanRejected,
            ),
            (
                "notify_url_id",
                PayRequest { notify_url_id: long.clone(), ..request() },
                Reason::InvalidRequest,
            ),
            (
                "risk.ip",
                PayRequest { risk: Some(Risk { ip: long, ..Risk::default() }), ..request() },
                Reason::InvalidRequest,
            ),
        ] {
            assert_eq!(payment_order(&wrong).map_err(|refusal| refusal.reason).err(), Some(reason), "{name}");
        }
    }
}
