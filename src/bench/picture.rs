//! The charts of a case: what each side does at each load, and how long that takes it. Each store of raw DTM has a panel,
//! with the orchestrator on the same store and alone beside it. Knows no file and no page.
use super::arena::Name;
use super::case::Case;
use super::chart::{Axis, Chart, Ink, Line, Panel, Points, round_values};
use super::processes::Driver;
use super::store::Store;
use super::tally::Tally;

/// The load at which people know their systems best, if it was measured.
const USUAL_LOAD: usize = 16;

/// The load whose times are shown: the usual one, or else the highest.
pub fn shown_load(tallies: &[&Tally]) -> Option<usize> {
    let loads = || tallies.iter().map(|tally| tally.in_flight);
    loads().find(|load| *load == USUAL_LOAD).or_else(|| loads().max())
}

/// Throughput over load.
pub fn throughput(case: Case, tallies: &[&Tally]) -> Chart {
    let loads = tallies.iter().map(|tally| tally.in_flight as f64);
    let mut ticks: Vec<f64> = loads.clone().collect();
    ticks.sort_by(f64::total_cmp);
    ticks.dedup();
    let figures = tallies.iter().map(|tally| tally.per_second);
    Chart {
        title: format!("{}: global transactions a second", case.name()),
        x: Axis::logarithmic("in flight", loads, &ticks),
        y: Axis::logarithmic("a second", figures, &round_values(-1, 7)),
        points: Points::Dots,
        panels: panels(tallies, |tallies| {
            let mut points: Vec<_> =
                tallies.iter().map(|tally| (tally.in_flight as f64, tally.per_second)).collect();
            points.sort_by(|one, other| one.0.total_cmp(&other.0));
            points
        }),
    }
}

/// How many took how long, at one load.
pub fn latencies(case: Case, load: usize, tallies: &[&Tally]) -> Chart {
    let of_load: Vec<&Tally> = tallies.iter().copied().filter(|tally| tally.in_flight == load).collect();
    let all: Vec<(f64, f64)> = of_load.iter().flat_map(|tally| steps(tally)).collect();
    let highest = all.iter().map(|(_, share)| *share).fold(0.0, f64::max);
    Chart {
        title: format!("{}: times from start to end, {load} in flight", case.name()),
        x: Axis::logarithmic("milliseconds", all.iter().map(|(ms, _)| *ms), &round_values(-2, 6)),
        y: Axis::linear("% of them", highest),
        points: Points::Plain,
        panels: panels(&of_load, |tallies| tallies.iter().flat_map(|tally| steps(tally)).collect()),
    }
}

/// The outline of a histogram, in milliseconds and percent of all.
fn steps(tally: &Tally) -> Vec<(f64, f64)> {
    let all = tally.times_us.len().max(1) as f64;
    let bars = tally.bars();
    let mut points = Vec::new();
    points.extend(bars.first().map(|bar| (bar.from_ms, 0.0)));
    for bar in &bars {
        let share = bar.count as f64 / all * 100.0;
        points.extend([(bar.from_ms, share), (bar.to_ms, share)]);
    }
    points.extend(bars.last().map(|bar| (bar.to_ms, 0.0)));
    points
}

/// A panel for each store, with a line for each side in it.
fn panels(tallies: &[&Tally], points: impl Fn(&[&Tally]) -> Vec<(f64, f64)>) -> Vec<Panel> {
    let mut stores: Vec<Store> = tallies.iter().filter_map(|tally| tally.name.raw()).collect();
    stores.sort_unstable();
    stores.dedup();
    let panel = |store: Store| {
        let sides = [
            (Name::Raw(store), Ink::Grey),
            (Name::Amends(Driver::Dtm(store)), Ink::Blue),
            (Name::Amends(Driver::Embedded), Ink::Green),
        ];
        let lines = sides.into_iter().filter_map(|(name, ink)| {
            let of_side: Vec<&Tally> = tallies.iter().copied().filter(|tally| tally.name == name).collect();
            let line = || Line { name: name.title(), ink, points: points(&of_side) };
            (!of_side.is_empty()).then(line)
        });
        Panel { title: format!("DTM on {}", store.title()), lines: lines.collect() }
    };
    stores.into_iter().map(panel).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::report::samples::report;

    #[test]
    fn each_store_has_a_panel_and_each_of_its_sides_a_line() {
        let report = report();
        let of_case: Vec<&Tally> = report.tallies.iter().filter(|tally| tally.case == Case::Saga2).collect();
        let chart = throughput(Case::Saga2, &of_case);
        let titles: Vec<&str> = chart.panels.iter().map(|panel| panel.title.as_str()).collect();
        assert_eq!(titles, ["DTM on BoltDB", "DTM on Redis"]);
        let names: Vec<&str> = chart.panels[1].lines.iter().map(|line| line.name.as_str()).collect();
        assert_eq!(names, ["raw DTM on Redis", "Amends with DTM on Redis", "Amends alone, on SQLite"]);
        assert_eq!(chart.panels[1].lines[0].points, [(1.0, 100.0), (16.0, 1_600.0)]);
        let svg = chart.svg().unwrap();
        assert!(super::super::chart::judge::elements(&svg).is_ok(), "{svg}");
        for name in ["raw DTM on BoltDB", "Amends with DTM on BoltDB", "raw DTM on Redis"] {
            assert_eq!(svg.matches(name).count(), 1, "{name}");
        }
    }

    #[test]
    fn the_shares_of_a_side_are_all_of_it() {
        let report = report();
        let of_case: Vec<&Tally> =
            report.tallies.iter().filter(|tally| tally.case == Case::Checkout).collect();
        assert_eq!(shown_load(&of_case), Some(16));
        let chart = latencies(Case::Checkout, 16, &of_case);
        for line in chart.panels.iter().flat_map(|panel| &panel.lines) {
            // Every bar has two points of its height, and the outline begins and ends on the ground.
            let sum: f64 = line.points.iter().map(|(_, share)| share / 2.0).sum();
            assert!((sum - 100.0).abs() < 1e-6, "{line:?}");
        }
        assert!(super::super::chart::judge::elements(&chart.svg().unwrap()).is_ok());
    }

    #[test]
    fn without_the_usual_load_the_highest_is_shown() {
        let report = report();
        let others: Vec<&Tally> =
            report.tallies.iter().filter(|tally| tally.in_flight != USUAL_LOAD).collect();
        assert_eq!((shown_load(&others), shown_load(&[])), (Some(1), None));
    }
}
