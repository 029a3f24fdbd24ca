//! How single values look: times, ages, states, reasons. Pure.

pub use crate::reason::in_words as reason;
use amends_proto::amends::v1::{GlobalTransaction, Mode, OpState, Status};
use chrono::{DateTime, SecondsFormat, Utc};
use maud::{Markup, html};
use prost_types::Timestamp;

/// How good or bad a value is. Colour says it, and a sign for whoever sees no colours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tone {
    /// As it should be.
    Good,
    /// Under way.
    Busy,
    /// Worth a look.
    Warn,
    /// Wrong.
    Bad,
    /// Neither.
    Quiet,
}

impl Tone {
    /// Its class in the style sheet.
    #[must_use]
    pub fn class(self) -> &'static str {
        match self {
            Self::Good => "good",
            Self::Busy => "busy",
            Self::Warn => "warn",
            Self::Bad => "bad",
            Self::Quiet => "calm",
        }
    }

    /// Its sign.
    #[must_use]
    pub fn sign(self) -> &'static str {
        match self {
            Self::Good => "✓",
            Self::Busy => "▸",
            Self::Warn => "!",
            Self::Bad => "✕",
            Self::Quiet => "·",
        }
    }
}

/// A word with its tone.
#[must_use]
pub fn chip(tone: Tone, text: &str) -> Markup {
    html! { span class={ "chip " (tone.class()) } { span.sign aria-hidden="true" { (tone.sign()) } (text) } }
}

/// How much of a moment is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// Date and time to the second.
    Full,
    /// Time of day.
    Clock,
    /// Time of day with milliseconds.
    Fine,
}

/// A moment: in UTC, and by the script in the reader's own zone. Empty where there is none.
#[must_use]
pub fn moment(time: Option<&Timestamp>, form: Form) -> Markup {
    let Some(at) = time.and_then(date) else { return html! {} };
    let (name, text) = match form {
        Form::Full => ("full", at.format("%Y-%m-%d %H:%M:%S UTC")),
        Form::Clock => ("clock", at.format("%H:%M:%S UTC")),
        Form::Fine => ("fine", at.format("%H:%M:%S%.3f UTC")),
    };
    html! {
        time datetime=(at.to_rfc3339_opts(SecondsFormat::Micros, true)) data-form=(name) { (text.to_string()) }
    }
}

/// `, at` a time of day behind what is then; nothing where there is no moment.
#[must_use]
pub fn at(time: Option<&Timestamp>) -> Markup {
    html! { @if time.is_some() { ", at " (moment(time, Form::Clock)) } }
}

fn date(time: &Timestamp) -> Option<DateTime<Utc>> {
    DateTime::from_timestamp(time.seconds, u32::try_from(time.nanos).ok()?)
}

/// Unix microseconds.
#[must_use]
pub fn micros(time: Option<&Timestamp>) -> i64 {
    time.map_or(0, |time| {
        time.seconds.saturating_mul(1_000_000).saturating_add(i64::from(time.nanos) / 1_000)
    })
}

/// A stretch of time in two parts at most: `250 ms`, `4.2 s`, `3 min 20 s`, `5 h 12 min`, `3 d 4 h`, `10 min`.
#[must_use]
pub fn stretch(us: i64) -> String {
    let (ms, s) = (us.max(0) / 1_000, us.max(0) / 1_000_000);
    match s {
        0 if ms < 1_000 => format!("{ms} ms"),
        0..=9 => format!("{}.{} s", s, ms % 1_000 / 100),
        10..=59 => format!("{s} s"),
        60..=3_599 => parts((s / 60, "min"), (s % 60, "s")),
        3_600..=86_399 => parts((s / 3_600, "h"), (s % 3_600 / 60, "min")),
        _ => parts((s / 86_400, "d"), (s % 86_400 / 3_600, "h")),
    }
}

fn parts((large, of_large): (i64, &str), (small, of_small): (i64, &str)) -> String {
    if small == 0 { format!("{large} {of_large}") } else { format!("{large} {of_large} {small} {of_small}") }
}

/// How long ago, seen from `now_us`; empty where there is no moment.
#[must_use]
pub fn ago(time: Option<&Timestamp>, now_us: i64) -> String {
    if time.is_none() { String::new() } else { stretch(now_us.saturating_sub(micros(time))) }
}

/// A count with its thousands apart.
#[must_use]
pub fn count(number: i64) -> String {
    let digits = number.unsigned_abs().to_string();
    let mut text = String::with_capacity(digits.len() * 4 / 3 + 1);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    if number < 0 { format!("-{text}") } else { text }
}

