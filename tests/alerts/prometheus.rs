//! A real Prometheus on a free port of this machine: what it reads, whom it would call, and who of those was seen. Knows no
//! rule's meaning.
use crate::rewrite::{aimed, shortened};
use crate::tell;
use amends_stack::Tethered;
use amends_testkit::until;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::net::TcpListener;
use std::path::Path;
use std::process::Stdio;
use std::sync::Mutex;
use std::time::{Duration, Instant};
use tokio::process::Command;

/// Whoever is to be called must be called by then, however slow the machine.
const PATIENCE: Duration = Duration::from_secs(120);
/// Between two questions.
const LOOK: Duration = Duration::from_millis(200);
/// How far back Prometheus takes an old sample for a new one, unless it is told; in milliseconds.
const LOOKBACK_MS: u64 = 300_000;

/// What ships.
const RULES: &str = include_str!("../../deploy/prometheus/alerts.yml");
const CONFIG: &str = include_str!("../../deploy/prometheus/prometheus.yml");

/// A running one; dropping it ends it.
pub struct Prometheus {
    base: String,
    client: reqwest::Client,
    seen: Mutex<BTreeSet<String>>,
    _process: Tethered,
}

/// What somebody is called for, or soon would be.
#[derive(Debug)]
pub struct Alert {
    labels: BTreeMap<String, String>,
    fires: bool,
    text: String,
}

impl Alert {
    fn of(told: &Value) -> Alert {
        let labels = told["labels"].as_object().unwrap().iter();
        let labels = labels.map(|(name, value)| (name.clone(), value.as_str().unwrap().to_owned())).collect();
        Alert { labels, fires: told["state"] == "firing", text: told["annotations"].to_string() }
    }

    fn name(&self) -> &str {
        &self.labels["alertname"]
    }

    fn fits(&self, name: &str, labels: &[(&str, &str)]) -> bool {
        let has = |(name, value): &(&str, &str)| self.labels.get(*name).is_some_and(|own| own == value);
        self.name() == name && labels.iter().all(has)
    }
}

/// The names of all rules that ship.
pub fn shipped() -> BTreeSet<String> {
    let names = RULES.lines().filter_map(|line| line.trim().strip_prefix("- alert: "));
    names.map(ToOwned::to_owned).collect()
}

impl Prometheus {
    /// Starts it on the shipped configuration, `factor` times as quick as in earnest, over these processes by name. `None` =
    /// none is installed; with `CI=true` one must be.
    pub async fn start(folder: &Path, factor: u64, here: &BTreeMap<String, String>) -> Option<Prometheus> {
        std::fs::create_dir_all(folder).unwrap();
        let config = folder.join("prometheus.yml");
        std::fs::write(&config, aimed(&shortened(CONFIG, factor), here)).unwrap();
        std::fs::write(folder.join("alerts.yml"), shortened(RULES, factor)).unwrap();
        let port = TcpListener::bind(("127.0.0.1", 0)).unwrap().local_addr().unwrap().port();
        let log = std::fs::File::create(folder.join("prometheus.log")).unwrap();
        let mut command = Command::new("prometheus");
        command.arg(format!("--config.file={}", config.display()));
        command.arg(format!("--storage.tsdb.path={}", folder.join("series").display()));
        command.arg(format!("--web.listen-address=127.0.0.1:{port}"));
        command.arg(format!("--query.lookback-delta={}ms", LOOKBACK_MS / factor));
        command.arg("--log.level=warn").stdin(Stdio::null()).stdout(Stdio::null()).stderr(log);
        let process = match Tethered::spawn(command) {
            Ok(process) => process,
            Err(error) if std::env::var_os("CI").is_some_and(|value| value == "true") => {
                panic!("prometheus: {error}; install Debian's package of that name")
            }
            Err(error) => {
                tell(&format!("NOT TESTED, there is no prometheus: {error}"));
                return None;
            }
        };
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        let base = format!("http://127.0.0.1:{port}");
        let prometheus = Prometheus { base, client, seen: Mutex::default(), _process: process };
        until("Prometheus is ready", async || prometheus.is_ready().await.then_some(())).await;
        Some(prometheus)
    }

    async fn is_ready(&self) -> bool {
        let asked = self.client.get(format!("{}/-/ready", self.base)).send().await;
        asked.is_ok_and(|answer| answer.status().is_success())
    }

    async fn ask(&self, path: &str, query: &[(&str, &str)]) -> Value {
        let asked =
            self.client.get(format!("{}/api/v1/{path}", self.base)).query(query).send().await.unwrap();
        let answer: Value = asked.json().await.unwrap();
        assert_eq!(answer["status"], "success", "{path} {query:?}: {answer}");
        answer["data"].clone()
    }

    /// The first value of an expression now.
    pub async fn value(&self, expression: &str) -> Option<f64> {
        let data = self.ask("query", &[("query", expression)]).await;
        data["result"][0]["value"][1].as_str()?.parse().ok()
    }

    /// All that fire, or would if what is wrong lasts.
    pub async fn alerts(&self) -> Vec<Alert> {
        let data = self.ask("alerts", &[]).await;
        let alerts: Vec<Alert> = data["alerts"].as_array().unwrap().iter().map(Alert::of).collect();
        for alert in alerts.iter().filter(|alert| alert.fires) {
            assert!(!alert.text.contains("<error"), "what people are told is broken: {}", alert.text);
            self.seen.lock().unwrap().insert(alert.name().to_owned());
        }
        alerts
    }

    /// Waits until somebody is called for this, with these labels.
    pub async fn fires(&self, name: &str, labels: &[(&str, &str)]) {
        self.wait((name, labels), true).await;
    }

    /// Waits until nobody is called for this any more.
    pub async fn ends(&self, name: &str) {
        self.wait((name, &[]), false).await;
    }

    async fn wait(&self, what: (&str, &[(&str, &str)]), wanted: bool) {
        let (name, labels) = what;
        let word = if wanted { "fires" } else { "is over" };
        let began = Instant::now();
        loop {
            let alerts = self.alerts().await;
            if alerts.iter().any(|alert| alert.fires && alert.fits(name, labels)) == wanted {
                break;
            }
            assert!(began.elapsed() < PATIENCE, "{what:?} not: {word} after {PATIENCE:?}; {alerts:#?}");
            tokio::time::sleep(LOOK).await;
        }
        tell(&format!("{name} {labels:?} {word} after {:.1} s", began.elapsed().as_secs_f64()));
    }

    /// The names of all that fired since the start.
    pub fn seen(&self) -> BTreeSet<String> {
        self.seen.lock().unwrap().clone()
    }
}
