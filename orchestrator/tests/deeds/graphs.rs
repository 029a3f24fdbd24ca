//! Plans whose steps run beside each other: 01, then 02 and 03, then 04, and longer ones.

use super::world::{PATIENCE, World};
use amends_dtm::BranchId;
use amends_orchestrator::coordinator::CoordinatorStatus;
use amends_orchestrator::history::{State, Status};
use amends_orchestrator::plan::{Mode, Plan};
use std::time::Duration;
use tokio::time::Instant;
use tonic::Code;

const DIAMOND: [&[usize]; 4] = [&[], &[0], &[0], &[1, 2]];

impl World {
    pub fn graph(&self, mode: Mode, after: &[&[usize]]) -> Plan {
        let mut body = self.plan(mode, after.len(), None, 0).body().clone();
        body.graph = true;
        for (step, after) in body.steps.iter_mut().zip(after) {
            step.after = after.iter().map(|step| BranchId::of_index(*step).as_str().to_owned()).collect();
            step.policy.as_mut().unwrap().attempt_timeout_ms = 20_000;
        }
        Plan::new(body).unwrap()
    }

    /// Where the last of these calls stands among all.
    fn place(&self, call: &str) -> usize {
        let order = self.branches.order();
        order
            .split(", ")
            .collect::<Vec<_>>()
            .iter()
            .rposition(|it| *it == call)
            .unwrap_or_else(|| panic!("no {call}: {order}"))
    }

    fn comes_before(&self, earlier: &str, later: &str) {
        assert!(self.place(earlier) < self.place(later), "{}", self.branches.order());
    }

    fn never_called(&self, calls: &[&str]) {
        let order = self.branches.order();
        assert!(!order.split(", ").any(|call| calls.contains(&call)), "{order}");
    }
}

#[tokio::test]
async fn siblings_run_beside_each_other() {
    let world = World::start().await;
    let gates = [world.branches.hold("action", "02"), world.branches.hold("action", "03")];
    let live = world.go(world.graph(Mode::Saga, &DIAMOND)).await;
    world.branches.until_all(&["action 01", "action 02", "action 03"], PATIENCE).await;
    drop(gates);
    assert_eq!(world.end(&live.base().gid).await, Status::Succeeded);
    assert!(world.branches.order().ends_with("action 04"), "{}", world.branches.order());
    assert_eq!(world.branches.calls().len(), 4, "{}", world.branches.order());
    world.dtm_says(&live.base().gid, CoordinatorStatus::Succeed).await;
}

#[tokio::test]
async fn a_refusal_beside_a_call_in_flight_undoes_it_first_and_then_what_came_before() {
    let world = World::start().await;
    let gate = world.branches.hold("action", "02");
    world.branches.answer("action", "03", Code::Aborted, "OUT_OF_IT|x");
    let live = world.go(world.graph(Mode::Saga, &DIAMOND)).await;
    live.until(State::undoing).await;
    world.branches.until_all(&["action 02"], PATIENCE).await;
    drop(gate);
    assert_eq!(world.end(&live.base().gid).await, Status::Failed);
    world.comes_before("compensate 02", "compensate 01");
    world.never_called(&["action 04", "compensate 03", "compensate 04"]);
    world.dtm_says(&live.base().gid, CoordinatorStatus::Failed).await;
}

#[tokio::test]
async fn a_late_refusal_undoes_against_the_graph() {
    let world = World::start().await;
    world.branches.answer("action", "04", Code::Aborted, "OUT_OF_IT|x");
    let live = world.go(world.graph(Mode::Saga, &DIAMOND)).await;
    assert_eq!(world.end(&live.base().gid).await, Status::Failed);
    world.comes_before("compensate 02", "compensate 01");
    world.comes_before("compensate 03", "compensate 01");
    world.never_called(&["compensate 04"]);
    assert_eq!(world.branches.calls().len(), 7, "{}", world.branches.order());
    world.dtm_says(&live.base().gid, CoordinatorStatus::Failed).await;
}

#[tokio::test]
async fn a_crash_between_siblings_loses_neither() {
    let mut world = World::start().await;
    let gate = world.branches.hold("action", "02");
    let live = world.go(world.graph(Mode::Saga, &DIAMOND)).await;
    world.branches.until_all(&["action 02", "action 03"], PATIENCE).await;
    live.until(|state| state.steps[2].forward.ended_us > 0).await;
    world.restart_orchestrator().await;
    drop(gate);
    assert_eq!(world.end(&live.base().gid).await, Status::Succeeded);
    world.comes_before("action 02", "action 04");
    world.comes_before("action 03", "action 04");
    world.dtm_says(&live.base().gid, CoordinatorStatus::Succeed).await;
}

#[tokio::test]
async fn a_cancel_undoes_siblings_whose_outcome_nobody_knows() {
    let mut world = World::start().await;
    let gates = [world.branches.hold("action", "02"), world.branches.hold("action", "03")];
    let live = world.go(world.graph(Mode::Saga, &DIAMOND)).await;
    world.branches.until_all(&["action 02", "action 03"], PATIENCE).await;
    world.restart_orchestrator().await;
    drop(gates);
    let live = world.engine.find(&live.base().gid).await.unwrap().unwrap();
    world.cancel(&live).await;
    let status = world.end(&live.base().gid).await;
    assert_eq!(status, Status::Cancelled);
    world.comes_before("compensate 02", "compensate 01");
    world.comes_before("compensate 03", "compensate 01");
}

#[tokio::test]
async fn tries_run_beside_each_other_and_confirms_against_the_graph() {
    let world = World::start().await;
    let gates = [world.branches.hold("try", "02"), world.branches.hold("try", "03")];
    let live = world.go(world.graph(Mode::Tcc, &DIAMOND)).await;
    world.branches.until_all(&["try 02", "try 03"], PATIENCE).await;
    drop(gates);
    assert_eq!(world.end(&live.base().gid).await, Status::Succeeded);
    world.comes_before("try 04", "confirm 04");
    world.comes_before("confirm 04", "confirm 02");
    world.comes_before("confirm 03", "confirm 01");
    world.comes_before("confirm 02", "confirm 01");
    world.dtm_says(&live.base().gid, CoordinatorStatus::Succeed).await;
}

#[tokio::test]
async fn a_refused_try_cancels_the_sibling_in_flight() {
    let world = World::start().await;
    let gate = world.branches.hold("try", "03");
    world.branches.answer("try", "02", Code::Aborted, "OUT_OF_IT|x");
    let live = world.go(world.graph(Mode::Tcc, &DIAMOND)).await;
    live.until(State::undoing).await;
    world.branches.until_all(&["try 03"], PATIENCE).await;
    drop(gate);
    assert_eq!(world.end(&live.base().gid).await, Status::Failed);
    world.comes_before("cancel 03", "cancel 01");
    world.never_called(&["try 04", "cancel 02", "cancel 04"]);
    world.dtm_says(&live.base().gid, CoordinatorStatus::Failed).await;
}

#[tokio::test]
async fn a_slow_sibling_holds_up_nobody_else() {
    let world = World::start().await;
    let gate = world.branches.hold("action", "02");
    let began = Instant::now();
    let live = world.go(world.graph(Mode::Saga, &[&[], &[0], &[0], &[2], &[3], &[4], &[5]])).await;
    world.branches.until_all(&["action 02", "action 07"], PATIENCE).await;
    assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
    drop(gate);
    assert_eq!(world.end(&live.base().gid).await, Status::Succeeded);
}
