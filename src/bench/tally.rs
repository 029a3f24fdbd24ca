//! What one side did in all its rounds of a case at a load. Knows no other side.
use super::arena::Name;
use super::case::Case;
use super::crew::{Held, Part};
use super::load::{Round, quantile_ms};
use hdrhistogram::Histogram;
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// Bars of the latency histogram for each tenfold time.
const BARS_PER_DECADE: f64 = 10.0;

/// All rounds of one side.
#[derive(Debug, Clone, PartialEq)]
pub struct Tally {
    pub case: Case,
    pub in_flight: usize,
    pub name: Name,
    pub rounds: usize,
    /// Medians of the rounds.
    pub per_second: f64,
    pub p50_ms: f64,
    pub p99_ms: f64,
    /// Of all rounds together: one round has too few for it.
    pub p999_ms: f64,
    /// Times of all rounds, in microseconds.
    pub times_us: Histogram<u64>,
    /// CPU seconds of each part per 1,000 global transactions, over all rounds.
    pub cpu_s_per_1000: BTreeMap<Part, f64>,
    /// The most of any round's end.
    pub held: Held,
}

/// A bar of a latency histogram.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Bar {
    pub from_ms: f64,
    pub to_ms: f64,
    pub count: u64,
}

impl Tally {
    /// Of rounds of this side.
    pub fn of(case: Case, in_flight: usize, name: Name, rounds: &[&Round]) -> anyhow::Result<Tally> {
        let over = |value: fn(&Round) -> f64| median(rounds.iter().map(|round| value(round)).collect());
        let times_us = together(rounds)?;
        Ok(Tally {
            case,
            in_flight,
            name,
            rounds: rounds.len(),
            per_second: over(Round::per_second),
            p50_ms: over(|round| round.quantile_ms(0.5)),
            p99_ms: over(|round| round.quantile_ms(0.99)),
            p999_ms: quantile_ms(&times_us, 0.999),
            cpu_s_per_1000: cpu_s_per_1000(rounds),
            held: most_held(rounds),
            times_us,
        })
    }

    /// CPU seconds of all parts.
    pub fn all_cpu_s_per_1000(&self) -> f64 {
        self.cpu_s_per_1000.values().sum()
    }

    /// Memory of all parts but this program.
    pub fn all_held_mib(&self) -> f64 {
        self.held.resident_mib.values().sum()
    }

    /// The orchestrator's own memory; 0 where none takes part.
    pub fn orchestrator_mib(&self) -> f64 {
        self.held.resident_mib.get(&Part::Orchestrator).copied().unwrap_or_default()
    }

    /// How many took how long, from the first bar that is not empty to the last.
    pub fn bars(&self) -> Vec<Bar> {
        let edges = edges_ms();
        let mut counts = vec![0; edges.len()];
        for value in self.times_us.iter_recorded() {
            let ms = value.value_iterated_to() as f64 / 1_000.0;
            let bar = edges.partition_point(|edge| *edge <= ms).saturating_sub(1);
            counts[bar] += value.count_since_last_iteration();
        }
        let bars = edges.windows(2).zip(counts);
        let bars = bars.map(|(edges, count)| Bar { from_ms: edges[0], to_ms: edges[1], count });
        let mut bars: Vec<Bar> = bars.skip_while(|bar| bar.count == 0).collect();
        bars.truncate(bars.iter().rposition(|bar| bar.count > 0).map_or(0, |last| last + 1));
        bars
    }

    /// For machines.
    pub fn json(&self) -> Value {
        let by_part = |figures: &BTreeMap<Part, f64>| -> Value {
            figures.iter().map(|(part, figure)| (part.name().to_owned(), json!(rounded(*figure)))).collect()
        };
        let bar = |bar: &Bar| json!({"from_ms": rounded(bar.from_ms), "to_ms": rounded(bar.to_ms), "count": bar.count});
        json!({
            "case": self.case.name(),
            "side": self.name.side(),
            "store": self.name.store(),
            "in_flight": self.in_flight,
            "rounds": self.rounds,
            "per_second": rounded(self.per_second),
            "p50_ms": rounded(self.p50_ms),
            "p99_ms": rounded(self.p99_ms),
            "p999_ms": rounded(self.p999_ms),
            "samples": self.times_us.len(),
            "cpu_s_per_1000": rounded(self.all_cpu_s_per_1000()),
            "cpu_s_per_1000_by_part": by_part(&self.cpu_s_per_1000),
            "resident_mib": rounded(self.all_held_mib()),
            "resident_mib_by_part": by_part(&self.held.resident_mib),
            "orchestrator_peak_mib": rounded(self.held.orchestrator_peak_mib),
            "latencies": self.bars().iter().map(bar).collect::<Vec<_>>(),
        })
    }
}

fn together(rounds: &[&Round]) -> anyhow::Result<Histogram<u64>> {
    let mut all = Histogram::new(3)?;
    for round in rounds {
        all.add(&round.times_us)?;
    }
    Ok(all)
}

/// Of sums and not of each round: CPU time is told in hundredths of a second.
fn cpu_s_per_1000(rounds: &[&Round]) -> BTreeMap<Part, f64> {
    let ended: usize = rounds.iter().map(|round| round.ended).sum();
    let mut used: BTreeMap<Part, f64> = BTreeMap::new();
    for (part, seconds) in rounds.iter().flat_map(|round| &round.cpu_s) {
        *used.entry(*part).or_default() += seconds;
    }
    used.into_iter().map(|(part, seconds)| (part, seconds * 1_000.0 / ended as f64)).collect()
}

