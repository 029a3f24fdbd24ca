//! One comparison: an orchestrator with raw DTM, from heats that both were in. Knows no process and no other row.
use super::arena::{Heat, Name};
use super::budget::Match;
use super::case::Case;
use super::load::Round;
use super::processes::Driver;
use super::tally::{Tally, median, rounded};
use serde_json::{Value, json};

/// A round of the raw client, and one of the orchestrator of the same heat.
#[derive(Debug, Clone, Copy)]
struct Pair<'a> {
    raw: &'a Round,
    amends: &'a Round,
}

/// One comparison.
#[derive(Debug, Clone, PartialEq)]
pub struct Row {
    pub of: Match,
    pub raw: Tally,
    pub amends: Tally,
    /// Median of the pairs' ratios, not the ratio of the medians: a pair shares its moment of the machine.
    pub ratio: f64,
    /// Median of the pairs' differences.
    pub p99_added_ms: f64,
}

/// Every comparison that the heats of one case at one load allow.
pub fn rows(case: Case, in_flight: usize, heats: &[Heat]) -> anyhow::Result<Vec<Row>> {
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

/// What each side did in these heats, in the order of the sides.
pub fn tallies(case: Case, in_flight: usize, heats: &[Heat]) -> anyhow::Result<Vec<Tally>> {
    let names = heats.first().into_iter().flatten().map(|(name, _)| *name);
    let of = |name| {
        let rounds: Vec<&Round> = heats.iter().filter_map(|heat| find(heat, name)).collect();
        Tally::of(case, in_flight, name, &rounds)
    };
    names.map(of).collect()
}

fn find(heat: &Heat, name: Name) -> Option<&Round> {
    heat.iter().find(|(other, _)| *other == name).map(|(_, round)| round)
}

fn pairs(of: Match, heats: &[Heat]) -> Vec<Pair<'_>> {
    let pair = |heat| {
        Some(Pair { raw: find(heat, Name::Raw(of.raw))?, amends: find(heat, Name::Amends(of.driver))? })
    };
    heats.iter().filter_map(pair).collect()
}

impl Row {
    fn of(of: Match, pairs: &[Pair]) -> anyhow::Result<Row> {
        let over = |value: fn(&Pair) -> f64| median(pairs.iter().map(value).collect());
        let raws: Vec<&Round> = pairs.iter().map(|pair| pair.raw).collect();
        let amends: Vec<&Round> = pairs.iter().map(|pair| pair.amends).collect();
        Ok(Row {
            of,
            raw: Tally::of(of.case, of.in_flight, Name::Raw(of.raw), &raws)?,
            amends: Tally::of(of.case, of.in_flight, Name::Amends(of.driver), &amends)?,
            ratio: over(|pair| pair.amends.per_second() / pair.raw.per_second()),
            p99_added_ms: over(|pair| pair.amends.quantile_ms(0.99) - pair.raw.quantile_ms(0.99)),
        })
    }

    /// The least ratio that must be reached, and whether it is.
    pub fn ratio_verdict(&self) -> Option<(String, bool)> {
        self.of.least_ratio().map(|least| (format!("≥ {least:.2}"), self.ratio >= least))
    }

    /// The most milliseconds that may be added, and whether that is kept.
    pub fn added_verdict(&self) -> Option<(String, bool)> {
        let most = self.of.most_added_ms(self.raw.p99_ms);
        most.map(|most| (format!("≤ {most:.1}"), self.p99_added_ms <= most))
    }

