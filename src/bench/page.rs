//! The public page of a run: Markdown with its charts and the document beside it. Nothing on it is typed by hand. Knows
//! how figures are shown, nothing of how they are measured.
use super::case::Case;
use super::crew::Part;
use super::picture;
use super::report::{PROFILE, Report, side_cells};
use super::row::Row;
use super::tally::Tally;
use anyhow::Context as _;
use std::path::{Path, PathBuf};

/// Everything but figures: Markdown with names in braces. Its links lead somewhere from the page only.
const TEXT: &str = include_str!("page.txt");
/// What people found out with profiles: written by hand, beside the charts.
const NOTES: &str = "notes.md";

/// Where a page and what belongs to it go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    page: PathBuf,
    folder: PathBuf,
    /// The folder as the page names it.
    name: String,
}

impl Place {
    /// A page at `path`, whose ending may be left out; the rest is in a folder of that name beside it.
    pub fn new(path: &Path) -> anyhow::Result<Place> {
        let folder = path.with_extension("");
        let name = folder.file_name().and_then(|name| name.to_str());
        let name = name.with_context(|| format!("{} names no page", path.display()))?.to_owned();
        Ok(Place { page: path.with_extension("md"), folder, name })
    }

    /// Makes the folders, so that nobody measures for an hour and then cannot write.
    pub fn prepare(&self) -> anyhow::Result<()> {
        std::fs::create_dir_all(&self.folder).with_context(|| format!("make {}", self.folder.display()))
    }

    /// Writes the page, its charts and the document; gives back where the page is.
    pub fn write(&self, report: &Report) -> anyhow::Result<&Path> {
        for case in cases(report) {
            for (name, svg) in charts(case, &of_case(report, case))? {
                self.file(&self.folder.join(name), &svg)?;
            }
        }
        self.file(&self.folder.join("figures.json"), &format!("{:#}\n", report.json()))?;
        self.file(&self.page, &self.text(report))?;
        Ok(&self.page)
    }

    fn file(&self, path: &Path, text: &str) -> anyhow::Result<()> {
        std::fs::write(path, text).with_context(|| format!("write {}", path.display()))
    }

    fn text(&self, report: &Report) -> String {
        let setting = &report.setting;
        let machine = setting.machine.lines().map(|(name, value)| vec![name.to_owned(), value]);
        let notes = match self.folder.join(NOTES).exists() {
            true => format!(
                "\nWhat profiles showed, and what each change gave: [notes]({}/{NOTES}).\n",
                self.name
            ),
            false => String::new(),
        };
        let cases: Vec<String> = cases(report).into_iter().map(|case| self.case(report, case)).collect();
        TEXT.replace("{folder}", &self.name)
            .replace("{command}", &setting.command)
            .replace("{profile}", &profile(report))
            .replace("{notes}", &notes)
            .replace("{machine}", table(&["", ""], 2, machine.to_vec()).trim_end())
            .replace("{round_ms}", &setting.round_ms.to_string())
            .replace("{rounds}", &rounds(report))
            .replace("{looks}", &report.looks.to_string())
            .replace("{cases}", cases.join("\n").trim_end())
    }

    fn case(&self, report: &Report, case: Case) -> String {
        let tallies = of_case(report, case);
        let rows: Vec<&Row> = report.rows.iter().filter(|row| row.of.case == case).collect();
        let pictures: String = picture::shown_load(&tallies).map_or_else(String::new, |load| {
            let link = |name: String, what: &str| format!("![{what}]({}/{name})\n\n", self.name);
            link(throughput_name(case), &format!("Throughput of {} over load", case.name()))
                + &link(latency_name(case, load), &format!("Times of {} at {load} in flight", case.name()))
        });
        format!(
            "## {}\n\n{pictures}{}\n{}\n{}",
            case.name(),
            comparisons(&rows),
            sides(&tallies),
            parts(&tallies)
        )
    }
}

/// How many rounds a side had: at some loads there are fewer.
fn rounds(report: &Report) -> String {
    let rounds = || report.tallies.iter().map(|tally| tally.rounds);
    match (rounds().min(), rounds().max()) {
        (Some(least), Some(most)) if least < most => format!("{least} to {most}"),
        (_, most) => most.unwrap_or_default().to_string(),
    }
}

fn profile(report: &Report) -> String {
    let warning = match PROFILE {
        "debug" => " **A debug build: these are no figures to go by.**",
        _ => "",
    };
    format!(
        "Amends {} (Cargo profile `{PROFILE}`) and DTM {}.{warning}",
        env!("CARGO_PKG_VERSION"),
        report.setting.dtm_version
    )
}

fn comparisons(rows: &[&Row]) -> String {
    let header = [
        "Amends",
        "compared with",
        "in flight",
        "raw DTM/s",
        "Amends/s",
        "ratio",
        "must reach",
        "p99 added ms",
        "at most",
    ];
    let verdict = |verdict: Option<(String, bool)>| match verdict {
        None => String::new(),
        Some((budget, true)) => budget,
        Some((budget, false)) => format!("{budget}: **missed**"),
    };
    let cells = |row: &&Row| {
        vec![
            row.amends.name.title(),
            row.raw.name.title(),
            row.of.in_flight.to_string(),
            format!("{:.0}", row.raw.per_second),
            format!("{:.0}", row.amends.per_second),
            format!("**{:.2}**", row.ratio),
            verdict(row.ratio_verdict()),
            format!("{:+.1}", row.p99_added_ms),
            verdict(row.added_verdict()),
        ]
    };
    table(&header, 2, rows.iter().map(cells).collect())
}

