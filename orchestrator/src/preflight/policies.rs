//! Whether the times of a step fit each other: what can never be reached was meant otherwise.

use super::{Finding, Kind, Weight, label};
use crate::engine::Retry;
use crate::plan::{MAX_ATTEMPT_MS, OpRef, Plan, StepIndex};
use std::time::Duration;

/// Checks the policy of one step.
pub(super) fn check(plan: &Plan, step: StepIndex) -> Vec<Finding> {
    let retry = Retry::of(plan, OpRef { step, op: plan.forward_op() });
    let undo = Retry::of(plan, OpRef { step, op: plan.undo_op() });
    let whole = u64::try_from(plan.body().timeout_ms).ok().filter(|ms| *ms > 0).map(Duration::from_millis);
    let over = |limit: Option<Duration>, other: Duration| limit.filter(|limit| other > *limit);
    let longest = Duration::from_millis(u64::try_from(MAX_ATTEMPT_MS).unwrap_or(0));
    let attempt = retry.attempt_timeout.max(undo.attempt_timeout);
    let refusals = over(Some(longest), attempt)
        .map(|longest| format!("an attempt may take {}, more than {}", ms(attempt), ms(longest)));
    let attempt = retry.attempt_timeout;
    let warnings = [
        over(retry.deadline, attempt)
            .map(|deadline| format!("one attempt may take {}, the whole step {}", ms(attempt), ms(deadline))),
        over(whole, attempt)
            .map(|whole| format!("one attempt may take {}, the whole {}", ms(attempt), ms(whole))),
        retry.deadline.zip(whole).filter(|(deadline, whole)| deadline > whole).map(|(deadline, whole)| {
            format!("it may take {}, the whole {}: its own time is never over", ms(deadline), ms(whole))
        }),
    ];
    let finding = |weight| move |what| Finding { weight, kind: Kind::Time, step: label(plan, step), what };
    let warnings = warnings.into_iter().flatten().map(finding(Weight::Warning));
    refusals.into_iter().map(finding(Weight::Refusal)).chain(warnings).collect()
}

fn ms(time: Duration) -> String {
    format!("{} ms", time.as_millis())
}
