//! One run from the start of the system to its end: load, faults in their turn, rest, verdict. Knows which step follows
//! which; each step is another module's.
use crate::error::ChaosError;
use crate::judge::{self, Findings, told};
use crate::links::Links;
use crate::load::{Load, Progress};
use crate::plan::{self, Strike};
use crate::report::{self, Report, Struck, millis};
use crate::settings::Settings;
use crate::{dump, market, strike};
use amends_stack::{Restarts, Role, Stack, StackConfig};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, SystemTime};
use tokio::sync::watch;
use tokio::time::{Instant, timeout_at};

/// No end of a checkout for so long under load: something is stuck. That is 30 s more than the longest fault.
const STUCK: Duration = Duration::from_secs(40);
/// So many checkouts end between two faults at least, so that each strikes a system at work.
const ENDS_BETWEEN: u64 = 7;

/// The PSP and the gateway lose patience sooner than in earnest, so that unknown outcomes fit into a run.
pub const IMPATIENT_GATEWAY: [&str; 6] = [
    "--psp-timeout-ms",
    "1000",
    "--query-schedule",
    "200ms,500ms,1s,1s,2s,2s,2s,2s,2s,2s,2s,2s",
    "--psp-queries-per-s",
    "200",
];

/// What runs, and where everything is kept.
#[derive(Debug, Clone)]
pub struct Place {
    /// The `amends` binary.
    pub program: PathBuf,
    /// An empty folder.
    pub folder: PathBuf,
}

/// How far a run is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Now {
    /// What is being done, in words.
    pub doing: String,
    /// Checkouts that have ended.
    pub ended: u64,
    /// Faults that have struck.
    pub struck: usize,
}

/// Carries out a run and tells `now` how far it is. What is wrong with the system is in the report.
///
/// # Errors
/// The run itself could not be carried out.
pub async fn run(settings: &Settings, place: &Place, now: &watch::Sender<Now>) -> Result<Report, ChaosError> {
    let began = Instant::now();
    doing(now, "starting");
    let mut links = Links::open(&settings.kinds, settings.seed).await?;
    let stack = Stack::start(links.between(config(settings, place))).await?;
    links.lead_to(&stack)?;
    market::open(&stack).await?;
    let load = Load::new(&links.of_clients(&stack), settings, &place.folder.join("witness"))?;
    let clients = load.run(settings.clients());
    let mut course = Course { stack: &stack, load: &load, settings, now, struck: Vec::new() };
    let struck = course.strike_all(&mut links).await;
    let strikes = course.struck;
    load.stop();
    links.clear().await;
    let off = (Instant::now(), SystemTime::now());
    doing(now, "waiting for quiet");
    let mut failures: Vec<String> = struck.err().into_iter().collect();
    failures.extend(judge::all_came_back(&strikes));
    failures.extend(judge::all_end(&load, clients).await.err());
    let targets = judge::targets(&stack).await?;
    failures.extend(judge::comes_to_rest(&targets, judge::SOON).await.err());
    let quiet = off.0.elapsed();
    doing(now, "judging");
    let mut findings = judge::judge(&load, &targets).await;
    findings.failures.splice(0..0, failures);
    let mut report = Report::new(settings, &targets.coordinator, *load.progress().borrow());
    report.quiet_ms = millis(quiet);
    report.final_ms = millis(report::last_end(&findings.transactions, off.1));
    report.elapsed_ms = millis(began.elapsed());
    fill(&mut report, &findings, strikes, &load);
    if !report.ok {
        dump::dump(&place.folder, &stack, &load, &findings, &report).await?;
    }
    stack.stop().await;
    Ok(report)
}

fn config(settings: &Settings, place: &Place) -> StackConfig {
    let config = StackConfig::new(&place.program, place.folder.join("stack"));
    config
        .restarts(Restarts::ByHand)
        .coordinator(settings.coordinator)
        .args(Role::Gateway, IMPATIENT_GATEWAY)
        .args(Role::Psp, ["--seed", &settings.seed.to_string(), "--profile", &settings.psp_profile])
}

fn fill(report: &mut Report, findings: &Findings, strikes: Vec<Struck>, load: &Load) {
    report.struck = report::by_victim(&strikes);
    report.back_ms = strikes.iter().map(|struck| struck.back_ms).max().unwrap_or(0);
    let counted =
        |struck: Struck| Struck { open: report::open_at(&findings.transactions, struck.between), ..struck };
    report.strikes = strikes.into_iter().map(counted).collect();
    report.ends = report::ends(&findings.transactions);
    report.timeline = load.ends();
    report.latency_ms = report::Latency::of(&report.timeline);
    report.in_doubt.clone_from(&findings.in_doubt);
    report.checkers.clone_from(&findings.checkers);
    report.failures.clone_from(&findings.failures);
    report.ok = report.is_clean();
}

fn doing(now: &watch::Sender<Now>, what: &str) {
    now.send_modify(|now| now.doing = what.to_owned());
}

/// The faults of a run in their turn.
struct Course<'r> {
    stack: &'r Stack,
    load: &'r Arc<Load>,
    settings: &'r Settings,
    now: &'r watch::Sender<Now>,
    struck: Vec<Struck>,
}

impl Course<'_> {
    /// Lets every fault of the plan strike, and waits until enough was ordered. An error in words: the system does not
    /// go on.
    async fn strike_all(&mut self, links: &mut Links) -> Result<(), String> {
        let plan = plan::plan(self.settings, self.stack.coordinator());
        for (number, Strike { at_end, fault }) in (1..).zip(plan) {
            doing(self.now, &fault.to_string());
            let enough = at_end.max(self.load.progress().borrow().ended + ENDS_BETWEEN);
            let open = self.settings.open_wanted();
            self.until(|now| now.ended >= enough && now.open >= open).await?;
            let (at, before) = (self.load.elapsed(), SystemTime::now());
            let fallen = strike::strike(self.stack, links, fault).await;
            let fallen = fallen.map_err(|error| format!("fault {number}, {fault}: {}", told(&error)))?;
            self.struck.push(report::struck(number, at_end, fault, at, (before, fallen)));
            self.now.send_modify(|now| now.struck = number);
        }
        doing(self.now, "ordering the rest");
        let checkouts = self.settings.checkouts;
        self.until(|now| now.started >= checkouts).await
    }

    /// Waits until clients are so far. An error when nothing has ended for long.
    async fn until(&self, ripe: impl Fn(&Progress) -> bool) -> Result<(), String> {
        let mut progress = self.load.progress();
        let (mut last, mut ended) = (Instant::now(), 0);
        loop {
            let seen = *progress.borrow_and_update();
            if seen.ended > ended {
                (last, ended) = (Instant::now(), seen.ended);
                self.now.send_modify(|now| now.ended = ended);
            }
            if ripe(&seen) {
                return Ok(());
            }
            if timeout_at(last + STUCK, progress.changed()).await.is_err() {
                let seconds = STUCK.as_secs();
                return Err(format!("nothing has ended for {seconds} s: {}", self.load.stuck().await));
            }
        }
    }
}
