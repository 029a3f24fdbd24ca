//! Behaviours: how they are spelt, and what course a call takes under each. Pure; knows no store, clock or wire.
//!
//! Spelling: `name`, `name(argument)`, `name:argument` or, for card tokens, whose alphabet has no brackets,
//! `name_argument`: `tok_slow_800ms`, `tok_decline:stolen_card`. A duration is `800ms`, `2s`, `1m` or bare milliseconds.

use std::time::Duration;

use crate::op::Op;

/// How the processor treats a call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Behaviour {
    /// Immediate success.
    Ok,
    /// Immediate refusal with this code.
    Decline(String),
    /// Carried out, but no answer for this long (without a length: until the caller gives up).
    ChargeThenTimeout(Option<Duration>),
    /// Nothing is stored and no answer comes.
    TimeoutNotCharged,
    /// Carried out after this long, and answered then.
    Slow(Duration),
    /// Unknown for this long, then carried out unless it was closed before; no answer.
    LateCharge(Duration),
    /// An internal error before anything was stored.
    ErrorBefore,
    /// An internal error after the request was carried out.
    ErrorAfterCharge,
    /// Answered PROCESSING; carried out after this long.
    Processing(Duration),
    /// From this call on, no connection is accepted for this long.
    Outage(Duration),
    /// The first so many queries fail.
    QueryUnknown(u32),
    /// A capture is refused with this code.
    CaptureRefused(String),
    /// A void is refused with this code.
    VoidRefused(String),
    /// A close is refused with this code.
    CloseRefused(String),
}

/// Why a behaviour could not be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("no such behaviour: {0}")]
pub struct UnknownBehaviour(String);

/// What happens to the books during a call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Effect {
    /// Nothing is stored.
    Nothing,
    /// The request is judged on its merits.
    Judge,
    /// The request is turned down with this code, whatever its merits.
    TurnDown(String),
    /// Stored as visible but unfinished; judged after this long.
    Process(Duration),
    /// Stored but invisible; judged after this long.
    Hide(Duration),
}

/// What the caller gets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reply {
    /// The result.
    Answer,
    /// Nothing, for this long or until the caller gives up.
    Silence(Option<Duration>),
    /// INTERNAL.
    Error,
    /// UNAVAILABLE, and closed doors for this long.
    Outage(Duration),
}

/// The course of one call: wait, then the effect, then the reply.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Course {
    /// Time before anything happens.
    pub wait: Duration,
    /// What happens to the books.
    pub effect: Effect,
    /// What the caller gets.
    pub reply: Reply,
}

impl Course {
    fn plain(effect: Effect, reply: Reply) -> Course {
        Course { wait: Duration::ZERO, effect, reply }
    }
}

impl Behaviour {
    /// Reads a behaviour as scripts and profiles spell it.
    pub fn parse(text: &str) -> Result<Behaviour, UnknownBehaviour> {
        NAMES
            .iter()
            .filter_map(|(name, make)| make(argument(text.strip_prefix(name)?)?))
            .next()
            .ok_or_else(|| UnknownBehaviour(text.chars().take(64).collect()))
    }

    /// The behaviour that a card token asks for by its ending; none when the ending means nothing.
    #[must_use]
    pub fn of_card_token(token: &str) -> Option<Behaviour> {
        Behaviour::parse(token.strip_prefix("tok_")?).ok()
    }

    /// The course of a call of `op`. `nth` counts the calls of that op that this behaviour has seen, from 1.
    #[must_use]
    pub fn course(&self, op: Op, nth: u32) -> Course {
        match self {
            Behaviour::Ok => Course::plain(Effect::Judge, Reply::Answer),
            Behaviour::Decline(code) => Course::plain(Effect::TurnDown(code.clone()), Reply::Answer),
            Behaviour::ChargeThenTimeout(d) => Course::plain(Effect::Judge, Reply::Silence(*d)),
            Behaviour::TimeoutNotCharged => Course::plain(Effect::Nothing, Reply::Silence(None)),
            Behaviour::Slow(d) => Course { wait: *d, ..Course::plain(Effect::Judge, Reply::Answer) },
            Behaviour::LateCharge(d) => Course::plain(Effect::Hide(*d), Reply::Silence(None)),
            Behaviour::ErrorBefore => Course::plain(Effect::Nothing, Reply::Error),
            Behaviour::ErrorAfterCharge => Course::plain(Effect::Judge, Reply::Error),
            Behaviour::Processing(d) => Course::plain(Effect::Process(*d), Reply::Answer),
            Behaviour::Outage(d) => Course::plain(Effect::Nothing, Reply::Outage(*d)),
            Behaviour::QueryUnknown(k) if op == Op::Query && nth <= *k => {
                Course::plain(Effect::Nothing, Reply::Error)
            }
            Behaviour::CaptureRefused(code) if op == Op::Capture => turned_down(code),
            Behaviour::VoidRefused(code) if op == Op::Void => turned_down(code),
            Behaviour::CloseRefused(code) if op == Op::Close => turned_down(code),
            Behaviour::QueryUnknown(_)
            | Behaviour::CaptureRefused(_)
            | Behaviour::VoidRefused(_)
            | Behaviour::CloseRefused(_) => Course::plain(Effect::Judge, Reply::Answer),
        }
    }

