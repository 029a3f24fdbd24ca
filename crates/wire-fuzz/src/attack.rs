//! Carries an attack out: who sends what to whom, until when, and what is noticed meanwhile. Knows the other parts by
//! name and decides nothing that they decide.
use crate::catalog::{Kind, Method};
use crate::dice::Dice;
use crate::forge::{Forge, probe};
use crate::judge;
use crate::raw;
use crate::report::{Aimed, Finding, Report, Tally};
use crate::send::Line;
use crate::shot::{Outcome, Shot};
use crate::traffic::Traffic;
use crate::watch::{Process, Watched};
use std::collections::{BTreeMap, VecDeque};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// How long one call is waited for: most of what waits by its nature is ended by us.
const PATIENCE: Duration = Duration::from_millis(1_500);
/// How long what may never end is waited for: an answer without a status is all that would come.
const SHORT_PATIENCE: Duration = Duration::from_millis(200);
/// How long the first and the last call to each port are waited for.
const LONG_PATIENCE: Duration = Duration::from_secs(20);
/// After so many calls a worker begins new connections.
const CALLS_OF_A_CONNECTION: u64 = 300;
/// Shots that are remembered by each worker, for what is noticed later.
const REMEMBERED: usize = 16;
/// Between two looks at the processes.
const LOOK: Duration = Duration::from_millis(250);
/// Before a port at which nobody answers is called that.
const SECOND_TRY: Duration = Duration::from_secs(2);

/// A port under attack.
#[derive(Debug, Clone)]
pub struct Target {
    /// What people call it.
    pub name: String,
    /// host:port.
    pub address: String,
}

/// How to attack.
pub struct Plan {
    /// Of all chance.
    pub seed: u64,
    /// How long.
    pub duration: Duration,
    /// Workers that call; one more sends raw bytes.
    pub workers: u64,
    /// Whom.
    pub targets: Vec<Target>,
    /// Who is watched.
    pub processes: Vec<Process>,
    /// How much memory each of them may hold, in bytes.
    pub memory_limit: u64,
    /// What calls are made of.
    pub forge: Forge,
    /// Good traffic beside it.
    pub traffic: Option<Traffic>,
}

/// What an attack has done so far, for a progress bar.
#[derive(Debug, Default)]
pub struct Progress {
    /// Calls and raw attacks.
    pub sent: AtomicU64,
    /// Findings.
    pub found: AtomicU64,
}

type Recent = Arc<Mutex<VecDeque<Aimed>>>;

/// What all workers share.
struct Field {
    seed: u64,
    forge: Forge,
    targets: Vec<Target>,
    /// Which methods which target serves: places in both lists.
    served: Vec<(usize, Method)>,
    tally: Mutex<Tally>,
    progress: Arc<Progress>,
    over: AtomicBool,
    until: Instant,
}

/// The attack could not begin.
#[derive(Debug, thiserror::Error)]
pub enum AttackError {
    /// No target answers to any of our methods.
    #[error("none of the targets serves anything of ours")]
    NothingServed,
    /// A port does not answer at all.
    #[error("{0} at {1} does not answer: {2}")]
    Unreachable(String, String, String),
}

