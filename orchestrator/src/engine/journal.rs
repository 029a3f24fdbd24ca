//! What the log says of a history: one line for each event, when it is committed, as loud as what it means. Texts of
//! participants and people stay in the history: of a reason the log has the code only. Must not know the store.

use crate::history::entity::event;

/// How loud an event is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Loudness {
    /// Books disagree: somebody lost something, or writes where only we should.
    Alarm,
    /// A person is needed.
    Need,
    /// What people do, and what is over: a line wherever there is a log.
    News,
    /// What happens all day, refusals and unknown answers too: for those who look closely. Costs nothing unless they do.
    Detail,
}

const ALARM: &str = "disagreement";
const NEED: &str = "attention_opened";
/// Everything else is what happens all day.
const NEWS: [&str; 10] = [
    "attention_closed",
    "undo_after_commit",
    "cancel_requested",
    "paused",
    "resumed",
    "operator_retry",
    "operator_proposed",
    "operator_resolved",
    "operator_redriven",
    "operator_acknowledged",
];

impl Loudness {
    fn of(event: &event::Model) -> Self {
        match (event.kind.as_str(), event.code.as_str()) {
            (NEED, ALARM) => Self::Alarm,
            (NEED, _) => Self::Need,
            (kind, _) if NEWS.contains(&kind) => Self::News,
            (_, _) => Self::Detail,
        }
    }

    fn is_heard(self) -> bool {
        match self {
            Self::Alarm => tracing::enabled!(tracing::Level::ERROR),
            Self::Need => tracing::enabled!(tracing::Level::WARN),
            Self::News => tracing::enabled!(tracing::Level::INFO),
            Self::Detail => tracing::enabled!(tracing::Level::DEBUG),
        }
    }
}

/// Those of the events that anybody wants a line of, to be written when they are committed.
#[must_use]
pub fn heard(events: &[event::Model]) -> Vec<event::Model> {
    events.iter().filter(|event| Loudness::of(event).is_heard()).cloned().collect()
}

macro_rules! line {
    ($level:ident, $event:expr, $alarm:expr) => {
        tracing::$level!(
            alarm = $alarm,
            gid = $event.gid,
            branch_id = present(&$event.branch_id),
            op = present(&$event.op),
            seq = $event.seq,
            attempt = ($event.attempt > 0).then_some($event.attempt),
            code = present(&$event.code),
            reason = present(word(&$event.reason)),
            "{}",
            $event.kind
        )
    };
}

/// Writes their lines.
pub fn write(events: &[event::Model]) {
    for event in events {
        match Loudness::of(event) {
            Loudness::Alarm => line!(error, event, Some("DISAGREEMENT")),
            Loudness::Need => line!(warn, event, None::<&str>),
            Loudness::News => line!(info, event, None::<&str>),
            Loudness::Detail => line!(debug, event, None::<&str>),
        }
    }
}

fn present(text: &str) -> Option<&str> {
    (!text.is_empty()).then_some(text)
}

/// The code that a reason begins with: what stands behind `|` or `:` may name goods and people. Empty = it has none.
fn word(reason: &str) -> &str {
    let code = reason.split(['|', ':']).next().unwrap_or_default();
    let plain = |c: char| c.is_ascii_alphanumeric() || c == '_';
    if code.chars().all(plain) { code } else { "" }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// An event of nobody's history.
    pub fn event(kind: &str, code: &str) -> event::Model {
        event::Model {
            gid: "g".into(),
            seq: 1,
            time_us: 0,
            kind: kind.into(),
            branch_id: String::new(),
            op: String::new(),
            attempt: 0,
            code: code.into(),
            reason: String::new(),
            build_id: String::new(),
            detail: String::new(),
        }
    }

    #[test]
    fn of_a_reason_only_its_code_is_told() {
        for (reason, told) in [
            ("PSP_DECLINED|card of ann", "PSP_DECLINED"),
            ("refused:05 said no", "refused"),
            ("the card of ann is stolen", ""),
            ("", ""),
            ("\u{1b}[2J|x", ""),
        ] {
            assert_eq!(word(reason), told, "{reason}");
        }
    }

    #[test]
    fn what_needs_a_person_is_louder_than_what_happens_all_day() {
        for (kind, code, loudness) in [
            ("attention_opened", "disagreement", Loudness::Alarm),
            ("attention_opened", "under_review", Loudness::Need),
            ("operator_resolved", "succeeded", Loudness::News),
            ("finished", "failed", Loudness::Detail),
            ("attempt_unknown", "UNAVAILABLE", Loudness::Detail),
            ("attempt_refused", "ABORTED", Loudness::Detail),
            ("started", "", Loudness::Detail),
        ] {
            assert_eq!(Loudness::of(&event(kind, code)), loudness, "{kind} {code}");
        }
    }
}
