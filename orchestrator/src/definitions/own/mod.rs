//! `own`: steps of the caller's own, over any participant on the allow-list. Checks what the caller wrote and makes a
//! plan of it. Knows no service: what a step means is the caller's business.

mod arrange;
mod check;

use super::{DefinitionError, Order, Planned};
use crate::history::Reuse;
use crate::plan::{Mode, Plan, PlanError};
use amends_dtm::BranchId;
use amends_proto::amends::v1::{self as pb, PlanStep, RetryPolicy, SagaStep, StepPolicy, TccStep};
use bytes::Bytes;

/// Name of the definition that such global transactions are shown with.
pub const NAME: &str = "own";
/// They have no versions: each brings its own steps.
const VERSION: i32 = 0;
/// An attempt whose time the caller does not name (orchestration.md item 4).
const DEFAULT_ATTEMPT_MS: i32 = 3_000;
/// The first wait, the longest, and the time after which a person is called, where the caller names none (item 3).
const DEFAULT_WAIT_MS: i32 = 100;
const DEFAULT_LONGEST_MS: i32 = 30_000;
const DEFAULT_TOTAL_MS: i32 = 600_000;

/// What the caller wants of the whole.
#[derive(Debug, Clone, Copy)]
pub struct Terms {
    /// When the business key may be used again.
    pub reuse: Reuse,
    /// Of the whole global transaction; 0 = none.
    pub timeout_ms: i32,
}

/// A step as the caller wrote it, whatever the mode.
#[derive(Debug, Clone, Copy)]
pub struct OwnStep<'a> {
    name: &'a str,
    participant: &'a str,
    /// Field names of the three methods in the request, for whoever has to mend it.
    words: [&'static str; 3],
    forward: &'a str,
    confirm: &'a str,
    undo: &'a str,
    payload: &'a Bytes,
    timeout_ms: i32,
    step_timeout_ms: i32,
    after: &'a [String],
    pivot: bool,
    /// How forward op, confirm and undo are repeated, with their field names in the request.
    retries: [(&'static str, Option<RetryPolicy>); 3],
    safe_to_give_up: bool,
}

impl<'a> From<&'a SagaStep> for OwnStep<'a> {
    fn from(step: &'a SagaStep) -> Self {
        Self {
            name: &step.name,
            participant: &step.participant,
            words: ["action", "", "compensate"],
            forward: &step.action,
            confirm: "",
            undo: &step.compensate,
            payload: &step.payload,
            timeout_ms: step.timeout_ms,
            step_timeout_ms: step.step_timeout_ms,
            after: &step.after,
            pivot: step.pivot,
            retries: [("retry", step.retry), ("", None), ("compensate_retry", step.compensate_retry)],
            safe_to_give_up: step.safe_to_give_up,
        }
    }
}

impl<'a> From<&'a TccStep> for OwnStep<'a> {
    fn from(step: &'a TccStep) -> Self {
        Self {
            name: &step.name,
            participant: &step.participant,
            words: ["try", "confirm", "cancel"],
            forward: &step.r#try,
            confirm: &step.confirm,
            undo: &step.cancel,
            payload: &step.payload,
            timeout_ms: step.timeout_ms,
            step_timeout_ms: step.step_timeout_ms,
            after: &step.after,
            pivot: false,
            retries: [
                ("retry", step.retry),
                ("confirm_retry", step.confirm_retry),
                ("cancel_retry", step.cancel_retry),
            ],
            safe_to_give_up: step.safe_to_give_up,
        }
    }
}

/// What is wrong with the caller's steps.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OwnError {
    /// None, or too many.
    #[error("steps: must be 1 to {most}, are {0}", most = crate::plan::MAX_STEPS)]
    Count(usize),
    /// A field of one step is wrong.
    #[error("step {step}: {field}: {what}")]
    Field {
        /// Its place in the request from 1, and its name if it has one.
        step: String,
        /// Name of the field.
        field: &'static str,
        /// What is wrong with it.
        what: String,
    },
    /// A text holds a card number, which is not repeated here.
    #[error("step {step}: {field}: looks like a card number")]
    CardNumber {
        /// Its place in the request, from 1.
        step: usize,
        /// Name of the field.
        field: &'static str,
    },
    /// What is asked of the whole is wrong.
    #[error("{field}: {what}")]
    Whole {
        /// Name of the field.
        field: &'static str,
        /// What is wrong with it.
        what: String,
    },
    /// Steps that wait for each other.
    #[error("after: these steps wait for each other: {0}")]
    Cycle(String),
    /// A step does not fit into the plan as a whole.
    #[error("step {step}: {what}")]
    Misfit {
        /// As in `Field`.
        step: String,
        /// Why.
        what: &'static str,
    },
}

