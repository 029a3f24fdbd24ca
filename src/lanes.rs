//! `amends lanes`: the ways to participants, how full and how wide they are, and how to set them.
use crate::connect::Target;
use crate::exit::Exit;
use crate::json;
use crate::output::{Format, Paint, Tone, print_json, print_text, table};
use amends_proto::amends::v1::operations_client::OperationsClient;
use amends_proto::amends::v1::{Lane, LaneSettings, LanesRequest, LanesResponse, SetLaneRequest};
use anyhow::Context as _;
use chrono::Utc;
use prost_types::Timestamp;
use std::fmt::Write as _;

/// Shows the lanes to participants, or sets one
#[derive(Debug, clap::Args)]
#[command(args_conflicts_with_subcommands = true, after_help = EXAMPLES)]
pub struct Lanes {
    #[command(subcommand)]
    act: Option<Act>,
    /// Only the lane of this participant
    participant: Option<String>,
    #[command(flatten)]
    target: Target,
}

const EXAMPLES: &str = "Examples:\n  amends lanes\n  amends lanes set gateway --concurrency 8 --rate 50\n  \
    amends lanes reset gateway";

#[derive(Debug, clap::Subcommand)]
enum Act {
    /// Sets one lane, from now on, on every orchestrator of the store; what is not named stays
    Set(SetOne),
    /// Sets one lane back to what it was given at the start
    Reset(ResetOne),
}

#[derive(Debug, clap::Args)]
struct SetOne {
    /// The participant
    participant: String,
    #[command(flatten)]
    settings: Settings,
    #[command(flatten)]
    target: Target,
}

#[derive(Debug, clap::Args)]
struct ResetOne {
    /// The participant
    participant: String,
    #[command(flatten)]
    target: Target,
}

#[derive(Debug, clap::Args)]
#[group(required = true, multiple = true)]
struct Settings {
    /// Calls in flight, at most
    #[arg(long, value_name = "N")]
    concurrency: Option<u32>,
    /// Calls in any second, at most; 0 = as many as come
    #[arg(long, value_name = "N")]
    rate: Option<u32>,
    /// Global transactions in a row without a proper answer that open the breaker; 0 = it never opens
    #[arg(long, value_name = "N")]
    failures: Option<u32>,
    /// A call that takes longer counts as one of those; 0 = none does
    #[arg(long, value_name = "MS")]
    slow_ms: Option<u32>,
    /// How long the breaker stays open at first; each failed probe doubles it
    #[arg(long, value_name = "MS")]
    open_ms: Option<u32>,
    /// How long it stays open at most
    #[arg(long, value_name = "MS")]
    open_max_ms: Option<u32>,
    /// How long the lane takes to widen again after its participant is back
    #[arg(long, value_name = "MS")]
    slow_start_ms: Option<u32>,
    /// Repeated calls that a hundred first calls allow
    #[arg(long, value_name = "N")]
    retry_percent: Option<u32>,
    /// Repeated calls in a second that are allowed besides
    #[arg(long, value_name = "N")]
    retry_floor: Option<u32>,
}

impl Lanes {
    /// Runs the verb.
    pub async fn run(self, format: Format) -> anyhow::Result<Exit> {
        let shown = match self.act {
            None => {
                let request = LanesRequest { participant: self.participant.unwrap_or_default() };
                let answer = operations(&self.target).await?.lanes(request).await.context("lanes")?;
                answer.into_inner()
            }
            Some(Act::Set(set)) => {
                let settings = Some(set.settings.into_message());
                let request = SetLaneRequest { participant: set.participant, settings, reset: false };
                change(&set.target, request).await?
            }
            Some(Act::Reset(reset)) => {
                let participant = reset.participant;
                change(&reset.target, SetLaneRequest { participant, settings: None, reset: true }).await?
            }
        };
        match format {
            Format::Json => print_json(&json::of("amends.v1.LanesResponse", &shown)?)?,
            Format::Text => print_text(&text(&shown.lanes, Utc::now().timestamp_micros(), Paint::detect()))?,
        }
        Ok(Exit::Ok)
    }
}

async fn change(target: &Target, request: SetLaneRequest) -> anyhow::Result<LanesResponse> {
    let answer = operations(target).await?.set_lane(request).await.context("set the lane")?;
    Ok(LanesResponse { lanes: answer.into_inner().lane.into_iter().collect() })
}

async fn operations(target: &Target) -> anyhow::Result<OperationsClient<crate::connect::Connection>> {
    Ok(OperationsClient::new(target.connect().await?))
}

