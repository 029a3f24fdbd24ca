//! The attempts of one global transaction as bars over time: which op was called when, how often, and for how long. Pure.

use super::words::{Tone, micros, stretch};
use amends_proto::amends::v1::Event;
use maud::{Markup, html};

/// Height of a row.
const HEIGHT: usize = 20;
/// Narrowest bar, in percent.
const LEAST: f64 = 0.1;
/// More ops than a plan has are not drawn, nor more attempts than a picture can hold.
const MOST_ROWS: usize = 150;
const MOST_BARS: usize = 600;

/// One attempt.
#[derive(Debug, PartialEq, Eq)]
struct Bar {
    row: usize,
    attempt: i32,
    from_us: i64,
    /// `None` = its end is not recorded yet.
    to_us: Option<i64>,
    tone: Tone,
}

/// The picture; nothing where nothing was attempted. Bars are as wide as there is room: all places are in percent.
#[must_use]
pub fn draw(events: &[Event]) -> Markup {
    let (rows, bars) = bars(events);
    let (Some(first), Some(last)) = (events.first(), events.last()) else { return html! {} };
    let zero_us = micros(first.time.as_ref());
    let span_us = (micros(last.time.as_ref()) - zero_us).max(1);
    let percent = |us: i64| (us - zero_us).clamp(0, span_us) as f64 * 100.0 / span_us as f64;
    html! {
        @if !bars.is_empty() {
            div.bars role="img" aria-label="Attempts over time; the list below tells the same in words" {
                @for (at, name) in rows.iter().enumerate() {
                    span.name { (name) }
                    svg height=(HEIGHT) {
                        @for bar in bars.iter().filter(|bar| bar.row == at) {
                            (one(bar, percent(bar.from_us), bar.to_us.map_or(100.0, percent)))
                        }
                    }
                }
                span.name { "after" }
                span.axis { span { "0 ms" } span { (stretch(span_us / 2)) } span { (stretch(span_us)) } }
            }
        }
    }
}

/// From and to in percent. A short call among long waits is to be seen, by its outline: what has no width has none.
fn one(bar: &Bar, from: f64, to: f64) -> Markup {
    let from = from.min(100.0 - LEAST);
    let width = (to - from).max(LEAST);
    let took = bar.to_us.map_or_else(|| "not over".to_owned(), |to_us| stretch(to_us - bar.from_us));
    html! {
        rect class=(bar.tone.class()) x={ (format!("{from:.2}")) "%" } y="4" width={ (format!("{width:.2}")) "%" }
            height=(HEIGHT - 8) {
            title { "attempt " (bar.attempt) ": " (took) }
        }
    }
}

/// Names of the ops in the order of their first attempts, and their attempts.
fn bars(events: &[Event]) -> (Vec<String>, Vec<Bar>) {
    let (mut rows, mut bars): (Vec<String>, Vec<Bar>) = (Vec::new(), Vec::new());
    for event in events {
        let tone = match event.kind.as_str() {
            "attempt_started" => Tone::Busy,
            "attempt_succeeded" => Tone::Good,
            "attempt_refused" => Tone::Bad,
            "attempt_unknown" | "parked" => Tone::Warn,
            _ => continue,
        };
        let at_us = micros(event.time.as_ref());
        let name = format!("{} {}", event.branch_id, event.op);
        let row = rows.iter().position(|known| *known == name).unwrap_or(rows.len());
        if tone == Tone::Busy {
            // An answer that was the same as the one before is not recorded: how long the attempt took is not known.
            let unknown = bars.iter_mut().rfind(|bar| bar.row == row).filter(|bar| bar.to_us.is_none());
            if let Some(bar) = unknown {
                (bar.to_us, bar.tone) = (Some(bar.from_us), Tone::Warn);
            }
            if row < MOST_ROWS && bars.len() < MOST_BARS {
                bars.push(Bar { row, attempt: event.attempt, from_us: at_us, to_us: None, tone });
                if row == rows.len() {
                    rows.push(name);
                }
            }
        } else if let Some(bar) = bars.iter_mut().rfind(|bar| bar.row == row && bar.attempt == event.attempt)
        {
            (bar.to_us, bar.tone) = (Some(at_us), tone);
        }
    }
    (rows, bars)
}

#[cfg(test)]
mod tests {
    use super::*;
    use prost_types::Timestamp;

    #[test]
    fn each_attempt_is_a_bar_in_the_row_of_its_op() {
        let event = |seconds: i64, kind: &str, branch_id: &str, attempt: i32| Event {
            time: Some(Timestamp { seconds, nanos: 0 }),
            kind: kind.into(),
            branch_id: branch_id.into(),
            op: "action".into(),
            attempt,
            ..Event::default()
        };
        let events = [
            event(1, "started", "", 0),
            event(2, "attempt_started", "01", 1),
            event(3, "attempt_unknown", "01", 1),
            event(4, "attempt_started", "01", 2),
            event(4, "attempt_started", "02", 1),
            event(6, "attempt_succeeded", "01", 2),
        ];
        let (rows, bars) = bars(&events);
        assert_eq!(rows, ["01 action", "02 action"]);
        let bar = |row, attempt, from_s: i64, to_s: Option<i64>, tone| Bar {
            row,
            attempt,
            from_us: from_s * 1_000_000,
            to_us: to_s.map(|to_s| to_s * 1_000_000),
            tone,
        };
        let wanted = [
            bar(0, 1, 2, Some(3), Tone::Warn),
            bar(0, 2, 4, Some(6), Tone::Good),
            bar(1, 1, 4, None, Tone::Busy),
        ];
        assert_eq!(bars, wanted);
        assert_eq!(draw(&events).into_string().matches("<rect").count(), 3);
        assert_eq!(draw(&events[..1]).into_string(), "");
        let short = [events[0].clone(), events[1].clone(), events[1].clone()];
        let drawn = draw(&short).into_string();
        assert_eq!(
            (drawn.matches("<rect").count(), drawn.matches("width=\"0.10%\"").count()),
            (2, 2),
            "{drawn}"
        );
    }
}
