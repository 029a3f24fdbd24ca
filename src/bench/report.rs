//! Medians of the rounds as rows, for machines and for people. Knows no process.
use super::case::Case;
use super::load::Round;
use crate::output::{Paint, Tone, table};
use serde_json::{Value, json};

/// A round of the raw client, and one of the orchestrator right beside it.
#[derive(Debug, Clone)]
pub struct Pair {
    pub raw: Round,
    pub through: Round,
}

/// One case at one load.
#[derive(Debug, Clone, PartialEq)]
pub struct Row {
    case: Case,
    store: &'static str,
    in_flight: usize,
    raw_per_second: f64,
    amends_per_second: f64,
    /// Median of the pairs' ratios, not the ratio of the medians: a pair shares its moment of the machine.
    ratio: f64,
    raw_p99_ms: f64,
    p99_ms: f64,
    p99_added_ms: f64,
}

impl Row {
    pub fn of(case: Case, store: &'static str, in_flight: usize, pairs: &[Pair]) -> Row {
        let over = |value: fn(&Pair) -> f64| median(pairs.iter().map(value).collect());
        Row {
            case,
            store,
            in_flight,
            raw_per_second: over(|pair| pair.raw.per_second),
            amends_per_second: over(|pair| pair.through.per_second),
            ratio: over(|pair| pair.through.per_second / pair.raw.per_second),
            raw_p99_ms: over(|pair| pair.raw.p99_ms),
            p99_ms: over(|pair| pair.through.p99_ms),
            p99_added_ms: over(|pair| pair.through.p99_ms - pair.raw.p99_ms),
        }
    }

    fn json(&self) -> Value {
        json!({
            "case": self.case.name(),
            "coordinator": "dtm",
            "store": self.store,
            "in_flight": self.in_flight,
            "raw_store": self.store,
            "raw_per_second": rounded(self.raw_per_second),
            "amends_per_second": rounded(self.amends_per_second),
            "ratio": rounded(self.ratio),
            "p99_ms": rounded(self.p99_ms),
            "p99_added_ms": rounded(self.p99_added_ms),
        })
    }

    fn cells(&self, paint: Paint) -> Vec<String> {
        let least = self.case.least_ratio(self.in_flight);
        let most = self.case.most_added_ms(self.in_flight, self.raw_p99_ms);
        vec![
            self.case.name().to_owned(),
            self.in_flight.to_string(),
            format!("{:.0}", self.raw_per_second),
            format!("{:.0}", self.amends_per_second),
            format!("{:.2}", self.ratio),
            verdict(paint, least.map(|least| (format!("≥ {least:.2}"), self.ratio >= least))),
            format!("{:.1}", self.p99_ms),
            format!("{:+.1}", self.p99_added_ms),
            verdict(paint, most.map(|most| (format!("≤ {most:.1}"), self.p99_added_ms <= most))),
        ]
    }
}

fn verdict(paint: Paint, budget: Option<(String, bool)>) -> String {
    match budget {
        None => String::new(),
        Some((budget, true)) => format!("{budget} {}", paint.tone(Tone::Good, "reached")),
        Some((budget, false)) => format!("{budget} {}", paint.tone(Tone::Bad, "missed")),
    }
}

/// The one JSON document.
pub fn json(rows: &[Row]) -> Value {
    json!({"profile": profile(), "rows": rows.iter().map(Row::json).collect::<Vec<_>>()})
}

/// The table for people.
pub fn text(rows: &[Row], paint: Paint) -> String {
    let header =
        ["case", "in flight", "raw DTM/s", "amends/s", "ratio", "budget", "p99 ms", "added", "budget "];
    let right = ["in flight", "raw DTM/s", "amends/s", "ratio", "p99 ms", "added"];
    let rows = table(&header, &right, rows.iter().map(|row| row.cells(paint)).collect());
    let hint = match profile() {
        "release" => "",
        _ => "A debug build: budgets hold for `cargo run --release -- bench`.\n",
    };
    format!("{rows}\n{hint}Medians of alternating rounds; budgets without a value are only reported.\n")
}

fn profile() -> &'static str {
    if cfg!(debug_assertions) { "debug" } else { "release" }
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    match values.len() {
        0 => 0.0,
        count if count % 2 == 1 => values[middle],
        _ => f64::midpoint(values[middle - 1], values[middle]),
    }
}

fn rounded(number: f64) -> f64 {
    (number * 1_000.0).round() / 1_000.0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pair(raw: (f64, f64), through: (f64, f64)) -> Pair {
        let round = |(per_second, p99_ms)| Round { per_second, p99_ms, sample: vec![] };
        Pair { raw: round(raw), through: round(through) }
    }

    fn row() -> Row {
        // The third pair met a slow moment of the machine; its ratio is as good as any.
        let pairs = [
            pair((100.0, 10.0), (80.0, 15.0)),
            pair((110.0, 12.0), (77.0, 14.0)),
            pair((10.0, 90.0), (9.0, 99.0)),
        ];
        Row::of(Case::Saga2, "boltdb", 16, &pairs)
    }

    #[test]
    fn rows_have_the_agreed_fields_and_medians() {
        let expected = json!({
            "profile": profile(),
            "rows": [{
                "case": "saga2", "coordinator": "dtm", "store": "boltdb", "in_flight": 16, "raw_store": "boltdb",
                "raw_per_second": 100.0, "amends_per_second": 77.0, "ratio": 0.8, "p99_ms": 15.0, "p99_added_ms": 5.0,
            }],
        });
        assert_eq!(json(&[row()]), expected);
    }

    #[test]
    fn people_see_whether_budgets_are_reached() {
        let told = text(&[row(), Row { ratio: 0.64, p99_added_ms: 12.1, ..row() }], Paint::Plain);
        let lines: Vec<&str> = told.lines().collect();
        assert!(lines[1].contains("≥ 0.65 reached") && lines[1].contains("≤ 12.0 reached"), "{told}");
        assert!(lines[2].contains("≥ 0.65 missed") && lines[2].contains("≤ 12.0 missed"), "{told}");
    }

    #[test]
    fn the_median_of_an_even_count_lies_between() {
        assert!((median(vec![4.0, 1.0, 3.0, 2.0]) - 2.5).abs() < f64::EPSILON);
    }
}
