//! The story of one global transaction as text for people. Pure: reads messages, calls nobody.
mod lines;

pub use lines::Lines;

use crate::holds;
use crate::output::{Paint, Tone, mode_name, op_state_name, said, status_name, status_tone, table};
use amends_orchestrator::reason;
use amends_proto::amends::v1::{
    Attention, CoordinatorViewResponse, Event, GlobalTransaction, Hold, Run, Step,
};
use prost_types::Timestamp;
use std::collections::HashMap;
use std::fmt::Write as _;

/// Everything that is known of one global transaction.
pub struct Story<'a> {
    /// What the orchestrator says.
    pub transaction: &'a GlobalTransaction,
    /// Its history, in order.
    pub events: &'a [Event],
    /// What the coordinator itself says, if it could be asked.
    pub coordinator: Option<&'a CoordinatorViewResponse>,
    /// The holds in its way.
    pub holds: &'a [Hold],
}

/// Name of the coordinator that keeps no book of its own.
const EMBEDDED: &str = "embedded";

/// The whole story: head, steps, timeline, the coordinator's view.
pub fn full(story: &Story<'_>, paint: Paint) -> String {
    let head = head(story.transaction, paint);
    format!("{head}{}\n{}\n{}", holds::lines(story.holds), steps(story.transaction), course(story, paint))
}

/// The timeline and the coordinator's view.
pub fn course(story: &Story<'_>, paint: Paint) -> String {
    let mut text = events(story, paint);
    if story.transaction.coordinator == EMBEDDED {
        text.push_str("\nCoordinator: embedded. This history is its only book.\n");
    } else if let Some(view) = story.coordinator {
        text.push('\n');
        text.push_str(&coordinator(view));
    }
    text
}

/// Who it is and where it stands.
pub fn head(transaction: &GlobalTransaction, paint: Paint) -> String {
    let status = transaction.status();
    let mut text = format!(
        "{}  {}  {} v{} ({})  {}\n",
        paint.tone(Tone::Strong, &transaction.gid),
        paint.tone(status_tone(status), &status_name(status)),
        transaction.definition,
        transaction.definition_version,
        mode_name(transaction.mode()),
        transaction.business_key,
    );
    if let Some(times) = times(transaction) {
        let _ = writeln!(text, "{}", paint.tone(Tone::Faint, &times));
    }
    if !transaction.reason.is_empty() {
        let cause = &transaction.undo_cause;
        let cause = if cause.is_empty() { String::new() } else { format!(" ({cause})") };
        let _ = writeln!(text, "reason: {}{cause}", plain_reason(&transaction.reason));
    }
    if let Some(run) = transaction.run.as_ref().filter(|run| run.continues > 0) {
        let _ = writeln!(text, "{}", run_line(run));
    }
    if transaction.paused {
        text.push_str("paused\n");
    }
    for attention in needs(transaction) {
        let since = attention.since.map(|since| format!(" since {since}")).unwrap_or_default();
        let line = format!("needs a person{since}: {} {}", attention.cause, attention.text);
        let _ = writeln!(text, "{}", paint.tone(Tone::Bad, line.trim_end()));
        let _ = write!(text, "{}", care(attention));
    }
    text
}

/// When it began, and how long it took if it has ended.
fn times(transaction: &GlobalTransaction) -> Option<String> {
    let began = transaction.created_at.as_ref()?;
    let at = chrono::DateTime::from_timestamp_micros(micros(began))?.format("%F %T%.3f UTC");
    // For display only.
    let took = transaction.finished_at.as_ref().map(|end| (micros(end) - micros(began)) as f64 / 1e6);
    Some(match took {
        Some(seconds) => format!("started {at}, ended after {seconds:.3} s"),
        None => format!("started {at}"),
    })
}

