//! One line per event, with the duration of what it ends. Pure: needs the steps and the events so far, calls nobody.
use super::{method, op, plain_reason, run_line, unix_us};
use crate::output::{Paint, Tone};
use amends_proto::amends::v1::{Act, Event, Step};
use std::collections::HashMap;
use std::fmt::Write as _;

/// Tells events one after another. Remembers the newest attempt of each op, and nothing else.
pub struct Lines<'a> {
    zero_us: i64,
    steps: HashMap<&'a str, &'a Step>,
    begun: HashMap<(String, String), (i32, i64)>,
}

impl<'a> Lines<'a> {
    /// Times count from `zero_us`.
    pub fn new(steps: &'a [Step], zero_us: i64) -> Lines<'a> {
        let steps = steps.iter().map(|step| (step.branch_id.as_str(), step)).collect();
        Lines { zero_us, steps, begun: HashMap::new() }
    }

    /// The line of the next event.
    pub fn tell(&mut self, event: &Event, paint: Paint) -> String {
        let at_us = unix_us(event);
        let (branch_id, called) = op(event);
        let op = (branch_id.to_owned(), called.to_owned());
        let mut took_us = None;
        if event.kind == "attempt_started" {
            self.begun.insert(op, (event.attempt, at_us));
        } else if let Some((attempt, start_us)) = self.begun.get(&op)
            && *attempt == event.attempt
        {
            took_us = Some(at_us - start_us);
        }
        let line = line(event, self.steps.get(branch_id).copied(), took_us);
        let (tone, time) = (tone(event), format!("+{:>8.3} s", seconds(at_us - self.zero_us)));
        let told = paint.tone(tone, &format!("{} {line}", mark(tone)));
        format!("  {} {told}\n", paint.tone(Tone::Faint, &time))
    }
}

fn line(event: &Event, step: Option<&Step>, took_us: Option<i64>) -> String {
    let kind = event.kind.strip_prefix("attempt_").unwrap_or(&event.kind).replace('_', " ");
    let mut line = match step {
        Some(step) => format!("{} {:<26} {:<10} {kind}", event.branch_id, method(step, &event.op), event.op),
        None => kind,
    };
    if event.attempt > 1 {
        let _ = write!(line, " (attempt {})", event.attempt);
    }
    if let Some(took_us) = took_us {
        let _ = write!(line, " in {:.0} ms", seconds(took_us) * 1_000.0);
    }
    if let Some(run) = &event.run {
        let _ = write!(line, "  {}", run_line(run));
    }
    let code = if event.code.eq_ignore_ascii_case("ok") { "" } else { event.code.as_str() };
    for word in [code, plain_reason(&event.reason).as_str()] {
        if !word.is_empty() {
            let _ = write!(line, "  {word}");
        }
    }
    if let Some(act) = &event.act {
        line.push_str(&by(act));
    }
    line.trim_end().to_owned()
}

/// Who did it, where a person did.
fn by(act: &Act) -> String {
    let mut text = format!("  by {}", act.subject);
    for (word, value) in [("approved by", &act.approved_by), ("for", &act.owner), ("see", &act.reference)] {
        if !value.is_empty() {
            let _ = write!(text, ", {word} {value}");
        }
    }
    text
}

/// What a colour tells, for those who see none.
fn mark(tone: Tone) -> char {
    match tone {
        Tone::Good => '✓',
        Tone::Bad => '✗',
        Tone::Warn => '!',
        Tone::Faint | Tone::Strong => '·',
    }
}

fn tone(event: &Event) -> Tone {
    let kind = event.kind.as_str();
    let has = |words: &[&str]| words.iter().any(|word| kind.contains(word));
    if has(&["refused", "attention", "failed", "disagreement"]) {
        Tone::Bad
    } else if has(&["undo", "abort", "cancel", "unknown", "in_progress", "waiting"]) {
        Tone::Warn
    } else if has(&["succeeded", "finished", "committed"]) {
        Tone::Good
    } else {
        Tone::Faint
    }
}

/// For display only.
#[allow(clippy::cast_precision_loss)]
fn seconds(us: i64) -> f64 {
    us as f64 / 1e6
}
