//! `amends replay`: runs real orders as checkouts, in file order, and lets the checkers judge what is left. Knows what
//! a checkout takes, nothing of its steps.
mod course;
mod data;
mod drive;
mod factor;
mod seed;

use crate::check;
use crate::connect::Target;
use crate::coordinator::{self, CoordinatorArg};
use crate::exit::Exit;
use crate::output::{Format, Paint, Tone, money, print_json, print_text, table};
use crate::start::ModeArg;
use amends_checkers::{Report, Targets};
use amends_stack::{Role, Stack, StackConfig};
use anyhow::Context as _;
use course::{Course, Stage};
use data::{Data, Names};
use drive::{Plan, Tally};
use factor::Factor;
use serde_json::json;
use std::num::NonZeroUsize;
use std::path::PathBuf;

/// The caller under whose name replays start checkouts.
const CALLER: &str = "replay";

/// Runs each order of a folder of CSV files as a checkout, in file order
///
/// Ctrl-C stops it and tells what came of the orders that had ended by then, with exit code 1: nothing was checked. With --target,
/// those under way go on there.
#[derive(Debug, clap::Args)]
pub struct Replay {
    /// Folder with products.csv, customers.csv, orders.csv and order_lines.csv
    #[arg(long, value_name = "DIR")]
    data: PathBuf,
    /// How the coordinator runs each
    #[arg(long, value_enum, default_value = "saga")]
    mode: ModeArg,
    /// Stock of each product is its units times this decimal number, floored
    #[arg(long, value_name = "N", default_value = "1")]
    stock_factor: Factor,
    /// Each N-th order pays with a card that the PSP declines
    #[arg(long, value_name = "N")]
    decline_every: Option<NonZeroUsize>,
    /// Checkouts in flight
    #[arg(long, value_name = "N", default_value = "16")]
    concurrency: NonZeroUsize,
    /// A running orchestrator [default: a whole system in a temporary folder, removed at the end]
    #[arg(long, value_name = "HOST:PORT", conflicts_with = "coordinator")]
    target: Option<String>,
    #[command(flatten)]
    coordinator: CoordinatorArg,
}

impl Replay {
    /// Runs the verb.
    pub async fn run(self, format: Format) -> anyhow::Result<Exit> {
        let data = Data::read(&self.data)?;
        let course = Course::of(data.orders.len());
        let verdict = tokio::select! {
            report = self.play_somewhere(&data, &course) => Verdict::Judged(report?),
            () = amends_serve::shutdown::signal() => Verdict::Stopped { planned: course.planned() },
        };
        let played =
            Played { tally: course.end(), verdict, coordinator: course.coordinator().map(str::to_owned) };
        played.tell(format)?;
        Ok(played.exit())
    }

    async fn play_somewhere(&self, data: &Data, course: &Course) -> anyhow::Result<Report> {
        match &self.target {
            Some(target) => self.play(data, target, &run_prefix(), course).await,
            None => self.play_alone(data, course).await,
        }
    }

    /// On a system of its own, which is gone afterwards, also where this is dropped.
    async fn play_alone(&self, data: &Data, course: &Course) -> anyhow::Result<Report> {
        let folder =
            tempfile::Builder::new().prefix("amends-replay-").tempdir().context("make a temporary folder")?;
        let program = std::env::current_exe().context("find the amends binary")?;
        let config = StackConfig::new(program, folder.path()).coordinator(self.coordinator.into());
        let stack = Stack::start(config).await?;
        coordinator::tell(&stack);
        let played = self.play(data, &stack.address(Role::Orchestrator), "", course).await;
        stack.stop().await;
        played
    }

    /// Seeds, starts every order, waits for all ends, judges.
    async fn play(&self, data: &Data, target: &str, prefix: &str, course: &Course) -> anyhow::Result<Report> {
        let targets = Targets::from_topology(target).await?;
        course.on(&targets.coordinator);
        let names = Names::prefixed(prefix);
        course.begin(Stage::Seeding);
        seed::seed(&targets, data, &names, self.stock_factor).await?;
        let plan = Plan { mode: self.mode.into(), decline_every: self.decline_every, names };
        let client = Target { target: target.to_owned(), caller: CALLER.to_owned() }.transactions().await?;
        course.begin(Stage::Orders);
        drive::all(client, plan.requests(data), self.concurrency, course).await?;
        course.begin(Stage::Checking);
        check::verdict(&targets).await
    }
}

/// What came of it.
struct Played {
    tally: Tally,
    verdict: Verdict,
    /// None = stopped before that was known.
    coordinator: Option<String>,
}

/// What can be said of all of it.
enum Verdict {
    /// It ran to its end, and the checkers looked.
    Judged(Report),
    /// Somebody stopped it: the figures are those of the orders that had ended.
    Stopped { planned: u64 },
}

