//! What helps with each cause of a need for a person, as its runbook says: acts of ours with their links, or the place where
//! it is settled instead. Knows no page, and does nothing.

use super::act::Act;
use super::words::in_address;
use amends_proto::amends::v1::{GlobalTransaction, Op, OpState};
use maud::{Markup, html};
use std::collections::BTreeSet;

/// A way out of a need.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    /// An act on the global transaction.
    Act(Act),
    /// The gateway's queue of payments that nobody can prove.
    InDoubt,
}

/// What is to be known of a cause.
struct Remedy {
    cause: &'static str,
    ways: &'static [Way],
    says: &'static str,
}

const RETRY: Way = Way::Act(Act::Retry);
const REDRIVE: Way = Way::Act(Act::Redrive);
const RESOLVE: Way = Way::Act(Act::Resolve);
const CANCEL: Way = Way::Act(Act::Cancel);

/// A payment that nobody can prove: stating its undo here would release what is held for it, past the gateway's own item.
const IN_DOUBT: &str = "payment_in_doubt";
/// The gateway's reason where it cannot tell what became of a payment.
const UNKNOWN: &str = "PAYMENT_UNKNOWN";

/// One for each cause that the orchestrator opens.
const REMEDIES: [Remedy; 9] = [
    Remedy {
        cause: "retries_exhausted",
        ways: &[RETRY, REDRIVE, RESOLVE, CANCEL],
        says: "Nobody answers for certain. Bring the participant back, then retry; state an outcome only from its own books.",
    },
    Remedy {
        cause: "in_progress_too_long",
        ways: &[RETRY, CANCEL],
        says: "The participant is at it. Find out there what it waits for; up to the point of no return it can be cancelled.",
    },
    Remedy {
        cause: "refused_behind_pivot",
        ways: &[RESOLVE],
        says: "There is no way back, and it is not called again. Do by hand what the step would have done, then state it as done.",
    },
    Remedy {
        cause: "refused_after_commit",
        ways: &[RETRY, RESOLVE, Way::InDoubt],
        says: "A confirm may not refuse. Repair it at the participant, then retry: nearly always the right way.",
    },
    Remedy {
        cause: "undo_refused",
        ways: &[RETRY, RESOLVE, Way::InDoubt],
        says: "What its step did is still there. Repair the participant, then retry; state it only where it was undone by hand.",
    },
    Remedy {
        cause: "deadline_behind_pivot",
        ways: &[RETRY, REDRIVE, RESOLVE],
        says: "It is late, and there is only forward. Tell whoever waits for it.",
    },
    Remedy {
        cause: "under_review",
        ways: &[Way::InDoubt, CANCEL],
        says: "One of the participant's own people decides. Find out who, and have it decided there.",
    },
    Remedy {
        cause: IN_DOUBT,
        ways: &[Way::InDoubt],
        says: "Nobody can prove what became of the money. It is settled at the gateway: ask the provider again, or state there what \
               the provider says. Nothing is to be stated here.",
    },
    Remedy {
        cause: "disagreement",
        ways: &[RETRY],
        says: "Two books say different things. Find out who lost something before anything is stated; the auditor closes it when \
               they agree.",
    },
];

/// What can be done about a need, and what its runbook says. `at` is its op, as `05 action`, or empty.
#[must_use]
pub fn about(gid: &str, cause: &str, at: &str) -> Markup {
    let known = REMEDIES.iter().find(|remedy| remedy.cause == cause);
    html! {
        @if let Some(remedy) = known {
            p.quiet { (remedy.says) " Its runbook: " code { "docs/runbooks/attention/" (remedy.cause) ".md" } "." }
        }
        nav.acts aria-label="What can be done about it" {
            a.button href={ "/t/" (gid) "/acknowledge?cause=" (in_address(cause)) } { "Look after it" }
            @for way in known.map_or(&[][..], |remedy| remedy.ways) { (link(*way, gid, at)) }
        }
    }
}

fn link(way: Way, gid: &str, at: &str) -> Markup {
    match way {
        Way::Act(act) => {
            let meaning = act.meaning();
            let op = match act {
                Act::Retry | Act::Resolve if !at.is_empty() => format!("?op={}", in_address(at)),
                Act::Retry
                | Act::Resolve
                | Act::Redrive
                | Act::Pause
                | Act::Resume
                | Act::Cancel
                | Act::Acknowledge => String::new(),
            };
            html! { a.button href={ "/t/" (gid) "/" (meaning.name) (op) } { (meaning.title) } }
        }
        Way::InDoubt => html! { a.button href={ "/in-doubt?gid=" (gid) } { "Payments in doubt" } },
    }
}

