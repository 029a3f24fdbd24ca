//! What the retry policy of a step may say. Knows limits; must not know what a policy leads to.

use super::{Order, PlanError, pb};

/// Longest attempt: it holds a place in its participant's lane for so long.
pub const MAX_ATTEMPT_MS: i32 = 60_000;
/// Longest wait between two attempts, and longest time of an op: a day.
pub const MAX_WAIT_MS: i32 = 86_400_000;
/// Steepest growth of waits, in percent.
pub const MAX_FACTOR_PERCENT: i32 = 1_000;
/// Widest jitter, in percent: with more, an attempt could follow the one before at once.
pub const MAX_JITTER_PERCENT: i32 = 90;
/// Most attempts that a limit may allow: each of them is an event.
pub const MAX_ATTEMPTS: i32 = 1_000;

/// Checks a step's policy by itself.
pub(super) fn check(step: &pb::PlanStep, policy: &pb::StepPolicy) -> Result<(), &'static str> {
    if policy.attempt_timeout_ms <= 0 || policy.initial_interval_ms <= 0 {
        return Err("the policy lacks an attempt timeout or an interval");
    }
    if [policy.step_timeout_ms, policy.max_interval_ms, policy.attention_after_ms].iter().any(|ms| *ms < 0) {
        return Err("the policy has a negative time");
    }
    numbers(policy.factor_percent, policy.jitter_percent, policy.max_attempts)?;
    for second in [&policy.undo, &policy.confirm].into_iter().flatten() {
        let times = [second.initial_interval_ms, second.max_interval_ms, second.attempt_timeout_ms];
        if times.iter().chain(second.total_ms.iter()).any(|ms| *ms < 0) {
            return Err("the policy of a second phase has a negative time");
        }
        numbers(second.factor_percent, second.jitter_percent, second.max_attempts)?;
    }
    if policy.safe_to_give_up && step.undo.is_empty() {
        return Err("a step that is safe to give up has an undo");
    }
    Ok(())
}

fn numbers(factor: i32, jitter: Option<i32>, attempts: i32) -> Result<(), &'static str> {
    if factor != 0 && !(100..=MAX_FACTOR_PERCENT).contains(&factor) {
        return Err("the policy's factor is out of range");
    }
    if !(0..=MAX_JITTER_PERCENT).contains(&jitter.unwrap_or_default()) {
        return Err("the policy's jitter is out of range");
    }
    if !(0..=MAX_ATTEMPTS).contains(&attempts) {
        return Err("the policy's attempts are out of range");
    }
    Ok(())
}

/// From the pivot on there is no giving up: nobody knows what was done, or there is no way back.
pub(super) fn check_giving_up(body: &pb::Plan, order: &Order) -> Result<(), PlanError> {
    let Some(pivot) = body.steps.iter().position(|step| step.pivot) else { return Ok(()) };
    let gives_up = |step: &pb::PlanStep| step.policy.is_some_and(|policy| policy.safe_to_give_up);
    let late = |index: usize| index == pivot || order.behind(pivot).contains(index);
    match body.steps.iter().enumerate().find(|(index, step)| gives_up(step) && late(*index)) {
        Some((_, step)) => Err(PlanError::Step {
            branch_id: step.branch_id.clone(),
            what: "only a step before the pivot is safe to give up",
        }),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::{Mode, Plan, samples};

    /// What is wrong with a plan whose pivot is its second step of three, once its first step is changed.
    fn wrong(index: usize, change: impl FnOnce(&mut pb::PlanStep, &mut pb::StepPolicy)) -> String {
        let mut body = samples::plan(Mode::Saga, 3, Some(1)).body().clone();
        let mut policy = body.steps[index].policy.unwrap();
        change(&mut body.steps[index], &mut policy);
        body.steps[index].policy = Some(policy);
        Plan::new(body).map_or_else(|error| error.to_string(), |_| String::new())
    }

    #[test]
    fn policies_out_of_range_are_named() {
        let retry = pb::RetryPolicy::default;
        assert_eq!(wrong(0, |_, policy| policy.safe_to_give_up = true), "");
        let table: [(&str, String); 8] = [
            ("lacks an attempt timeout", wrong(0, |_, policy| policy.attempt_timeout_ms = 0)),
            ("a negative time", wrong(0, |_, policy| policy.step_timeout_ms = -1)),
            ("factor", wrong(0, |_, policy| policy.factor_percent = 99)),
            ("jitter", wrong(0, |_, policy| policy.jitter_percent = Some(91))),
            ("attempts", wrong(0, |_, policy| policy.max_attempts = 1_001)),
            (
                "second phase",
                wrong(0, |_, policy| policy.undo = Some(pb::RetryPolicy { total_ms: Some(-1), ..retry() })),
            ),
            (
                "attempts",
                wrong(0, |_, policy| policy.confirm = Some(pb::RetryPolicy { max_attempts: -1, ..retry() })),
            ),
            (
                "has an undo",
                wrong(0, |step, policy| {
                    step.undo.clear();
                    policy.safe_to_give_up = true;
                }),
            ),
        ];
        for (said, error) in table {
            assert!(error.starts_with("step 01: ") && error.contains(said), "{said}: {error}");
        }
        for late in [1, 2] {
            let error = wrong(late, |step, policy| {
                step.undo = "a.v1.A/Undo".into();
                policy.safe_to_give_up = true;
            });
            assert_eq!(error, format!("step 0{}: only a step before the pivot is safe to give up", late + 1));
        }
    }
}