/// Attacks until the time is over, then looks whether everybody is still there.
///
/// # Errors
/// A target does not answer before the attack.
pub async fn attack(plan: Plan, progress: Arc<Progress>) -> Result<Report, AttackError> {
    let began = Instant::now();
    let served = served(&plan).await?;
    let Plan { seed, duration, workers, targets, processes, memory_limit, forge, traffic } = plan;
    let until = Instant::now() + duration;
    let (tally, over) = (Mutex::default(), AtomicBool::new(false));
    let field = Arc::new(Field { seed, forge, targets, served, tally, progress, over, until });
    let recents: Vec<Recent> = (0..=workers).map(|_| Recent::default()).collect();
    let good = traffic.map(|traffic| {
        let field = Arc::clone(&field);
        tokio::spawn(async move { traffic.run(|| field.is_over(), field.seed).await })
    });
    let watched = processes.into_iter().map(|process| Watched::from_now(process, memory_limit)).collect();
    let watch = tokio::spawn(watch(Arc::clone(&field), watched, recents.clone()));
    let mut tasks = tokio::task::JoinSet::new();
    for (worker, recent) in (0..workers).zip(&recents) {
        tasks.spawn(call(Arc::clone(&field), worker, Arc::clone(recent)));
    }
    if let Some(recent) = recents.last() {
        tasks.spawn(throw(Arc::clone(&field), workers, Arc::clone(recent)));
    }
    while tasks.join_next().await.is_some() {}
    field.over.store(true, Ordering::Relaxed);
    field.still_there().await;
    let good = match good {
        Some(good) => good.await.ok(),
        None => None,
    };
    let processes = watch.await.unwrap_or_default();
    for why in good.iter().flat_map(|served| &served.failed) {
        field.find("good traffic", why.clone(), "checkout", None, Vec::new());
    }
    let tally = std::mem::take(&mut *field.tally());
    let mut report = tally.report(seed, began.elapsed().as_secs_f64());
    report.processes = processes.iter().map(Watched::seen).collect();
    report.good_traffic = good;
    Ok(report)
}

/// Sends the shots of a finding again, one after the other, and tells what must not be.
///
/// # Errors
/// A shot's target is none of these.
pub async fn replay(
    finding: &Finding,
    targets: &[Target],
    forge: &Forge,
) -> Result<Vec<(Outcome, Option<String>)>, AttackError> {
    let mut outcomes = Vec::new();
    for Aimed { target, shot } in &finding.shots {
        let missing =
            || AttackError::Unreachable(target.clone(), "no address".to_owned(), "not named".to_owned());
        let target = targets.iter().find(|one| one.name == *target).ok_or_else(missing)?;
        let (kind, outcome) = match shot {
            Shot::Call(call) => {
                let kind = forge.catalog.method(call.path.trim_start_matches('/'));
                let kind = kind.map_or(Kind::Direct, |method| method.kind);
                (kind, Line::to(&target.address).send(call, LONG_PATIENCE).await)
            }
            Shot::Raw(raw) => (Kind::Direct, raw::play(&target.address, raw).await),
        };
        let breach = judge::breach(kind, &outcome);
        outcomes.push((outcome, breach));
    }
    Ok(outcomes)
}

/// Which methods each target serves, found by asking.
async fn served(plan: &Plan) -> Result<Vec<(usize, Method)>, AttackError> {
    let mut served = Vec::new();
    for (at, target) in plan.targets.iter().enumerate() {
        let mut line = Line::to(&target.address);
        let mut answers: BTreeMap<String, bool> = BTreeMap::new();
        for method in plan.forge.catalog.methods() {
            if !answers.contains_key(method.service()) {
                let outcome = line.send(&probe(&method.path), LONG_PATIENCE).await;
                if let Outcome::Unreachable(why) | Outcome::Broken(why) = outcome {
                    let Target { name, address } = target.clone();
                    return Err(AttackError::Unreachable(name, address, why));
                }
                answers.insert(method.service().to_owned(), outcome.label() != "UNIMPLEMENTED");
            }
            if answers[method.service()] {
                served.push((at, method.clone()));
            }
        }
    }
    if served.is_empty() { Err(AttackError::NothingServed) } else { Ok(served) }
}

