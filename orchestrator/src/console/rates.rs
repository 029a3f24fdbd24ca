//! What began and ended in the last hour, from counts that are taken down every few seconds, and their picture. Pure:
//! knows neither who counts nor a clock.

use super::words::{count, stretch};
use crate::history::Counted;
use maud::{Markup, html};
use std::collections::VecDeque;
use std::fmt::Write as _;
use std::time::Duration;

/// Between two samples.
pub const EVERY: Duration = Duration::from_secs(10);
/// Samples of an hour, and the one before it.
const KEPT: usize = 361;
/// Differences that the rate "now" is made of.
const NOW: usize = 2;
/// Differences that the picture has room for at least: what began a minute ago shall not be a line at its edge.
const LEAST: usize = 30;
/// The picture's coordinates: units for each difference.
const APART: usize = 2;
const HEIGHT: u64 = 120;

/// Counts of the last hour, oldest first.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Rates(VecDeque<Counted>);

/// So many in a second.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PerSecond {
    /// Accepted.
    pub started: f64,
    /// Ended, however.
    pub ended: f64,
}

/// What a line of the picture shows.
type Line = (&'static str, &'static str, fn(&Counted) -> u64);

const LINES: [Line; 3] = [
    ("started", "busy", |counted| counted.started),
    ("succeeded", "good", |counted| counted.succeeded),
    ("undone", "bad", |counted| counted.failed + counted.cancelled),
];

impl Rates {
    /// Takes down the counts of this moment; every [`EVERY`].
    pub fn sample(&mut self, counted: Counted) {
        self.0.push_back(counted);
        while self.0.len() > KEPT {
            self.0.pop_front();
        }
    }

    /// Of the newest samples.
    #[must_use]
    pub fn now(&self) -> PerSecond {
        let newest = |of: fn(&Counted) -> u64| {
            let steps = self.steps(of);
            let newest = &steps[steps.len().saturating_sub(NOW)..];
            let seconds = EVERY.as_secs_f64() * newest.len().max(1) as f64;
            newest.iter().sum::<u64>() as f64 / seconds
        };
        let ended = |counted: &Counted| counted.succeeded + counted.failed + counted.cancelled;
        PerSecond { started: newest(|counted| counted.started), ended: newest(ended) }
    }

    /// Differences from sample to sample.
    fn steps(&self, of: fn(&Counted) -> u64) -> Vec<u64> {
        let pairs = self.0.iter().zip(self.0.iter().skip(1));
        pairs.map(|(before, after)| of(after).saturating_sub(of(before))).collect()
    }

    /// The last hour as a picture, with its figures in words beside it.
    #[must_use]
    pub fn picture(&self) -> Markup {
        let lines = LINES.map(|(name, class, of)| (name, class, self.steps(of)));
        let most = lines.iter().flat_map(|(.., steps)| steps).copied().max().unwrap_or(0);
        let per_second = most as f64 / EVERY.as_secs_f64();
        let room = self.0.len().saturating_sub(1).max(LEAST);
        let (width, span_us) =
            (room * APART, i64::try_from(EVERY.as_micros() * room as u128).unwrap_or(i64::MAX));
        html! {
            figure.chart {
                figcaption {
                    span.quiet { "In the last " (stretch(span_us)) ", by this orchestrator:" }
                    @for (name, class, steps) in &lines {
                        " " span.legend { span class={ "key " (class) } {} (name) " " b { (count(total(steps))) } }
                    }
                }
                p.most.quiet {
                    @if most == 0 { "Nothing began or ended." }
                    @else { "From 0 to " (format!("{per_second:.1}")) " a second" }
                }
                svg viewBox={ "0 0 " (width) " " (HEIGHT + 4) } role="img" preserveAspectRatio="none"
                    aria-label={ "Started, succeeded and undone in the last " (stretch(span_us)) } {
                    @for part in 0..=3 {
                        line.grid x1="0" x2=(width) y1=(2 + HEIGHT * part / 3) y2=(2 + HEIGHT * part / 3) {}
                    }
                    @for (_, class, steps) in &lines {
                        polyline class={ "line " (class) } points=(points(steps, most, width)) {}
                    }
                }
                div.axis.quiet { span { (stretch(span_us)) " ago" } span { (stretch(span_us / 2)) " ago" } span { "now" } }
            }
        }
    }
}

fn total(steps: &[u64]) -> i64 {
    i64::try_from(steps.iter().sum::<u64>()).unwrap_or(i64::MAX)
}

/// The newest stands at the right edge.
fn points(steps: &[u64], most: u64, width: usize) -> String {
    let mut text = String::with_capacity(steps.len() * 8);
    for (at, step) in steps.iter().enumerate() {
        let x = width - (steps.len() - 1 - at) * APART;
        let y = 2 + HEIGHT - step * HEIGHT / most.max(1);
        let _ = write!(text, "{x},{y} ");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn started(started: u64) -> Counted {
        Counted { started, ..Counted::default() }
    }

    #[test]
    fn rates_are_of_the_newest_samples_and_an_hour_is_kept() {
        let mut rates = Rates::default();
        assert_eq!(rates.now(), PerSecond { started: 0.0, ended: 0.0 });
        for at in 0..1_000 {
            rates.sample(started(at * 30));
        }
        assert_eq!(rates.0.len(), KEPT);
        assert!((rates.now().started - 3.0).abs() < 1e-9);
        rates.sample(started(0));
        assert!(rates.now().started < 2.0, "counts that begin anew are no negative rate");
    }

    #[test]
    fn the_newest_point_stands_at_the_right_edge() {
        assert_eq!(points(&[0, 5, 10], 10, 60).trim_end(), "56,122 58,62 60,2");
        assert_eq!(points(&[], 0, 60), "");
    }

    #[test]
    fn the_picture_says_what_its_axes_are() {
        let mut rates = Rates::default();
        let picture = rates.picture().into_string();
        assert!(picture.contains("last 5 min") && picture.contains("Nothing began or ended"), "{picture}");
        for at in 0..KEPT as u64 {
            rates.sample(started(at * 25));
        }
        let picture = rates.picture().into_string();
        for text in ["1 h ago", "30 min ago", "now", "From 0 to 2.5 a second", "0 0 720 "] {
            assert!(picture.contains(text), "{text} is not in {picture}");
        }
    }
}
