//! When to ask again about a request whose outcome is unknown. Pure: the jitter comes from the request's own id, so
//! that a restart does not change it.

use std::str::FromStr;
use std::time::Duration;

/// Times between queries.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Schedule(Vec<Duration>);

/// Why a schedule could not be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no list of times like 3s,5s,500ms,1m,1h")]
pub struct ScheduleError(String);

/// The schedule of payments-domain §6.3.
pub const DEFAULT_SCHEDULE: &str = "3s,5s,10s,30s,1m,3m,5m,10m,30m,60m";

impl FromStr for Schedule {
    type Err = ScheduleError;

    fn from_str(text: &str) -> Result<Schedule, ScheduleError> {
        let times = text.split(',').map(|entry| duration(entry.trim())).collect::<Option<Vec<_>>>();
        times.filter(|times| !times.is_empty()).map(Schedule).ok_or_else(|| ScheduleError(text.to_owned()))
    }
}

fn duration(text: &str) -> Option<Duration> {
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let number: u64 = digits.parse().ok()?;
    let ms = match &text[digits.len()..] {
        "ms" => 1,
        "s" => 1_000,
        "m" => 60_000,
        "h" => 3_600_000,
        _ => return None,
    };
    number.checked_mul(ms).filter(|ms| *ms <= MAX_MS).map(Duration::from_millis)
}

/// No time in a schedule is longer than a day.
const MAX_MS: u64 = 86_400_000;

impl Schedule {
    /// The time until the next query after `queries` of them, ± 20 %; none when the schedule is exhausted.
    #[must_use]
    pub fn delay(&self, queries: i32, request_id: &str) -> Option<Duration> {
        let place = usize::try_from(queries).unwrap_or(0);
        self.0.get(place).map(|time| jittered(*time, place, request_id))
    }

    /// Like [`Schedule::delay`], and the last time for ever after.
    #[must_use]
    pub fn delay_or_last(&self, tries: usize, request_id: &str) -> Duration {
        let place = tries.min(self.0.len() - 1);
        jittered(self.0[place], place, request_id)
    }
}

/// `time` times something between 0.8 and 1.2 that `request_id` and `place` decide.
fn jittered(time: Duration, place: usize, request_id: &str) -> Duration {
    let mixed =
        request_id.bytes().chain(place.to_be_bytes()).fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
        });
    let per_mille = 800 + u32::try_from(mixed >> 32).unwrap_or(0) % 401;
    time * per_mille / 1000
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_is_the_schedule_of_the_contract() {
        let schedule: Schedule = DEFAULT_SCHEDULE.parse().unwrap();
        let seconds: Vec<u64> = schedule.0.iter().map(Duration::as_secs).collect();
        assert_eq!(seconds, [3, 5, 10, 30, 60, 180, 300, 600, 1800, 3600]);
    }

    #[test]
    fn jitter_stays_within_a_fifth_and_is_fixed_by_the_request() {
        let schedule: Schedule = "10s".parse().unwrap();
        let mut seen = std::collections::BTreeSet::new();
        for n in 0..200 {
            let id = format!("request-{n}");
            let delay = schedule.delay(0, &id).unwrap();
            assert!((8000..=12000).contains(&delay.as_millis()), "{delay:?}");
            assert_eq!(schedule.delay(0, &id), Some(delay));
            seen.insert(delay);
        }
        assert!(seen.len() > 50);
        assert_eq!(schedule.delay(1, "request"), None);
        assert!(schedule.delay_or_last(9, "request") >= Duration::from_secs(8));
    }

    #[test]
    fn nonsense_is_refused() {
        for text in ["", "3", "3s,", "3s;5s", "-1s", "2d", "25h"] {
            assert!(text.parse::<Schedule>().is_err(), "{text}");
        }
    }
}