/// `run 2 since …, continues run 1 from 03 action, by ann: the bank is back`.
pub fn run_line(run: &Run) -> String {
    let Run { number, since, continues, from, act, reason } = run;
    let mut text = format!("run {number}");
    if let Some(since) = since {
        let _ = write!(text, " since {since}");
    }
    let _ = write!(text, ", continues run {continues} from {}", from.join(", "));
    if let Some(act) = act {
        let _ = write!(text, ", by {}", act.subject);
    }
    if !reason.is_empty() {
        let _ = write!(text, ": {reason}");
    }
    text
}

/// Who looks after a need, and what happens by itself.
fn care(attention: &Attention) -> String {
    let Attention { owner, acknowledged_by, note, next_action, next_action_at, .. } = attention;
    let mut text = String::new();
    if !acknowledged_by.is_empty() {
        let note = if note.is_empty() { String::new() } else { format!(": {note}") };
        let _ = writeln!(text, "  {owner} looks after it, says {acknowledged_by}{note}");
    }
    if !next_action.is_empty() {
        let at = next_action_at.map(|at| format!(" at {at}")).unwrap_or_default();
        let _ = writeln!(text, "  next by itself{at}: {next_action}");
    }
    text
}

/// All open needs for a person; a list tells only of the oldest.
fn needs(transaction: &GlobalTransaction) -> &[Attention] {
    match transaction.all_attention.as_slice() {
        [] => transaction.attention.as_slice(),
        all => all,
    }
}

/// One line per op of each step.
pub fn steps(transaction: &GlobalTransaction) -> String {
    let rows = transaction.steps.iter().flat_map(|step| {
        let pivot = if step.pivot { " (pivot)" } else { "" };
        step.ops.iter().map(move |op| {
            vec![
                step.branch_id.clone(),
                format!("{}{pivot}", method(step, &op.op)),
                op.op.clone(),
                op_state_name(op.state()),
                op.attempts.to_string(),
                plain_reason(&op.last_reason),
            ]
        })
    });
    table(&["step", "call", "op", "state", "attempts", "last answer"], &["attempts"], rows.collect())
}

/// What happened when, one line per event; an attempt is one line with its duration.
pub fn events(story: &Story<'_>, paint: Paint) -> String {
    let Some(first) = story.events.first() else { return String::new() };
    let mut lines = Lines::new(&story.transaction.steps, unix_us(first));
    let last_answers = last_answers(story.events);
    let mut text = String::new();
    for event in story.events {
        let line = lines.tell(event, paint);
        let answered = last_answers.get(&op(event)).is_some_and(|seq| *seq > event.seq);
        if event.kind == "attempt_started" && answered {
            continue; // told by the line of its end, or a poll that was answered as the one before
        }
        text.push_str(&line);
    }
    text
}

/// What the coordinator itself says.
pub fn coordinator(view: &CoordinatorViewResponse) -> String {
    if !view.known {
        return "DTM says: it does not know this gid\n".to_owned();
    }
    let mut text = format!("DTM says: {}", view.status);
    if !view.rollback_reason.is_empty() {
        let _ = write!(text, ", because {}", plain_reason(&view.rollback_reason));
    }
    text.push('\n');
    let (idle, called): (Vec<_>, Vec<_>) =
        view.branches.iter().partition(|branch| branch.status == "prepared");
    let called: Vec<String> =
        called.iter().map(|branch| format!("{} {} {}", branch.branch_id, branch.op, branch.status)).collect();
    for line in called.chunks(4) {
        let _ = writeln!(text, "  {}", line.join(" · "));
    }
    if !idle.is_empty() {
        let _ = writeln!(text, "  and {} branch ops that it never had to call", idle.len());
    }
    text
}

/// A reason in words, nothing of which steers a terminal.
pub fn plain_reason(message: &str) -> String {
    said(&reason::in_words(message))
}