fn most_held(rounds: &[&Round]) -> Held {
    let mut most = Held::default();
    for held in rounds.iter().map(|round| &round.held) {
        most.orchestrator_peak_mib = most.orchestrator_peak_mib.max(held.orchestrator_peak_mib);
        for (part, mib) in &held.resident_mib {
            let most = most.resident_mib.entry(*part).or_default();
            *most = most.max(*mib);
        }
    }
    most
}

/// Where bars of a latency histogram meet: equal steps on a logarithmic scale, from 10 microseconds to 100 seconds.
fn edges_ms() -> Vec<f64> {
    (-20..=50).map(|step| 10_f64.powf(f64::from(step) / BARS_PER_DECADE)).collect()
}

/// Half of the values lie below it.
pub fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    match values.len() {
        0 => 0.0,
        count if count % 2 == 1 => values[middle],
        _ => f64::midpoint(values[middle - 1], values[middle]),
    }
}

/// As figures are told to machines.
pub fn rounded(number: f64) -> f64 {
    (number * 1_000.0).round() / 1_000.0
}

#[cfg(test)]
pub mod samples {
    use super::*;
    use std::time::Duration;

    /// A round of a second in which so many ended, each after so many milliseconds, with so much CPU of the bench.
    pub fn round(times_ms: &[f64], cpu_s: f64) -> Round {
        let mut times_us = Histogram::new(3).unwrap();
        for ms in times_ms {
            times_us.record(Duration::from_secs_f64(ms / 1_000.0).as_micros().try_into().unwrap()).unwrap();
        }
        Round {
            ended: times_ms.len(),
            lasted: Duration::from_secs(1),
            times_us,
            cpu_s: [(Part::Orchestrator, cpu_s), (Part::Bench, cpu_s)].into(),
            held: Held {
                resident_mib: [(Part::Orchestrator, cpu_s)].into(),
                orchestrator_peak_mib: 2.0 * cpu_s,
            },
            sample: vec![],
        }
    }

    /// `count` times that all took `ms`.
    pub fn even(count: usize, ms: f64) -> Round {
        round(&vec![ms; count], 0.5)
    }
}

#[cfg(test)]
mod tests {
    use super::samples::round;
    use super::*;
    use crate::bench::processes::Driver;

    fn tally(rounds: &[Round]) -> Tally {
        let name = Name::Amends(Driver::Embedded);
        Tally::of(Case::Saga2, 16, name, &rounds.iter().collect::<Vec<_>>()).unwrap()
    }

    fn close(figure: f64, wanted: f64) {
        assert!((figure - wanted).abs() <= wanted.abs() * 0.001, "{figure} is not {wanted}");
    }

    #[test]
    fn the_median_of_an_even_count_lies_between() {
        close(median(vec![4.0, 1.0, 3.0, 2.0]), 2.5);
        close(median(vec![9.0, 1.0, 3.0]), 3.0);
        close(median(vec![]), 0.0);
    }

    #[test]
    fn quantiles_are_medians_of_rounds_and_the_rarest_is_of_all_together() {
        let even: Vec<f64> = (1..=100).map(f64::from).collect();
        let slow: Vec<f64> = even.iter().map(|ms| ms * 10.0).collect();
        let all = tally(&[round(&even, 1.0), round(&slow, 1.0), round(&even, 1.0)]);
        close(all.p50_ms, 50.0);
        close(all.p99_ms, 99.0);
        close(all.p999_ms, 1_000.0);
        close(all.per_second, 100.0);
        assert_eq!(all.times_us.len(), 300);
    }

    #[test]
    fn cpu_time_is_shared_out_over_all_that_ended() {
        // 0.5 s for 400 and 1.5 s for 100: 2 s for 500, not the mean of 1.25 and 15 per 1,000.
        let all = tally(&[round(&[1.0; 400], 0.5), round(&[1.0; 100], 1.5)]);
        close(all.cpu_s_per_1000[&Part::Orchestrator], 4.0);
        close(all.all_cpu_s_per_1000(), 8.0);
    }

    #[test]
    fn memory_is_the_most_of_any_round() {
        let all = tally(&[round(&[1.0], 3.0), round(&[1.0], 7.0), round(&[1.0], 5.0)]);
        close(all.orchestrator_mib(), 7.0);
        close(all.all_held_mib(), 7.0);
        close(all.held.orchestrator_peak_mib, 14.0);
    }

    #[test]
    fn bars_hold_all_and_have_no_gap() {
        let bars = tally(&[round(&[1.05, 1.1, 1.3, 10.5], 1.0)]).bars();
        assert_eq!(bars.iter().map(|bar| bar.count).sum::<u64>(), 4);
        assert_eq!((bars[0].count, bars[1].count, bars.len()), (2, 1, 11));
        close(bars[0].from_ms, 1.0);
        close(bars[10].from_ms, 10.0);
        assert!(bars.windows(2).all(|pair| (pair[0].to_ms - pair[1].from_ms).abs() < f64::EPSILON));
        assert!(tally(&[round(&[], 1.0)]).bars().is_empty());
    }
}
