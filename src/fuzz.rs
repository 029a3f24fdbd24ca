//! `amends fuzz`: attacks every port of a system with odd requests and raw bytes, watches its processes, and lets the
//! checkers judge what is left. Knows how a system is started and asked; the attack itself is a crate of its own.
use crate::coordinator::{self, CoordinatorArg};
use crate::exit::Exit;
use crate::output::{Format, Paint, Tone, print_json, print_text, table};
use amends_checkers::{Snapshot, Targets};
use amends_dtm::plan_mac::PlanMacKey;
use amends_stack::{Restarts, Role, Stack, StackConfig};
use amends_wire_fuzz::{Catalog, Finding, Forge, Known, Plan, Process, Progress, Report, Target, Traffic};
use anyhow::Context as _;
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

/// How long open global transactions may take to end afterwards; those that hostile steps keep open are not judged.
const QUIET_TIMEOUT: Duration = Duration::from_secs(20);
/// How often everything is read: a breach counts if each reading shows it.
const READINGS: u32 = 3;
/// Between two readings.
const READING_PAUSE: Duration = Duration::from_millis(500);
/// Between two looks of the progress bar.
const TICK: Duration = Duration::from_millis(200);

/// Attacks every port with odd requests and raw HTTP/2 bytes, beside good traffic, and judges what comes back
///
/// A finding is a panic, a status INTERNAL or UNKNOWN that no contract names, a process that ends or grows too large,
/// a good checkout that fails, or a breach of an invariant afterwards. Exit 1 if there is one.
#[derive(Debug, clap::Args)]
pub struct Fuzz {
    /// How long to attack, e.g. 180s or 3m
    #[arg(long, value_name = "TIME", default_value = "1m", value_parser = duration)]
    duration: Duration,
    /// Repeats the attack of an earlier run [default: any]
    #[arg(long, value_name = "N")]
    seed: Option<u64>,
    /// Attack these ports only [default: a whole system in a temporary folder, removed at the end]
    #[arg(long, value_name = "HOST:PORT", value_delimiter = ',', conflicts_with = "coordinator")]
    target: Vec<String>,
    /// Key of plan MACs, so that branch calls get past the door of --target
    #[arg(long, env = "AMENDS_PLAN_MAC_KEY_FILE", value_name = "FILE")]
    plan_mac_key_file: Option<PathBuf>,
    /// Workers that call; one more throws raw bytes
    #[arg(long, value_name = "N", default_value_t = 4, value_parser = clap::value_parser!(u64).range(1..=64))]
    workers: u64,
    /// Resident memory that no process may exceed
    #[arg(long, value_name = "MIB", default_value_t = 512)]
    memory: u64,
    /// Where findings are kept, one file each
    #[arg(long, value_name = "DIR", default_value = "fuzz-findings")]
    out: PathBuf,
    /// Send the requests of a finding again instead
    #[arg(long, value_name = "FILE", conflicts_with_all = ["duration", "seed"])]
    replay: Option<PathBuf>,
    #[command(flatten)]
    coordinator: CoordinatorArg,
}

/// A few letters that keep the shops of two runs on one system apart.
fn run_name() -> String {
    let text = uuid::Uuid::now_v7().simple().to_string();
    text[text.len() - 10..].to_owned()
}

/// `180`, `180s` or `3m`.
fn duration(text: &str) -> Result<Duration, String> {
    let (number, unit) = match text.strip_suffix('m') {
        Some(minutes) => (minutes, 60),
        None => (text.strip_suffix('s').unwrap_or(text), 1),
    };
    let seconds = number.parse::<u64>().ok().and_then(|number| number.checked_mul(unit));
    seconds
        .filter(|seconds| (1..=86_400).contains(seconds))
        .map(Duration::from_secs)
        .ok_or_else(|| format!("`{text}` is none of 180s, 3m, up to a day"))
}

impl Fuzz {
    /// Runs the verb.
    pub async fn run(self, format: Format) -> anyhow::Result<Exit> {
        if !self.target.is_empty() {
            let field = Field::of_targets(&self)?;
            return self.on(field, format).await;
        }
        let folder = tempfile::Builder::new().prefix("amends-fuzz-").tempdir().context("make a folder")?;
        let stack = Stack::start(self.config(folder.path())?).await.context("start the system")?;
        coordinator::tell(&stack);
        let field = Field::of_stack(&stack)?;
        let outcome = tokio::select! {
            outcome = self.on(field, format) => outcome,
            () = amends_serve::shutdown::signal() => Err(anyhow::anyhow!("stopped before its end")),
        };
        stack.stop().await;
        outcome
    }