/// `inventory.Deduct`: the participant and the method that the op calls.
fn method(step: &Step, op: &str) -> String {
    let full = match op {
        "compensate" | "cancel" => &step.undo,
        "confirm" => &step.confirm,
        _ => &step.forward,
    };
    let method = full.rsplit('/').next().unwrap_or_default();
    format!("{}.{method}", step.participant).trim_end_matches('.').to_owned()
}

/// Seq of the newest answer of each op. A poll that is answered as before is not recorded.
fn last_answers(events: &[Event]) -> HashMap<(&str, &str), i64> {
    let answers = events.iter().filter(|event| event.kind != "attempt_started");
    answers.map(|event| (op(event), event.seq)).collect()
}

fn op(event: &Event) -> (&str, &str) {
    (&event.branch_id, &event.op)
}

fn unix_us(event: &Event) -> i64 {
    event.time.as_ref().map_or(0, micros)
}

/// Unix microseconds of a time.
pub fn micros(time: &Timestamp) -> i64 {
    time.seconds * 1_000_000 + i64::from(time.nanos) / 1_000
}

#[cfg(test)]
mod tests {
    use super::*;
    use amends_proto::amends::v1::Act;

    fn event(ms: i64, kind: &str, branch: &str, reason: &str) -> Event {
        let time = prost_types::Timestamp { seconds: 0, nanos: i32::try_from(ms * 1_000_000).unwrap() };
        let (op, attempt) = if branch.is_empty() { ("", 0) } else { ("action", 1) };
        Event {
            seq: ms + 1,
            time: Some(time),
            kind: kind.into(),
            branch_id: branch.into(),
            op: op.into(),
            attempt,
            reason: reason.into(),
            ..Event::default()
        }
    }

