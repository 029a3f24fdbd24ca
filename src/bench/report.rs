//! Medians of the rounds as rows, for machines and for people. Knows no process.
use super::arena::{Heat, Name};
use super::budget::Match;
use super::case::Case;
use super::load::Round;
use super::processes::Driver;
use crate::output::{Paint, Tone, table};
use serde_json::{Value, json};

/// What came of a run.
#[derive(Debug, Default)]
pub struct Report {
    pub rows: Vec<Row>,
    /// Looks into history files, of which none found too little.
    pub looks: usize,
}

/// A round of the raw client, and one of the orchestrator of the same heat.
#[derive(Debug, Clone, Copy)]
struct Pair<'a> {
    raw: &'a Round,
    amends: &'a Round,
}

/// One comparison.
#[derive(Debug, Clone, PartialEq)]
pub struct Row {
    of: Match,
    raw_per_second: f64,
    amends_per_second: f64,
    /// Median of the pairs' ratios, not the ratio of the medians: a pair shares its moment of the machine.
    ratio: f64,
    raw_p99_ms: f64,
    p99_ms: f64,
    p99_added_ms: f64,
}

/// Every comparison that the heats of one case at one load allow.
pub fn rows(case: Case, in_flight: usize, heats: &[Heat]) -> Vec<Row> {
    let names = || heats.first().into_iter().flatten().map(|(name, _)| *name);
    let stores = || names().filter_map(Name::raw);
    let drivers = names().filter_map(Name::driver);
    let matches = drivers.flat_map(|driver| {
        let rivals = stores().filter(move |raw| match driver {
            Driver::Dtm(store) => store == *raw,
            Driver::Embedded => true,
        });
        rivals.map(move |raw| Match { case, driver, raw, in_flight })
    });
    matches.map(|of| Row::of(of, &pairs(of, heats))).collect()
}

fn pairs(of: Match, heats: &[Heat]) -> Vec<Pair<'_>> {
    let find = |heat: &'_ Heat, name: Name| heat.iter().position(|(other, _)| *other == name);
    heats
        .iter()
        .filter_map(|heat| {
            let raw = &heat[find(heat, Name::Raw(of.raw))?].1;
            Some(Pair { raw, amends: &heat[find(heat, Name::Amends(of.driver))?].1 })
        })
        .collect()
}

impl Row {
    fn of(of: Match, pairs: &[Pair]) -> Row {
        let over = |value: fn(&Pair) -> f64| median(pairs.iter().map(value).collect());
        Row {
            of,
            raw_per_second: over(|pair| pair.raw.per_second),
            amends_per_second: over(|pair| pair.amends.per_second),
            ratio: over(|pair| pair.amends.per_second / pair.raw.per_second),
            raw_p99_ms: over(|pair| pair.raw.p99_ms),
            p99_ms: over(|pair| pair.amends.p99_ms),
            p99_added_ms: over(|pair| pair.amends.p99_ms - pair.raw.p99_ms),
        }
    }

    fn json(&self) -> Value {
        json!({
            "case": self.of.case.name(),
            "coordinator": self.of.driver.coordinator(),
            "store": self.of.driver.store(),
            "in_flight": self.of.in_flight,
            "raw_store": self.of.raw.name(),
            "raw_per_second": rounded(self.raw_per_second),
            "amends_per_second": rounded(self.amends_per_second),
            "ratio": rounded(self.ratio),
            "p99_ms": rounded(self.p99_ms),
            "p99_added_ms": rounded(self.p99_added_ms),
        })
    }