    /// Processes that end stay down, so that their end is seen; unknown payments are asked about soon.
    fn config(&self, folder: &Path) -> anyhow::Result<StackConfig> {
        let program = std::env::current_exe().context("find this program")?;
        let mut config = StackConfig::new(program, folder).coordinator(self.coordinator.into());
        config = config.restarts(Restarts::ByHand);
        Ok(config.args(Role::Gateway, ["--query-schedule", "300ms,500ms,1s,2s,2s,5s"]))
    }

    async fn on(&self, field: Field, format: Format) -> anyhow::Result<Exit> {
        match &self.replay {
            Some(file) => replay(file, &field, format).await,
            None => self.attack(field, format).await,
        }
    }

    async fn attack(&self, field: Field, format: Format) -> anyhow::Result<Exit> {
        let seed = self.seed.unwrap_or_else(|| uuid::Uuid::now_v7().as_u64_pair().1 >> 16);
        eprintln!("seed {seed}");
        let targets = match &field.orchestrator {
            Some(address) => Targets::from_topology(address).await.ok(),
            None => None,
        };
        let (traffic, known) = match (&field.orchestrator, &targets) {
            (Some(address), Some(_)) => {
                let mut traffic = Traffic::prepare(address, &run_name()).await?;
                let known = traffic.known(seed).await?;
                (Some(traffic), known)
            }
            _ => (None, Known::default()),
        };
        let forge = Forge { known, ..field.forge(self.key()?)? };
        let plan = Plan {
            seed,
            duration: self.duration,
            workers: self.workers,
            targets: field.targets,
            processes: field.processes,
            memory_limit: self.memory << 20,
            forge,
            traffic,
        };
        let report = with_bar(plan, self.duration).await?;
        let breaches = match &targets {
            Some(targets) => breaches(targets).await?,
            None => Vec::new(),
        };
        let files = report.save(&self.out).context("keep the findings")?;
        tell(&report, &breaches, &files, format)?;
        Ok(if report.findings.is_empty() && breaches.is_empty() { Exit::Ok } else { Exit::Unsound })
    }

    fn key(&self) -> anyhow::Result<Option<PlanMacKey>> {
        let file = self.plan_mac_key_file.as_deref();
        file.map(PlanMacKey::from_file).transpose().context("--plan-mac-key-file")
    }
}

/// What is attacked.
struct Field {
    targets: Vec<Target>,
    processes: Vec<Process>,
    /// Whom good traffic and checkers ask; may turn out to be none.
    orchestrator: Option<String>,
    key_file: Option<PathBuf>,
}

impl Field {
    /// Every port of ours; DTM's is not ours to mend.
    fn of_stack(stack: &Stack) -> anyhow::Result<Field> {
        let ours: Vec<Role> = stack.roles().filter(|role| *role != Role::Dtm).collect();
        let target = |role: &Role| Target { name: role.to_string(), address: stack.address(*role) };
        let mut targets: Vec<Target> = ours.iter().map(target).collect();
        let relay = format!("127.0.0.1:{}", stack.ports().relay);
        targets.push(Target { name: "relay".to_owned(), address: relay });
        let process = |role: &Role| {
            let pid = stack.pid(*role).with_context(|| format!("{role} does not run"))?;
            Ok(Process { name: role.to_string(), pid, log: stack.log(*role) })
        };
        let processes = ours.iter().map(process).collect::<anyhow::Result<_>>()?;
        let orchestrator = Some(stack.address(Role::Orchestrator));
        Ok(Field { targets, processes, orchestrator, key_file: Some(stack.key_file()) })
    }

    /// Ports of somebody else's system; the first may be an orchestrator.
    fn of_targets(fuzz: &Fuzz) -> anyhow::Result<Field> {
        let target = |text: &String| match text.split_once('=') {
            Some((name, address)) => Target { name: name.to_owned(), address: address.to_owned() },
            None => Target { name: text.clone(), address: text.clone() },
        };
        let targets: Vec<Target> = fuzz.target.iter().map(target).collect();
        let orchestrator = targets.first().map(|target| target.address.clone());
        Ok(Field { targets, processes: Vec::new(), orchestrator, key_file: None })
    }

