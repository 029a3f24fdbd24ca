//! Keeps real processes: shells and sleeps.
use super::*;
use crate::launch::Lifeline;
use std::path::Path;
use tokio::process::Command;

const SOON: Duration = Duration::from_secs(20);

fn launch(folder: &Path, script: &'static str, lifeline: Lifeline) -> Launch {
    let command = move || {
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        Ok(command)
    };
    Launch { role: Role::Psp, command: Box::new(command), log: folder.join("psp.log"), lifeline }
}

async fn keep(folder: &Path, script: &'static str, restarts: Restarts) -> Keeper {
    Keeper::start(launch(folder, script, Lifeline::Watcher), restarts).await.unwrap()
}

async fn seen(keeper: &Keeper, what: impl FnMut(&Presence) -> bool) -> Presence {
    let mut presence = keeper.presence();
    let seen = tokio::time::timeout(SOON, presence.wait_for(what)).await.expect("it was not seen");
    *seen.unwrap()
}

/// Waits until no process has this id: the init process reaps what nobody else does.
async fn gone(pid: Pid) {
    let poll = async {
        while alive(pid) {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(SOON, poll).await.expect("it still runs");
}

/// A zombie is dead: only its parent has not asked yet.
fn alive(pid: Pid) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{}/stat", pid.as_raw_nonzero())).unwrap_or_default();
    !stat.is_empty() && !stat.contains(") Z ")
}

#[tokio::test]
async fn what_dies_is_started_again() {
    let folder = tempfile::tempdir().unwrap();
    let keeper = keep(folder.path(), "exec sleep 600", Restarts::Automatic).await;
    let first = keeper.pid().unwrap();
    keeper.signal(Signal::KILL).unwrap();
    seen(&keeper, |now| matches!(now, Presence::Up { start: 2, .. })).await;
    assert_ne!(keeper.pid().unwrap(), first);
}

#[tokio::test]
async fn by_hand_it_stays_down_until_it_is_started() {
    let folder = tempfile::tempdir().unwrap();
    let keeper = keep(folder.path(), "exec sleep 600", Restarts::ByHand).await;
    keeper.signal(Signal::KILL).unwrap();
    seen(&keeper, |now| matches!(now, Presence::Down { start: 1, .. })).await;
    assert!(matches!(keeper.signal(Signal::KILL), Err(StackError::NotRunning { role: Role::Psp })));
    keeper.launch().await.unwrap();
    seen(&keeper, |now| matches!(now, Presence::Up { start: 2, .. })).await;
}

#[tokio::test]
async fn a_stopped_process_is_not_started_again() {
    let folder = tempfile::tempdir().unwrap();
    let keeper = keep(folder.path(), "exec sleep 600", Restarts::Automatic).await;
    keeper.stop(SOON).await;
    let end = seen(&keeper, |_| true).await;
    assert!(matches!(end, Presence::Down { start: 1, end: Some(_) }), "{end:?}");
}

#[tokio::test]
async fn a_frozen_process_that_ignores_sigterm_is_killed_after_the_grace() {
    let folder = tempfile::tempdir().unwrap();
    let script = "trap '' TERM; echo deaf; while :; do sleep 1; done";
    let keeper = keep(folder.path(), script, Restarts::ByHand).await;
    let log = folder.path().join("psp.log");
    while !std::fs::read_to_string(&log).unwrap().contains("deaf") {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let pid = keeper.pid().unwrap();
    keeper.signal(Signal::STOP).unwrap();
    keeper.stop(Duration::from_millis(100)).await;
    assert!(!alive(pid));
}

#[tokio::test]
async fn dropping_the_keeper_kills_the_process() {
    let folder = tempfile::tempdir().unwrap();
    let keeper = keep(folder.path(), "exec sleep 600", Restarts::Automatic).await;
    let pid = keeper.pid().unwrap();
    drop(keeper);
    gone(pid).await;
}

#[tokio::test]
async fn a_process_with_a_lifeline_sees_it_open() {
    let folder = tempfile::tempdir().unwrap();
    // `cat` ends at once if standard input is closed, and never while it is open.
    let launch = launch(folder.path(), "exec cat", Lifeline::OwnStdin);
    let mut child = launch.spawn().unwrap();
    let lifeline = child.stdin.take();
    assert!(tokio::time::timeout(Duration::from_millis(200), child.wait()).await.is_err());
    drop(lifeline);
    tokio::time::timeout(SOON, child.wait()).await.expect("it did not see the end").unwrap();
}

#[tokio::test]
async fn the_watcher_kills_when_its_stack_is_gone() {
    let folder = tempfile::tempdir().unwrap();
    let launch = launch(folder.path(), "exec sleep 600", Lifeline::Watcher);
    let mut child = launch.spawn().unwrap();
    let pid = child.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw).unwrap();
    let mut watcher = launch.spawn_watcher(pid).unwrap().unwrap();
    drop(watcher.stdin.take());
    let end = tokio::time::timeout(SOON, child.wait()).await.expect("it was not killed").unwrap();
    assert!(!end.success());
}
