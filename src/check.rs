//! `amends check`: waits for quiet and prints the checkers' verdict. Knows no invariant's content.
use crate::connect::Target;
use crate::exit::Exit;
use crate::output::{Format, Paint, Tone, print_json, print_text, said};
use amends_checkers::{Quiet, Report, Targets};
use amends_proto::amends::v1::operations_client::OperationsClient;
use amends_proto::amends::v1::{ExplainRequest, Situation};
use anyhow::Context as _;
use serde_json::json;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::Duration;

/// How long open global transactions and the coordinator may take to come to rest.
const QUIET_TIMEOUT: Duration = Duration::from_secs(60);
/// How long the verdict may wait for what holds back what stood still.
const CAUSES_TIMEOUT: Duration = Duration::from_secs(5);
/// Violations printed per invariant for people; JSON has them all.
const SHOWN: usize = 20;

/// Checks the invariants over all services, history, DTM and the PSP
///
/// Waits until nothing moves, at most as long as --wait says, and then judges what it reads. A system that is at work
/// never rests: what began meanwhile is a note, and a breach counts only if several readings show it. But what was open
/// all the time stands still, which is as bad as a breach; where a pause holds it back, that is named. Exit 1 on either.
#[derive(Debug, clap::Args)]
pub struct Check {
    /// How many seconds everything may take to come to rest
    #[arg(long, value_name = "SECONDS", default_value_t = QUIET_TIMEOUT.as_secs(), value_parser = clap::value_parser!(u64).range(1..=3600))]
    wait: u64,
    #[command(flatten)]
    target: Target,
}

impl Check {
    /// Runs the verb.
    pub async fn run(self, format: Format) -> anyhow::Result<Exit> {
        let targets = Targets::from_topology(&self.target.target).await?;
        let examined = examine(&targets, Duration::from_secs(self.wait)).await?;
        let causes = causes(&self.target, &examined.stuck).await;
        match format {
            Format::Json => print_json(&json!({
                "ok": examined.is_sound(),
                "lines": examined.report.lines,
                "stuck": examined.stuck,
                "held": causes,
                "notes": examined.report.notes,
            }))?,
            Format::Text => {
                let paint = Paint::detect();
                print_text(&format!("{}{}", examined.rest(&causes, paint), text(&examined.report, paint)))?;
            }
        }
        Ok(if examined.is_sound() { Exit::Ok } else { Exit::Unsound })
    }
}

/// The checkers' verdict, and what did not come to rest.
struct Examined {
    report: Report,
    waited: Duration,
    /// Gids that were open, or the coordinator behind with, from the first look to the last.
    stuck: Vec<String>,
}

impl Examined {
    fn is_sound(&self) -> bool {
        self.report.is_clean() && self.stuck.is_empty()
    }

    /// One line on the rest of the system, with what disturbs it below.
    fn rest(&self, causes: &Causes, paint: Paint) -> String {
        let seconds = self.waited.as_secs();
        let verdict = match self.stuck.len() {
            0 => paint.tone(Tone::Good, "ok"),
            1 => paint.tone(Tone::Bad, &format!("1 global transaction stood still for {seconds} s")),
            many => paint.tone(Tone::Bad, &format!("{many} global transactions stood still for {seconds} s")),
        };
        let mut text = format!("--  everything comes to its end: {verdict}\n");
        for gid in self.stuck.iter().take(SHOWN) {
            let cause = causes.get(gid).map(|cause| format!("{} ", said(cause))).unwrap_or_default();
            let _ = writeln!(text, "      {gid}: {cause}see amends show {gid}");
        }
        if self.stuck.len() > SHOWN {
            let _ = writeln!(text, "      … and {} more", self.stuck.len() - SHOWN);
        }
        text
    }
}

/// By gid, why what stands still is held back, in the orchestrator's words.
type Causes = BTreeMap<String, String>;

