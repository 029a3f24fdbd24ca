//! `amends check`: waits for quiet and prints the checkers' verdict. Knows no invariant's content.
use crate::connect::Target;
use crate::exit::Exit;
use crate::output::{Format, Paint, Tone, print_json, print_text};
use amends_checkers::{Quiet, Report, Targets};
use anyhow::Context as _;
use serde_json::json;
use std::fmt::Write as _;
use std::time::Duration;

/// How long open global transactions and the coordinator may take to come to rest.
const QUIET_TIMEOUT: Duration = Duration::from_secs(60);
/// Violations printed per invariant for people; JSON has them all.
const SHOWN: usize = 20;

/// Checks the invariants over all services, history, DTM and the PSP
#[derive(Debug, clap::Args)]
pub struct Check {
    #[command(flatten)]
    target: Target,
}

impl Check {
    /// Runs the verb.
    pub async fn run(self, format: Format) -> anyhow::Result<Exit> {
        let targets = Targets::from_topology(&self.target.target).await?;
        let report = verdict(&targets).await?;
        match format {
            Format::Json => print_json(&json!({
                "ok": report.is_clean(),
                "lines": report.lines,
                "notes": report.notes,
            }))?,
            Format::Text => print_text(&text(&report, Paint::detect()))?,
        }
        Ok(if report.is_clean() { Exit::Ok } else { Exit::Unsound })
    }
}

/// Waits for quiet, then judges. What did not come to rest is a note of the report.
pub async fn verdict(targets: &Targets) -> anyhow::Result<Report> {
    let quiet = amends_checkers::wait_quiet(targets, QUIET_TIMEOUT).await.context("wait for quiet")?;
    let mut report = amends_checkers::run(targets).await.context("read what the checkers judge")?;
    let seconds = QUIET_TIMEOUT.as_secs();
    match quiet {
        Quiet::Reached => {}
        Quiet::StillOpen(gids) => {
            report.notes.push(format!("{} global transactions not final after {seconds} s", gids.len()));
        }
        Quiet::CoordinatorBehind(gids) => {
            report.notes.push(format!("the coordinator is behind with {} after {seconds} s", gids.len()));
        }
    }
    Ok(report)
}

/// One line per invariant, its violations below it, notes at the end.
pub fn text(report: &Report, paint: Paint) -> String {
    let mut text = String::new();
    for line in &report.lines {
        let verdict = match line.violations.len() {
            0 => paint.tone(Tone::Good, "ok"),
            1 => paint.tone(Tone::Bad, "1 violation"),
            many => paint.tone(Tone::Bad, &format!("{many} violations")),
        };
        let checked = paint.tone(Tone::Faint, &format!("({} checked)", line.checked));
        // Writing to a String cannot fail.
        let _ = writeln!(text, "{}  {}: {verdict} {checked}", line.checker.id(), line.title);
        for violation in line.violations.iter().take(SHOWN) {
            let _ = writeln!(text, "      {}: {}", violation.subject, violation.text);
        }
        if line.violations.len() > SHOWN {
            let _ = writeln!(text, "      … and {} more", line.violations.len() - SHOWN);
        }
    }
    for note in &report.notes {
        let _ = writeln!(text, "{}", paint.tone(Tone::Faint, &format!("note: {note}")));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::text;
    use crate::output::Paint;
    use amends_checkers::{Invariant, Line, Report, Violation};

    #[test]
    fn each_invariant_has_a_line_and_each_violation_too() {
        let violation = Violation::new(Invariant::I3, "tea", "5 reserved of 4 on hand");
        let line =
            |checker: Invariant, violations| Line { checker, title: checker.title(), checked: 2, violations };
        let lines = vec![line(Invariant::I1, vec![]), line(Invariant::I3, vec![violation])];
        let report = Report { lines, notes: vec!["one is open".to_owned()] };
        let expected = "I1  money is only moved: ok (2 checked)\n\
                        I3  stock is neither oversold nor lost: 1 violation (2 checked)\n      \
                        tea: 5 reserved of 4 on hand\n\
                        note: one is open\n";
        assert_eq!(text(&report, Paint::Plain), expected);
    }
}