    #[test]
    fn an_attempt_is_one_line_with_its_duration() {
        let transaction = GlobalTransaction {
            steps: vec![Step {
                branch_id: "01".into(),
                participant: "gateway".into(),
                forward: "pay.gateway.v1.GatewayService/Charge".into(),
                ..Step::default()
            }],
            ..GlobalTransaction::default()
        };
        let history = [
            event(0, "started", "", ""),
            event(2, "attempt_started", "01", ""),
            event(14, "attempt_refused", "01", "PSP_DECLINED|stolen_card"),
            event(15, "undo_decided", "", "refused:PSP_DECLINED|stolen_card"),
        ];
        let story = Story { transaction: &transaction, events: &history, coordinator: None, holds: &[] };
        let text = events(&story, Paint::Plain);
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines.len(), 3, "{text}");
        assert!(lines[1].contains("01 gateway.Charge"), "{text}");
        assert!(lines[1].ends_with("refused in 12 ms  PSP_DECLINED: stolen_card"), "{text}");
        assert!(lines[2].ends_with("undo decided  refused: PSP_DECLINED: stolen_card"), "{text}");
    }

    #[test]
    fn marks_and_times_tell_what_colours_do() {
        let at = |seconds, nanos| Some(Timestamp { seconds, nanos });
        let transaction = GlobalTransaction {
            created_at: at(60, 500_000_000),
            finished_at: at(62, 0),
            ..GlobalTransaction::default()
        };
        let told = head(&transaction, Paint::Plain);
        assert_eq!(told.lines().nth(1), Some("started 1970-01-01 00:01:00.500 UTC, ended after 1.500 s"));
        let kinds = ["started", "attempt_succeeded", "attempt_refused", "undo_decided"];
        let history: Vec<Event> = (0_i64..).zip(kinds).map(|(ms, kind)| event(ms, kind, "", "")).collect();
        let story = Story { transaction: &transaction, events: &history, coordinator: None, holds: &[] };
        let plain = events(&story, Paint::Plain);
        let marks: Vec<&str> = plain.lines().filter_map(|line| line.split_whitespace().nth(3)).collect();
        assert_eq!(marks, ["·", "✓", "✗", "!"], "{plain}");
        let coloured = events(&story, Paint::Colour);
        for code in ["\u{1b}[2m", "\u{1b}[32m", "\u{1b}[31m", "\u{1b}[33m"] {
            assert!(coloured.contains(code), "{coloured:?}");
        }
    }

    #[test]
    fn polls_that_are_answered_as_before_are_not_told() {
        let again = |ms, attempt| Event { attempt, ..event(ms, "attempt_started", "01", "") };
        let history = [
            again(0, 1),
            event(2, "parked", "01", "IN_PROGRESS|wait"),
            again(4, 2),
            again(6, 3),
            Event { attempt: 3, ..event(9, "attempt_succeeded", "01", "") },
        ];
        let transaction = GlobalTransaction::default();
        let story = Story { transaction: &transaction, events: &history, coordinator: None, holds: &[] };
        let text = events(&story, Paint::Plain);
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines.len(), 2, "{text}");
        assert!(lines[1].ends_with("succeeded (attempt 3) in 3 ms"), "{text}");
    }

    #[test]
    fn every_open_need_for_a_person_is_told_with_its_beginning() {
        let since = Some(prost_types::Timestamp { seconds: 0, nanos: 0 });
        let attention = |cause: &str, text: &str| Attention {
            cause: cause.into(),
            since,
            text: text.into(),
            ..Attention::default()
        };
        let mut all = vec![
            attention("under_review", "wait"),
            attention("disagreement", "points has no row (called again)"),
        ];
        all[1].owner = "ann".into();
        all[1].acknowledged_by = "bob".into();
        all[1].next_action = "compared again".into();
        let transaction = GlobalTransaction {
            attention: all.first().cloned(),
            all_attention: all,
            ..GlobalTransaction::default()
        };
        let head = head(&transaction, Paint::Plain);
        let told: Vec<&str> = head.lines().skip(1).collect();
        assert_eq!(
            told,
            [
                "needs a person since 1970-01-01T00:00:00Z: under_review wait",
                "needs a person since 1970-01-01T00:00:00Z: disagreement points has no row (called again)",
                "  ann looks after it, says bob",
                "  next by itself: compared again",
            ]
        );
    }

    #[test]
    fn a_further_run_is_told_with_what_it_goes_on_from() {
        let since = Some(prost_types::Timestamp { seconds: 0, nanos: 0 });
        let first = GlobalTransaction {
            run: Some(Run { number: 1, since, ..Run::default() }),
            ..GlobalTransaction::default()
        };
        assert_eq!(head(&first, Paint::Plain).lines().count(), 1, "there was no other");
        let act = Some(Act { subject: "ann".into(), ..Act::default() });
        let from = vec!["02 action".to_owned(), "03 action".to_owned()];
        let begun = Run { number: 2, continues: 1, from, ..Run::default() };
        let run = Run { since, act: act.clone(), reason: "repaired".into(), ..begun.clone() };
        let second = GlobalTransaction { run: Some(run), ..GlobalTransaction::default() };
        assert_eq!(
            head(&second, Paint::Plain).lines().last(),
            Some(
                "run 2 since 1970-01-01T00:00:00Z, continues run 1 from 02 action, 03 action, by ann: repaired"
            )
        );
        let redriven = Event { act, run: Some(begun), ..event(0, "operator_redriven", "", "repaired") };
        let story = Story { transaction: &second, events: &[redriven], coordinator: None, holds: &[] };
        let told = events(&story, Paint::Plain);
        let wanted = "operator redriven  run 2, continues run 1 from 02 action, 03 action  repaired  by ann";
        assert!(told.trim_end().ends_with(wanted), "{told}");
    }

    #[test]
    fn an_attempt_without_an_end_is_told() {
        let history = [event(0, "started", "", ""), event(2, "attempt_started", "01", "")];
        let transaction = GlobalTransaction::default();
        let story = Story { transaction: &transaction, events: &history, coordinator: None, holds: &[] };
        assert!(events(&story, Paint::Plain).lines().last().unwrap().ends_with("started"));
    }
}