    /// For machines. Fields are only ever added.
    pub fn json(&self) -> Value {
        let (raw, amends) = (&self.raw, &self.amends);
        json!({
            "case": self.of.case.name(),
            "coordinator": self.of.driver.coordinator(),
            "store": self.of.driver.store(),
            "in_flight": self.of.in_flight,
            "raw_store": self.of.raw.name(),
            "raw_per_second": rounded(raw.per_second),
            "amends_per_second": rounded(amends.per_second),
            "ratio": rounded(self.ratio),
            "p50_ms": rounded(amends.p50_ms),
            "p99_ms": rounded(amends.p99_ms),
            "p999_ms": rounded(amends.p999_ms),
            "p99_added_ms": rounded(self.p99_added_ms),
            "raw_p50_ms": rounded(raw.p50_ms),
            "raw_p99_ms": rounded(raw.p99_ms),
            "raw_p999_ms": rounded(raw.p999_ms),
            "cpu_s_per_1000": rounded(amends.all_cpu_s_per_1000()),
            "raw_cpu_s_per_1000": rounded(raw.all_cpu_s_per_1000()),
            "resident_mib": rounded(amends.all_held_mib()),
            "raw_resident_mib": rounded(raw.all_held_mib()),
            "orchestrator_resident_mib": rounded(amends.orchestrator_mib()),
            "orchestrator_peak_mib": rounded(amends.held.orchestrator_peak_mib),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::store::Store;
    use crate::bench::tally::samples::even;

    const DTM: Name = Name::Amends(Driver::Dtm(Store::Boltdb));

    /// The third heat met a slow moment of the machine; its ratio is as good as any.
    fn heats() -> Vec<Heat> {
        let heat = |raw: (usize, f64), dtm: (usize, f64), embedded| {
            vec![
                (Name::Raw(Store::Boltdb), even(raw.0, raw.1)),
                (Name::Raw(Store::Redis), even(1_000, 5.0)),
                (DTM, even(dtm.0, dtm.1)),
                (Name::Amends(Driver::Embedded), even(embedded, 2.0)),
            ]
        };
        vec![
            heat((100, 0.8), (80, 1.5), 900),
            heat((110, 1.0), (77, 1.4), 990),
            heat((10, 9.0), (9, 9.9), 80),
        ]
    }

    #[test]
    fn rows_have_the_agreed_fields_and_medians() {
        let told = rows(Case::Saga2, 16, &heats()).unwrap()[0].json();
        // 1 s of CPU in each of three rounds, for 220 and for 166 that ended.
        let expected = json!({
            "case": "saga2", "coordinator": "dtm", "store": "boltdb", "in_flight": 16, "raw_store": "boltdb",
            "raw_per_second": 100.0, "amends_per_second": 77.0, "ratio": 0.8,
            "p50_ms": 1.5, "p99_ms": 1.5, "p999_ms": 9.903, "p99_added_ms": 0.7,
            "raw_p50_ms": 1.0, "raw_p99_ms": 1.0, "raw_p999_ms": 9.007,
            "cpu_s_per_1000": 18.072, "raw_cpu_s_per_1000": 13.636,
            "resident_mib": 0.5, "raw_resident_mib": 0.5,
            "orchestrator_resident_mib": 0.5, "orchestrator_peak_mib": 1.0,
        });
        assert_eq!(told, expected);
    }

    #[test]
    fn the_embedded_coordinator_meets_raw_dtm_on_every_store() {
        let rows = rows(Case::Saga2, 64, &heats()).unwrap();
        let told: Vec<Value> = rows.iter().map(Row::json).collect();
        assert_eq!(told.len(), 3);
        let names = |row: usize| ["coordinator", "store", "raw_store"].map(|field| told[row][field].clone());
        assert_eq!(names(1), ["embedded", "sqlite", "boltdb"]);
        assert_eq!(names(2), ["embedded", "sqlite", "redis"]);
        assert_eq!([&told[1]["ratio"], &told[2]["ratio"]], [9.0, 0.9]);
    }

    #[test]
    fn every_side_has_a_tally() {
        let tallies = tallies(Case::Saga2, 64, &heats()).unwrap();
        let sides: Vec<_> = tallies.iter().map(|tally| (tally.name.side(), tally.name.store())).collect();
        assert_eq!(sides, [("raw", "boltdb"), ("raw", "redis"), ("dtm", "boltdb"), ("embedded", "sqlite")]);
        assert_eq!(tallies[2].times_us.len(), 166);
    }

    #[test]
    fn a_missed_budget_is_told() {
        let row = rows(Case::Saga2, 16, &heats()).unwrap().remove(0);
        assert_eq!(row.ratio_verdict(), Some(("≥ 0.65".to_owned(), true)));
        assert_eq!(row.added_verdict(), Some(("≤ 10.0".to_owned(), true)));
        let row = Row { ratio: 0.64, p99_added_ms: 10.1, ..row };
        assert_eq!(row.ratio_verdict().map(|(_, kept)| kept), Some(false));
        assert_eq!(row.added_verdict().map(|(_, kept)| kept), Some(false));
    }
}