/// Asks of as many as people are shown. Each is held back by a pause of its own, or of its definition or a participant;
/// what stands still for another reason, or cannot be asked about in time, is not among them: the verdict is told anyhow.
async fn causes(target: &Target, stuck: &[String]) -> Causes {
    let mut causes = Causes::new();
    if !stuck.is_empty() {
        let _late = tokio::time::timeout(CAUSES_TIMEOUT, find_causes(target, stuck, &mut causes)).await;
    }
    causes
}

async fn find_causes(target: &Target, stuck: &[String], causes: &mut Causes) {
    let Ok(connection) = target.connect().await else { return };
    let mut client = OperationsClient::new(connection);
    for gid in stuck.iter().take(SHOWN) {
        let Ok(explained) = client.explain(ExplainRequest { gid: gid.clone() }).await else { continue };
        let ops = explained.into_inner().ops;
        let held = ops.into_iter().find(|op| op.situation() == Situation::Paused);
        causes.extend(held.map(|op| (gid.clone(), op.why)));
    }
}

/// Waits for quiet, then judges. What did not come to rest is a note of the report.
pub async fn verdict(targets: &Targets) -> anyhow::Result<Report> {
    let Examined { mut report, waited, stuck } = examine(targets, QUIET_TIMEOUT).await?;
    if !stuck.is_empty() {
        let seconds = waited.as_secs();
        report.notes.push(format!("{} global transactions stood still for {seconds} s", stuck.len()));
    }
    Ok(report)
}

async fn examine(targets: &Targets, patience: Duration) -> anyhow::Result<Examined> {
    // A process that is being restarted does not answer the first look: then nothing is known to have stood still.
    let first = amends_checkers::wait_quiet(targets, Duration::ZERO).await.ok();
    let last = amends_checkers::wait_quiet(targets, patience).await.context("wait for quiet")?;
    let mut report = amends_checkers::run(targets).await.context("read what the checkers judge")?;
    let before = first.map(|first| unquiet(&first).to_vec()).unwrap_or_default();
    let (stuck, moving): (Vec<String>, Vec<String>) =
        unquiet(&last).iter().cloned().partition(|gid| before.contains(gid));
    if !moving.is_empty() {
        let seconds = patience.as_secs();
        report.notes.push(format!("{} global transactions began less than {seconds} s ago", moving.len()));
    }
    Ok(Examined { report, waited: patience, stuck })
}

/// The gids that keep it from being quiet.
fn unquiet(quiet: &Quiet) -> &[String] {
    match quiet {
        Quiet::Reached => &[],
        Quiet::StillOpen(gids) | Quiet::CoordinatorBehind(gids) => gids,
    }
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
    use super::{Causes, Examined, causes, text};
    use crate::connect::Target;
    use crate::connect::tests::mute;
    use crate::output::Paint;
    use amends_checkers::{Invariant, Line, Report, Violation};
    use std::time::Duration;

    #[test]
    fn what_stands_still_is_named_and_unsound() {
        let report = Report { lines: Vec::new(), notes: Vec::new() };
        let mut examined = Examined { report, waited: Duration::from_secs(60), stuck: Vec::new() };
        let none = Causes::new();
        assert_eq!(examined.rest(&none, Paint::Plain), "--  everything comes to its end: ok\n");
        assert!(examined.is_sound());
        examined.stuck = vec!["g-1".to_owned(), "g-2".to_owned()];
        let causes = Causes::from([("g-2".to_owned(), "Step 05 is not attempted: it is paused.".to_owned())]);
        let told = examined.rest(&causes, Paint::Plain);
        assert!(told.contains("2 global transactions stood still for 60 s"), "{told}");
        assert!(told.contains("amends show g-1") && told.contains("amends show g-2"), "{told}");
        assert!(
            told.contains("g-1: see ") && told.contains("g-2: Step 05 is not attempted: it is paused. see ")
        );
        assert!(!examined.is_sound());
    }

    #[tokio::test]
    async fn a_verdict_is_told_though_nobody_explains() {
        let stuck = ["g-1".to_owned()];
        assert_eq!(causes(&mute().await, &stuck).await, Causes::new());
        let nobody = Target { target: "127.0.0.1:1".into(), caller: "ann".into() };
        assert_eq!(causes(&nobody, &stuck).await, Causes::new());
    }

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
