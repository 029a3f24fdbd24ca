//! How a rule ends, and the sentences that several rules share. Knows no call.
use amends_dtm::Outcome;

use crate::error::ConformError;
use crate::hook::HookError;
use crate::wire::Answer;

/// Why a rule was not passed.
#[derive(Debug)]
pub(crate) enum Stop {
    /// The participant breaks it; what was seen.
    Breach(String),
    /// It cannot be judged; why.
    NotRun(String),
    /// The run cannot go on.
    Failed(ConformError),
}

/// What a rule comes to: a sentence for those who pass.
pub(crate) type Judgement = Result<String, Stop>;

impl From<ConformError> for Stop {
    fn from(error: ConformError) -> Stop {
        Stop::Failed(error)
    }
}

impl From<HookError> for Stop {
    fn from(error: HookError) -> Stop {
        Stop::Failed(error.into())
    }
}

/// Goes on only where `holds`; otherwise `what` is the breach.
pub(crate) fn demand(holds: bool, what: impl FnOnce() -> String) -> Result<(), Stop> {
    if holds { Ok(()) } else { Err(Stop::Breach(what())) }
}

/// An answer of a second phase, or of a call that must succeed again, which is OK.
pub(crate) fn demand_ok(what: &str, answer: &Answer) -> Result<(), Stop> {
    demand(is_ok(answer), || format!("{what} is answered {answer}"))
}

/// An answer that is an error of which a coordinator makes nothing: neither done nor refused.
pub(crate) fn demand_error(what: &str, answer: &Answer) -> Result<(), Stop> {
    let outcome = Outcome::of(answer.code);
    demand(!matches!(outcome, Outcome::Succeeded | Outcome::Refused), || {
        format!("{what} is answered {answer}")
    })
}

/// What a probe says after a call that must have no effect.
pub(crate) fn demand_same_effect(
    what: &str,
    before: Option<&String>,
    after: Option<&String>,
) -> Result<(), Stop> {
    match (before, after) {
        (Some(before), Some(after)) => demand(before == after, || {
            format!("{what} has an effect: the probe says `{after}` and not `{before}`")
        }),
        (None, _) | (_, None) => Ok(()),
    }
}

pub(crate) fn is_ok(answer: &Answer) -> bool {
    Outcome::of(answer.code) == Outcome::Succeeded
}

/// What a sentence about effects rests on.
pub(crate) fn by(probe: Option<&String>) -> &'static str {
    if probe.is_some() { "answers and probe" } else { "answers only, there is no probe" }
}
