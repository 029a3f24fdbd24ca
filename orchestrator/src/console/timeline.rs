//! What happened to one global transaction, event by event: an attempt is one line with how long it took. Pure.

use super::words::{self, Form, Tone, chip, moment, reason, spaced, stretch};
use amends_proto::amends::v1::{Act, Event, GlobalTransaction, Step};
use maud::{Markup, html};
use std::collections::HashMap;

/// An op by its branch and its name.
type Called<'a> = (&'a str, &'a str);

/// The timeline.
#[must_use]
pub fn show(transaction: &GlobalTransaction, events: &[Event]) -> Markup {
    let steps: HashMap<&str, &Step> =
        transaction.steps.iter().map(|step| (step.branch_id.as_str(), step)).collect();
    let zero_us = events.first().map_or(0, |first| words::micros(first.time.as_ref()));
    html! {
        ol.timeline {
            @for Line { event, took_us, said } in lines(events) {
                @let step = steps.get(event.branch_id.as_str()).copied();
                li class=(tone(event).class()) {
                    span.when { (moment(event.time.as_ref(), Form::Fine)) " "
                        span.quiet { "+" (stretch(words::micros(event.time.as_ref()) - zero_us)) } }
                    span.what { (what(event, step, took_us, said)) }
                }
            }
        }
    }
}

/// One line.
struct Line<'a> {
    event: &'a Event,
    /// How long what it ends took.
    took_us: Option<i64>,
    said: Said,
}

/// What an answer has said, beside the one before it to the same op.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Said {
    Anew,
    /// The same in vain: told in three words, so that what differs can be seen.
    Again,
}

/// The events that are told. The beginning of what was answered is told by its end.
fn lines(events: &[Event]) -> Vec<Line<'_>> {
    let answers = events.iter().filter(|event| event.kind != "attempt_started");
    let answered: HashMap<Called<'_>, i64> = answers.map(|event| (called(event), event.seq)).collect();
    let mut begun: HashMap<Called<'_>, (i32, i64)> = HashMap::new();
    let mut answers: HashMap<Called<'_>, &Event> = HashMap::new();
    let mut lines = Vec::with_capacity(events.len());
    for event in events {
        let at_us = words::micros(event.time.as_ref());
        if event.kind == "attempt_started" {
            begun.insert(called(event), (event.attempt, at_us));
            if answered.get(&called(event)).is_some_and(|seq| *seq > event.seq) {
                continue;
            }
        }
        let began = begun.get(&called(event)).filter(|(attempt, _)| *attempt == event.attempt);
        let took_us = began.filter(|_| event.kind != "attempt_started").map(|(_, began_us)| at_us - began_us);
        let said = if matches!(event.kind.as_str(), "attempt_unknown" | "parked") {
            let same = |before: &Event| before.code == event.code && before.reason == event.reason;
            let again = answers.insert(called(event), event).is_some_and(same);
            if again { Said::Again } else { Said::Anew }
        } else {
            Said::Anew
        };
        lines.push(Line { event, took_us, said });
    }
    lines
}

fn called(event: &Event) -> Called<'_> {
    (&event.branch_id, &event.op)
}

fn tone(event: &Event) -> Tone {
    match event.kind.as_str() {
        "attempt_succeeded" | "committed" | "attention_closed" => Tone::Good,
        "attempt_refused" | "attention_opened" => Tone::Bad,
        "attempt_unknown" | "parked" | "undo_decided" | "abort_decided" | "undo_after_commit" => Tone::Warn,
        "cancel_requested" | "paused" | "resumed" => Tone::Busy,
        kind if kind.starts_with("operator") => Tone::Busy,
        "finished" if event.code == "succeeded" => Tone::Good,
        "finished" => Tone::Warn,
        _ => Tone::Quiet,
    }
}

fn what(event: &Event, step: Option<&Step>, took_us: Option<i64>, said: Said) -> Markup {
    let kind = spaced(event.kind.strip_prefix("attempt_").unwrap_or(&event.kind));
    html! {
        @if let Some(step) = step {
            b { (event.branch_id) " " (step.participant) "." (words::method(method(step, &event.op))) } " " (event.op) " "
        }
        (chip(tone(event), &kind))
        @if event.attempt > 1 { " attempt " (event.attempt) }
        @if let Some(took_us) = took_us { " in " (stretch(took_us)) }
        @if said == Said::Again {
            ", " span.quiet { "same answer" }
        } @else {
            @if !event.code.is_empty() { @if event.kind == "paused" { " deadlines" } " " code { (event.code) } }
            @if !event.reason.is_empty() { " " span.long { (reason(&event.reason)) } }
        }
        @if let Some(run) = &event.run { " run " (run.number) ", goes on from " (run.from.join(", ")) }
        @if let Some(act) = &event.act { (by(act)) }
    }
}

fn by(act: &Act) -> Markup {
    html! {
        @if !act.subject.is_empty() { " by " b { (act.subject) } }
        @if !act.approved_by.is_empty() { ", approved by " b { (act.approved_by) } }
        @if !act.owner.is_empty() { ", looked after by " b { (act.owner) } }
        @if !act.evidence.is_empty() { ". Evidence: " span.long { (act.evidence) } }
        @if !act.reference.is_empty() { " (" (act.reference) ")" }
    }
}

fn method<'a>(step: &'a Step, op: &str) -> &'a str {
    match op {
        "compensate" | "cancel" => &step.undo,
        "confirm" => &step.confirm,
        _ => &step.forward,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use prost_types::Timestamp;

    fn event(seq: i64, kind: &str, attempt: i32) -> Event {
        let (branch_id, op) = ("01".to_owned(), "action".to_owned());
        let time = Some(Timestamp { seconds: seq, nanos: 0 });
        Event { seq, time, kind: kind.into(), branch_id, op, attempt, ..Event::default() }
    }

    #[test]
    fn an_attempt_is_one_line_with_its_duration() {
        let events = [
            event(1, "attempt_started", 1),
            event(3, "attempt_unknown", 1),
            event(4, "attempt_started", 2),
            event(5, "attempt_succeeded", 2),
            event(6, "attempt_started", 3),
        ];
        let told: Vec<_> = lines(&events).into_iter().map(|line| (line.event.seq, line.took_us)).collect();
        assert_eq!(told, [(3, Some(2_000_000)), (5, Some(1_000_000)), (6, None)]);
    }

    #[test]
    fn an_answer_that_comes_again_is_told_once() {
        let said = |seq: i64, branch_id: &str, reason: &str| Event {
            branch_id: branch_id.into(),
            reason: reason.into(),
            ..event(seq, "attempt_unknown", 1)
        };
        let events =
            [said(1, "01", "away"), said(2, "02", "away"), said(3, "01", "away"), said(4, "01", "busy")];
        let told: Vec<_> = lines(&events).into_iter().map(|line| line.said).collect();
        assert_eq!(told, [Said::Anew, Said::Anew, Said::Again, Said::Anew]);
        let shown = show(&GlobalTransaction::default(), &events).into_string();
        assert_eq!(
            (shown.matches(">away<").count(), shown.matches("same answer").count()),
            (2, 1),
            "{shown}"
        );
    }
}
