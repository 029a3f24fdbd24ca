//! kill -9 of one replica under load, later of the other: nothing acknowledged is lost, nobody waits more than five
//! seconds longer than without, and no op is ever called twice at the same time.
use crate::load::{Load, STEPS, Seen, is_refused};
use crate::pair::Pair;
use crate::participant::Log;
use crate::tell;
use amends_dtm::BranchId;
use amends_proto::amends::v1::{Mode, Status};
use amends_testkit::{Coordinator, SOON};
use std::time::Duration;
use tokio::time::{Instant, timeout};

const CLIENTS: usize = 16;
/// Ends before the first death: what it takes without.
const QUIET: usize = 150;
/// Ends between two lives.
const BETWEEN: usize = 100;
/// Must be open at each death.
const OPEN: usize = 8;
/// How long the load may take to come to the next death.
const SLOW_MACHINE: Duration = Duration::from_secs(180);
/// What a death may cost (the promise).
const LONGER: Duration = Duration::from_secs(5);

#[tokio::test(flavor = "multi_thread")]
async fn on_the_embedded_coordinator() {
    each_replica_is_killed(Coordinator::Embedded).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn on_dtm() {
    each_replica_is_killed(Coordinator::Dtm).await;
}

async fn each_replica_is_killed(coordinator: Coordinator) {
    let Some(mut pair) = Pair::start(coordinator).await else { return };
    let load = Load::new(pair.clients());
    let mut clients = load.run(CLIENTS);
    timeout(SLOW_MACHINE, load.ends(QUIET)).await.unwrap();
    let first_death = Instant::now();
    for victim in [0, 1] {
        let open = until_busy(&load).await;
        let died = Instant::now();
        pair.replicas[victim].signal("-KILL").await;
        assert!(!pair.replicas[victim].ended().await.success());
        timeout(SOON, load.ended(&open)).await.expect("what was open at a death did not end");
        tell(&format!(
            "{coordinator:?}: {} were open, all ended {:.1?} after the death",
            open.len(),
            died.elapsed()
        ));
        pair.replicas[victim].start();
        pair.replicas[victim].serves().await;
        timeout(SLOW_MACHINE, load.ends(BETWEEN)).await.unwrap();
    }
    load.stop();
    timeout(SOON, async { while clients.join_next().await.transpose().unwrap().is_some() {} }).await.unwrap();
    let seen = load.seen();
    judge_times(coordinator, &load, first_death).await;
    for (gid, Seen { number, .. }) in &seen {
        judge_end(&load, &pair.participant.log, gid, *number).await;
    }
    assert_eq!(pair.participant.log.overlaps(), [], "two calls of one op at the same time");
}

async fn until_busy(load: &Load) -> Vec<String> {
    loop {
        let open = load.open();
        if open.len() >= OPEN {
            return open;
        }
        timeout(SOON, load.ends(1)).await.unwrap();
    }
}

/// From the client's first word to its news of the end.
async fn judge_times(coordinator: Coordinator, load: &Load, first_death: Instant) {
    let seen = load.seen();
    let took = |it: &Seen| it.ended.unwrap() - it.began;
    let quiet = seen.values().filter(|it| it.ended.unwrap() < first_death).map(took).max().unwrap();
    let (slowest, longest) =
        seen.iter().map(|(gid, it)| (gid, took(it))).max_by_key(|(_, took)| *took).unwrap();
    let late = seen.values().filter(|it| took(it) > quiet).count();
    tell(&format!(
        "{coordinator:?}: {} ended; longest {quiet:.2?} without a death, {longest:.2?} with; {late} took longer than \
         without",
        seen.len()
    ));
    if longest > quiet + LONGER {
        for (gid, it) in seen.iter().filter(|(_, it)| took(it) > quiet + LONGER) {
            tell(&format!("{gid} {:.1?}: {}", took(it), load.told(gid).await));
        }
        panic!("{slowest} took {longest:?}, without a death {quiet:?}");
    }
}

/// Acknowledged means kept, and every branch has what the end says.
async fn judge_end(load: &Load, log: &Log, gid: &str, number: usize) {
    let again = load.start(number).await;
    assert_eq!((again.gid.as_str(), again.existing), (gid, true), "{number} was started again");
    let end = load.get(number, gid).await;
    let succeeded = end.status() == Status::Succeeded;
    assert!(succeeded || end.status() == Status::Failed, "{gid} ended {:?}", end.status());
    assert!(!(succeeded && is_refused(number)), "{gid} succeeded although a step refused");
    // Who dies during its tries aborts it; so does whoever takes over one whose submit had not left yet.
    let unsent = end.undo_cause == "timeout" && end.reason == "the coordinator did not take the submit";
    let crashed = end.mode() == Mode::Tcc && (end.undo_cause == "crash" || unsent);
    assert!(succeeded || is_refused(number) || crashed, "{gid} failed: {} {}", end.undo_cause, end.reason);
    for step in 0..usize::try_from(STEPS).unwrap() {
        let branch_id = BranchId::of_index(step);
        let done = |op: &str| log.done(gid, branch_id.as_str(), op) > 0;
        let (forward, undo) = match end.mode() {
            Mode::Tcc => ("try", "cancel"),
            Mode::Saga | Mode::Unspecified => ("action", "compensate"),
        };
        let branch = branch_id.as_str();
        if succeeded {
            assert!(done(forward) && !done(undo), "{gid} {branch}");
            assert_eq!(done("confirm"), end.mode() == Mode::Tcc, "{gid} {branch}");
        } else {
            assert!(!done("confirm") && (done(undo) || !done(forward)), "{gid} {branch}");
        }
    }
}
