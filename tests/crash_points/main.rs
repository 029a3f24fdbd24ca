//! Every crash point once: real processes and the real DTM server at work, each made to die by its own hand at each of its
//! points and started again. Everything ends, whatever was acknowledged is there, no invariant is broken; a point at which
//! nobody died fails the run. Needs the feature `crash-points`.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod clerk;
mod doubter;
mod grumbler;
mod patience;
mod provoke;
#[path = "../../orchestrator/tests/attention/receiver.rs"]
#[allow(dead_code, reason = "shared with the orchestrator's own tests, which use all of it")]
mod receiver;
mod round;
mod victims;

use amends_chaos::{IMPATIENT_GATEWAY, Load, Settings};
use amends_crash_points::FOLDER;
use amends_stack::{CoordinatorChoice, Restarts, Role, Stack, StackConfig};
use amends_testkit::{Must as _, until, within};
use clerk::Clerk;
use doubter::Doubters;
use grumbler::{Grumbler, Scene};
use round::Round;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use victims::Victim;

/// The command under test, in a build that has the points.
const AMENDS: &str = env!("CARGO_BIN_EXE_amends");
/// Set this to the printed seed to order the same again.
const SEED: &str = "AMENDS_TEST_SEED";
/// Checkouts in flight: enough that every kind of call is soon under way, few enough for two cores.
const CLIENTS: usize = 12;
/// Harmless, and enough to make the provider count calls.
const PSP_PROFILE: &str = "slow(10ms)=0.1";
/// Often, so that its calls are many.
const AUDIT_INTERVAL_MS: &str = "500";

/// Says something even when the test passes.
fn tell(line: &str) {
    use std::io::Write as _;
    // A closed standard error is nobody's loss.
    let _ = writeln!(std::io::stderr(), "crash points: {line}");
}

fn seed() -> u64 {
    match std::env::var(SEED) {
        Ok(text) => text.parse().unwrap_or_else(|_| panic!("{SEED}={text} is no number")),
        Err(_) => amends_chaos::fresh_seed(),
    }
}

/// The folder in which the processes of a role look for what they are to die at.
fn folder_of(points: &Path, role: Role) -> PathBuf {
    points.join(role.as_str())
}

fn archive(folder: &Path) -> PathBuf {
    folder.join("archive")
}

async fn stack(folder: &Path, seed: u64, scene: &Scene) -> Stack {
    let mut config = StackConfig::new(AMENDS, folder.join("stack"))
        .restarts(Restarts::ByHand)
        .coordinator(CoordinatorChoice::Dtm)
        .args(Role::Gateway, IMPATIENT_GATEWAY)
        .args(Role::Psp, ["--seed", &seed.to_string(), "--profile", PSP_PROFILE])
        .args(Role::Orchestrator, ["--audit-interval-ms", AUDIT_INTERVAL_MS])
        .args(Role::Orchestrator, ["--retain", "1h", "--retention-interval-ms", "1000", "--archive"])
        .args(Role::Orchestrator, [archive(folder).to_str().unwrap()])
        .args(Role::Orchestrator, scene.flags(folder));
    for role in Role::ALL {
        let points = folder_of(&folder.join("points"), role);
        std::fs::create_dir_all(&points).unwrap();
        config = config.env(role, FOLDER, points.to_str().unwrap());
    }
    Stack::start(config).await.must("start a system")
}

/// For everything to be final at DTM, too. Whoever starts after a crash between an end and telling DTM of it tells it.
const REST: Duration = Duration::from_secs(60);

#[tokio::test(flavor = "multi_thread")]
async fn whoever_dies_at_whichever_point_nothing_is_lost() {
    let began = Instant::now();
    let seed = seed();
    tell(&format!("seed {seed} ({SEED})"));
    let folder = tempfile::tempdir().unwrap();
    let scene = Scene::set().await;
    let stack = stack(folder.path(), seed, &scene).await;
    amends_chaos::open_market(&stack).await.must("open the market");
    let address = stack.address(Role::Orchestrator);
    let load = Load::new(&address, &Settings::new(seed), &folder.path().join("witness")).must("order");
    let clients = load.run(CLIENTS);
    let clerk = Clerk::begin(&stack);
    let grumbler = Grumbler::begin(scene, &address, &load);
    let doubters = Doubters::begin(&address, &load, seed);

    let (victims, points) = (victims::all(), folder.path().join("points"));
    // The orchestrator dies beside the others: whoever comes back meets one that has just come back itself.
    let (first, others): (Vec<Victim>, Vec<Victim>) =
        victims.iter().copied().partition(|victim| victim.role == Role::Orchestrator);
    let round = Round { stack: &stack, points: &points };
    let (first, others) = tokio::join!(round.all_die(first), round.all_die(others));
    let mut wrong: Vec<String> = first.into_iter().chain(others).collect();
    tell(&format!("{} points, {} s", victims.len(), began.elapsed().as_secs()));

    load.stop();
    let acknowledged = within("the clerk ends", clerk.end()).await;
    wrong.extend(doubters.end().await);
    within("the needs end", grumbler.end()).await;
    wrong.extend(amends_chaos::all_end(&load, clients).await.err());
    let targets = amends_chaos::targets(&stack).await.must("find everybody");
    wrong.extend(amends_chaos::comes_to_rest(&targets, REST).await.err());
    let kept = archive(folder.path());
    until("the archive has what was made up", async || {
        provoke::not_archived_once(&kept).await.is_empty().then_some(())
    })
    .await;
    let findings = amends_chaos::judge(&load, &targets).await;
    wrong.extend(findings.failures);
    wrong.extend(acknowledged.missing(&stack).await);
    wrong.extend(provoke::not_archived_once(&kept).await);
    let checkers = findings.checkers.expect("the checkers have run");
    tell(&format!(
        "{} checkouts, {} in doubt, {} direct writes of each kind, {} s in all",
        findings.transactions.len(),
        findings.in_doubt.len(),
        acknowledged.count,
        began.elapsed().as_secs()
    ));
    assert!(wrong.is_empty() && checkers.is_clean(), "{wrong:#?}\n{:#?}", checkers.violations());
    assert_eq!(victims.iter().filter(|victim| !victim.has_died(&points)).count(), 0);
    stack.stop().await;
}