    /// Whether this behaviour, chosen for a payment by its card token, also decides later calls about it.
    #[must_use]
    pub fn outlives_payment_call(&self) -> bool {
        match self {
            Behaviour::QueryUnknown(_)
            | Behaviour::CaptureRefused(_)
            | Behaviour::VoidRefused(_)
            | Behaviour::CloseRefused(_) => true,
            Behaviour::Ok
            | Behaviour::Decline(_)
            | Behaviour::ChargeThenTimeout(_)
            | Behaviour::TimeoutNotCharged
            | Behaviour::Slow(_)
            | Behaviour::LateCharge(_)
            | Behaviour::ErrorBefore
            | Behaviour::ErrorAfterCharge
            | Behaviour::Processing(_)
            | Behaviour::Outage(_) => false,
        }
    }

    /// Whether a seeded profile may hit a call of `op` with this behaviour: only a payment can be declined.
    #[must_use]
    pub fn suits(&self, op: Op) -> bool {
        match self {
            Behaviour::Decline(_) => op.opens_payment(),
            Behaviour::QueryUnknown(_) => op == Op::Query,
            Behaviour::CaptureRefused(_) => op == Op::Capture,
            Behaviour::VoidRefused(_) => op == Op::Void,
            Behaviour::CloseRefused(_) => op == Op::Close,
            Behaviour::Ok
            | Behaviour::ChargeThenTimeout(_)
            | Behaviour::TimeoutNotCharged
            | Behaviour::Slow(_)
            | Behaviour::LateCharge(_)
            | Behaviour::ErrorBefore
            | Behaviour::ErrorAfterCharge
            | Behaviour::Processing(_)
            | Behaviour::Outage(_) => op != Op::Query && op != Op::Close,
        }
    }
}

fn turned_down(code: &str) -> Course {
    Course::plain(Effect::TurnDown(code.to_owned()), Reply::Answer)
}

/// The argument after a name: `Some("")` for none at all, `None` when what follows is not an argument.
fn argument(rest: &str) -> Option<&str> {
    if rest.is_empty() {
        return Some("");
    }
    match rest.strip_prefix('(') {
        Some(inner) => inner.strip_suffix(')'),
        None => rest.strip_prefix([':', '_']).filter(|argument| !argument.is_empty()),
    }
}

/// Reads `800ms`, `2s`, `1m` or bare milliseconds.
fn duration(text: &str) -> Option<Duration> {
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let number: u64 = digits.parse().ok()?;
    match &text[digits.len()..] {
        "" | "ms" => Some(Duration::from_millis(number)),
        "s" => Some(Duration::from_secs(number)),
        "m" => number.checked_mul(60).map(Duration::from_secs),
        _ => None,
    }
}

fn duration_or(text: &str, default: Duration) -> Option<Duration> {
    if text.is_empty() { Some(default) } else { duration(text) }
}

/// The code of a refusal. That nothing is kept only the books can say.
fn code_or(text: &str, default: &str) -> Option<String> {
    let code = if text.is_empty() { default.to_owned() } else { text.chars().take(64).collect() };
    (code != "nothing_kept").then_some(code)
}

fn bare(text: &str, behaviour: Behaviour) -> Option<Behaviour> {
    text.is_empty().then_some(behaviour)
}

type Make = fn(&str) -> Option<Behaviour>;

/// Default length of a delay that names none.
const DELAY: Duration = Duration::from_secs(2);

