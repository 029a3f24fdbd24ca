//! The plan of one global transaction as a picture: from top to bottom what follows on what, side by side what runs beside
//! each other, on each step what became of it, and where there is no way back. Pure.

use super::words::{self, Tone, op_state, reason, stretch};
use amends_proto::amends::v1::{GlobalTransaction, Mode, Op, OpState, Step};
use maud::{Markup, html};
use std::collections::HashMap;

/// One step, and what is between two.
const WIDTH: usize = 330;
const HEIGHT: usize = 56;
const ACROSS: usize = 16;
const DOWN: usize = 34;
/// A second line of states, where any step has one.
const MORE: usize = 20;
/// Pixels of one line of a step, in a font as wide as any.
const FITS: f64 = 306.0;

/// How everything is laid out.
struct Layout<'a> {
    of: &'a GlobalTransaction,
    steps: &'a [Step],
    /// Row of each step.
    rows: Vec<usize>,
    /// Column of each step in its row.
    columns: Vec<usize>,
    height: usize,
    /// The row behind which there is no way back.
    pivot_row: Option<usize>,
}

/// The picture.
#[must_use]
pub fn draw(transaction: &GlobalTransaction) -> Markup {
    let layout = Layout::of(transaction);
    let (width, height) = layout.size();
    html! {
        div.scroll tabindex="0" {
            svg.plan width=(width) height=(height) viewBox={ "0 0 " (width) " " (height) } role="img"
                aria-label={ "Plan of " (transaction.steps.len()) " steps; the timeline tells the same in words" } {
                defs { marker #tip viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" orient="auto" {
                    path.tip d="M0 0L8 4L0 8z" {}
                } }
                @for step in 0..layout.steps.len() { (layout.arrows(step)) }
                @if let Some(row) = layout.pivot_row { (layout.no_way_back(row, transaction.mode(), width)) }
                @for step in 0..layout.steps.len() { (layout.step(step)) }
            }
        }
    }
}

impl<'a> Layout<'a> {
    fn of(transaction: &'a GlobalTransaction) -> Self {
        let steps = transaction.steps.as_slice();
        let known: HashMap<&str, usize> =
            steps.iter().enumerate().map(|(at, step)| (step.branch_id.as_str(), at)).collect();
        let mut rows: Vec<usize> = Vec::with_capacity(steps.len());
        for step in steps {
            // A step waits for earlier ones only: theirs are known by now.
            let before = step.after.iter().filter_map(|id| rows.get(*known.get(id.as_str())?).copied());
            rows.push(before.max().map_or(0, |row| row + 1));
        }
        let column = |at: usize| rows[..at].iter().filter(|row| **row == rows[at]).count();
        let columns = (0..steps.len()).map(column).collect();
        let two_lines = steps.iter().any(|step| second(step).is_some());
        let pivot_row = match transaction.mode() {
            Mode::Tcc => rows.iter().copied().max(),
            Mode::Saga | Mode::Unspecified => {
                steps.iter().position(|step| step.pivot).and_then(|at| rows.get(at).copied())
            }
        };
        let height = if two_lines { HEIGHT + MORE } else { HEIGHT };
        Self { of: transaction, steps, rows, columns, height, pivot_row }
    }

    fn size(&self) -> (usize, usize) {
        let columns = self.columns.iter().max().map_or(1, |most| most + 1);
        let rows = self.rows.iter().max().map_or(1, |most| most + 1);
        (columns * (WIDTH + ACROSS), rows * (self.height + DOWN))
    }

    /// The upper left corner of a step; a row with fewer steps than others stands in the middle.
    fn corner(&self, step: usize) -> (usize, usize) {
        let (width, _) = self.size();
        let beside = self.rows.iter().filter(|row| **row == self.rows[step]).count();
        let left = (width - beside * (WIDTH + ACROSS)) / 2 + ACROSS / 2;
        (left + self.columns[step] * (WIDTH + ACROSS), 2 + self.rows[step] * (self.height + DOWN))
    }

    fn arrows(&self, step: usize) -> Markup {
        let (x, y) = self.corner(step);
        let before = self.steps[step].after.iter();
        let before = before.filter_map(|id| self.steps.iter().position(|other| other.branch_id == *id));
        html! {
            @for other in before {
                @let (left, top) = self.corner(other);
                line.arrow x1=(left + WIDTH / 2) y1=(top + self.height) x2=(x + WIDTH / 2) y2=(y - 1)
                    marker-end="url(#tip)" {}
            }
        }
    }

    fn no_way_back(&self, row: usize, mode: Mode, width: usize) -> Markup {
        let y = 2 + row * (self.height + DOWN) + self.height + DOWN * 2 / 3;
        let text = if mode == Mode::Tcc { "decision to confirm: no way back" } else { "no way back" };
        html! {
            line.pivot x1="0" x2=(width) y1=(y) y2=(y) {}
            text.pivot x=(width - 4) y=(y - 4) text-anchor="end" { (text) }
        }
    }

