//! Flags of the orchestrator's process, checked before a port opens.

use crate::attention::WebhookArgs;
use crate::console::ConsoleArgs;
use crate::definitions::StepTimes;
use crate::engine::{AuditSettings, LaneSettings};
use crate::replica::Addresses;
use crate::retention::RetentionArgs;
use amends_dtm::client::DtmEndpoints;
use amends_serve::ProcessArgs;
use anyhow::{Context as _, bail};
use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::num::NonZeroU32;
use std::path::PathBuf;
use std::time::Duration;

/// Default port of the API.
pub const API_PORT: u16 = 7400;
/// Default port of the relay.
const RELAY_PORT: u16 = 7401;

/// DTM's gRPC interface where `--coordinator dtm` names none.
const DEFAULT_DTM: &str = "grpc://127.0.0.1:36790";

/// Who decides order, retry and rollback (design.md §2, Two coordinators).
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum CoordinatorChoice {
    /// DTM if `--dtm` names one, else the embedded one
    Auto,
    /// A DTM server
    Dtm,
    /// The engine itself: nothing else is needed
    Embedded,
}

/// The orchestrator: the API for clients, the relay for DTM, and the web console.
#[derive(Debug, Clone, clap::Args)]
pub struct Args {
    #[command(flatten)]
    /// Flags of every process
    pub process: ProcessArgs,
    /// Address of the relay, which only DTM calls
    #[arg(long, env = "AMENDS_RELAY_LISTEN", value_name = "HOST:PORT")]
    relay_listen: Option<SocketAddr>,
    /// The relay as DTM reaches it; DTM stores it with each global transaction [default: what it listens on]
    #[arg(long, env = "AMENDS_RELAY_URL", value_name = "HOST:PORT")]
    relay_url: Option<String>,
    /// This relay as other replicas on the same PostgreSQL reach it [default: what it listens on]
    #[arg(long, env = "AMENDS_REPLICA_RELAY_URL", value_name = "HOST:PORT")]
    replica_relay_url: Option<String>,
    /// This API as other replicas on the same PostgreSQL reach it [default: what it listens on]
    #[arg(long, env = "AMENDS_REPLICA_API_URL", value_name = "HOST:PORT")]
    replica_api_url: Option<String>,
    /// Who decides order, retry and rollback of new global transactions
    #[arg(long, env = "AMENDS_COORDINATOR", value_enum, value_name = "WHICH", default_value_t = CoordinatorChoice::Auto)]
    coordinator: CoordinatorChoice,
    /// DTM's gRPC interface; what began on a DTM needs it, whoever coordinates new ones
    #[arg(long, env = "AMENDS_DTM", value_name = "grpc://HOST:PORT")]
    dtm: Option<String>,
    /// DTM's HTTP interface [default: port 36789 of the same host]
    #[arg(long, env = "AMENDS_DTM_HTTP", value_name = "http://HOST:PORT")]
    dtm_http: Option<String>,
    /// A participant that plans may name; repeat for each
    #[arg(
        long = "participant",
        env = "AMENDS_PARTICIPANTS",
        value_delimiter = ',',
        value_name = "NAME=HOST:PORT"
    )]
    participants: Vec<String>,
    /// How wide the lane to a participant is: NAME:SETTING=NUMBER,… Settings are concurrency, rate, failures, slow_ms,
    /// open_ms, open_max_ms, slow_start_ms, retry_percent, retry_floor; repeat for each
    #[arg(long = "lane", env = "AMENDS_LANES", value_delimiter = ' ', value_name = "NAME:SETTING=N,...")]
    lanes: Vec<String>,
    /// The payment service provider, for checkers
    #[arg(long, env = "AMENDS_PSP", value_name = "HOST:PORT", default_value = "")]
    pub(crate) psp: String,
    /// File with the key of the plan MAC: 32 bytes in hex
    #[arg(long, env = "AMENDS_PLAN_MAC_KEY_FILE", value_name = "FILE")]
    pub(crate) plan_mac_key_file: PathBuf,
    /// Milliseconds until a charge with unknown outcome is taken back
    #[arg(long, env = "AMENDS_PIVOT_TIMEOUT_MS", default_value_t = 60_000, value_parser = clap::value_parser!(i32).range(100..))]
    pivot_timeout_ms: i32,
    /// Milliseconds until any other try with unknown outcome is taken back
    #[arg(long, env = "AMENDS_TRY_TIMEOUT_MS", default_value_t = 10_000, value_parser = clap::value_parser!(i32).range(100..))]
    try_timeout_ms: i32,
    /// Milliseconds from the acceptance until a definition's global transaction is taken back, or behind its pivot needs a
    /// person; 0 = any
    #[arg(long, env = "AMENDS_TRANSACTION_TIMEOUT_MS", default_value_t = 0, value_parser = clap::value_parser!(i32).range(0..=604_800_000))]
    transaction_timeout_ms: i32,
    /// Milliseconds that all tries of a TCC may take together
    #[arg(long, env = "AMENDS_TRY_PHASE_MS", default_value_t = 90_000, value_parser = clap::value_parser!(u64).range(100..=86_400_000))]
    pub(crate) try_phase_ms: u64,
    /// What an operator states of a global transaction above so many minor units counts when a second person states the
    /// same; one whose definition names no amount is never above
    #[arg(long, env = "AMENDS_APPROVE_ABOVE_MINOR", value_name = "MINOR", default_value_t = 10_000, value_parser = clap::value_parser!(i64).range(0..))]
    pub(crate) approve_above_minor: i64,
    #[command(flatten)]
    pub(crate) console: ConsoleArgs,
    #[command(flatten)]
    pub(crate) audit: AuditArgs,
    #[command(flatten)]
    pub(crate) retention: RetentionArgs,
    #[command(flatten)]
    pub(crate) webhook: WebhookArgs,
}