    fn cells(&self, paint: Paint) -> Vec<String> {
        let least = self.of.least_ratio();
        let most = self.of.most_added_ms(self.raw_p99_ms);
        vec![
            self.of.case.name().to_owned(),
            self.of.driver.coordinator().to_owned(),
            self.of.driver.store().to_owned(),
            self.of.in_flight.to_string(),
            self.of.raw.name().to_owned(),
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

/// The columns, and those that are aligned to the right.
const HEADER: [&str; 12] = [
    "case",
    "coordinator",
    "store",
    "in flight",
    "raw DTM on",
    "raw DTM/s",
    "amends/s",
    "ratio",
    "budget",
    "p99 ms",
    "added",
    "budget ",
];
const RIGHT: [&str; 6] = ["in flight", "raw DTM/s", "amends/s", "ratio", "p99 ms", "added"];

impl Report {
    /// The one JSON document.
    pub fn json(&self) -> Value {
        json!({"profile": PROFILE, "rows": self.rows.iter().map(Row::json).collect::<Vec<_>>()})
    }

    /// The table for people.
    pub fn text(&self, paint: Paint) -> String {
        let rows = table(&HEADER, &RIGHT, self.rows.iter().map(|row| row.cells(paint)).collect());
        let hint = match PROFILE {
            "debug" => "A debug build: budgets hold for `cargo run --release -- bench`.\n",
            _ => "",
        };
        let sample = match self.looks {
            0 => "No call fell into the sample that is compared with history's file.".to_owned(),
            looks => {
                format!("{looks} sampled calls and answers: each came after the commits that it rests on.")
            }
        };
        format!(
            "{rows}\n{hint}Profile {PROFILE}. Medians of alternating rounds; what has no budget is only reported.\n{sample}\n"
        )
    }
}

/// Cargo's profile of this build: `debug`, `release`, `dist`, …
const PROFILE: &str = env!("AMENDS_PROFILE");

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
    use crate::bench::store::Store;

    fn round((per_second, p99_ms): (f64, f64)) -> Round {
        Round { per_second, p99_ms, sample: vec![] }
    }

    const DTM: Name = Name::Amends(Driver::Dtm(Store::Boltdb));

    /// The third heat met a slow moment of the machine; its ratio is as good as any.
    fn heats() -> Vec<Heat> {
        let heat = |raw, dtm, embedded| {
            vec![
                (Name::Raw(Store::Boltdb), round(raw)),
                (Name::Raw(Store::Redis), round((1_000.0, 5.0))),
                (DTM, round(dtm)),
                (Name::Amends(Driver::Embedded), round((embedded, 2.0))),
            ]
        };
        vec![
            heat((100.0, 10.0), (80.0, 15.0), 900.0),
            heat((110.0, 12.0), (77.0, 14.0), 990.0),
            heat((10.0, 90.0), (9.0, 99.0), 80.0),
        ]
    }

    fn report(rows: Vec<Row>) -> Report {
        Report { rows, looks: 3 }
    }

    #[test]
    fn rows_have_the_agreed_fields_and_medians() {
        let rows = rows(Case::Saga2, 16, &heats());
        let expected = json!({
            "profile": PROFILE,
            "rows": [{
                "case": "saga2", "coordinator": "dtm", "store": "boltdb", "in_flight": 16, "raw_store": "boltdb",
                "raw_per_second": 100.0, "amends_per_second": 77.0, "ratio": 0.8, "p99_ms": 15.0, "p99_added_ms": 5.0,
            }],
        });
        assert_eq!(report(rows[..1].to_vec()).json(), expected);
    }

    #[test]
    fn the_embedded_coordinator_meets_raw_dtm_on_every_store() {
        let told = report(rows(Case::Saga2, 64, &heats())).json();
        let of = |row: usize, field: &str| told["rows"][row][field].clone();
        let names = |row| [of(row, "coordinator"), of(row, "store"), of(row, "raw_store")];
        assert_eq!(told["rows"].as_array().map(Vec::len), Some(3));
        assert_eq!(names(1), ["embedded", "sqlite", "boltdb"]);
        assert_eq!(names(2), ["embedded", "sqlite", "redis"]);
        assert_eq!([of(1, "ratio"), of(2, "ratio")], [9.0, 0.9]);
    }

    #[test]
    fn people_see_whether_budgets_are_reached() {
        let row = rows(Case::Saga2, 16, &heats()).remove(0);
        let told = report(vec![row.clone(), Row { ratio: 0.64, p99_added_ms: 12.1, ..row }]);
        let told = told.text(Paint::Plain);
        let lines: Vec<&str> = told.lines().collect();
        assert!(lines[1].contains("≥ 0.65 reached") && lines[1].contains("≤ 12.0 reached"), "{told}");
        assert!(lines[2].contains("≥ 0.65 missed") && lines[2].contains("≤ 12.0 missed"), "{told}");
    }

    #[test]
    fn the_profile_is_that_of_the_folder_that_cargo_builds_in() {
        let program = std::env::current_exe().unwrap();
        let folders: Vec<_> = program.ancestors().filter_map(|path| path.file_name()?.to_str()).collect();
        assert_eq!(folders[1..3], ["deps", PROFILE]);
    }

    #[test]
    fn the_median_of_an_even_count_lies_between() {
        assert!((median(vec![4.0, 1.0, 3.0, 2.0]) - 2.5).abs() < f64::EPSILON);
    }
}