impl Settings {
    fn into_message(self) -> LaneSettings {
        LaneSettings {
            concurrency: self.concurrency,
            rate: self.rate,
            failures: self.failures,
            slow_ms: self.slow_ms,
            open_ms: self.open_ms,
            open_max_ms: self.open_max_ms,
            slow_start_ms: self.slow_start_ms,
            retry_percent: self.retry_percent,
            retry_floor: self.retry_floor,
        }
    }
}

/// A row for each lane, and below it who waits for one.
pub fn text(lanes: &[Lane], now_us: i64, paint: Paint) -> String {
    let header = ["lane", "in flight", "waiting", "rate", "breaker", "since", "repeats left", "waits for"];
    let right = ["in flight", "waiting", "rate", "since", "repeats left"];
    let rows = lanes.iter().map(|lane| row(lane, now_us)).collect();
    let mut text = table(&header, &right, rows);
    for lane in lanes {
        for backlog in &lane.waiting {
            let _ =
                writeln!(text, "{}: {} of {} wait", lane.participant, backlog.waiting, backlog.definition);
        }
        if lane.breaker.as_ref().is_some_and(|breaker| breaker.state != "closed") {
            let told = format!("{}: its participant does not answer", lane.participant);
            let _ = writeln!(text, "{}", paint.tone(Tone::Bad, &told));
        }
    }
    text
}

fn row(lane: &Lane, now_us: i64) -> Vec<String> {
    let settings = lane.settings.unwrap_or_default();
    let breaker = lane.breaker.clone().unwrap_or_default();
    let seconds = |ms: i64| format!("{:.1} s", ms as f64 / 1_000.0);
    // A closed breaker that never opened is closed since the start, which says nothing.
    let since = breaker.since.filter(|_| breaker.state != "closed");
    let in_time = |then: &Timestamp| seconds((unix_us(then) - now_us).max(0) / 1_000);
    let waits_for = match (lane.waits_for.as_str(), &lane.waits_until, &lane.slow_start_until) {
        ("", _, Some(until)) => format!("nothing; widens for {}", in_time(until)),
        ("", _, None) => "nothing".to_owned(),
        (hindrance, Some(until), _) => format!("{}, {}", hindrance.replace('_', " "), in_time(until)),
        (hindrance, None, _) => hindrance.replace('_', " "),
    };
    vec![
        lane.participant.clone(),
        format!("{}/{}", lane.in_flight, lane.width),
        lane.depth.to_string(),
        match settings.rate() {
            0 => "-".to_owned(),
            rate => format!("{rate}/s"),
        },
        breaker.state.replace('_', " "),
        since.map_or_else(|| "-".to_owned(), |since| seconds((now_us - unix_us(&since)).max(0) / 1_000)),
        lane.repeats_left.to_string(),
        waits_for,
    ]
}

fn unix_us(time: &Timestamp) -> i64 {
    time.seconds * 1_000_000 + i64::from(time.nanos) / 1_000
}

#[cfg(test)]
mod tests {
    use super::*;
    use amends_proto::amends::v1::{LaneBacklog, LaneBreaker};

    #[test]
    fn a_lane_is_told_in_a_row_and_its_backlog_below() {
        let at = |seconds| Some(Timestamp { seconds, nanos: 0 });
        let breaker = LaneBreaker { state: "open".into(), since: at(90), failures: 0 };
        let open = Lane {
            participant: "gateway".into(),
            settings: Some(LaneSettings { rate: Some(50), ..LaneSettings::default() }),
            in_flight: 1,
            width: 8,
            depth: 7,
            waiting: vec![LaneBacklog { definition: "checkout".into(), waiting: 7 }],
            breaker: Some(breaker),
            waits_for: "breaker_open".into(),
            waits_until: at(104),
            repeats_left: 3,
            ..Lane::default()
        };
        let closed = Some(LaneBreaker { state: "closed".into(), since: at(1), failures: 0 });
        let idle = Lane { participant: "order".into(), width: 128, breaker: closed, ..Lane::default() };
        let told = text(&[open, idle], 100_000_000, Paint::Plain);
        let lines: Vec<Vec<&str>> = told.lines().map(|line| line.split_whitespace().collect()).collect();
        assert_eq!(
            lines[1],
            ["gateway", "1/8", "7", "50/s", "open", "10.0", "s", "3", "breaker", "open,", "4.0", "s"]
        );
        assert_eq!(lines[2], ["order", "0/128", "0", "-", "closed", "-", "0", "nothing"]);
        assert_eq!(lines[3], ["gateway:", "7", "of", "checkout", "wait"]);
        assert_eq!(told.lines().nth(4), Some("gateway: its participant does not answer"));
    }
}
