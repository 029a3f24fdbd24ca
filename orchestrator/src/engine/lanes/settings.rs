//! How wide a lane is, and what makes it close: values with limits, and the one way to write them down that the flag,
//! the store and people share. Pure; knows nobody who uses them.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

/// The settings of one lane. [`LaneSettings::default`] suits a participant that is quick and never told otherwise.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LaneSettings {
    /// Calls in flight: enough for a quick participant, few enough to not drown a slow one.
    pub concurrency: u32,
    /// Calls in any second; 0 = as many as come.
    pub rate: u32,
    /// The breaker opens when so many global transactions in a row got no proper answer; 0 = it never does.
    pub failures: u32,
    /// A call that takes longer counts as one of those; 0 = none does.
    pub slow_ms: u32,
    /// How long it stays open at first; each time that a probe fails, twice as long.
    pub open_ms: u32,
    /// The longest that it stays open.
    pub open_max_ms: u32,
    /// After the participant is back, the time in which its lane widens to all of its calls in flight; 0 = at once.
    pub slow_start_ms: u32,
    /// Repeated calls that a hundred first calls allow.
    pub retry_percent: u32,
    /// Repeated calls in a second that are allowed besides, so that a quiet lane can repeat at all.
    pub retry_floor: u32,
}

impl Default for LaneSettings {
    fn default() -> Self {
        Self {
            concurrency: 128,
            rate: 0,
            failures: 5,
            // Above the default timeout of an attempt: whoever allows more expects slow answers.
            slow_ms: 5_000,
            open_ms: 500,
            // What waits for a participant that is back waits no longer than this for the next probe.
            open_max_ms: 5_000,
            slow_start_ms: 5_000,
            retry_percent: 10,
            retry_floor: 10,
        }
    }
}

/// One setting: its name, and what it may be.
struct Knob {
    name: &'static str,
    least: u32,
    most: u32,
    get: fn(&LaneSettings) -> u32,
    set: fn(&mut LaneSettings, u32),
}

macro_rules! knob {
    ($name:ident, $least:expr, $most:expr) => {
        Knob {
            name: stringify!($name),
            least: $least,
            most: $most,
            get: |settings| settings.$name,
            set: |settings, value| settings.$name = value,
        }
    };
}

/// Ten minutes: a lane that stays shut or narrow for longer is a pause, which has an operation of its own.
const LONGEST_MS: u32 = 600_000;

const KNOBS: [Knob; 9] = [
    knob!(concurrency, 1, 10_000),
    knob!(rate, 0, 100_000),
    knob!(failures, 0, 100),
    knob!(slow_ms, 0, LONGEST_MS),
    knob!(open_ms, 10, LONGEST_MS),
    knob!(open_max_ms, 10, LONGEST_MS),
    knob!(slow_start_ms, 0, LONGEST_MS),
    knob!(retry_percent, 0, 100),
    // None at all would leave the last global transaction of a lane without its repeat for ever.
    knob!(retry_floor, 1, 100_000),
];

/// A setting that is none.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SettingsError {
    /// There is no such setting.
    #[error("`{name}` is no setting of a lane: {}", names())]
    Unknown {
        /// What was given.
        name: String,
    },
    /// It has no value, or one that is no number.
    #[error("`{part}` must be NAME=NUMBER")]
    Malformed {
        /// What was given.
        part: String,
    },
    /// Its value is out of bounds.
    #[error("{name} must be {least} to {most}")]
    OutOfBounds {
        /// Which.
        name: &'static str,
        /// The least that it may be.
        least: u32,
        /// The most.
        most: u32,
    },
    /// The breaker would stay open for longer at first than ever.
    #[error("open_ms must not be above open_max_ms, which is {most}")]
    Reversed {
        /// `open_max_ms`.
        most: u32,
    },
}

fn names() -> String {
    KNOBS.map(|knob| knob.name).join(", ")
}