/// The op of a need, as forms name it.
#[must_use]
pub fn at(branch_id: &str, op: &str) -> String {
    if branch_id.is_empty() { String::new() } else { format!("{branch_id} {op}") }
}

/// Whether what is open about it is settled elsewhere than by stating an outcome here.
#[must_use]
pub fn is_resolved_elsewhere(transaction: &GlobalTransaction) -> bool {
    transaction.all_attention.iter().any(|need| need.cause == IN_DOUBT)
}

/// The ops whose payment nobody can prove: as a need for a person tells, or, before there is one, the gateway itself.
fn in_doubt(transaction: &GlobalTransaction) -> BTreeSet<String> {
    let needs = transaction.all_attention.iter().filter(|need| need.cause == IN_DOUBT);
    // It may be asked again right now: its last word counts until there is another.
    let unsettled = |op: &Op| matches!(op.state(), OpState::Waiting | OpState::Running);
    let unknown = |op: &&Op| unsettled(op) && op.last_reason.split('|').next() == Some(UNKNOWN);
    let waiting = transaction
        .steps
        .iter()
        .flat_map(|step| step.ops.iter().filter(unknown).map(|op| at(&step.branch_id, &op.op)));
    needs.map(|need| at(&need.branch_id, &need.op)).chain(waiting).collect()
}

/// What to know before an outcome is stated all the same.
#[must_use]
pub fn warning(transaction: &GlobalTransaction) -> Markup {
    let ops: Vec<String> = in_doubt(transaction).into_iter().collect();
    html! {
        @if !ops.is_empty() {
            div.notice.bad role="alert" {
                p { b { "Its payment is in doubt" } " at " (ops.join(", ")) ". To state here that it is taken back \
                    releases stock, points and money that are held for it, while the gateway cannot prove yet that nothing was \
                    kept, and its item stays open. Settle it among the "
                    a href={ "/in-doubt?gid=" (transaction.gid) } { "payments in doubt" } " instead." }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use amends_proto::amends::v1::Step;

    #[test]
    fn each_runbook_of_a_cause_has_its_ways() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/runbooks/attention");
        let names =
            std::fs::read_dir(folder).unwrap().map(|one| one.unwrap().file_name().into_string().unwrap());
        let runbooks: BTreeSet<String> = names
            .filter(|name| name != "README.md")
            .map(|name| name.trim_end_matches(".md").to_owned())
            .collect();
        let known: BTreeSet<String> = REMEDIES.iter().map(|remedy| remedy.cause.to_owned()).collect();
        assert_eq!(known, runbooks);
    }

    #[test]
    fn a_payment_in_doubt_is_not_resolved_past_the_gateway() {
        let shown = about("x", IN_DOUBT, "05 compensate").into_string();
        assert!(shown.contains("/in-doubt?gid=x") && !shown.contains("/resolve"), "{shown}");
        let shown = about("x", "disagreement", "").into_string();
        assert!(!shown.contains("/resolve"), "{shown}");
        let shown = about("x", "refused_after_commit", "06 confirm").into_string();
        assert!(shown.contains("/t/x/resolve?op=06%20confirm"), "{shown}");
        assert!(about("x", "heard of by a newer version", "").into_string().contains("/acknowledge"));
    }

    #[test]
    fn who_states_something_of_a_payment_in_doubt_is_warned() {
        let need = |cause: &str| amends_proto::amends::v1::Attention {
            cause: cause.to_owned(),
            branch_id: "05".to_owned(),
            op: "compensate".to_owned(),
            ..Default::default()
        };
        let of = |cause: &str| GlobalTransaction { all_attention: vec![need(cause)], ..Default::default() };
        assert!(is_resolved_elsewhere(&of(IN_DOUBT)) && !is_resolved_elsewhere(&of("undo_refused")));
        assert!(warning(&of(IN_DOUBT)).into_string().contains("05 compensate"));
        assert_eq!(warning(&of("undo_refused")).into_string(), "");
        let op = |state: OpState| {
            let last_reason = "PAYMENT_UNKNOWN|silence".to_owned();
            Op { op: "action".to_owned(), state: state.into(), last_reason, ..Op::default() }
        };
        let before = |state: OpState| {
            let step = Step { branch_id: "05".to_owned(), ops: vec![op(state)], ..Step::default() };
            warning(&GlobalTransaction { steps: vec![step], ..Default::default() }).into_string()
        };
        assert!(before(OpState::Waiting).contains("in doubt</b> at 05 action."));
        assert!(before(OpState::Running).contains("in doubt</b> at 05 action."));
        assert_eq!(before(OpState::Succeeded), "");
    }
}