    fn step(&self, at: usize) -> Markup {
        let step = &self.steps[at];
        let (x, y) = self.corner(at);
        let title = format!("{} {}.{}", step.branch_id, step.participant, words::method(&step.forward));
        let forward = step.ops.iter().find(|op| is_forward(op));
        let told = |op: &Op| told(self.of, op);
        let (tone, said) = forward.map_or((Tone::Quiet, "not begun".to_owned()), told);
        let undone = second(step);
        let frame = match undone.map(|op| (op.op.as_str(), op.state())) {
            Some(("compensate" | "cancel", OpState::Succeeded)) => "undone",
            Some(_) | None => tone.class(),
        };
        html! {
            g class={ "step " (frame) } {
                title { (title) ": " (said) @if let Some(op) = undone { "; " (op.op) " " (told(op).1) } }
                rect x=(x) y=(y) width=(WIDTH) height=(self.height) rx="8" {}
                text.name x=(x + 12) y=(y + 22) { (title) @if !step.name.is_empty() { " (" (step.name) ")" } }
                @if step.pivot { text.badge x=(x + WIDTH - 12) y=(y + 22) text-anchor="end" { "pivot" } }
                text class={ "said " (tone.class()) } x=(x + 12) y=(y + 42) { (short(&format!("{} {said}", tone.sign()))) }
                @if let Some(op) = undone {
                    @let (tone, said) = told(op);
                    text class={ "said " (tone.class()) } x=(x + 12) y=(y + 42 + MORE) {
                        (short(&format!("{} {}: {said}", mark(op), op.op)))
                    }
                }
            }
        }
    }
}

fn is_forward(op: &Op) -> bool {
    matches!(op.op.as_str(), "action" | "try")
}

/// The undo or the confirm of a step, if one has begun.
fn second(step: &Step) -> Option<&Op> {
    step.ops.iter().rfind(|op| !is_forward(op))
}

fn mark(op: &Op) -> &'static str {
    if op.op == "confirm" { "↳" } else { "↩" }
}

/// What became of an op, in words.
fn told(of: &GlobalTransaction, op: &Op) -> (Tone, String) {
    let (tone, state) = op_state(of, op.state());
    let mut text = state.to_owned();
    if op.attempts > 1 {
        text.push_str(&format!(", {} attempts", op.attempts));
    }
    if op.started_at.is_some() && op.ended_at.is_some() {
        let took = words::micros(op.ended_at.as_ref()) - words::micros(op.started_at.as_ref());
        text.push_str(&format!(" in {}", stretch(took)));
    }
    if tone != Tone::Good && !op.last_reason.is_empty() {
        text.push_str(&format!(", {}", reason(&op.last_reason)));
    }
    (tone, text)
}

/// As much of a text as fits into one line of a step.
fn short(text: &str) -> String {
    if text.chars().map(width).sum::<f64>() <= FITS {
        return text.to_owned();
    }
    let mut room = FITS - width('…');
    let fitting = text.chars().take_while(|it| {
        room -= width(*it);
        room >= 0.0
    });
    fitting.chain(['…']).collect()
}

/// Pixels of a character at most, in the size of the picture's texts.
fn width(of: char) -> f64 {
    match of {
        'i' | 'j' | 'l' | ' ' | '.' | ',' | ':' | '\'' | '|' | '-' => 4.5,
        'f' | 't' | 'r' => 5.5,
        's' | 'c' | 'k' | 'v' | 'x' | 'y' | 'z' | '_' => 7.7,
        'm' | 'w' | 'M' | 'W' => 13.0,
        upper if upper.is_ascii_uppercase() => 9.6,
        other if other.is_ascii() => 8.3,
        _ => 13.0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn step(branch_id: &str, after: &[&str]) -> Step {
        let after = after.iter().map(ToString::to_string).collect();
        Step { branch_id: branch_id.into(), participant: "noop".into(), after, ..Step::default() }
    }

    #[test]
    fn a_line_ends_where_its_step_does() {
        assert_eq!(short("✓ succeeded in 51 ms"), "✓ succeeded in 51 ms");
        let long = short("↩ compensate: waiting, 16 attempts, UNDO_IN_PROGRESS: it is not proven yet");
        assert!(long.ends_with('…') && long.chars().map(width).sum::<f64>() <= FITS, "{long}");
        assert!(long.starts_with("↩ compensate: waiting, 16 attempts"), "{long}");
    }

    #[test]
    fn what_runs_beside_each_other_stands_side_by_side() {
        let steps =
            vec![step("01", &[]), step("02", &["01"]), step("03", &["01"]), step("04", &["02", "03"])];
        let transaction = GlobalTransaction { steps, ..GlobalTransaction::default() };
        let layout = Layout::of(&transaction);
        assert_eq!(layout.rows, [0, 1, 1, 2]);
        assert_eq!(layout.columns, [0, 0, 1, 0]);
        let picture = draw(&transaction).into_string();
        assert_eq!(picture.matches("marker-end").count(), 4);
    }

    #[test]
    fn names_and_reasons_are_text_whatever_they_hold() {
        let refused = Op {
            op: "action".into(),
            state: OpState::Refused.into(),
            last_reason: "<script>alert(1)</script>".into(),
            ..Op::default()
        };
        let mut evil = Step { name: "<b>".into(), ops: vec![refused], ..step("01", &[]) };
        evil.participant = "\"><img>".into();
        let picture =
            draw(&GlobalTransaction { steps: vec![evil], ..GlobalTransaction::default() }).into_string();
        assert!(
            !picture.contains("<script") && !picture.contains("<img") && !picture.contains("<b>"),
            "{picture}"
        );
    }
}
