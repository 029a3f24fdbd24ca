//! kill -9 under load (K1): each process dies several times while many checkouts are in flight. Nothing that was
//! acknowledged is lost, everything ends, and no invariant is broken.
use crate::load::Load;
use crate::{AMENDS, draw, draw::Draw, market, tell};
use amends_checkers::{Quiet, Targets};
use amends_proto::amends::v1::{GlobalTransaction, Status};
use amends_stack::{Coordinator, CoordinatorChoice, Restarts, Role, Stack, StackConfig};
use amends_testkit::{Must as _, SOON};
use prost_types::Timestamp;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, SystemTime};
use tokio::task::JoinSet;
use tokio::time::Instant;

/// In each round every process dies once; without DTM the orchestrator dies in its place, once more.
const ROUNDS: usize = 5;
/// Checkouts in flight.
const CLIENTS: usize = 56;
/// The next process dies when clients know of so many open ones …
const OPEN_WANTED: usize = 30;
/// … and this many to one less than twice as many have ended since the last death.
const ENDS_BETWEEN: u64 = 7;
/// What must be open at the instant of each death, by history.
const OPEN_AT_KILL: usize = 20;
const CHECKOUTS: usize = 300;
/// No end of a checkout for so long under load: something is stuck.
const STUCK: Duration = Duration::from_secs(30);

/// The PSP and the gateway lose patience sooner than in earnest, so that unknown outcomes fit into the test.
const GATEWAY: [&str; 6] = [
    "--psp-timeout-ms",
    "1000",
    "--query-schedule",
    "200ms,500ms,1s,1s,2s,2s,2s,2s,2s,2s,2s,2s",
    "--psp-queries-per-s",
    "200",
];

