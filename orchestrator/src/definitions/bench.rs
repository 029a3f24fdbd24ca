//! `bench`: steps that do nothing, on the participant `noop`. What a run of it takes is what the orchestrator itself
//! costs. Only an orchestrator that has such a participant has this definition.

use super::{DefinitionError, Order, Planned, StepSketch, assemble, decode};
use crate::history::Reuse;
use crate::plan::{MAX_STEPS, Mode};
use amends_proto::amends::v1::{BenchInput, StepPolicy};

/// Name of the definition.
pub const NAME: &str = "bench";
/// The participant of every step.
pub const PARTICIPANT: &str = "noop";
const VERSION: i32 = 1;
const INPUT: &str = "amends.v1.BenchInput";

/// Makes the plan.
pub fn plan(order: &Order<'_>) -> Result<Planned, DefinitionError> {
    if order.mode == Mode::Unspecified {
        return Err(DefinitionError::Mode);
    }
    let input: BenchInput = decode(order.input, INPUT)?;
    let (steps, refusing) = check(&input)?;
    let policy = policy(order);
    let step = |number: usize| StepSketch {
        participant: PARTICIPANT,
        service: "amends.v1.Noop",
        forward: if refusing == Some(number) { "Refuse" } else { "Do" },
        confirm: match order.mode {
            Mode::Tcc => "Confirm",
            Mode::Saga | Mode::Unspecified => "",
        },
        undo: "Undo",
        pivot: false,
        payload: bytes::Bytes::new(),
        policy,
    };
    let key = if order.business_key.is_empty() { order.gid.as_str() } else { order.business_key };
    let plan = assemble(order, NAME, VERSION, key, (0, ""), (1..=steps).map(step).collect())?;
    Ok(Planned { plan, reuse: Reuse::Always })
}

/// How many steps, and which of them refuses.
fn check(input: &BenchInput) -> Result<(usize, Option<usize>), DefinitionError> {
    let field = |field, what| Err(DefinitionError::Field { field, what });
    let steps = match usize::try_from(input.steps) {
        Ok(steps) if (1..=MAX_STEPS).contains(&steps) => steps,
        Ok(_) | Err(_) => return field("steps", format!("must be 1 to {MAX_STEPS}")),
    };
    match usize::try_from(input.refuse_branch) {
        Ok(0) => Ok((steps, None)),
        Ok(number) if number <= steps => Ok((steps, Some(number))),
        Ok(_) | Err(_) => field("refuse_branch", format!("must be 0 to {steps}")),
    }
}

/// The same as that of an ordinary step of a checkout.
fn policy(order: &Order<'_>) -> StepPolicy {
    StepPolicy {
        attempt_timeout_ms: 3_000,
        step_timeout_ms: match order.mode {
            Mode::Tcc => order.times.try_timeout_ms,
            Mode::Saga | Mode::Unspecified => 0,
        },
        initial_interval_ms: 100,
        max_interval_ms: 30_000,
        attention_after_ms: 600_000,
        ..StepPolicy::default()
    }
}

#[cfg(test)]
#[path = "bench_tests.rs"]
mod tests;