/// One worker that calls.
async fn call(field: Arc<Field>, worker: u64, recent: Recent) {
    let mut dice = Dice::new(field.seed, worker);
    let mut lines: Vec<Line> = field.targets.iter().map(|target| Line::to(&target.address)).collect();
    let mut sent = 0_u64;
    while Instant::now() < field.until {
        let (at, method) = &field.served[dice.below(field.served.len())];
        let (line, target) = (&mut lines[*at], &field.targets[*at]);
        let shot = field.forge.call(method, &mut dice);
        let aimed = Aimed { target: target.name.clone(), shot: Shot::Call(shot.clone()) };
        remember(&recent, aimed.clone());
        let endless = method.streams || !shot.ends;
        let mut outcome = line.send(&shot, if endless { SHORT_PATIENCE } else { PATIENCE }).await;
        if matches!(outcome, Outcome::Unreachable(_)) {
            tokio::time::sleep(SECOND_TRY).await;
            outcome = line.send(&shot, LONG_PATIENCE).await;
        }
        let breach = judge::breach(method.kind, &outcome);
        field.counted(&method.path, judge::label(&outcome, breach.as_ref()));
        if let Some(why) = breach {
            field.find(&target.name, why, &method.path, Some(outcome), vec![aimed]);
        }
        sent += 1;
        if sent.is_multiple_of(CALLS_OF_A_CONNECTION) {
            lines.iter_mut().for_each(Line::hang_up);
        }
    }
}

/// The worker that throws bytes.
async fn throw(field: Arc<Field>, worker: u64, recent: Recent) {
    let mut dice = Dice::new(field.seed, worker);
    while Instant::now() < field.until {
        let target = &field.targets[dice.below(field.targets.len())];
        let shot = raw::attack(&mut dice);
        let aimed = Aimed { target: target.name.clone(), shot: Shot::Raw(shot.clone()) };
        remember(&recent, aimed.clone());
        let mut outcome = raw::play(&target.address, &shot).await;
        if matches!(outcome, Outcome::Unreachable(_)) {
            tokio::time::sleep(SECOND_TRY).await;
            outcome = raw::play(&target.address, &shot).await;
        }
        let what = format!("raw: {}", shot.name);
        let breach = judge::breach(Kind::Direct, &outcome);
        field.counted(&what, judge::label(&outcome, breach.as_ref()));
        if let Some(why) = breach {
            field.find(&target.name, why, &what, Some(outcome), vec![aimed]);
        }
    }
}

/// Looks at the processes until the attack is over, and once more.
async fn watch(field: Arc<Field>, mut watched: Vec<Watched>, recents: Vec<Recent>) -> Vec<Watched> {
    loop {
        let last = field.is_over();
        for process in &mut watched {
            let name = process.name().to_owned();
            for why in process.look() {
                let shots =
                    recents.iter().flat_map(|recent| locked(recent).iter().cloned().collect::<Vec<_>>());
                field.find(&name, why, "", None, shots.filter(|aimed| aimed.target == name).collect());
            }
        }
        if last {
            return watched;
        }
        tokio::time::sleep(LOOK).await;
    }
}

fn remember(recent: &Recent, aimed: Aimed) {
    let mut recent = locked(recent);
    if recent.len() == REMEMBERED {
        recent.pop_front();
    }
    recent.push_back(aimed);
}

/// Nobody panics while holding one of ours; and if, the list is still a list.
fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Field {
    fn tally(&self) -> MutexGuard<'_, Tally> {
        locked(&self.tally)
    }

    fn is_over(&self) -> bool {
        self.over.load(Ordering::Relaxed)
    }

    fn counted(&self, what: &str, label: String) {
        self.tally().count(what, label);
        self.progress.sent.fetch_add(1, Ordering::Relaxed);
    }

    fn find(&self, target: &str, why: String, what: &str, outcome: Option<Outcome>, shots: Vec<Aimed>) {
        let (target, what) = (target.to_owned(), what.to_owned());
        let mut tally = self.tally();
        tally.find(Finding { target, why, seed: self.seed, what, outcome, shots });
        self.progress.found.store(tally.found(), Ordering::Relaxed);
    }

    /// After the attack every port must answer an orderly call.
    async fn still_there(&self) {
        let shot = probe("grpc.health.v1.Health/Check");
        for target in &self.targets {
            let outcome = Line::to(&target.address).send(&shot, LONG_PATIENCE).await;
            if !matches!(outcome, Outcome::Status { .. }) {
                let why = format!("after the attack it answers {}", outcome.label());
                self.find(&target.name, why, "", Some(outcome), Vec::new());
            }
        }
    }
}