    fn forge(&self, key: Option<PlanMacKey>) -> anyhow::Result<Forge> {
        let own = self.key_file.as_deref().map(PlanMacKey::from_file).transpose()?;
        Ok(Forge { catalog: Arc::new(Catalog::read()?), key: key.or(own), known: Known::default() })
    }
}

/// Attacks with a progress bar on standard error.
async fn with_bar(plan: Plan, duration: Duration) -> anyhow::Result<Report> {
    let bar = ProgressBar::new(duration.as_secs());
    let style = ProgressStyle::with_template("{bar:32} {elapsed}/{len}s {msg}");
    bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
    let progress = Arc::new(Progress::default());
    let attack = amends_wire_fuzz::attack(plan, Arc::clone(&progress));
    tokio::pin!(attack);
    let report = loop {
        match tokio::time::timeout(TICK, &mut attack).await {
            Ok(report) => break report,
            Err(_) => {
                bar.set_position(bar.elapsed().as_secs());
                let (sent, found) =
                    (progress.sent.load(Ordering::Relaxed), progress.found.load(Ordering::Relaxed));
                bar.set_message(format!("{sent} sent, {found} findings"));
            }
        }
    };
    bar.finish_and_clear();
    Ok(report?)
}

/// What the checkers find afterwards, if it lasts.
async fn breaches(targets: &Targets) -> anyhow::Result<Vec<String>> {
    // What hostile steps keep open is no breach; what is open is not judged.
    amends_checkers::wait_quiet(targets, QUIET_TIMEOUT).await.context("wait for quiet")?;
    let mut report = judged(targets).await?;
    for _ in 1..READINGS {
        if report.is_clean() {
            break;
        }
        tokio::time::sleep(READING_PAUSE).await;
        report = judged(targets).await?.lasting(&report);
    }
    let violations = report.violations();
    Ok(violations.iter().map(|one| format!("{} {}: {}", one.checker.id(), one.subject, one.text)).collect())
}

async fn judged(targets: &Targets) -> anyhow::Result<amends_checkers::Report> {
    let mut snapshot = amends_checkers::read(targets).await.context("read what the checkers judge")?;
    without_foreign_charges(&mut snapshot);
    Ok(amends_checkers::judge(&snapshot))
}

/// The fuzzer also charges cards at the provider by itself, as any other merchant may: not ours to account for.
fn without_foreign_charges(snapshot: &mut Snapshot) {
    let ours: BTreeSet<String> = snapshot.attempts.iter().map(|one| one.psp_request_id.clone()).collect();
    let orders: BTreeSet<String> = snapshot.payments.iter().map(|one| one.order_id.clone()).collect();
    snapshot.facts.retain(|fact| {
        let follows = !fact.original_request_id.is_empty() && ours.contains(&fact.original_request_id);
        ours.contains(&fact.psp_request_id) || follows || orders.contains(&fact.order_id)
    });
}

fn tell(report: &Report, breaches: &[String], files: &[PathBuf], format: Format) -> anyhow::Result<()> {
    let ok = report.findings.is_empty() && breaches.is_empty();
    match format {
        Format::Json => {
            let mut value = serde_json::to_value(report)?;
            let more = json!({"ok": ok, "totals": report.totals(), "violations": breaches, "files": files});
            if let (Value::Object(value), Value::Object(more)) = (&mut value, more) {
                value.extend(more);
            }
            print_json(&value)
        }
        Format::Text => print_text(&text(report, breaches, files, Paint::detect())),
    }
}

