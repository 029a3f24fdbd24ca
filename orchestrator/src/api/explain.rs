//! `Explain`: gathers what is recorded and what goes on right now, and tells what the pure explanation makes of it.

use super::error::ApiError;
use super::view;
use crate::engine::{Engine, HeldBack, Hindrance as LaneHindrance, Live, Retry};
use crate::explain::{Decider, Explained, Hindrance, HindranceKind, Hold, Scene, Word, explain, scope};
use crate::history::State;
use crate::plan::{OpRef, StepIndex};
use amends_dtm::Op;
use amends_proto::amends::v1 as pb;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

/// A coordinator that has not answered by then is away, as far as an explanation goes.
const COORDINATOR_PATIENCE: Duration = Duration::from_secs(2);

/// Explains one global transaction. `up_since_us` = since when this process serves.
///
/// # Errors
/// Where it is not known, or the store is away.
pub async fn answer(
    engine: &Arc<Engine>,
    up_since_us: i64,
    gid: &str,
) -> Result<pb::ExplainResponse, ApiError> {
    let live = engine.find(gid).await?.ok_or_else(|| ApiError::NotFound(gid.to_owned()))?;
    let ended = live.state().end.is_some();
    let decider = if live.coordinator().calls() {
        Decider::Coordinator(if ended { Word::NotAsked } else { ask(&live).await })
    } else {
        Decider::Engine
    };
    // After the coordinator's answer: what is told beside it is not older.
    let state = live.state();
    let scene = Scene {
        plan: &live.plan,
        state: &state,
        now_us: engine.now_us(),
        up_since_us,
        running: running(&live),
        waits: live.waits().all(),
        holds: holds(engine, &live),
        hindrances: hindrances(engine, &live),
        decider,
    };
    Ok(told(&live, &scene))
}

fn running(live: &Live) -> BTreeSet<OpRef> {
    let ops = [live.plan.forward_op(), Op::Confirm, live.plan.undo_op()];
    let all = (0..live.plan.steps().len()).flat_map(|step| ops.map(|op| OpRef { step, op }));
    all.filter(|at| live.running(*at).is_some()).collect()
}

fn holds(engine: &Engine, live: &Live) -> Vec<(StepIndex, Hold)> {
    let steps = 0..live.plan.steps().len();
    let hold = |held: HeldBack| {
        let (what, resume) = scope(&held.scope, &live.plan);
        Hold { what, resume, since_us: held.since_us, by: held.act.subject, reason: held.act.reason }
    };
    steps.filter_map(|step| engine.held(live, step).map(|held| (step, hold(held)))).collect()
}

/// What the lanes of the steps say to a call right now.
fn hindrances(engine: &Engine, live: &Live) -> Vec<(StepIndex, Hindrance)> {
    let now_us = engine.now_us();
    let lane = |step: StepIndex| engine.lanes().get(&live.plan.steps()[step].participant)?.hindrance();
    let said = |(why, left): (LaneHindrance, Option<Duration>)| {
        let left_us = left.map(|left| i64::try_from(left.as_micros()).unwrap_or(i64::MAX));
        let until_us = left_us.map(|left_us| now_us.saturating_add(left_us));
        let (kind, text) = in_words(why);
        Hindrance { kind, text: text.to_owned(), until_us }
    };
    let steps = 0..live.plan.steps().len();
    steps.filter_map(|step| lane(step).map(|hindrance| (step, said(hindrance)))).collect()
}

fn in_words(why: LaneHindrance) -> (HindranceKind, &'static str) {
    match why {
        LaneHindrance::Room => (HindranceKind::Busy, "it has as many calls in flight as it may"),
        LaneHindrance::SlowStart(_) => {
            (HindranceKind::Busy, "it widens slowly after its participant came back")
        }
        LaneHindrance::BreakerOpen(_) => {
            (HindranceKind::BreakerOpen, "its breaker is open, too many calls failed or were slow")
        }
        LaneHindrance::Probing => (HindranceKind::BreakerOpen, "its breaker waits for what a probe comes to"),
        LaneHindrance::Rate(_) => (HindranceKind::Busy, "its rate is used up"),
        LaneHindrance::RetryBudget(_) => (HindranceKind::Busy, "its budget for repeated calls is used up"),
    }
}

async fn ask(live: &Live) -> Word {
    let asked = tokio::time::timeout(COORDINATOR_PATIENCE, live.coordinator().view(&live.base().gid)).await;
    match asked {
        Err(_) => Word::Away("no answer in time".to_owned()),
        Ok(Err(error)) => Word::Away(error.to_string()),
        Ok(Ok(None)) => Word::NotKnown,
        Ok(Ok(Some(seen))) => Word::Says(seen.status.name().to_owned()),
    }
}

fn told(live: &Live, scene: &Scene<'_>) -> pb::ExplainResponse {
    let explained = explain(scene);
    let says = match &scene.decider {
        Decider::Coordinator(Word::Says(status)) => status.clone(),
        Decider::Engine | Decider::Coordinator(Word::Away(_) | Word::NotKnown | Word::NotAsked) => {
            String::new()
        }
    };
    pb::ExplainResponse {
        gid: live.base().gid.clone(),
        status: view::status(scene.state.status()).into(),
        situation: explained.situation.into(),
        summary: explained.summary,
        ops: explained.ops.into_iter().map(|op| told_op(live, scene.state, op)).collect(),
        unblocked_by: explained.unblocked_by,
        attention: scene
            .state
            .attention
            .iter()
            .map(|open| super::attention::shown(live, scene.state, open))
            .collect(),
        coordinator: live.base().coordinator.clone(),
        coordinator_says: says,
        now: view::time(scene.now_us),
        run: Some(view::run(scene.state)),
    }
}

fn told_op(live: &Live, state: &State, explained: Explained) -> pb::ExplainedOp {
    let at: OpRef = explained.at;
    let (step, op) = (&live.plan.steps()[at.step], state.op(at));
    let most = Retry::of(&live.plan, at).max_attempts;
    pb::ExplainedOp {
        branch_id: step.branch_id.clone(),
        participant: step.participant.clone(),
        method: live.plan.method(at).to_owned(),
        op: at.op.as_str().to_owned(),
        situation: explained.situation.into(),
        attempt: i32::try_from(op.attempts).unwrap_or(i32::MAX),
        max_attempts: i32::try_from(most.unwrap_or(0)).unwrap_or(i32::MAX),
        last_code: op.last_code.clone(),
        last_reason: op.last_reason.clone(),
        since: view::time(op.since_us),
        next_at: explained.next_us.and_then(view::time),
        rule: explained.rule,
        why: explained.why,
        attempts_in_run: i32::try_from(op.attempts_in_run()).unwrap_or(i32::MAX),
    }
}
