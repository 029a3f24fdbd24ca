//! What people did to a global transaction, as its history keeps it: who, why, and with what proof.
//! Knows words only; what an act leads to is the fold's.

use super::event::bounded;
use serde::{Deserialize, Serialize};

/// Who did something, why, and with what proof. The reason stands in the event's own column, the rest in `detail`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Act {
    /// Who.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub subject: String,
    /// Why, for people.
    #[serde(skip)]
    pub reason: String,
    /// What proves it, in words.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub evidence: String,
    /// Where the proof can be looked up: a ticket, a statement of the provider.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub reference: String,
    /// The second person, where one was needed.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub approved_by: String,
    /// Who looks after it from now on.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub owner: String,
}

impl Act {
    /// An act of `subject` for this reason, without proof.
    #[must_use]
    pub fn of(subject: &str, reason: &str) -> Self {
        Self { subject: subject.to_owned(), reason: bounded(reason), ..Self::default() }
    }

    /// As the column `detail` has it; empty where nobody is named.
    #[must_use]
    pub(super) fn detail(&self) -> String {
        match serde_json::to_string(self) {
            Ok(text) if text != "{}" => text,
            Ok(_) | Err(_) => String::new(),
        }
    }

    /// As a stored event names it; `None` = it names nobody.
    #[must_use]
    pub fn stored(detail: &str, reason: &str) -> Option<Self> {
        if detail.is_empty() { None } else { Self::read(detail, reason) }
    }

    /// Read back; `None` = it is not one.
    pub(super) fn read(detail: &str, reason: &str) -> Option<Self> {
        let known = if detail.is_empty() { Self::default() } else { serde_json::from_str(detail).ok()? };
        Some(Self { reason: reason.to_owned(), ..known })
    }
}

/// What an operator states of an op.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Resolution {
    /// It is done.
    Succeeded,
    /// It was not done, and will not be.
    Refused,
    /// What it did is taken back.
    Compensated,
}

impl Resolution {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Succeeded, Self::Refused, Self::Compensated];

    /// Short lower-case name, as shown and stored.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Succeeded => "succeeded",
            Self::Refused => "refused",
            Self::Compensated => "compensated",
        }
    }

    /// The one of this name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|it| it.name() == name)
    }
}

/// What deadlines do during a pause.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Deadlines {
    /// They stand still.
    Stop,
    /// They run on.
    Run,
}

impl Deadlines {
    /// Short lower-case name, as shown and stored.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Stop => "stop",
            Self::Run => "run",
        }
    }

    /// The one of this name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        [Self::Stop, Self::Run].into_iter().find(|it| it.name() == name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_act_reads_back_as_written_and_an_old_event_names_nobody() {
        let act = Act { evidence: "said \"no\"\nby phone".into(), ..Act::of("ann", "stuck") };
        assert_eq!(Act::read(&act.detail(), "stuck"), Some(act));
        assert_eq!(Act::default().detail(), "");
        assert_eq!(Act::read("", "please"), Some(Act::of("", "please")));
        assert_eq!(Act::read("{", ""), None);
        assert_eq!(Act::read("{\"of_tomorrow\":1}", ""), Some(Act::default()), "more is no harm");
    }

    #[test]
    fn names_lead_back() {
        for it in Resolution::ALL {
            assert_eq!(Resolution::named(it.name()), Some(it));
        }
        for it in [Deadlines::Stop, Deadlines::Run] {
            assert_eq!(Deadlines::named(it.name()), Some(it));
        }
        assert_eq!(Resolution::named("maybe"), None);
    }
}