fn text(report: &Report, breaches: &[String], files: &[PathBuf], paint: Paint) -> String {
    let rows = report.counts.iter().map(|(what, outcomes)| {
        let outcomes: Vec<String> =
            outcomes.iter().map(|(label, count)| format!("{label} {count}")).collect();
        vec![what.clone(), outcomes.join(" · ")]
    });
    let mut text = table(&["method or attack", "what came back"], &[], rows.collect());
    let rows = report.processes.iter().map(|seen| {
        let alive = if seen.alive { "yes" } else { "NO" };
        let peak = format!("{} MiB", seen.peak_rss_bytes >> 20);
        vec![seen.name.clone(), alive.to_owned(), peak, seen.panics.to_string()]
    });
    text += &format!(
        "\n{}",
        table(&["process", "alive", "peak memory", "panics"], &["peak memory", "panics"], rows.collect())
    );
    if let Some(good) = &report.good_traffic {
        let failed = good.failed.len();
        let _ = writeln!(
            text,
            "\ngood checkouts: {} succeeded, {failed} failed; half within {} ms, the longest {} ms",
            good.succeeded, good.p50_ms, good.longest_ms
        );
    }
    for finding in &report.findings {
        let _ = writeln!(
            text,
            "{} {} {}: {}",
            paint.tone(Tone::Bad, "finding"),
            finding.target,
            finding.what,
            finding.why
        );
    }
    for breach in breaches {
        let _ = writeln!(text, "{} {breach}", paint.tone(Tone::Bad, "violation"));
    }
    for file in files {
        let _ = writeln!(text, "kept in {}: send it again with --replay", file.display());
    }
    let (seed, sent, seconds) = (report.seed, report.sent, report.elapsed_s);
    let found = report.findings.len() + breaches.len();
    let tone = if found == 0 { Tone::Good } else { Tone::Bad };
    let verdict = paint.tone(tone, &format!("{found} findings"));
    let _ = writeln!(text, "{verdict} in {sent} shots, {seconds:.0} s, seed {seed}");
    text
}

/// Sends the shots of a finding again.
async fn replay(file: &Path, field: &Field, format: Format) -> anyhow::Result<Exit> {
    let bytes = std::fs::read(file).with_context(|| format!("read {}", file.display()))?;
    let finding: Finding =
        serde_json::from_slice(&bytes).with_context(|| format!("{} is no finding", file.display()))?;
    let mut targets = field.targets.clone();
    if let [only] = field.targets.as_slice() {
        // One port is given: it is meant for all of them.
        let names: BTreeSet<&String> = finding.shots.iter().map(|aimed| &aimed.target).collect();
        let aim = |name: &String| Target { name: name.clone(), address: only.address.clone() };
        targets = names.into_iter().map(aim).collect();
    }
    let outcomes = amends_wire_fuzz::replay(&finding, &targets, &field.forge(None)?).await?;
    let still = outcomes.iter().any(|(_, breach)| breach.is_some());
    match format {
        Format::Json => print_json(&json!({
            "ok": !still,
            "shots": outcomes.iter().map(|(outcome, breach)| json!({"outcome": outcome, "breach": breach})).collect::<Vec<_>>(),
        }))?,
        Format::Text => {
            for (outcome, breach) in &outcomes {
                let verdict = breach.as_deref().unwrap_or("as it may be");
                print_text(&format!("{}: {verdict}\n", outcome.label()))?;
            }
        }
    }
    Ok(if still { Exit::Unsound } else { Exit::Ok })
}

#[cfg(test)]
mod tests {
    use super::{duration, without_foreign_charges};
    use amends_checkers::Snapshot;
    use amends_proto::pay::gateway::v1::{Attempt, Payment};
    use amends_proto::pay::psp::v1::Fact;
    use std::time::Duration;

    #[test]
    fn durations_are_read() {
        assert_eq!(duration("180s"), Ok(Duration::from_secs(180)));
        assert_eq!(duration("3m"), Ok(Duration::from_secs(180)));
        assert_eq!(duration("7"), Ok(Duration::from_secs(7)));
        for wrong in ["", "0", "3h", "m", "-1s", "99999999999999999999m", "2d", "86401"] {
            assert!(duration(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn only_charges_of_other_merchants_are_left_out() {
        let fact = |id: &str, original: &str, order: &str| Fact {
            psp_request_id: id.into(),
            original_request_id: original.into(),
            order_id: order.into(),
            ..Default::default()
        };
        let mut snapshot = Snapshot {
            attempts: vec![Attempt { psp_request_id: "a".into(), ..Default::default() }],
            payments: vec![Payment { order_id: "o".into(), ..Default::default() }],
            facts: vec![
                fact("a", "", "o"),
                fact("b", "a", "x"),
                fact("c", "", "o"),
                fact("d", "", "foreign"),
                fact("e", "d", "foreign"),
            ],
            ..Default::default()
        };
        without_foreign_charges(&mut snapshot);
        let left: Vec<&str> = snapshot.facts.iter().map(|fact| fact.psp_request_id.as_str()).collect();
        assert_eq!(left, ["a", "b", "c"]);
    }
}