/// Makes the plan of the caller's steps. The order's input is not looked at: the steps are the input.
///
/// # Errors
/// Names the step, and what is wrong with it.
pub fn plan(order: &Order<'_>, steps: &[OwnStep<'_>], terms: Terms) -> Result<Planned, DefinitionError> {
    if order.mode == Mode::Unspecified {
        return Err(DefinitionError::Mode);
    }
    check::whole(terms)?;
    check::all(steps, order)?;
    let arranged = arrange::arrange(steps)?;
    let place_of = |step: usize| arranged.order.iter().position(|it| *it == step).unwrap_or(step);
    let branch_id = |place: usize| BranchId::of_index(place).as_str().to_owned();
    let planned = arranged.order.iter().enumerate().map(|(place, &index)| {
        let mut after: Vec<usize> = arranged.after[index].iter().map(|step| place_of(*step)).collect();
        after.sort_unstable();
        PlanStep {
            branch_id: branch_id(place),
            after: after.into_iter().map(branch_id).collect(),
            ..to_plan(&steps[index], order)
        }
    });
    let key = if order.business_key.is_empty() { order.gid.as_str() } else { order.business_key };
    let body = pb::Plan {
        gid: order.gid.as_str().to_owned(),
        definition: NAME.to_owned(),
        definition_version: VERSION,
        mode: order.mode.into(),
        business_key: key.to_owned(),
        steps: planned.collect(),
        traceparent: order.traceparent.to_owned(),
        created_at_us: order.now_us,
        graph: arranged.graph,
        timeout_ms: terms.timeout_ms,
        ..pb::Plan::default()
    };
    let plan = Plan::new(body).map_err(|error| misfit(error, steps, &arranged.order))?;
    Ok(Planned { plan, reuse: terms.reuse })
}

fn to_plan(step: &OwnStep<'_>, order: &Order<'_>) -> PlanStep {
    let default_step_ms = match order.mode {
        Mode::Tcc => order.times.try_timeout_ms,
        Mode::Saga | Mode::Unspecified => 0,
    };
    let or = |asked: i32, default: i32| if asked == 0 { default } else { asked };
    let [(_, retry), (_, confirm), (_, undo)] = step.retries;
    let retry = retry.unwrap_or_default();
    let attempt_ms = retry.attempt_timeout_ms;
    PlanStep {
        name: step.name.to_owned(),
        participant: step.participant.to_owned(),
        forward: step.forward.to_owned(),
        confirm: step.confirm.to_owned(),
        undo: step.undo.to_owned(),
        payload: step.payload.clone(),
        pivot: step.pivot,
        policy: Some(StepPolicy {
            attempt_timeout_ms: or(attempt_ms, or(step.timeout_ms, DEFAULT_ATTEMPT_MS)),
            step_timeout_ms: or(step.step_timeout_ms, default_step_ms),
            initial_interval_ms: or(retry.initial_interval_ms, DEFAULT_WAIT_MS),
            max_interval_ms: or(retry.max_interval_ms, DEFAULT_LONGEST_MS),
            attention_after_ms: retry.total_ms.unwrap_or(DEFAULT_TOTAL_MS),
            factor_percent: retry.factor_percent,
            jitter_percent: retry.jitter_percent,
            max_attempts: retry.max_attempts,
            safe_to_give_up: step.safe_to_give_up,
            undo,
            confirm,
        }),
        // Nobody here knows whether the participant keeps guards (design.md §7).
        durable_start: true,
        ..PlanStep::default()
    }
}

/// The plan names a step by its place there; the caller knows it by its place in the request.
fn misfit(error: PlanError, steps: &[OwnStep<'_>], order: &[usize]) -> DefinitionError {
    let place = |branch_id: &str| BranchId::parse(branch_id).ok().and_then(|id| id.index());
    match error {
        PlanError::Step { branch_id, what } => match place(&branch_id).and_then(|place| order.get(place)) {
            Some(&index) => OwnError::Misfit { step: check::label(steps, index), what }.into(),
            None => PlanError::Step { branch_id, what }.into(),
        },
        error @ (PlanError::StepCount(_)
        | PlanError::Gid
        | PlanError::Mode
        | PlanError::Timeout
        | PlanError::Decode(_)) => error.into(),
    }
}

#[cfg(test)]
#[path = "own_tests.rs"]
mod tests;
