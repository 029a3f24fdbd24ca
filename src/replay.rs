//! `amends replay`: runs real orders as checkouts, in file order, and lets the checkers judge what is left. Knows what
//! a checkout takes, nothing of its steps.
mod data;
mod drive;
mod factor;
mod seed;

use crate::check;
use crate::connect::Target;
use crate::coordinator::{self, CoordinatorArg};
use crate::exit::Exit;
use crate::output::{Format, Paint, money, print_json, print_text, table};
use crate::start::ModeArg;
use amends_checkers::{Report, Targets};
use amends_stack::{Role, Stack, StackConfig};
use anyhow::Context as _;
use data::{Data, Names};
use drive::{Plan, Tally};
use factor::Factor;
use serde_json::json;
use std::num::NonZeroUsize;
use std::path::PathBuf;

/// The caller under whose name replays start checkouts.
const CALLER: &str = "replay";

/// Runs each order of a folder of CSV files as a checkout, in file order
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
        let played = match &self.target {
            Some(target) => self.play(&data, target, &run_prefix()).await?,
            None => self.play_alone(&data).await?,
        };
        played.tell(format)?;
        Ok(if played.report.is_clean() { Exit::Ok } else { Exit::Unsound })
    }

    /// On a system of its own, which is gone afterwards, also after Ctrl-C.
    async fn play_alone(&self, data: &Data) -> anyhow::Result<Played> {
        let folder =
            tempfile::Builder::new().prefix("amends-replay-").tempdir().context("make a temporary folder")?;
        let program = std::env::current_exe().context("find the amends binary")?;
        let played = async {
            let config = StackConfig::new(program, folder.path()).coordinator(self.coordinator.into());
            let stack = Stack::start(config).await?;
            coordinator::tell(&stack);
            let played = self.play(data, &stack.address(Role::Orchestrator), "").await;
            stack.stop().await;
            played
        };
        tokio::select! {
            played = played => played,
            _ = tokio::signal::ctrl_c() => anyhow::bail!("interrupted"),
        }
    }

    /// Seeds, starts every order, waits for all ends, judges.
    async fn play(&self, data: &Data, target: &str, prefix: &str) -> anyhow::Result<Played> {
        let targets = Targets::from_topology(target).await?;
        let names = Names::prefixed(prefix);
        seed::seed(&targets, data, &names, self.stock_factor).await?;
        let plan = Plan { mode: self.mode.into(), decline_every: self.decline_every, names };
        let client = Target { target: target.to_owned(), caller: CALLER.to_owned() }.transactions().await?;
        let tally = drive::all(client, plan.requests(data), self.concurrency).await?;
        let report = check::verdict(&targets).await?;
        Ok(Played { tally, report, coordinator: targets.coordinator })
    }
}

/// What came of it.
struct Played {
    tally: Tally,
    report: Report,
    coordinator: String,
}

impl Played {
    fn tell(&self, format: Format) -> anyhow::Result<()> {
        match format {
            Format::Json => print_json(&self.json()),
            Format::Text => print_text(&self.text()),
        }
    }

    fn json(&self) -> serde_json::Value {
        let tally = &self.tally;
        json!({
            "coordinator": self.coordinator,
            "orders": tally.orders(),
            "succeeded": tally.succeeded,
            "failed": tally.failed,
            "failed_by_reason": tally.failed_by_reason,
            "paid_minor": tally.paid_minor,
            "elapsed_s": round(tally.elapsed.as_secs_f64()),
            "per_second": round(tally.per_second()),
            "violations": self.report.violations(),
        })
    }

    fn text(&self) -> String {
        let tally = &self.tally;
        let mut rows = vec![
            vec!["coordinator".to_owned(), self.coordinator.clone()],
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
        format!("{figures}\n{}", check::text(&self.report, Paint::detect()))
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

    #[test]
    fn the_json_has_the_agreed_fields() {
        let tally = Tally {
            succeeded: 3,
            failed: 1,
            failed_by_reason: BTreeMap::from([("INSUFFICIENT_STOCK".to_owned(), 1)]),
            paid_minor: 700,
            elapsed: Duration::from_millis(2_000),
        };
        let report = Report { lines: vec![], notes: vec![] };
        let expected = json!({
            "coordinator": "dtm", "orders": 4, "succeeded": 3, "failed": 1, "failed_by_reason": {"INSUFFICIENT_STOCK": 1},
            "paid_minor": 700, "elapsed_s": 2.0, "per_second": 2.0, "violations": [],
        });
        let played = Played { tally, report, coordinator: "dtm".to_owned() };
        assert_eq!(played.json(), expected);
    }

    #[test]
    fn a_run_prefix_is_a_valid_start_of_any_name() {
        let prefix = run_prefix();
        assert_eq!(prefix.len(), 9);
        assert!(prefix.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'-'), "{prefix}");
        assert_ne!(prefix, run_prefix());
    }
}