/// How hard the auditor looks for disagreements between history, DTM and the participants.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct AuditArgs {
    /// Milliseconds between two passes of the auditor
    #[arg(long, env = "AMENDS_AUDIT_INTERVAL_MS", default_value_t = 60_000, value_parser = clap::value_parser!(u64).range(100..=3_600_000))]
    audit_interval_ms: u64,
    /// Milliseconds that a difference must last to be a disagreement: two retry intervals of DTM
    #[arg(long, env = "AMENDS_AUDIT_PATIENCE_MS", default_value_t = 120_000, value_parser = clap::value_parser!(u64).range(..=86_400_000))]
    audit_patience_ms: u64,
    /// Calls a second that the auditor may make to participants and to DTM, together
    #[arg(long, env = "AMENDS_AUDIT_CALLS_PER_SECOND", default_value = "20", value_parser = audit_rate)]
    audit_calls_per_second: NonZeroU32,
}

/// Beyond it, calls cannot be spread over a second any more: timers go by milliseconds.
const MAX_AUDIT_RATE: u32 = 500;

fn audit_rate(text: &str) -> Result<NonZeroU32, String> {
    let rate = text.parse().ok().filter(|rate: &NonZeroU32| rate.get() <= MAX_AUDIT_RATE);
    rate.ok_or_else(|| format!("must be 1 to {MAX_AUDIT_RATE}"))
}

impl AuditArgs {
    pub(crate) fn settings(&self) -> AuditSettings {
        AuditSettings {
            interval: Duration::from_millis(self.audit_interval_ms),
            patience: Duration::from_millis(self.audit_patience_ms),
            calls_per_second: self.audit_calls_per_second,
        }
    }
}

impl Args {
    /// Where the relay listens.
    pub(crate) fn relay_listen(&self) -> SocketAddr {
        self.relay_listen.unwrap_or_else(|| SocketAddr::from((Ipv4Addr::LOCALHOST, RELAY_PORT)))
    }

    /// This process as other replicas reach it, which listens there.
    pub(crate) fn replica_addresses(&self, relay: SocketAddr, api: SocketAddr) -> anyhow::Result<Addresses> {
        let address = |flag: &str, given: &Option<String>, listening: SocketAddr| match given {
            Some(given) => Ok(given.clone()),
            None if listening.ip().is_unspecified() => {
                bail!("{flag}: must be given where it listens on every address, {listening}")
            }
            None => Ok(listening.to_string()),
        };
        Ok(Addresses {
            relay: address("--replica-relay-url", &self.replica_relay_url, relay)?,
            api: address("--replica-api-url", &self.replica_api_url, api)?,
        })
    }

    /// The relay as DTM reaches it; `listening` is the port that was really taken.
    pub(crate) fn relay_url(&self, listening: SocketAddr) -> String {
        self.relay_url.clone().unwrap_or_else(|| listening.to_string())
    }

    /// Where DTM is; `None` = there is none.
    pub(crate) fn dtm(&self) -> anyhow::Result<Option<DtmEndpoints>> {
        let url = match (&self.dtm, self.coordinator) {
            (Some(url), _) => url.as_str(),
            (None, CoordinatorChoice::Dtm) => DEFAULT_DTM,
            (None, CoordinatorChoice::Auto | CoordinatorChoice::Embedded) => return Ok(None),
        };
        DtmEndpoints::parse(url, self.dtm_http.as_deref()).context("--dtm").map(Some)
    }

    /// Whether new global transactions are driven by the engine; `auto` = where no DTM is named.
    pub(crate) fn embedded(&self) -> bool {
        match self.coordinator {
            CoordinatorChoice::Embedded => true,
            CoordinatorChoice::Dtm => false,
            CoordinatorChoice::Auto => self.dtm.is_none(),
        }
    }

    pub(crate) fn step_times(&self) -> StepTimes {
        StepTimes {
            pivot_timeout_ms: self.pivot_timeout_ms,
            try_timeout_ms: self.try_timeout_ms,
            transaction_timeout_ms: self.transaction_timeout_ms,
        }
    }

    /// Settings of the lanes that have any of their own.
    pub(crate) fn lanes(
        &self,
        participants: &BTreeMap<String, String>,
    ) -> anyhow::Result<BTreeMap<String, LaneSettings>> {
        let mut all = BTreeMap::new();
        for given in self.lanes.iter().filter(|given| !given.is_empty()) {
            let Some((name, settings)) = given.split_once(':') else {
                bail!("--lane {given}: must be NAME:SETTING=NUMBER,...");
            };
            if !participants.contains_key(name) {
                bail!("--lane {name}: no --participant is called so");
            }
            let settings = settings.parse().with_context(|| format!("--lane {name}"))?;
            if all.insert(name.to_owned(), settings).is_some() {
                bail!("--lane {name}: is given twice");
            }
        }
        Ok(all)
    }

    pub(crate) fn participants(&self) -> anyhow::Result<BTreeMap<String, String>> {
        let mut all = BTreeMap::new();
        for given in &self.participants {
            let Some((name, address)) = given.split_once('=') else {
                bail!("--participant {given}: must be NAME=HOST:PORT");
            };
            if all.insert(name.to_owned(), address.to_owned()).is_some() {
                bail!("--participant {name}: is given twice");
            }
        }
        Ok(all)
    }
}
