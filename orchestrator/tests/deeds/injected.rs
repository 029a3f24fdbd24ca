//! Cancel, pause, deadline and refusal, each at every step of every plan, before, during and after its attempt: by loop
//! over the plans. The end is the documented one (docs/steering.md), whatever the coordinator.

use super::steering::{PATIENT, is_succeeded};
use super::world::{EMBEDDED, World, now_us};
use amends_dtm::{BranchId, Op};
use amends_orchestrator::coordinator::CoordinatorStatus;
use amends_orchestrator::engine::{Cancelled, Live};
use amends_orchestrator::history::{Deadlines, Held, Resolution, State, Status};
use amends_orchestrator::plan::{Mode, OpRef, Plan};
use futures::StreamExt as _;
use std::sync::Arc;
use tonic::Code;

/// Cases that are played at the same time.
const AT_ONCE: usize = 32;
/// Time of a whole global transaction that is to run out: long enough that the moment before it is reached first.
const TIME_MS: i32 = 4_000;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Injected {
    Cancel,
    Pause,
    Deadline,
    Refusal,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Moment {
    Before,
    During,
    After,
}

const DIAMOND: [&[usize]; 4] = [&[], &[0], &[0], &[1, 2]];

/// One plan, one step of it, and what comes when.
struct Case {
    plan: Plan,
    step: usize,
    injected: Injected,
    moment: Moment,
}

fn plans(world: &World) -> Vec<Plan> {
    vec![
        world.plan(Mode::Saga, 3, None, 0),
        world.plan(Mode::Saga, 3, Some(1), 0),
        world.plan(Mode::Tcc, 3, None, 0),
        world.graph(Mode::Saga, &DIAMOND),
        world.graph(Mode::Tcc, &DIAMOND),
    ]
}

fn cases(world: &World) -> Vec<Case> {
    use Injected::{Cancel, Deadline, Pause, Refusal};
    use Moment::{After, Before, During};
    let mut cases = Vec::new();
    for (kind, shape) in plans(world).iter().enumerate() {
        for step in 0..shape.steps().len() {
            for injected in [Cancel, Pause, Deadline, Refusal] {
                // A step that succeeded does not refuse any more: its guard keeps its word.
                let moments =
                    if injected == Refusal { vec![Before, During] } else { vec![Before, During, After] };
                for moment in moments {
                    let plan = fresh(world, kind, step, injected, moment);
                    cases.push(Case { plan, step, injected, moment });
                }
            }
        }
    }
    cases
}

/// Each case has a definition of its own, so that it can be held back alone.
fn fresh(world: &World, kind: usize, step: usize, injected: Injected, moment: Moment) -> Plan {
    let mut body = plans(world).swap_remove(kind).body().clone();
    body.definition.clone_from(&body.gid);
    for planned in &mut body.steps {
        planned.policy.as_mut().unwrap().attempt_timeout_ms = 20_000;
    }
    match (injected, moment) {
        (Injected::Deadline, Moment::During) => {
            body.steps[step].policy.as_mut().unwrap().step_timeout_ms = 300;
        }
        (Injected::Deadline, Moment::Before | Moment::After) => body.timeout_ms = TIME_MS,
        (Injected::Cancel | Injected::Pause | Injected::Refusal, _) => {}
    }
    Plan::new(body).unwrap()
}

#[tokio::test]
async fn whatever_comes_at_any_step_leads_to_its_end() {
    let world = World::start().await;
    let (world, cases) = (&world, cases(&world));
    assert!(cases.len() > 150, "{}", cases.len());
    futures::stream::iter(cases).for_each_concurrent(AT_ONCE, async |case| play(world, case).await).await;
}

/// Its time begins when it is made.
fn made_now(plan: &Plan) -> Plan {
    let mut body = plan.body().clone();
    body.created_at_us = now_us();
    Plan::new(body).unwrap()
}

async fn play(world: &World, case: Case) {
    let Case { plan, step, injected, moment } = case;
    let plan = made_now(&plan);
    let gid = plan.gid().as_str().to_owned();
    let name = format!("{injected:?} {moment:?} step {step} of {:?} (pivot {:?})", plan.mode(), plan.pivot());
    let forward = plan.forward_op();
    let on = Held::Definition(plan.body().definition.clone());
    let mut held = false;
    let live = match moment {
        Moment::Before if plan.just_before(step).iter().next().is_none() => {
            held = true;
            world.hold_by(on.clone(), Deadlines::Run).await;
            script(world, &plan, step, injected, moment);
            world.go(plan).await
        }
        Moment::Before | Moment::After => {
            let before = plan.just_before(step).iter().next().unwrap_or(step);
            let gated = if moment == Moment::Before { before } else { step };
            let gate = world.branches.hold_of(&gid, (forward.as_str(), branch(gated).as_str()));
            if moment == Moment::Before {
                script(world, &plan, step, injected, moment);
            }
            let live = world.go(plan).await;
            world
                .branches
                .until_of(&gid, &format!("{} {}", forward.as_str(), branch(gated).as_str()), PATIENT)
                .await;
            held = true;
            world.hold_by(on.clone(), Deadlines::Run).await;
            drop(gate);
            live.until(is_succeeded(OpRef { step: gated, op: forward })).await;
            live
        }
        Moment::During => {
            script(world, &plan, step, injected, moment);
            let gate = matches!(injected, Injected::Cancel | Injected::Pause)
                .then(|| world.branches.hold_of(&gid, (forward.as_str(), branch(step).as_str())));
            let live = world.go(plan).await;
            world
                .branches
                .until_of(&gid, &format!("{} {}", forward.as_str(), branch(step).as_str()), PATIENT)
                .await;
            inject(world, &live, &name, step, injected, moment).await;
            drop(gate);
            live
        }
    };
    if moment != Moment::During {
        inject(world, &live, &name, step, injected, moment).await;
    }
    if held {
        world.release(on).await;
    }
    if injected == Injected::Pause {
        live.until(|state| state.paused.is_some() || state.end.is_some()).await;
        world.resume(&live).await.unwrap();
    }
    ends(world, &live, &name, step, injected, moment).await;
}

fn branch(step: usize) -> BranchId {
    BranchId::of_index(step)
}

/// What the participant answers.
fn script(world: &World, plan: &Plan, step: usize, injected: Injected, moment: Moment) {
    let (gid, forward, branch) = (plan.gid().as_str(), plan.forward_op().as_str(), branch(step));
    let at = (forward, branch.as_str());
    match (injected, moment) {
        (Injected::Refusal, Moment::Before) => world.branches.answer_of(gid, at, Code::Aborted, "NO|x"),
        // Still at it is no failure of the participant: its breaker stays closed.
        (Injected::Refusal | Injected::Deadline, Moment::During) => {
            world.branches.answers_of(gid, 10_000, at, Code::FailedPrecondition, "IN_PROGRESS|x");
        }
        (Injected::Refusal, Moment::After) | (Injected::Deadline, Moment::Before | Moment::After) => {}
        (Injected::Cancel | Injected::Pause, _) => {}
    }
}

async fn inject(
    world: &World,
    live: &Arc<Live>,
    name: &str,
    step: usize,
    injected: Injected,
    moment: Moment,
) {
    let at = (live.plan.forward_op().as_str(), branch(step));
    match injected {
        Injected::Cancel => {
            let wanted = cancelled(&live.plan, step, moment);
            let found = world.cancel(live).await;
            assert!(wanted.contains(&found), "{name}: {found:?}, not {wanted:?}");
        }
        Injected::Pause => {
            let paused = world.pause(live, Deadlines::Stop).await;
            assert!(paused.is_ok() || live.state().end.is_some(), "{name}: {paused:?}");
        }
        Injected::Deadline => {
            let due = |state: &State| state.undoing() || !state.attention.is_empty() || state.end.is_some();
            live.until(due).await;
            // From here on it would succeed.
            world.branches.answers_of(live.plan.gid().as_str(), 0, (at.0, at.1.as_str()), Code::Ok, "");
        }
        Injected::Refusal if moment == Moment::During => {
            world.branches.answer_of(live.plan.gid().as_str(), (at.0, at.1.as_str()), Code::Aborted, "NO|x");
        }
        Injected::Refusal => {}
    }
}

/// Whether the step is the pivot or behind it; in a TCC nothing is before the decision.
fn from_pivot(plan: &Plan, step: usize) -> bool {
    plan.pivot().is_some_and(|pivot| step == pivot || plan.behind(pivot).contains(step))
}

fn is_last(plan: &Plan, step: usize) -> bool {
    plan.behind(step).iter().next().is_none()
}

/// What a cancel is answered.
fn cancelled(plan: &Plan, step: usize, moment: Moment) -> Vec<Cancelled> {
    let behind = plan.behind_pivot(step);
    match moment {
        // All is done, or decided.
        Moment::After if is_last(plan, step) => vec![Cancelled::PastPivot],
        Moment::After if from_pivot(plan, step) => vec![Cancelled::PastPivot],
        Moment::Before | Moment::During if behind => vec![Cancelled::PastPivot],
        Moment::During if from_pivot(plan, step) => vec![Cancelled::PivotInFlight],
        Moment::Before | Moment::During | Moment::After => vec![Cancelled::Decided],
    }
}

/// The documented end of each.
fn wanted(plan: &Plan, step: usize, injected: Injected, moment: Moment) -> Status {
    let behind = plan.behind_pivot(step);
    let decided = moment == Moment::After && (is_last(plan, step) || from_pivot(plan, step));
    match injected {
        Injected::Pause => Status::Succeeded,
        Injected::Cancel if cancelled(plan, step, moment) == [Cancelled::Decided] => Status::Cancelled,
        Injected::Cancel => Status::Succeeded,
        Injected::Deadline | Injected::Refusal if behind || decided => Status::Succeeded,
        Injected::Deadline | Injected::Refusal => Status::Failed,
    }
}

async fn ends(world: &World, live: &Arc<Live>, name: &str, step: usize, injected: Injected, moment: Moment) {
    let gid = live.base().gid.clone();
    if injected == Injected::Refusal && live.plan.behind_pivot(step) {
        let stuck = live.until(|state| !state.attention.is_empty()).await;
        assert_eq!(stuck.attention[0].cause, "refused_behind_pivot", "{name}");
        let at = OpRef { step, op: live.plan.forward_op() };
        world.resolve(live, at, Resolution::Succeeded).await.unwrap();
    }
    let ended = tokio::time::timeout(PATIENT, live.until(|state| state.end.is_some())).await;
    let order = world.branches.order_of(&gid);
    let state = ended.unwrap_or_else(|_| panic!("{name} does not end: {order}; {:?}", live.state()));
    let status = wanted(&live.plan, step, injected, moment);
    assert_eq!(state.status(), status, "{name}: {order}");
    let undo = live.plan.undo_op();
    let all = 0..live.plan.steps().len();
    if status == Status::Succeeded {
        assert!(!order.contains(undo.as_str()), "{name}: {order}");
        assert!(all.clone().all(|step| is_succeeded(OpRef { step, op: live.plan.forward_op() })(&state)));
    } else {
        assert!(!order.contains(Op::Confirm.as_str()), "{name}: {order}");
        assert!(all.clone().all(|step| state.undone(&live.plan, step)), "{name}: {order}");
    }
    assert!(state.attention.is_empty() && state.paused.is_none(), "{name}: {:?}", state.attention);
    let word =
        if status == Status::Succeeded { CoordinatorStatus::Succeed } else { CoordinatorStatus::Failed };
    if !EMBEDDED && live.state().registered {
        world.dtm_says(&gid, word).await;
    }
}
