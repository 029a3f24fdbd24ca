//! What the processor accepts: wire messages in, checked calls and rules out. A wrong request is INVALID_ARGUMENT and
//! changes nothing.

use amends_proto::pay::psp::v1::{PspRequest, ScriptRequest};
use tonic::Status;

use crate::behaviour::Behaviour;
use crate::money_call::MoneyCall;
use crate::op::Op;
use crate::profile::Profile;
use crate::script::Rule;

const LONGEST_TEXT: usize = 128;
const LARGEST_AMOUNT: i64 = 100_000_000_000_000;

/// A script, read.
#[derive(Debug)]
pub enum Script {
    /// A behaviour for coming calls.
    Rule(Rule),
    /// An outage from now on.
    OutageNow(std::time::Duration),
    /// A seed, and with it a profile unless that is empty.
    Profile {
        /// The seed.
        seed: u64,
        /// Text of the profile.
        profile: String,
    },
}

/// Checks a request that moves money.
pub fn money_call(op: Op, request: PspRequest) -> Result<MoneyCall, Status> {
    let amount = request.amount.ok_or_else(|| wrong("amount is missing"))?;
    if !(1..=LARGEST_AMOUNT).contains(&amount.minor_units) {
        return Err(wrong("amount is out of range"));
    }
    if amount.currency.len() != 3 || !amount.currency.bytes().all(|b| b.is_ascii_uppercase()) {
        return Err(wrong("currency is not three capital letters"));
    }
    let needed = if op.opens_payment() { &request.card_token } else { &request.original_request_id };
    for (text, name) in [
        (&request.psp_request_id, "psp_request_id"),
        (&request.merchant_id, "merchant_id"),
        (&request.order_id, "order_id"),
        (needed, if op.opens_payment() { "card_token" } else { "original_request_id" }),
    ] {
        named(text, name)?;
    }
    let opens = op.opens_payment();
    Ok(MoneyCall {
        op,
        request_id: request.psp_request_id,
        merchant_id: request.merchant_id,
        order_id: request.order_id,
        amount_minor: amount.minor_units,
        currency: amount.currency,
        card_token: if opens { request.card_token } else { String::new() },
        original_request_id: if opens { String::new() } else { request.original_request_id },
    })
}

/// Checks the id of a request that is asked about or to be closed.
pub fn request_id(text: &str) -> Result<(), Status> {
    named(text, "psp_request_id")
}

/// Reads a script.
pub fn script(request: ScriptRequest) -> Result<Script, Status> {
    if let Some(rest) = request.behaviour.strip_prefix("profile:") {
        let (seed, profile) = rest.split_once(':').unwrap_or((rest, ""));
        let seed = seed.parse().map_err(|_| wrong("profile:<seed> needs a number"))?;
        profile.parse::<Profile>().map_err(|error| wrong(error.to_string()))?;
        return Ok(Script::Profile { seed, profile: profile.to_owned() });
    }
    let behaviour = Behaviour::parse(&request.behaviour).map_err(|error| wrong(error.to_string()))?;
    if !request.op.is_empty() && Op::parse(&request.op).is_none() {
        return Err(wrong("op is none of authorize, capture, sale, void, refund, query, close"));
    }
    if request.nth < 0 {
        return Err(wrong("nth is negative"));
    }
    let for_any = request.psp_request_id.is_empty() && request.order_id.is_empty() && request.op.is_empty();
    if let Behaviour::Outage(length) = behaviour
        && for_any
        && request.nth == 0
    {
        return Ok(Script::OutageNow(length));
    }
    Ok(Script::Rule(Rule {
        request_id: request.psp_request_id,
        order_id: request.order_id,
        op: request.op,
        nth: request.nth,
        behaviour: request.behaviour,
    }))
}

fn named(text: &str, name: &str) -> Result<(), Status> {
    if text.is_empty() || text.len() > LONGEST_TEXT || text.chars().any(char::is_control) {
        return Err(wrong(format!("{name} must be 1 to {LONGEST_TEXT} characters without controls")));
    }
    Ok(())
}

fn wrong(text: impl Into<String>) -> Status {
    Status::invalid_argument(text)
}
