//! What each step of the caller's own must be by itself: texts, method names, times, and a participant on the
//! allow-list. Knows limits only.

use super::{DEFAULT_LONGEST_MS, DEFAULT_WAIT_MS, OwnError, OwnStep, Terms};
use crate::definitions::Order;
use crate::plan::{
    MAX_ATTEMPT_MS, MAX_ATTEMPTS, MAX_FACTOR_PERCENT, MAX_JITTER_PERCENT, MAX_PAYLOAD_BYTES, MAX_STEPS,
    MAX_WAIT_MS, Mode,
};
use amends_card_number::holds_card_number;
use amends_proto::amends::v1::RetryPolicy;
use std::collections::BTreeSet;

/// Longest name of a step or participant: as every name (payments-domain.md §2).
const MAX_NAME: usize = 64;
/// Longest full name of a method: it stands in each view of the step.
const MAX_METHOD: usize = 200;
/// Longest time of a whole global transaction: a week.
const MAX_WHOLE_MS: i32 = 604_800_000;

/// Checks what is asked of the whole.
pub fn whole(terms: Terms) -> Result<(), OwnError> {
    if !(0..=MAX_WHOLE_MS).contains(&terms.timeout_ms) {
        return Err(OwnError::Whole { field: "timeout_ms", what: format!("must be 0 to {MAX_WHOLE_MS}") });
    }
    Ok(())
}

