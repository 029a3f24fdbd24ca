//! Makes calls: a right one from a sample, then wrong in as many places as the dice say. The same dice make the same
//! calls. Knows no network.
use crate::catalog::{Catalog, Method};
use crate::dice::Dice;
use crate::envelope::{self, Body};
use crate::samples::{Known, sample};
use crate::shot::{Bytes, CallShot};
use crate::{spoil, values};
use amends_dtm::plan_mac::PlanMacKey;
use prost::Message as _;
use prost_reflect::DynamicMessage;
use std::sync::Arc;

/// Longest text of a message that is kept for people.
const SHOWN: usize = 2_000;

/// What every worker makes its calls of.
pub struct Forge {
    /// Every method.
    pub catalog: Arc<Catalog>,
    /// The key with which the orchestrator makes plan MACs, if we have it: without it branch calls end at the door.
    pub key: Option<PlanMacKey>,
    /// What exists.
    pub known: Known,
}

impl Forge {
    /// The next call of this method.
    pub fn call(&self, method: &Method, dice: &mut Dice) -> CallShot {
        let (message, decoded) = self.message(method, dice);
        let mut headers = envelope::right(method.kind, self.key.as_ref(), dice, &self.known);
        for _ in 0..wrongs(dice, 25) {
            envelope::disturb(&mut headers, dice);
        }
        let Body { pieces, ends } =
            if dice.percent(10) { envelope::misframed(&message, dice) } else { envelope::framed(&message) };
        let verb = if dice.percent(1) { dice.pick(&["GET", "PUT", "OPTIONS", "FUZZ"]) } else { "POST" };
        let mut path = format!("/{}", method.path);
        if dice.percent(1) {
            path = odd_path(&path, dice);
        }
        CallShot { verb: verb.to_owned(), path, headers, body: pieces, ends, decoded }
    }

    /// A right call of this method, if a sample of it is known.
    pub fn right(&self, method: &Method, dice: &mut Dice) -> Option<CallShot> {
        let message = sample(&method.path, dice, &self.known)?;
        let headers = envelope::right(method.kind, self.key.as_ref(), dice, &self.known);
        let Body { pieces, ends } = envelope::framed(&message);
        let (verb, path) = ("POST".to_owned(), format!("/{}", method.path));
        Some(CallShot { verb, path, headers, body: pieces, ends, decoded: shown(method, &message) })
    }

    fn message(&self, method: &Method, dice: &mut Dice) -> (Vec<u8>, String) {
        let right = sample(&method.path, dice, &self.known);
        let right =
            right.and_then(|bytes| DynamicMessage::decode(method.input.clone(), bytes.as_slice()).ok());
        let mut message = match right {
            Some(right) if dice.percent(85) => right,
            _ => values::message(&method.input, dice, &self.known),
        };
        for _ in 0..wrongs(dice, 60) {
            values::disturb(&mut message, dice, &self.known);
        }
        let mut bytes = message.encode_to_vec();
        if dice.percent(20) {
            bytes = spoil::spoil(bytes, dice);
        }
        let shown = shown(method, &bytes);
        (bytes, shown)
    }
}

/// How many things are made wrong: none, or one and more with this chance in a hundred.
fn wrongs(dice: &mut Dice, chance: u32) -> usize {
    if dice.percent(chance) { 1 + dice.below(3) } else { 0 }
}

fn shown(method: &Method, bytes: &[u8]) -> String {
    let message = DynamicMessage::decode(method.input.clone(), bytes);
    let mut text =
        message.map_or_else(|error| format!("cannot be read: {error}"), |message| message.to_string());
    text.truncate(text.floor_char_boundary(SHOWN));
    text
}

fn odd_path(path: &str, dice: &mut Dice) -> String {
    match dice.below(7) {
        0 => format!("{path}X"),
        1 => "/".to_owned(),
        2 => format!("{path}/{path}"),
        3 => format!("{path}?a=b"),
        4 => format!("/{}", "a".repeat(10_000)),
        5 => path.to_lowercase(),
        _ => "/%00%ff/..".to_owned(),
    }
}

/// One call whose message nobody can read: what a service answers that is there, without any effect.
pub fn probe(service_method: &str) -> CallShot {
    let headers = [("content-type", "application/grpc"), ("te", "trailers")];
    let headers = headers.map(|(name, value)| (name.to_owned(), Bytes(value.as_bytes().to_vec())));
    let Body { pieces, ends } = envelope::framed(&[0x07]);
    CallShot {
        verb: "POST".to_owned(),
        path: format!("/{service_method}"),
        headers: headers.into(),
        body: pieces,
        ends,
        decoded: String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::Forge;
    use crate::catalog::Catalog;
    use crate::dice::Dice;
    use crate::samples::Known;
    use crate::shot::CallShot;
    use std::sync::Arc;

    fn forge() -> Forge {
        Forge { catalog: Arc::new(Catalog::read().unwrap()), key: None, known: Known::default() }
    }

    #[test]
    fn a_seed_makes_the_same_calls_again() {
        let forge = forge();
        let calls = |seed| {
            let mut dice = Dice::new(seed, 1);
            let methods = forge.catalog.methods();
            (0..300).map(|at| forge.call(&methods[at % methods.len()], &mut dice)).collect::<Vec<_>>()
        };
        assert_eq!(calls(4), calls(4));
        assert_ne!(calls(4), calls(5));
    }

    #[test]
    fn no_call_is_much_longer_than_a_message_may_be() {
        let forge = forge();
        let mut dice = Dice::new(20_261_122, 0);
        let method = forge.catalog.method("amends.v1.Transactions/StartSaga").unwrap();
        let length = |call: &CallShot| call.body.iter().map(|piece| piece.0.len()).sum::<usize>();
        let longest = (0..3_000).map(|_| length(&forge.call(method, &mut dice))).max().unwrap();
        assert!((1_048_577..40_000_000).contains(&longest), "{longest}");
    }

    #[test]
    fn right_and_wrong_calls_are_mixed() {
        let forge = forge();
        let mut dice = Dice::new(9, 9);
        let method = forge.catalog.method("pay.points.v1.PointsService/Earn").unwrap();
        let calls: Vec<_> = (0..500).map(|_| forge.call(method, &mut dice)).collect();
        let unreadable = calls.iter().filter(|call| call.decoded.starts_with("cannot be read")).count();
        assert!((10..250).contains(&unreadable), "{unreadable}");
        let whole = calls.iter().filter(|call| call.ends && call.headers.len() == 7).count();
        assert!(whole > 200, "{whole}");
    }
}
