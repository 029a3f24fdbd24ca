//! What the auditor costs: nothing where all agree, and never more calls than it may make.

use crate::guarded::Listing;
use crate::{Audited, ENOUGH, SETTINGS};
use amends_orchestrator::engine::AuditSettings;
use amends_orchestrator::history::Status;
use amends_orchestrator::plan::Mode;
use std::num::NonZeroU32;
use std::time::Duration;

#[tokio::test]
async fn where_all_agree_nothing_is_told() {
    let mut audited = Audited::start().await;
    let mut ended = Vec::new();
    for mode in [Mode::Saga, Mode::Tcc] {
        ended.push(audited.ended(mode, 3, Status::Succeeded).await);
        audited.guarded.refuse("03", if mode == Mode::Tcc { "try" } else { "action" });
        ended.push(audited.ended(mode, 3, Status::Failed).await);
    }
    let progress = audited.passes(ENOUGH).await;
    assert!(progress.looks >= 4 && progress.calls >= 8, "{progress:?}");
    assert_eq!((progress.opened, progress.closed, progress.forgotten), (0, 0, 0));
    for live in ended {
        assert_eq!(audited.epilogue(&live).await, "");
    }
}

/// Whatever there is to ask, it is spread: no second holds more calls than the budget.
#[tokio::test]
async fn no_second_holds_more_calls_than_the_budget() {
    const BUDGET: u32 = 20;
    let calls_per_second = NonZeroU32::new(BUDGET).unwrap();
    let mut audited = Audited::with(AuditSettings { calls_per_second, ..SETTINGS }).await;
    for _ in 0..20 {
        audited.ended(Mode::Saga, 2, Status::Succeeded).await;
    }
    let before = audited.progress.borrow().calls;
    audited.progress.wait_for(|progress| progress.calls >= before + u64::from(BUDGET) * 3).await.unwrap();
    let lists = audited.guarded.lists();
    let within = |from: usize| {
        lists[from..].iter().take_while(|at| at.duration_since(lists[from]) < Duration::from_secs(1)).count()
    };
    let most = (0..lists.len()).map(within).max().unwrap();
    // Half of its calls go to DTM; one more than the rate may begin within a second.
    assert!(most <= usize::try_from(BUDGET).unwrap() + 1, "{most} calls within a second");
    assert!(lists.len() > usize::try_from(BUDGET).unwrap(), "it used its budget: {}", lists.len());
}

#[tokio::test]
async fn a_participant_without_guard_rows_is_asked_once() {
    let mut audited = Audited::start().await;
    audited.guarded.listing(Listing::Unknown);
    for _ in 0..5 {
        audited.ended(Mode::Saga, 2, Status::Succeeded).await;
    }
    let progress = audited.passes(ENOUGH).await;
    assert!(progress.looks >= 5, "{progress:?}");
    assert_eq!((audited.guarded.lists().len(), progress.opened), (1, 0));
}

/// What the auditor has called again is a repeat like any other: first calls have to pay for it.
#[tokio::test]
async fn what_is_called_again_takes_its_turn_from_the_lanes_budget() {
    let mut audited = Audited::start().await;
    let live = audited.ended(Mode::Tcc, 3, Status::Succeeded).await;
    let figures = |audited: &Audited| {
        let lanes = audited.world.engine.lanes().views();
        let lane = lanes.into_iter().find(|lane| lane.name == "scripted").unwrap();
        (lane.figures.calls, lane.figures.repeats)
    };
    let (calls, repeats) = figures(&audited);
    for branch_id in ["01", "02", "03"] {
        assert!(audited.guarded.lose(&live.base().gid, branch_id, "confirm"));
    }
    audited.disagreement(&live).await;
    audited.agreement(&live).await;
    audited.passes(1).await;
    assert_eq!(figures(&audited), (calls + 3, repeats + 3));
}