fn sides(tallies: &[&Tally]) -> String {
    let header = [
        "side",
        "in flight",
        "a second",
        "p50 ms",
        "p99 ms",
        "p999 ms",
        "CPU s per 1,000",
        "orchestrator MiB (peak)",
        "side MiB",
    ];
    // The heading has the case.
    table(&header, 1, tallies.iter().map(|tally| side_cells(tally).split_off(1)).collect())
}

/// Who uses the CPU time, at the load whose times are shown.
fn parts(tallies: &[&Tally]) -> String {
    let Some(load) = picture::shown_load(tallies) else { return String::new() };
    let of_load: Vec<&&Tally> = tallies.iter().filter(|tally| tally.in_flight == load).collect();
    let takes_part = |part: &Part| of_load.iter().any(|tally| tally.cpu_s_per_1000.contains_key(part));
    let parts: Vec<Part> = Part::ALL.into_iter().filter(takes_part).collect();
    let title = format!("CPU s per 1,000, {load} in flight");
    let header: Vec<&str> =
        [title.as_str()].into_iter().chain(parts.iter().map(|part| part.name())).collect();
    let cells = |tally: &&&Tally| {
        let figure =
            |part: &Part| tally.cpu_s_per_1000.get(part).map_or(String::new(), |s| format!("{s:.2}"));
        [tally.name.title()].into_iter().chain(parts.iter().map(figure)).collect()
    };
    table(&header, 1, of_load.iter().map(cells).collect())
}

/// A table in Markdown; all columns but the first `left` ones are aligned to the right.
fn table(header: &[&str], left: usize, rows: Vec<Vec<String>>) -> String {
    let line = |cells: Vec<String>| format!("| {} |\n", cells.join(" | "));
    let marks = (0..header.len()).map(|column| if column < left { "---" } else { "---:" }.to_owned());
    let head = header.iter().map(ToString::to_string).collect();
    let escaped = |cells: Vec<String>| cells.into_iter().map(|cell| cell.replace('|', "\\|")).collect();
    let rows = rows.into_iter().map(|cells| line(escaped(cells)));
    [line(head), line(marks.collect())].into_iter().chain(rows).collect()
}

/// The cases that were measured, in their order.
fn cases(report: &Report) -> Vec<Case> {
    let measured = |case: &Case| report.tallies.iter().any(|tally| tally.case == *case);
    Case::ALL.into_iter().filter(measured).collect()
}

fn of_case(report: &Report, case: Case) -> Vec<&Tally> {
    report.tallies.iter().filter(|tally| tally.case == case).collect()
}

/// The charts of a case, with the names of their files.
fn charts(case: Case, tallies: &[&Tally]) -> anyhow::Result<Vec<(String, String)>> {
    let mut charts = vec![(throughput_name(case), picture::throughput(case, tallies).svg()?)];
    if let Some(load) = picture::shown_load(tallies) {
        charts.push((latency_name(case, load), picture::latencies(case, load, tallies).svg()?));
    }
    Ok(charts)
}

fn throughput_name(case: Case) -> String {
    format!("{}-throughput.svg", case.name())
}

fn latency_name(case: Case, load: usize) -> String {
    format!("{}-latency-{load}.svg", case.name())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::report::samples::report;

    #[test]
    fn a_page_lies_beside_its_folder_with_or_without_its_ending() {
        for path in ["docs/benchmarks", "docs/benchmarks.md", "docs/benchmarks/"] {
            let place = Place::new(Path::new(path)).unwrap();
            assert_eq!(place.page, Path::new("docs/benchmarks.md"), "{path}");
            assert_eq!((place.folder, place.name.as_str()), (PathBuf::from("docs/benchmarks"), "benchmarks"));
        }
        assert!(Place::new(Path::new("/")).is_err());
    }

    #[test]
    fn the_page_has_every_figure_and_every_link_leads_somewhere() {
        let folder = tempfile::tempdir().unwrap();
        let place = Place::new(&folder.path().join("page.md")).unwrap();
        place.prepare().unwrap();
        let report = report();
        let page = std::fs::read_to_string(place.write(&report).unwrap()).unwrap();
        assert!(!page.contains("{folder}") && !page.contains("{c") && !page.contains("{r"), "{page}");
        let links: Vec<&str> = page.split("](").skip(1).filter_map(|rest| rest.split(')').next()).collect();
        assert_eq!(links.len(), 5, "{links:?}");
        for link in links {
            assert!(folder.path().join(link).is_file(), "{link}");
        }
        let lines_with = |text: &str| page.lines().filter(|line| line.starts_with(text)).count();
        assert_eq!(lines_with("| Amends with DTM on Redis | raw DTM on Redis | "), 4);
        // Per case: two loads, and the CPU time by part.
        assert_eq!(lines_with("| raw DTM on BoltDB | "), 6);
        assert!(
            page.contains(
                "| Amends with DTM on BoltDB | raw DTM on BoltDB | 16 | 640 | 512 | **0.80** | ≥ 0.65 |"
            ),
            "{page}"
        );
        assert!(page.contains("amends bench --quick") && page.contains("3 looks"), "{page}");
        assert!(page.contains("\n  800 ms at least") && page.contains(" 1 rounds of each side"), "{page}");
        let figures = std::fs::read_to_string(folder.path().join("page/figures.json")).unwrap();
        assert_eq!(serde_json::from_str::<serde_json::Value>(&figures).unwrap(), report.json());
    }

    #[test]
    fn notes_are_named_where_there_are_some() {
        let folder = tempfile::tempdir().unwrap();
        let place = Place::new(&folder.path().join("page")).unwrap();
        place.prepare().unwrap();
        assert!(!place.text(&report()).contains(NOTES));
        std::fs::write(folder.path().join("page/notes.md"), "# Notes\n").unwrap();
        assert!(place.text(&report()).contains("[notes](page/notes.md)"));
    }
}