/// Checks all steps by themselves.
pub fn all(steps: &[OwnStep<'_>], order: &Order<'_>) -> Result<(), OwnError> {
    if steps.is_empty() || steps.len() > MAX_STEPS {
        return Err(OwnError::Count(steps.len()));
    }
    // Texts first: nothing that may not be shown is repeated in a later refusal.
    for (index, step) in steps.iter().enumerate() {
        texts(index, step)?;
    }
    let mut names = BTreeSet::new();
    for (index, step) in steps.iter().enumerate() {
        let wrong = |field, what| Err(OwnError::Field { step: label(steps, index), field, what });
        if !step.name.is_empty() && !names.insert(step.name) {
            return wrong("name", "another step has it".to_owned());
        }
        if !order.participants.contains(&step.participant) {
            return wrong("participant", format!("`{}` is not on the allow-list", step.participant));
        }
        methods(step, order.mode).or_else(|(field, what)| wrong(field, what.to_owned()))?;
        if step.payload.len() > MAX_PAYLOAD_BYTES {
            return wrong("payload", format!("must have at most {MAX_PAYLOAD_BYTES} bytes"));
        }
        if !(0..=MAX_ATTEMPT_MS).contains(&step.timeout_ms) {
            return wrong("timeout_ms", format!("must be 0 to {MAX_ATTEMPT_MS}"));
        }
        if !(0..=MAX_WAIT_MS).contains(&step.step_timeout_ms) {
            return wrong("step_timeout_ms", format!("must be 0 to {MAX_WAIT_MS}"));
        }
        for (field, retry) in step.retries {
            let what = retry.as_ref().and_then(misfit);
            what.map_or(Ok(()), |what| wrong(field, what))?;
        }
        if step.safe_to_give_up && (step.pivot || step.undo.is_empty()) {
            let what = "is only for a step before the pivot that can be undone";
            return wrong("safe_to_give_up", what.to_owned());
        }
        if step.safe_to_give_up && is_endless(step) {
            return wrong("safe_to_give_up", "needs max_attempts or total_ms in `retry`".to_owned());
        }
    }
    Ok(())
}

/// A step's place in the request, and its name if it has one.
pub fn label(steps: &[OwnStep<'_>], index: usize) -> String {
    match steps[index].name {
        "" => (index + 1).to_string(),
        name => format!("{} (`{name}`)", index + 1),
    }
}

fn texts(index: usize, step: &OwnStep<'_>) -> Result<(), OwnError> {
    let [forward, confirm, undo] = step.words;
    let named = [
        ("name", step.name, MAX_NAME),
        ("participant", step.participant, MAX_NAME),
        (forward, step.forward, MAX_METHOD),
        (confirm, step.confirm, MAX_METHOD),
        (undo, step.undo, MAX_METHOD),
    ];
    let after = step.after.iter().map(|name| ("after", name.as_str(), MAX_NAME));
    for (field, text, most) in named.into_iter().chain(after) {
        let wrong = |what| Err(OwnError::Field { step: (index + 1).to_string(), field, what });
        if text.chars().count() > most {
            return wrong(format!("must have at most {most} characters"));
        }
        if text.chars().any(char::is_control) {
            return wrong("must not have control characters".to_owned());
        }
        if holds_card_number(text) {
            return Err(OwnError::CardNumber { step: index + 1, field });
        }
    }
    Ok(())
}

/// Which methods a step has: a SAGA's compensation may be missing, nothing else.
fn methods(step: &OwnStep<'_>, mode: Mode) -> Result<(), (&'static str, &'static str)> {
    let [forward, confirm, undo] = step.words;
    let wanted: &[(&'static str, &str, bool)] = match mode {
        Mode::Tcc => &[(forward, step.forward, true), (confirm, step.confirm, true), (undo, step.undo, true)],
        Mode::Saga | Mode::Unspecified => &[(forward, step.forward, true), (undo, step.undo, false)],
    };
    for (field, method, needed) in wanted {
        if !is_method(method) && (*needed || !method.is_empty()) {
            return Err((field, "must be the full name of a method, `package.Service/Method`"));
        }
    }
    Ok(())
}

fn is_method(name: &str) -> bool {
    let is_word = |word: &str| {
        word.starts_with(|sign: char| sign.is_ascii_alphabetic() || sign == '_')
            && word.chars().all(|sign| sign.is_ascii_alphanumeric() || sign == '_')
    };
    let parts = name.split_once('/');
    parts.is_some_and(|(service, method)| service.split('.').all(is_word) && is_word(method))
}

/// Whether the retries of the forward op are never exhausted.
fn is_endless(step: &OwnStep<'_>) -> bool {
    let [(_, forward), ..] = step.retries;
    forward.is_some_and(|retry| retry.max_attempts == 0 && retry.total_ms == Some(0))
}

/// What of a retry policy is out of range.
fn misfit(retry: &RetryPolicy) -> Option<String> {
    let ranges = [
        ("initial_interval_ms", retry.initial_interval_ms, 0, MAX_WAIT_MS),
        ("max_interval_ms", retry.max_interval_ms, 0, MAX_WAIT_MS),
        ("jitter_percent", retry.jitter_percent.unwrap_or_default(), 0, MAX_JITTER_PERCENT),
        ("max_attempts", retry.max_attempts, 0, MAX_ATTEMPTS),
        ("total_ms", retry.total_ms.unwrap_or_default(), 0, MAX_WAIT_MS),
        ("attempt_timeout_ms", retry.attempt_timeout_ms, 0, MAX_ATTEMPT_MS),
    ];
    let out = ranges.into_iter().find(|(_, value, least, most)| !(*least..=*most).contains(value));
    if let Some((field, _, least, most)) = out {
        return Some(format!("{field} must be {least} to {most}"));
    }
    if retry.factor_percent != 0 && !(100..=MAX_FACTOR_PERCENT).contains(&retry.factor_percent) {
        return Some(format!("factor_percent must be 100 to {MAX_FACTOR_PERCENT}, or 0 for 200"));
    }
    let or = |value: i32, default: i32| if value == 0 { default } else { value };
    let first = or(retry.initial_interval_ms, DEFAULT_WAIT_MS);
    let longest = or(retry.max_interval_ms, DEFAULT_LONGEST_MS);
    (first > longest)
        .then(|| format!("initial_interval_ms is {first}, more than max_interval_ms, which is {longest}"))
}
