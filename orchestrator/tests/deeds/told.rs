//! What ends by a person's word alone: the coordinator hears of it at once, though nobody has an answer for it.

use super::steering::is_succeeded;
use super::world::World;
use amends_dtm::Op;
use amends_orchestrator::coordinator::CoordinatorStatus;
use amends_orchestrator::history::{Resolution, Status};
use amends_orchestrator::plan::{Mode, OpRef};
use tonic::Code;

/// What was refused behind the pivot is not called again, so no op of ours ends with the word.
#[tokio::test]
async fn the_last_step_that_is_stated_is_the_end_for_dtm_too() {
    let world = World::start().await;
    let plan = world.plan(Mode::Saga, 2, Some(0), 0);
    let gid = plan.gid().as_str().to_owned();
    world.branches.answer_of(&gid, ("action", "02"), Code::Aborted, "NO|x");
    let live = world.go(plan).await;
    live.until(|state| state.attention.iter().any(|open| open.cause == "refused_behind_pivot")).await;
    let last = OpRef { step: 1, op: Op::Action };
    assert!(world.resolve(&live, last, Resolution::Succeeded).await.unwrap());
    assert!(is_succeeded(last)(&live.state()));
    assert_eq!(world.end(&gid).await, Status::Succeeded);
    world.dtm_says(&gid, CoordinatorStatus::Succeed).await;
}
