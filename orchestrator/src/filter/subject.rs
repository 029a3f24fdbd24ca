//! One global transaction as a filter sees it, and whether a filter fits it.

use super::fields::{Flag, Quantity, TextField, TimeField};
use super::tree::{Expr, Test};

/// What a filter may ask about one global transaction.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[allow(missing_docs)] // the fields of the language: see `fields.rs`
pub struct Subject {
    pub gid: String,
    pub status: String,
    pub definition: String,
    pub mode: String,
    pub business_key: String,
    pub caller: String,
    pub request_id: String,
    pub coordinator: String,
    pub reason: String,
    pub participants: Vec<String>,
    pub steps: Vec<String>,
    pub codes: Vec<String>,
    pub waiting_for: Vec<String>,
    pub needs: Vec<Need>,
    pub attempts: i32,
    pub paused: bool,
    pub open: bool,
    /// Unix microseconds.
    pub started_us: i64,
    /// Unix microseconds; 0 = not ended.
    pub finished_us: i64,
}

/// An open need for a person.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Need {
    /// Short name of the cause.
    pub cause: String,
    /// Who looks after it; empty = nobody.
    pub owner: String,
}

impl Expr {
    /// Whether `subject` fits, at `now_us`.
    #[must_use]
    pub fn fits(&self, subject: &Subject, now_us: i64) -> bool {
        match self {
            Self::And(parts) => parts.iter().all(|part| part.fits(subject, now_us)),
            Self::Or(parts) => parts.iter().any(|part| part.fits(subject, now_us)),
            Self::Not(inner) => !inner.fits(subject, now_us),
            Self::Test(test) => test.fits(subject, now_us),
        }
    }
}

impl Test {
    fn fits(&self, subject: &Subject, now_us: i64) -> bool {
        match self {
            Self::Flag(Flag::Open) => subject.open,
            Self::Flag(Flag::Attention) => !subject.needs.is_empty(),
            Self::Flag(Flag::Paused) => subject.paused,
            Self::Is(field, values) => {
                subject.texts(*field).into_iter().any(|text| values.iter().any(|value| value == text))
            }
            Self::Contains(field, part) => {
                subject.texts(*field).into_iter().any(|text| text.contains(part.as_str()))
            }
            Self::Count(Quantity::Attempts, order, count) => order.holds(&subject.attempts, count),
            Self::Age(order, us) => order.holds(&now_us.saturating_sub(subject.started_us), us),
            Self::Time(TimeField::Started, order, moment) => {
                order.holds(&subject.started_us, &moment.unix_us(now_us))
            }
            Self::Time(TimeField::Finished, order, moment) => {
                subject.finished_us > 0 && order.holds(&subject.finished_us, &moment.unix_us(now_us))
            }
        }
    }
}

impl Subject {
    fn texts(&self, field: TextField) -> Vec<&str> {
        match field {
            TextField::Status => vec![&self.status],
            TextField::Definition => vec![&self.definition],
            TextField::Mode => vec![&self.mode],
            TextField::BusinessKey => vec![&self.business_key],
            TextField::Gid => vec![&self.gid],
            TextField::Caller => vec![&self.caller],
            TextField::RequestId => vec![&self.request_id],
            TextField::Coordinator => vec![&self.coordinator],
            TextField::Reason => vec![&self.reason],
            TextField::Participant => each(&self.participants),
            TextField::Step => each(&self.steps),
            TextField::Code => each(&self.codes),
            TextField::WaitingFor => each(&self.waiting_for),
            TextField::Attention => self.needs.iter().map(|need| need.cause.as_str()).collect(),
            TextField::Owner => {
                self.needs.iter().map(|need| need.owner.as_str()).filter(|owner| !owner.is_empty()).collect()
            }
        }
    }
}

fn each(texts: &[String]) -> Vec<&str> {
    texts.iter().map(String::as_str).collect()
}
