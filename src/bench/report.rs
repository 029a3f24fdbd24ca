//! What came of a run, for machines and for people. Knows no process.
use super::machine::Machine;
use super::row::Row;
use super::tally::Tally;
use crate::output::{Paint, Tone, table};
use serde_json::{Value, json};

/// What came of a run.
#[derive(Debug)]
pub struct Report {
    pub setting: Setting,
    pub rows: Vec<Row>,
    /// What each side did, by case and load.
    pub tallies: Vec<Tally>,
    /// Looks into history files, of which none found too little.
    pub looks: usize,
}

/// How it was measured.
#[derive(Debug, Clone)]
pub struct Setting {
    /// The command line, from `amends` on.
    pub command: String,
    pub dtm_version: String,
    /// The shortest measured time of a round.
    pub round_ms: u32,
    pub machine: Machine,
}

/// Cargo's profile of this build: `debug`, `release`, `dist`, …
pub const PROFILE: &str = env!("AMENDS_PROFILE");

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
const SIDES: [&str; 10] = [
    "case",
    "side",
    "in flight",
    "a second",
    "p50 ms",
    "p99 ms",
    "p999 ms",
    "CPU s/1,000",
    "orchestrator",
    "all MiB",
];

impl Report {
    /// The one JSON document. Fields are only ever added.
    pub fn json(&self) -> Value {
        json!({
            "profile": PROFILE,
            "version": env!("CARGO_PKG_VERSION"),
            "dtm_version": self.setting.dtm_version,
            "command": self.setting.command,
            "round_ms": self.setting.round_ms,
            "machine": self.setting.machine,
            "rows": self.rows.iter().map(Row::json).collect::<Vec<_>>(),
            "sides": self.tallies.iter().map(Tally::json).collect::<Vec<_>>(),
        })
    }

    /// The tables for people.
    pub fn text(&self, paint: Paint) -> String {
        let rows = table(&HEADER, &RIGHT, self.rows.iter().map(|row| cells(row, paint)).collect());
        let sides = table(&SIDES, &SIDES[2..], self.tallies.iter().map(side_cells).collect());
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
            "{rows}\n{sides}\n{hint}Profile {PROFILE}. Medians of alternating rounds, p999 of all of them together; what has no \
             budget is only reported.\n{sample}\n"
        )
    }
}

fn cells(row: &Row, paint: Paint) -> Vec<String> {
    vec![
        row.of.case.name().to_owned(),
        row.of.driver.coordinator().to_owned(),
        row.of.driver.store().to_owned(),
        row.of.in_flight.to_string(),
        row.of.raw.name().to_owned(),
        format!("{:.0}", row.raw.per_second),
        format!("{:.0}", row.amends.per_second),
        format!("{:.2}", row.ratio),
        verdict(paint, row.ratio_verdict()),
        format!("{:.1}", row.amends.p99_ms),
        format!("{:+.1}", row.p99_added_ms),
        verdict(paint, row.added_verdict()),
    ]
}

/// What one side did, as people read it. Without an orchestrator there is no memory of one.
pub fn side_cells(tally: &Tally) -> Vec<String> {
    let orchestrator = match tally.name.driver() {
        Some(_) => format!("{:.0} (≤ {:.0})", tally.orchestrator_mib(), tally.held.orchestrator_peak_mib),
        None => String::new(),
    };
    vec![
        tally.case.name().to_owned(),
        tally.name.title(),
        tally.in_flight.to_string(),
        format!("{:.0}", tally.per_second),
        format!("{:.1}", tally.p50_ms),
        format!("{:.1}", tally.p99_ms),
        format!("{:.1}", tally.p999_ms),
        format!("{:.2}", tally.all_cpu_s_per_1000()),
        orchestrator,
        format!("{:.0}", tally.all_held_mib()),
    ]
}