impl LaneSettings {
    /// These settings with one of them changed.
    ///
    /// # Errors
    /// Where there is no such setting, or it may not be this.
    pub fn with(mut self, name: &str, value: u64) -> Result<Self, SettingsError> {
        let knob = KNOBS.iter().find(|knob| knob.name == name);
        let knob = knob.ok_or_else(|| SettingsError::Unknown { name: name.to_owned() })?;
        let value = u32::try_from(value).ok().filter(|value| (knob.least..=knob.most).contains(value));
        let Some(value) = value else {
            return Err(SettingsError::OutOfBounds { name: knob.name, least: knob.least, most: knob.most });
        };
        (knob.set)(&mut self, value);
        Ok(self)
    }

    /// These settings with those changed that `text` names: `concurrency=8,rate=50`.
    ///
    /// # Errors
    /// Where one of them is none, or they do not go together.
    pub fn with_all(self, text: &str) -> Result<Self, SettingsError> {
        let parts = text.split(',').map(str::trim).filter(|part| !part.is_empty());
        let changed = parts.into_iter().try_fold(self, |settings, part| {
            let (name, value) = part.split_once('=').unwrap_or((part, ""));
            let value: u64 =
                value.trim().parse().map_err(|_| SettingsError::Malformed { part: part.to_owned() })?;
            settings.with(name.trim(), value)
        })?;
        changed.checked()
    }

    /// What concerns two settings at once.
    ///
    /// # Errors
    /// Where they do not go together.
    pub fn checked(self) -> Result<Self, SettingsError> {
        if self.open_ms > self.open_max_ms {
            return Err(SettingsError::Reversed { most: self.open_max_ms });
        }
        Ok(self)
    }

    /// Each setting by its name, in one order.
    pub fn all(&self) -> impl Iterator<Item = (&'static str, u32)> {
        KNOBS.iter().map(|knob| (knob.name, (knob.get)(self)))
    }

    pub(super) fn slow_start(&self) -> Duration {
        Duration::from_millis(self.slow_start_ms.into())
    }

    /// From here on a call is slow; `None` = none is.
    pub(super) fn slow(&self) -> Option<Duration> {
        (self.slow_ms > 0).then(|| Duration::from_millis(self.slow_ms.into()))
    }
}

impl fmt::Display for LaneSettings {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, (name, value)) in self.all().enumerate() {
            let comma = if index == 0 { "" } else { "," };
            write!(to, "{comma}{name}={value}")?;
        }
        Ok(())
    }
}

impl FromStr for LaneSettings {
    type Err = SettingsError;

    /// What is not named is as by default.
    fn from_str(text: &str) -> Result<Self, SettingsError> {
        Self::default().with_all(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_down_is_read_back() {
        let settings: LaneSettings = "concurrency=8, rate=50,slow_start_ms=0".parse().unwrap();
        assert_eq!(
            settings,
            LaneSettings { concurrency: 8, rate: 50, slow_start_ms: 0, ..LaneSettings::default() }
        );
        assert_eq!(settings.to_string().parse(), Ok(settings));
        assert_eq!("".parse(), Ok(LaneSettings::default()));
    }

    #[test]
    fn what_makes_no_sense_is_told() {
        let told = |text: &str| text.parse::<LaneSettings>().unwrap_err().to_string();
        assert!(told("speed=3").starts_with("`speed` is no setting of a lane: concurrency, rate,"));
        assert_eq!(told("rate"), "`rate` must be NAME=NUMBER");
        assert_eq!(told("rate=-1"), "`rate=-1` must be NAME=NUMBER");
        assert_eq!(told("concurrency=0"), "concurrency must be 1 to 10000");
        assert_eq!(told("retry_floor=0"), "retry_floor must be 1 to 100000");
        assert_eq!(told("rate=99999999999"), "rate must be 0 to 100000");
        assert_eq!(told("open_max_ms=100"), "open_ms must not be above open_max_ms, which is 100");
    }
}
