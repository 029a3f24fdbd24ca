//! Durations and moments as a filter writes them: `5m`, `2h ago`, `2026-11-22T07:00:00Z`. Knows no clock.

use chrono::{DateTime, NaiveDate, SecondsFormat, Utc};

/// Units, largest first, in microseconds.
const UNITS: [(&str, i64); 7] = [
    ("w", 7 * 86_400_000_000),
    ("d", 86_400_000_000),
    ("h", 3_600_000_000),
    ("m", 60_000_000),
    ("s", 1_000_000),
    ("ms", 1_000),
    ("us", 1),
];

/// A point in time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Moment {
    /// Unix microseconds.
    At(i64),
    /// So many microseconds ago.
    Ago(i64),
}

impl Moment {
    /// Unix microseconds, seen from `now_us`.
    #[must_use]
    pub fn unix_us(self, now_us: i64) -> i64 {
        match self {
            Self::At(unix_us) => unix_us,
            Self::Ago(us) => now_us.saturating_sub(us),
        }
    }
}

/// `5m` → microseconds.
pub(crate) fn duration(text: &str) -> Option<i64> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at(digits);
    let (_, us) = UNITS.iter().find(|(name, _)| *name == unit)?;
    number.parse::<i64>().ok()?.checked_mul(*us)
}

/// Microseconds in the largest unit that tells them whole.
pub(super) fn duration_text(us: i64) -> String {
    let whole = UNITS.iter().find(|(_, unit)| us != 0 && us % unit == 0);
    let (unit, size) = whole.copied().unwrap_or(("s", 1_000_000));
    format!("{}{unit}", us / size)
}

/// A date, or a date and time with its offset → unix microseconds.
pub(super) fn moment(text: &str) -> Option<i64> {
    let at = match DateTime::parse_from_rfc3339(text) {
        Ok(at) => at.to_utc(),
        Err(_) => NaiveDate::parse_from_str(text, "%Y-%m-%d").ok()?.and_hms_opt(0, 0, 0)?.and_utc(),
    };
    let us = at.timestamp_micros();
    // What is before 1970, or has no such text, is no moment of ours.
    (us >= 0 && moment_text(us).is_some()).then_some(us)
}

/// Unix microseconds as a date and time.
pub(super) fn moment_text(us: i64) -> Option<String> {
    let at: DateTime<Utc> = DateTime::from_timestamp_micros(us)?;
    Some(at.to_rfc3339_opts(SecondsFormat::AutoSi, true))
}