fn verdict(paint: Paint, budget: Option<(String, bool)>) -> String {
    match budget {
        None => String::new(),
        Some((budget, true)) => format!("{budget} {}", paint.tone(Tone::Good, "reached")),
        Some((budget, false)) => format!("{budget} {}", paint.tone(Tone::Bad, "missed")),
    }
}

#[cfg(test)]
pub mod samples {
    use super::*;
    use crate::bench::arena::{Heat, Name};
    use crate::bench::case::Case;
    use crate::bench::processes::Driver;
    use crate::bench::row::{rows, tallies};
    use crate::bench::store::Store;
    use crate::bench::tally::samples::even;

    /// Two cases at two loads: raw DTM on two stores, the orchestrator with DTM on them, and alone.
    pub fn report() -> Report {
        let heat = |case: Case, in_flight: usize| -> Heat {
            let slow = if case == Case::Checkout { 3.0 } else { 1.0 };
            let side = |name, per_second: usize, ms: f64| (name, even(per_second * in_flight, ms * slow));
            vec![
                side(Name::Raw(Store::Boltdb), 40, 3.0),
                side(Name::Raw(Store::Redis), 100, 1.0),
                side(Name::Amends(Driver::Dtm(Store::Boltdb)), 32, 4.0),
                side(Name::Amends(Driver::Dtm(Store::Redis)), 60, 2.0),
                side(Name::Amends(Driver::Embedded), 300, 0.4),
            ]
        };
        let mut report = Report {
            setting: Setting {
                command: "amends bench --quick".to_owned(),
                dtm_version: "v1.18.0".to_owned(),
                round_ms: 800,
                machine: Machine::sample(),
            },
            rows: Vec::new(),
            tallies: Vec::new(),
            looks: 3,
        };
        for (case, in_flight) in
            [(Case::Saga2, 1), (Case::Saga2, 16), (Case::Checkout, 1), (Case::Checkout, 16)]
        {
            let heats = [heat(case, in_flight)];
            report.rows.extend(rows(case, in_flight, &heats).unwrap());
            report.tallies.extend(tallies(case, in_flight, &heats).unwrap());
        }
        report
    }
}

#[cfg(test)]
mod tests {
    use super::samples::report;
    use super::*;

    #[test]
    fn people_see_whether_budgets_are_reached() {
        let mut report = report();
        report.rows = vec![report.rows[4].clone(), report.rows[4].clone()];
        report.rows[1].ratio = 0.64;
        report.rows[1].p99_added_ms = 12.1;
        let told = report.text(Paint::Plain);
        let lines: Vec<&str> = told.lines().collect();
        assert!(lines[1].contains("≥ 0.65 reached") && lines[1].contains("≤ 10.0 reached"), "{told}");
        assert!(lines[2].contains("≥ 0.65 missed") && lines[2].contains("≤ 10.0 missed"), "{told}");
        assert!(told.contains("Amends alone, on SQLite"), "{told}");
    }

    #[test]
    fn the_document_has_a_row_for_each_comparison_and_a_side_for_each_tally() {
        let told = report().json();
        assert_eq!(told["profile"], PROFILE);
        assert_eq!(
            (told["rows"].as_array().map(Vec::len), told["sides"].as_array().map(Vec::len)),
            (Some(16), Some(20))
        );
        let side = &told["sides"][2];
        assert_eq!(
            (&side["side"], &side["store"], &side["samples"]),
            (&json!("dtm"), &json!("boltdb"), &json!(32))
        );
        assert_eq!(side["latencies"][0]["count"], 32);
        assert_eq!(side["cpu_s_per_1000_by_part"]["orchestrator"], 15.625);
        assert_eq!(told["machine"]["cpus"], 2);
    }

    #[test]
    fn the_profile_is_that_of_the_folder_that_cargo_builds_in() {
        let program = std::env::current_exe().unwrap();
        let folders: Vec<_> = program.ancestors().filter_map(|path| path.file_name()?.to_str()).collect();
        assert_eq!(folders[1..3], ["deps", PROFILE]);
    }
}