/// One death.
struct Kill {
    victim: Role,
    /// Just before the signal, and when the process was gone.
    at: (SystemTime, SystemTime),
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_processes_lose_nothing_that_was_acknowledged_on_dtm() {
    killed_processes_lose_nothing(CoordinatorChoice::Dtm).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_processes_lose_nothing_that_was_acknowledged_on_the_embedded_coordinator() {
    killed_processes_lose_nothing(CoordinatorChoice::Embedded).await;
}

async fn killed_processes_lose_nothing(coordinator: CoordinatorChoice) {
    let _alone = crate::LOADED.lock().await;
    let (seed, began, folder) = (draw::seed(), Instant::now(), tempfile::tempdir().unwrap());
    tell(&format!("seed {seed} (AMENDS_TEST_SEED)"));
    let config = StackConfig::new(AMENDS, folder.path().join("stack")).restarts(Restarts::ByHand);
    let config = config.args(Role::Gateway, GATEWAY).coordinator(coordinator);
    let stack = Stack::start(config).await.unwrap();
    market::open(&stack).await;
    let load = Load::new(&stack.address(Role::Orchestrator), seed, &folder.path().join("witness"));
    let clients = load.run(CLIENTS);
    let kills = kill_each(&stack, &load, seed).await;
    let restarted = SystemTime::now();
    load.stop();
    all_end(&load, clients).await;
    let targets = Targets::from_topology(&stack.address(Role::Orchestrator)).await.unwrap();
    coordinator_ends(&targets, restarted).await;
    let ends = acknowledged_is_kept(&load).await;
    let repeated = load.progress().borrow().repeated;
    tell(&format!("{repeated} acknowledgements were lost and came when the request was repeated"));
    assert!(repeated > 0, "no acknowledgement was lost: the orchestrator never died at the right moment");
    judge_kills(&kills, &ends, &victims(&stack));
    judge_ends(&ends, restarted);
    sound(&targets, ends.len()).await;
    tell(&format!("all of it took {:.1} s", began.elapsed().as_secs_f64()));
    stack.stop().await;
}

/// Who dies in a round.
fn victims(stack: &Stack) -> Vec<Role> {
    let in_place_of_dtm = match stack.coordinator() {
        Coordinator::Dtm => None,
        Coordinator::Embedded => Some(Role::Orchestrator),
    };
    stack.roles().chain(in_place_of_dtm).collect()
}

/// Kills every process so often, in an order and at ends of checkouts that the seed chooses.
async fn kill_each(stack: &Stack, load: &Arc<Load>, seed: u64) -> Vec<Kill> {
    let mut draw = Draw::new(seed, 0);
    let mut progress = load.progress();
    let mut kills = Vec::new();
    for _ in 0..ROUNDS {
        for victim in draw.shuffle(victims(stack)) {
            let ended = progress.borrow().ended;
            let enough = ended + usize::try_from(ENDS_BETWEEN + draw.below(ENDS_BETWEEN)).unwrap();
            let ripe = progress.wait_for(|now| now.ended >= enough && now.open() >= OPEN_WANTED);
            if tokio::time::timeout(STUCK, ripe).await.is_err() {
                panic!("before kill {} of {victim}: {}", kills.len() + 1, load.stuck().await);
            }
            let before = SystemTime::now();
            stack.kill9(victim).await.unwrap();
            kills.push(Kill { victim, at: (before, SystemTime::now()) });
            stack.restart(victim).await.unwrap();
        }
    }
    kills
}

async fn all_end(load: &Load, mut clients: JoinSet<()>) {
    let ended = async {
        while let Some(client) = clients.join_next().await {
            client.unwrap();
        }
    };
    if tokio::time::timeout(SOON, ended).await.is_err() {
        panic!("not final {SOON:?} after the last restart: {}", load.stuck().await);
    }
}

/// Every acknowledged gid is there and final, and its request names it again.
async fn acknowledged_is_kept(load: &Load) -> Vec<GlobalTransaction> {
    let mut ends = Vec::new();
    for (number, gid) in load.witness().all() {
        let now = load.get(&gid).await;
        assert!(now.finished_at.is_some(), "order {number}, {gid}: {:?}", now.status());
        let again = load.start(number).await;
        assert_eq!((again.gid, again.existing), (gid, true), "order {number} was started again");
        ends.push(now);
    }
    assert!(ends.len() >= CHECKOUTS, "{} checkouts", ends.len());
    ends
}

/// What was open at the instant of each death, by history.
fn judge_kills(kills: &[Kill], ends: &[GlobalTransaction], victims: &[Role]) {
    let mut deaths: BTreeMap<Role, usize> = BTreeMap::new();
    for (number, kill) in (1..).zip(kills) {
        let (before, gone) = kill.at;
        let open = ends.iter().filter(|end| time(&end.created_at) < before && time(&end.finished_at) > gone);
        let (open, victim) = (open.count(), kill.victim);
        *deaths.entry(victim).or_default() += 1;
        tell(&format!("kill {number:2} {victim:<12} {open} open"));
        assert!(open >= OPEN_AT_KILL, "only {open} were open at kill {number} of {victim}");
    }
    for victim in victims {
        let each_round = victims.iter().filter(|role| *role == victim).count();
        assert_eq!(deaths[victim], each_round * ROUNDS, "deaths of {victim}");
    }
}

fn judge_ends(ends: &[GlobalTransaction], restarted: SystemTime) {
    let mut counts: BTreeMap<(&str, &str), usize> = BTreeMap::new();
    for end in ends {
        *counts.entry((end.mode().as_str_name(), end.status().as_str_name())).or_default() += 1;
    }
    let last = ends.iter().map(|end| time(&end.finished_at)).max().unwrap();
    let took = last.duration_since(restarted).unwrap_or_default();
    tell(&format!(
        "{} checkouts, final {:.1} s after the last restart: {counts:?}",
        ends.len(),
        took.as_secs_f64()
    ));
    assert!(took <= SOON, "final only {took:?} after the last restart");
    for status in [Status::Succeeded, Status::Failed] {
        let both = counts.keys().filter(|(_, is)| *is == status.as_str_name()).count();
        assert_eq!(both, 2, "both modes must end {status:?} now and then: {counts:?}");
    }
}

fn time(time: &Option<Timestamp>) -> SystemTime {
    time.unwrap().try_into().unwrap()
}

/// DTM comes to an end with everything, too, if there is one.
async fn coordinator_ends(targets: &Targets, restarted: SystemTime) {
    let quiet = amends_checkers::wait_quiet(targets, SOON).await.must("wait for quiet");
    let took = restarted.elapsed().unwrap_or_default();
    tell(&format!("the coordinator was quiet {:.1} s after the last restart", took.as_secs_f64()));
    assert_eq!(quiet, Quiet::Reached);
}

/// Nobody started anything else, and no invariant is broken.
async fn sound(targets: &Targets, checkouts: usize) {
    let snapshot = amends_checkers::read(targets).await.must("read everything");
    assert_eq!(snapshot.transactions.len(), checkouts, "each request made one global transaction");
    let report = amends_checkers::judge(&snapshot);
    assert!(report.is_clean(), "{:#?}", report.violations());
    assert_eq!(report.notes, Vec::<String>::new());
}
