//! Parsers of texts: filters, the words of branch calls, plan MACs, settings, fields. What is read is written again.
use amends_dtm::client::DtmEndpoints;
use amends_dtm::plan_mac::PlanMacKey;
use amends_dtm::{BranchId, Gid, Op, TransType};
use amends_orchestrator::engine::LaneSettings;
use amends_orchestrator::filter;
use amends_participant::fields as checks;
use amends_participant::money::{Amount, Currency};
use std::str::FromStr as _;

/// The key of no system.
const KEY: &str = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";
const GID: &str = "0192d3c4-5b6a-7f01-8abc-0123456789ab";

fn text(data: &[u8]) -> String {
    String::from_utf8_lossy(data).into_owned()
}

/// A filter that can be read is printed as one that means the same.
pub fn filter(data: &[u8]) {
    let Ok(expr) = filter::parse(&text(data)) else { return };
    let printed = expr.to_string();
    // What is printed has quotes and brackets that the text did without: only its length may be too much then.
    if printed.len() <= filter::MAX_BYTES {
        let again = filter::parse(&printed).map(|again| again.to_string());
        assert_eq!(again.as_ref(), Ok(&printed), "printed as something else");
    }
}

/// Gid, branch, op and kind: each is read as it is written.
pub fn words(data: &[u8]) {
    let text = text(data);
    if let Ok(gid) = Gid::parse(&text) {
        assert_eq!(gid.as_str(), text);
    }
    if let Ok(branch) = BranchId::parse(&text) {
        assert_eq!(branch.as_str(), text);
    }
    if let Ok(op) = Op::from_str(&text) {
        assert_eq!(op.as_str(), text);
    }
    if let Ok(kind) = TransType::from_str(&text) {
        assert_eq!(kind.as_str(), text);
    }
}

/// Nothing but what the key has made is accepted; what it has made is, until it expires.
pub fn plan_mac(data: &[u8]) {
    let Ok(key) = PlanMacKey::from_hex(KEY) else { return };
    let own = key.mint(GID, &[7; 32], 2_000_000_000);
    let text = text(data);
    assert_eq!(key.verify(GID, &text, 0).is_ok(), text == own, "a foreign plan MAC: {text}");
    assert!(key.verify(GID, &own, 2_000_000_000).is_err());
    // A key's text is no secret of this test; reading one must not panic either.
    PlanMacKey::from_hex(&text).ok();
}

/// What people set: lanes, schedules, profiles and behaviours of the simulated provider, addresses.
pub fn settings(data: &[u8]) {
    let text = text(data);
    LaneSettings::from_str(&text).ok();
    amends_gateway::Schedule::from_str(&text).ok();
    amends_psp::Profile::from_str(&text).ok();
    amends_psp::Behaviour::parse(&text).ok();
    if let Some(behaviour) = amends_psp::Behaviour::of_card_token(&text) {
        assert_eq!(
            text.strip_prefix("tok_").and_then(|rest| amends_psp::Behaviour::parse(rest).ok()),
            Some(behaviour)
        );
    }
    DtmEndpoints::parse(&text, Some(&text)).ok();
}

/// Fields of requests. What is accepted keeps its limits.
pub fn fields(data: &[u8]) {
    let text = text(data);
    if let Ok(name) = checks::name(&text, "name") {
        assert!((1..=64).contains(&name.len()));
    }
    checks::trade_no(&text, "trade_no").ok();
    if let Ok(id) = checks::uuid7(&text, "id") {
        assert_eq!(id.len(), 36);
    }
    if let Ok(short) = checks::text(&text, 64, "text") {
        assert!(short.chars().count() <= 64 && !short.chars().any(char::is_control));
    }
    let refused = checks::required_text(&text, 64, "text").err();
    if let Some(refused) = refused {
        assert!(refused.to_string().len() <= 256);
    }
    // The kit refuses such texts whatever field they are in.
    if amends_card_number::holds_card_number(&text) {
        assert!(checks::text(&text, usize::MAX, "text").is_err(), "a card number was taken: {text}");
    }
    amounts(&text, data);
}

fn amounts(text: &str, data: &[u8]) {
    let mut number = [0; 8];
    let count = data.len().min(8);
    number[..count].copy_from_slice(&data[..count]);
    let number = i64::from_le_bytes(number);
    checks::quantity(number, "quantity").ok();
    Currency::parse(text, "currency").ok();
    let Ok(dollar) = Currency::parse("USD", "currency") else { return };
    let Ok(amount) = Amount::new(number, dollar, "amount") else { return };
    if let Ok(twice) = amount.checked_add(amount, "amount") {
        assert_eq!(amount.checked_mul(2, "amount").ok(), Some(twice));
    }
    amount.checked_mul(number, "amount").ok();
}
