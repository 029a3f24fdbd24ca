//! Whether a step can be taken back where it has to be, and is not too large.

use super::{Finding, Kind, Weight, is_own, label};
use crate::plan::{MAX_PAYLOAD_BYTES, OpRef, Plan, StepIndex};
use amends_serve::grpc::MAX_MESSAGE_BYTES;

/// Checks the shape of one step.
pub(super) fn check(plan: &Plan, step: StepIndex) -> Vec<Finding> {
    let finding =
        |weight, kind, what: &str| Finding { weight, kind, step: label(plan, step), what: what.to_owned() };
    let mut findings = Vec::new();
    let has_undo = !plan.method(OpRef { step, op: plan.undo_op() }).is_empty();
    match (plan.behind_pivot(step), has_undo) {
        (false, true) | (true, false) => {}
        // The caller may have nothing to undo there, and says so by leaving it out.
        (false, false) if is_own(plan) => {
            let what = "has no compensation: what an attempt of it did stays";
            findings.push(finding(Weight::Warning, Kind::Undo, what));
        }
        (false, false) => {
            findings.push(finding(Weight::Refusal, Kind::Undo, "is not behind the pivot, and has no undo"));
        }
        (true, true) => {
            let what = "is behind the pivot: its compensation is never called";
            findings.push(finding(Weight::Warning, Kind::Undo, what));
        }
    }
    if plan.steps()[step].payload.len() > MAX_PAYLOAD_BYTES {
        let what = format!("its payload has more than {MAX_PAYLOAD_BYTES} bytes");
        findings.push(finding(Weight::Refusal, Kind::Size, &what));
    }
    findings
}

/// Checks the size of a request as a whole.
pub(super) fn request(bytes: usize) -> Option<Finding> {
    let what = format!("the request has {bytes} bytes, more than {MAX_MESSAGE_BYTES}");
    (bytes > MAX_MESSAGE_BYTES).then(|| Finding {
        weight: Weight::Refusal,
        kind: Kind::Size,
        step: String::new(),
        what,
    })
}