impl Played {
    fn exit(&self) -> Exit {
        match &self.verdict {
            Verdict::Judged(report) if report.is_clean() => Exit::Ok,
            Verdict::Judged(_) | Verdict::Stopped { .. } => Exit::Unsound,
        }
    }

    fn tell(&self, format: Format) -> anyhow::Result<()> {
        match format {
            Format::Json => print_json(&self.json()),
            Format::Text => print_text(&self.text()),
        }
    }

    fn json(&self) -> serde_json::Value {
        let tally = &self.tally;
        let (partial, violations) = match &self.verdict {
            Verdict::Judged(report) => (false, Some(report.violations())),
            Verdict::Stopped { .. } => (true, None),
        };
        json!({
            "coordinator": self.coordinator,
            "orders": tally.orders(),
            "succeeded": tally.succeeded,
            "failed": tally.failed,
            "failed_by_reason": tally.failed_by_reason,
            "paid_minor": tally.paid_minor,
            "elapsed_s": round(tally.elapsed.as_secs_f64()),
            "per_second": round(tally.per_second()),
            "violations": violations,
            "partial": partial,
        })
    }

    fn text(&self) -> String {
        let tally = &self.tally;
        let mut rows = vec![
            vec!["coordinator".to_owned(), self.coordinator.clone().unwrap_or_default()],
            vec!["orders".to_owned(), tally.orders().to_string()],
            vec!["succeeded".to_owned(), tally.succeeded.to_string()],
            vec!["failed".to_owned(), tally.failed.to_string()],
        ];
        rows.extend(
            tally
                .failed_by_reason
                .iter()
                .map(|(reason, count)| vec![format!("  {reason}"), count.to_string()]),
        );
        rows.push(vec!["paid".to_owned(), money(tally.paid_minor, data::CURRENCY)]);
        rows.push(vec!["elapsed".to_owned(), format!("{:.1} s", tally.elapsed.as_secs_f64())]);
        rows.push(vec!["per second".to_owned(), format!("{:.1}", tally.per_second())]);
        let figures = table(&["replay", ""], &[""], rows);
        format!("{figures}\n{}", self.last_words(Paint::detect()))
    }

    fn last_words(&self, paint: Paint) -> String {
        match &self.verdict {
            Verdict::Judged(report) => check::text(report, paint),
            Verdict::Stopped { planned } => {
                let ended = self.tally.orders();
                let told = format!(
                    "Stopped before its end: partial figures of the {ended} of {planned} orders that had \
                     ended. Nothing was checked."
                );
                format!("{}\n", paint.tone(Tone::Bad, &told))
            }
        }
    }
}

/// Keeps runs on one system apart. Letters only: digits could make a trade number look like a card number.
fn run_prefix() -> String {
    let id = uuid::Uuid::now_v7();
    // The last 8 bytes of a UUIDv7 are random.
    let letters = id.as_bytes()[8..].iter().map(|byte| char::from(b'a' + byte % 26));
    format!("{}-", letters.collect::<String>())
}

fn round(number: f64) -> f64 {
    (number * 1_000.0).round() / 1_000.0
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;
    use std::time::Duration;

    fn played(verdict: Verdict) -> Played {
        let tally = Tally {
            succeeded: 3,
            failed: 1,
            failed_by_reason: BTreeMap::from([("INSUFFICIENT_STOCK".to_owned(), 1)]),
            paid_minor: 700,
            elapsed: Duration::from_millis(2_000),
        };
        Played { tally, verdict, coordinator: Some("dtm".to_owned()) }
    }

    #[test]
    fn the_json_has_the_agreed_fields() {
        let played = played(Verdict::Judged(Report { lines: vec![], notes: vec![] }));
        let expected = json!({
            "coordinator": "dtm", "orders": 4, "succeeded": 3, "failed": 1, "failed_by_reason": {"INSUFFICIENT_STOCK": 1},
            "paid_minor": 700, "elapsed_s": 2.0, "per_second": 2.0, "violations": [], "partial": false,
        });
        assert_eq!((played.json(), played.exit()), (expected, Exit::Ok));
    }

    #[test]
    fn one_that_was_stopped_is_partial_and_not_judged() {
        let played = played(Verdict::Stopped { planned: 9 });
        let told = played.json();
        assert_eq!((&told["orders"], &told["partial"]), (&json!(4), &json!(true)));
        assert_eq!(told["violations"], json!(null), "nobody looked, which is not that there are none");
        assert!(played.text().contains("partial figures of the 4 of 9 orders"), "{}", played.text());
        assert_eq!(played.exit(), Exit::Unsound);
    }

    #[test]
    fn a_run_prefix_is_a_valid_start_of_any_name() {
        let prefix = run_prefix();
        assert_eq!(prefix.len(), 9);
        assert!(prefix.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'-'), "{prefix}");
        assert_ne!(prefix, run_prefix());
    }
}