/// The short name of a status.
#[must_use]
pub fn status_name(status: Status) -> &'static str {
    match status {
        Status::Unspecified => "unknown",
        Status::Accepted => "accepted",
        Status::Running => "running",
        Status::Compensating => "compensating",
        Status::Succeeded => "succeeded",
        Status::Failed => "failed",
        Status::Cancelled => "cancelled",
    }
}

/// A status with its tone.
#[must_use]
pub fn status(status: Status) -> Markup {
    let tone = match status {
        Status::Unspecified => Tone::Quiet,
        Status::Accepted | Status::Running => Tone::Busy,
        Status::Compensating => Tone::Warn,
        Status::Succeeded => Tone::Good,
        Status::Failed => Tone::Bad,
        Status::Cancelled => Tone::Quiet,
    };
    chip(tone, status_name(status))
}

/// Whether it has not ended.
#[must_use]
pub fn is_open(transaction: &GlobalTransaction) -> bool {
    match transaction.status() {
        Status::Accepted | Status::Running | Status::Compensating => true,
        Status::Unspecified | Status::Succeeded | Status::Failed | Status::Cancelled => false,
    }
}

/// The short name of a mode.
#[must_use]
pub fn mode_name(mode: Mode) -> &'static str {
    match mode {
        Mode::Unspecified => "",
        Mode::Saga => "SAGA",
        Mode::Tcc => "TCC",
    }
}

/// The state of an op of this global transaction in words, with its tone: once all has ended nothing waits any more.
#[must_use]
pub fn op_state(of: &GlobalTransaction, state: OpState) -> (Tone, &'static str) {
    match state {
        OpState::Unspecified => (Tone::Quiet, "not begun"),
        OpState::Running | OpState::Waiting if !is_open(of) => (Tone::Warn, "no outcome"),
        OpState::Running => (Tone::Busy, "being called"),
        OpState::Succeeded => (Tone::Good, "succeeded"),
        OpState::Refused => (Tone::Bad, "refused"),
        OpState::Waiting => (Tone::Warn, "waiting"),
        OpState::Skipped => (Tone::Quiet, "nothing to undo"),
    }
}

/// So many of something, by its name for one of them.
#[must_use]
pub fn of(number: i64, one: &str, many: &str) -> String {
    format!("{} {}", count(number), if number == 1 { one } else { many })
}

/// A sentence of the API; what stands between backticks is code.
#[must_use]
pub fn sentence(text: &str) -> Markup {
    html! {
        @for (at, part) in text.split('`').enumerate() { @if at % 2 == 1 { code { (part) } } @else { (part) } }
    }
}

/// The method of a full name `package.Service/Method`.
#[must_use]
pub fn method(full: &str) -> &str {
    full.rsplit('/').next().unwrap_or_default()
}

/// `a_cause_or_kind` as words.
#[must_use]
pub fn spaced(name: &str) -> String {
    name.replace('_', " ")
}

/// Text for an address, everything but letters and digits encoded.
#[must_use]
pub fn in_address(text: &str) -> String {
    use std::fmt::Write as _;
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            let _ = write!(encoded, "%{byte:02X}");
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stretches_are_told_in_two_parts_at_most() {
        let told = [
            (-5, "0 ms"),
            (999_000, "999 ms"),
            (1_250_000, "1.2 s"),
            (59_000_000, "59 s"),
            (200_000_000, "3 min 20 s"),
            (600_000_000, "10 min"),
            (18_720_000_000, "5 h 12 min"),
            (273_600_000_000, "3 d 4 h"),
        ];
        for (us, text) in told {
            assert_eq!(stretch(us), text);
        }
    }

    #[test]
    fn nothing_waits_where_all_has_ended() {
        let of = |status: Status| GlobalTransaction { status: status.into(), ..GlobalTransaction::default() };
        assert_eq!(op_state(&of(Status::Running), OpState::Waiting).1, "waiting");
        assert_eq!(op_state(&of(Status::Failed), OpState::Waiting).1, "no outcome");
        assert_eq!(op_state(&of(Status::Failed), OpState::Succeeded).1, "succeeded");
    }

    #[test]
    fn code_in_a_sentence_is_marked() {
        assert_eq!(
            sentence("say `amends <x>` twice").into_string(),
            "say <code>amends &lt;x&gt;</code> twice"
        );
    }

    #[test]
    fn counts_have_their_thousands_apart() {
        for (number, text) in
            [(0, "0"), (999, "999"), (1_000, "1,000"), (1_010_000, "1,010,000"), (-12_345, "-12,345")]
        {
            assert_eq!(count(number), text);
        }
    }

    #[test]
    fn what_stands_in_an_address_is_encoded() {
        assert_eq!(in_address("a = \"b/ü&c\""), "a%20%3D%20%22b%2F%C3%BC%26c%22");
    }
}
