//! The report of a run as one page that needs nothing else: figures, charts, every fault. Decides nothing.
use crate::chart::{self, Bar, Mark, escape};
use crate::load::Ended;
use crate::report::{Report, Struck, millis};
use std::fmt::Write as _;
use std::time::Duration;

/// The longest chart over time; longer runs have wider bars.
const BARS: u64 = 120;
/// The shortest bar.
const LEAST_BAR_MS: u64 = 250;
/// Upper ends of the bars of latencies, in milliseconds; the last one has no end.
const LATENCIES: [u64; 16] =
    [5, 10, 20, 35, 50, 75, 100, 150, 250, 400, 650, 1_000, 2_000, 5_000, 10_000, 30_000];

const STYLE: &str = "
:root { color-scheme: light dark; --line: #8884; --bar: #2a7de1; --good: #1a7f37; --bad: #cf222e; }
body { font: 15px/1.45 system-ui, sans-serif; max-width: 960px; margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.5rem; } h2 { font-size: 1.1rem; margin-top: 2rem; }
.good { color: var(--good); } .bad { color: var(--bad); white-space: pre-wrap; }
table { border-collapse: collapse; width: 100%; } td, th { text-align: left; padding: .2rem .6rem .2rem 0; vertical-align: top; }
tr { border-bottom: 1px solid var(--line); } td.number { text-align: right; font-variant-numeric: tabular-nums; }
svg { width: 100%; height: auto; } svg text { font-size: 11px; fill: currentColor; } svg text.end { text-anchor: end; }
.grid { stroke: var(--line); } .bar { fill: var(--bar); } .process { fill: #cf222e66; } .network { fill: #bf870055; }
.key { display: inline-block; width: .8em; height: .8em; margin: 0 .3em 0 1em; }
";

/// The page.
#[must_use]
pub fn page(report: &Report) -> String {
    let (verdict, class) = if report.ok { ("clean", "good") } else { ("not clean", "bad") };
    let mut page = format!(
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width\">\
         <title>amends chaos, seed {seed}: {verdict}</title><style>{STYLE}</style></head><body>\n\
         <h1>amends chaos, seed {seed}: <span class=\"{class}\">{verdict}</span></h1>\n",
        seed = report.seed
    );
    // Writing to a String cannot fail.
    for failure in &report.failures {
        let _ = writeln!(page, "<p class=\"bad\">{}</p>", escape(failure));
    }
    page.push_str(&figures(report));
    page.push_str(
        "<h2>Checkouts that ended, over time</h2><p><span class=\"key bar\" style=\"background:var(--bar)\"></span>ended\
         <span class=\"key\" style=\"background:#cf222e66\"></span>a process is struck\
         <span class=\"key\" style=\"background:#bf870055\"></span>a link is struck</p>\n",
    );
    page.push_str(&throughput(report));
    page.push_str("<h2>Latency as clients saw it, from their first Start to the end</h2>\n");
    page.push_str(&latencies(&report.timeline));
    page.push_str(&checkers(report));
    page.push_str(&faults(&report.strikes));
    page + "</body></html>\n"
}

fn figures(report: &Report) -> String {
    let seconds = |ms: u64| format!("{:.1} s", Duration::from_millis(ms).as_secs_f64());
    let counts = |counts: &std::collections::BTreeMap<String, usize>| {
        counts.iter().map(|(name, count)| format!("{count} {name}")).collect::<Vec<_>>().join(", ")
    };
    let mut rows = vec![
        ("coordinator".to_owned(), report.coordinator.clone()),
        ("acknowledged".to_owned(), report.acknowledged.to_string()),
        ("acknowledgements lost, and given when repeated".to_owned(), report.repeated.to_string()),
        ("served again after a death, at most".to_owned(), seconds(report.back_ms)),
        ("last end after all faults".to_owned(), seconds(report.final_ms)),
        ("quiet after all faults".to_owned(), seconds(report.quiet_ms)),
        ("all of it".to_owned(), seconds(report.elapsed_ms)),
        (
            "latency p50, p99, longest".to_owned(),
            format!(
                "{} ms, {} ms, {} ms",
                report.latency_ms.p50, report.latency_ms.p99, report.latency_ms.max
            ),
        ),
    ];
    rows.extend(
        report.ends.iter().map(|(mode, statuses)| (format!("ends in mode {mode}"), counts(statuses))),
    );
    rows.extend(report.struck.iter().map(|(kind, victims)| (format!("fault {kind}"), counts(victims))));
    rows.extend(
        report.in_doubt.iter().map(|it| (format!("open: {}", it.gid), format!("{} {}", it.cause, it.text))),
    );
    let row = |(name, value): &(String, String)| {
        format!("<tr><th>{}</th><td>{}</td></tr>\n", escape(name), escape(value))
    };
    format!("<table>{}</table>\n", rows.iter().map(row).collect::<String>())
}

fn throughput(report: &Report) -> String {
    let last = report.timeline.iter().map(|end| millis(end.at)).max().unwrap_or(0);
    let width = (last / BARS + 1).max(LEAST_BAR_MS);
    let place =
        |ms: u64| Duration::from_millis(ms).as_secs_f64() / Duration::from_millis(width).as_secs_f64();
    let bars = (0..=last / width).map(|bar| {
        let within = |end: &&Ended| millis(end.at) / width == bar;
        let word = format!("{:.1} s", Duration::from_millis(bar * width).as_secs_f64());
        Bar { word, height: report.timeline.iter().filter(within).count() as u64 }
    });
    let mark = |struck: &Struck| Mark {
        from: place(struck.at_ms.min(last)),
        to: place((struck.at_ms + struck.lasted_ms()).min(last)),
        class: if struck.kind.is_of_network() { "network" } else { "process" },
        text: format!("{}: {}", struck.row.number, struck.row.fault),
    };
    let marks: Vec<Mark> = report.strikes.iter().map(mark).collect();
    chart::bars(&bars.collect::<Vec<_>>(), &marks)
}

fn latencies(ends: &[Ended]) -> String {
    let mut heights = [0; LATENCIES.len() + 1];
    for end in ends {
        heights[LATENCIES.partition_point(|limit| *limit < millis(end.took))] += 1;
    }
    let words = LATENCIES.iter().map(|limit| format!("≤ {limit} ms"));
    let words = words.chain([format!("> {} ms", LATENCIES[LATENCIES.len() - 1])]);
    let bars: Vec<Bar> = words.zip(heights).map(|(word, height)| Bar { word, height }).collect();
    chart::bars(&bars, &[])
}

fn checkers(report: &Report) -> String {
    let mut text = "<h2>Invariants</h2><table>\n".to_owned();
    for line in report.checkers.iter().flat_map(|checkers| &checkers.lines) {
        let verdict = match line.violations.as_slice() {
            [] => "<span class=\"good\">holds</span>".to_owned(),
            broken => {
                let each: Vec<String> =
                    broken.iter().map(|it| format!("{}: {}", it.subject, it.text)).collect();
                format!("<span class=\"bad\">{}</span>", escape(&each.join("\n")))
            }
        };
        let _ = writeln!(
            text,
            "<tr><th>{}</th><td>{}</td><td class=\"number\">{} checked</td><td>{verdict}</td></tr>",
            line.checker.id(),
            escape(line.title),
            line.checked
        );
    }
    text + "</table>\n"
}

fn faults(strikes: &[Struck]) -> String {
    let row = |struck: &Struck| {
        format!(
            "<tr><td class=\"number\">{}</td><td class=\"number\">{:.1} s</td><td>{}</td><td class=\"number\">{} ms</td>\
             <td class=\"number\">{}</td></tr>\n",
            struck.row.number,
            Duration::from_millis(struck.at_ms).as_secs_f64(),
            escape(&struck.row.fault),
            struck.took_ms,
            struck.open
        )
    };
    format!(
        "<h2>Faults</h2><table><tr><th>#</th><th>at</th><th>fault</th><th>until mended</th><th>open</th></tr>\n{}</table>\n",
        strikes.iter().map(row).collect::<String>()
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Fault, Kind, Link, Settings, Weather, report};
    use std::time::SystemTime;

    #[test]
    fn the_page_shows_every_fault_and_what_is_wrong() {
        let mut report = Report::new(&Settings::new(7), "dtm", Default::default());
        let now = SystemTime::now();
        let delay = Fault::Network(Kind::Delay, Link::Psp, Weather::Delay { ms: 9 }, 400);
        report.strikes = vec![report::struck(1, 3, delay, Duration::from_millis(700), (now, now))];
        report.failures = vec!["lost <one>".to_owned()];
        report.timeline = (0..900_u64)
            .map(|n| Ended { at: Duration::from_millis(n * 10), took: Duration::from_millis(n * 50) })
            .collect();
        let page = page(&report);
        assert!(page.contains("not clean") && page.contains("lost &lt;one&gt;"), "{page}");
        assert_eq!(page.matches("delay of 9 ms on gateway-psp for 400 ms").count(), 2);
        assert_eq!(page.matches("<svg").count(), 2);
        assert!(!page.contains("NaN") && !page.contains("http://"), "it needs nothing from elsewhere");
    }
}