const NAMES: [(&str, Make); 14] = [
    ("ok", |a| bare(a, Behaviour::Ok)),
    ("decline", |a| Some(Behaviour::Decline(code_or(a, "declined")?))),
    ("charge_then_timeout", |a| {
        if a.is_empty() {
            return Some(Behaviour::ChargeThenTimeout(None));
        }
        Some(Behaviour::ChargeThenTimeout(Some(duration(a)?)))
    }),
    ("timeout_not_charged", |a| bare(a, Behaviour::TimeoutNotCharged)),
    ("slow", |a| Some(Behaviour::Slow(duration_or(a, DELAY)?))),
    ("late_charge", |a| Some(Behaviour::LateCharge(duration_or(a, DELAY)?))),
    ("5xx_before", |a| bare(a, Behaviour::ErrorBefore)),
    ("5xx_after_charge", |a| bare(a, Behaviour::ErrorAfterCharge)),
    ("processing", |a| Some(Behaviour::Processing(duration_or(a, DELAY)?))),
    ("outage", |a| Some(Behaviour::Outage(duration_or(a, DELAY)?))),
    ("query_unknown", |a| Some(Behaviour::QueryUnknown(if a.is_empty() { 1 } else { a.parse().ok()? }))),
    ("capture_refused", |a| Some(Behaviour::CaptureRefused(code_or(a, "expired")?))),
    ("void_refused", |a| Some(Behaviour::VoidRefused(code_or(a, "captured")?))),
    ("close_refused", |a| Some(Behaviour::CloseRefused(code_or(a, "paid")?))),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_spelling_reads_as_meant() {
        let ms = Duration::from_millis;
        for (text, wanted) in [
            ("ok", Behaviour::Ok),
            ("decline", Behaviour::Decline("declined".into())),
            ("decline:stolen_card", Behaviour::Decline("stolen_card".into())),
            ("charge_then_timeout", Behaviour::ChargeThenTimeout(None)),
            ("charge_then_timeout(300ms)", Behaviour::ChargeThenTimeout(Some(ms(300)))),
            ("timeout_not_charged", Behaviour::TimeoutNotCharged),
            ("slow(800ms)", Behaviour::Slow(ms(800))),
            ("slow_800ms", Behaviour::Slow(ms(800))),
            ("slow", Behaviour::Slow(DELAY)),
            ("late_charge:1m", Behaviour::LateCharge(Duration::from_secs(60))),
            ("5xx_before", Behaviour::ErrorBefore),
            ("5xx_after_charge", Behaviour::ErrorAfterCharge),
            ("processing(2s)", Behaviour::Processing(ms(2000))),
            ("outage(5s)", Behaviour::Outage(ms(5000))),
            ("query_unknown(3)", Behaviour::QueryUnknown(3)),
            ("capture_refused:expired", Behaviour::CaptureRefused("expired".into())),
            ("void_refused:captured", Behaviour::VoidRefused("captured".into())),
            ("close_refused:paid", Behaviour::CloseRefused("paid".into())),
        ] {
            assert_eq!(Behaviour::parse(text), Ok(wanted), "{text}");
        }
    }

    #[test]
    fn nonsense_is_no_behaviour() {
        for text in
            ["", "okay", "ok_abc", "slow(", "slow(2h)", "declined", "5xx", "query_unknown(x)", "slow_"]
        {
            assert!(Behaviour::parse(text).is_err(), "{text}");
        }
        for lie in ["decline:nothing_kept", "void_refused(nothing_kept)", "capture_refused_nothing_kept"] {
            assert!(Behaviour::parse(lie).is_err(), "{lie}");
        }
        assert_eq!(Behaviour::of_card_token("tok_abc"), None);
        assert_eq!(Behaviour::of_card_token("decline"), None);
        assert_eq!(Behaviour::of_card_token("tok_decline"), Some(Behaviour::Decline("declined".into())));
    }

    #[test]
    fn a_query_fails_only_as_often_as_asked() {
        let behaviour = Behaviour::QueryUnknown(2);
        assert_eq!(behaviour.course(Op::Query, 2).reply, Reply::Error);
        assert_eq!(behaviour.course(Op::Query, 3).reply, Reply::Answer);
        assert_eq!(behaviour.course(Op::Sale, 1).effect, Effect::Judge);
    }

    #[test]
    fn a_named_refusal_strikes_its_own_op_only() {
        let behaviour = Behaviour::CaptureRefused("expired".into());
        for op in Op::ALL {
            let struck = behaviour.course(op, 1).effect == Effect::TurnDown("expired".into());
            assert_eq!(struck, op == Op::Capture, "{op:?}");
        }
    }
}
