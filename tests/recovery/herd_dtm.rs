//! DTM dies, twice, while 500 global transactions run on it, in both modes and towards both ends.
use crate::herd::{Herd, MIXED};
use crate::{LOADED, tell};
use amends_checkers::{Quiet, Targets};
use amends_stack::{CoordinatorChoice, Role};
use amends_testkit::{Must as _, SOON, until};
use std::time::Instant;

/// Running when DTM dies.
const RUNNING: usize = 500;
/// Of them so many stand in their second step at that moment, as far as the participant's lane lets them.
const IN_A_STEP: usize = 100;

#[tokio::test(flavor = "multi_thread")]
async fn dtm_dies_during_500_global_transactions() {
    let _alone = LOADED.lock().await;
    let folder = tempfile::tempdir().unwrap();
    let mut herd = Herd::gather(folder.path(), CoordinatorChoice::Dtm).await;
    herd.noop.hold("02");
    herd.start(RUNNING, &MIXED).await;
    until("they stand in a step", async || (herd.noop.arrived_at("02") >= IN_A_STEP).then_some(())).await;
    assert_eq!(herd.open().await, Some(RUNNING), "all of them run");
    herd.stack.kill9(Role::Dtm).await.must("kill DTM");
    herd.noop.let_go();
    herd.stack.restart(Role::Dtm).await.must("restart DTM");
    let half = async || herd.open().await.is_some_and(|open| open <= RUNNING / 2).then_some(());
    until("half of them have ended", half).await;
    herd.stack.kill9(Role::Dtm).await.must("kill DTM again");
    herd.stack.restart(Role::Dtm).await.must("restart DTM again");
    let back = Instant::now();
    herd.all_end().await;
    tell(&format!("all have ended {:.1} s after DTM was back", back.elapsed().as_secs_f64()));
    herd.judge().await;
    let targets = Targets::from_topology(&herd.stack.address(Role::Orchestrator)).await.unwrap();
    assert_eq!(amends_checkers::wait_quiet(&targets, SOON).await.must("wait for quiet"), Quiet::Reached);
    let report = amends_checkers::run(&targets).await.must("run the checkers");
    assert!(report.is_clean(), "{:#?}", report.violations());
    assert_eq!(report.notes, Vec::<String>::new(), "DTM knows every end");
    herd.stack.stop().await;
}
