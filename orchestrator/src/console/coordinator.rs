//! What the coordinator's own book says of each op, beside ours, with what does not fit marked. Pure.

use super::words::{Tone, chip, op_state, reason};
use amends_proto::amends::v1::{CoordinatorViewResponse, GlobalTransaction, OpState};
use maud::{Markup, html};

/// Name of the coordinator that keeps no book of its own.
const EMBEDDED: &str = "embedded";
/// The cause of a need for a person that the auditor opens.
const DISAGREEMENT: &str = "disagreement";

/// Both books.
#[must_use]
pub fn beside(transaction: &GlobalTransaction, view: Option<&CoordinatorViewResponse>) -> Markup {
    if transaction.coordinator == EMBEDDED {
        return html! { p { "The engine drives it by itself: this history is the only book." } };
    }
    let Some(view) = view else {
        return html! { p { (chip(Tone::Bad, "the coordinator does not answer")) } };
    };
    if !view.known {
        return html! { p { (chip(Tone::Warn, "it does not know this gid")) " History is the truth, and ends it by itself." } };
    }
    let found = transaction.all_attention.iter().find(|need| need.cause == DISAGREEMENT);
    html! {
        p { "It says " b { (view.status) } ", history says " b { (view.history_status) } ". "
            @if contradicts(&view.status, &view.history_status) { (chip(Tone::Bad, "they disagree")) }
            @if !view.rollback_reason.is_empty() { " It rolled back because: " (reason(&view.rollback_reason)) } }
        @if let Some(found) = found { p { (chip(Tone::Bad, "the auditor found a disagreement")) " " (reason(&found.text)) } }
        div.scroll tabindex="0" { table.stack {
            thead { tr { th { "Step" } th { "Op" } th { "Coordinator" } th { "History" } th { "" } } }
            tbody {
                @for branch in &view.branches {
                    @let ours = ours(transaction, &branch.branch_id, &branch.op);
                    tr {
                        td data-label="Step" { (branch.branch_id) }
                        td data-label="Op" { (branch.op) }
                        td data-label="Coordinator" { (branch.status) }
                        td data-label="History" { (op_state(ours).1) }
                        td { @if differs(&branch.status, ours) { (chip(Tone::Bad, "differs")) } }
                    }
                }
            }
        } }
    }
}

/// Whether two ends exclude each other. While one of them is under way, the other may be a step behind.
fn contradicts(theirs: &str, ours: &str) -> bool {
    matches!((theirs, ours), ("succeed", "failed" | "cancelled") | ("failed", "succeeded"))
}

/// Whether two final outcomes of an op exclude each other.
fn differs(theirs: &str, ours: OpState) -> bool {
    match ours {
        OpState::Refused => theirs == "succeed",
        OpState::Succeeded => theirs == "failed",
        OpState::Unspecified | OpState::Running | OpState::Waiting | OpState::Skipped => false,
    }
}

fn ours(transaction: &GlobalTransaction, branch_id: &str, op: &str) -> OpState {
    let step = transaction.steps.iter().find(|step| step.branch_id == branch_id);
    let known = step.and_then(|step| step.ops.iter().find(|known| known.op == op));
    known.map_or(OpState::Unspecified, amends_proto::amends::v1::Op::state)
}

#[cfg(test)]
mod tests {
    use super::*;
    use amends_proto::amends::v1::{CoordinatorBranch, Op, Step};

    #[test]
    fn what_excludes_each_other_is_marked() {
        let op = Op { op: "action".into(), state: OpState::Refused.into(), ..Op::default() };
        let step = Step { branch_id: "01".into(), ops: vec![op], ..Step::default() };
        let transaction = GlobalTransaction {
            coordinator: "dtm".into(),
            steps: vec![step],
            ..GlobalTransaction::default()
        };
        let branch = |status: &str| CoordinatorBranch {
            branch_id: "01".into(),
            op: "action".into(),
            status: status.into(),
        };
        let view = |status: &str, branch_status: &str| CoordinatorViewResponse {
            known: true,
            status: status.into(),
            history_status: "failed".into(),
            branches: vec![branch(branch_status)],
            ..CoordinatorViewResponse::default()
        };
        let shown = |view: &CoordinatorViewResponse| beside(&transaction, Some(view)).into_string();
        let agreed = shown(&view("failed", "failed"));
        assert!(!agreed.contains("disagree") && !agreed.contains("differs"), "{agreed}");
        assert!(shown(&view("succeed", "failed")).contains("they disagree"));
        assert!(shown(&view("failed", "succeed")).contains("differs"));
        assert!(shown(&CoordinatorViewResponse::default()).contains("does not know"));
        assert!(beside(&transaction, None).into_string().contains("does not answer"));
    }
}
