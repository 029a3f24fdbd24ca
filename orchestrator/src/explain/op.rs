//! Why one op does not go on. Pure, as its parent; a row of the table for each kind of wait.

use super::{Explained, Hindrance, HindranceKind, Hold, Scene, TAKING_UP_US, waiting_for, words};
use crate::engine::{Retry, Rule, Wait, Why};
use crate::history::OpState;
use crate::plan::OpRef;
use crate::reason;
use amends_proto::amends::v1::Situation;

/// Why an op does not go on.
pub(super) fn explain(scene: &Scene<'_>, at: OpRef) -> Explained {
    if super::refused_behind_pivot(scene, at) {
        return refused(scene, at);
    }
    let hold = scene.holds.iter().find(|(step, _)| *step == at.step).map(|(_, hold)| hold);
    let wait = scene.waits.iter().find(|(waiting, _)| *waiting == at).map(|(_, wait)| wait);
    let calling = scene.running.contains(&at) && wait.is_none();
    match (hold, wait) {
        (Some(hold), _) if !calling => paused(scene, at, hold),
        (_, Some(wait)) => waiting(scene, at, wait),
        (_, None) if calling => is_called(scene, at),
        (_, None) => nobody_at_it(scene, at),
    }
}

fn refused(scene: &Scene<'_>, at: OpRef) -> Explained {
    let op = scene.state.op(at);
    let why = format!(
        "{} refused ({}) behind the pivot, where nothing may refuse: it is neither repeated nor undone.",
        words::subject(scene.plan, at),
        reason::in_words(&op.last_reason),
    );
    let resolve = format!("an operator's statement: {}", words::resolve(scene.plan, at));
    Explained { unblocked_by: vec![resolve], ..plain(at, Situation::RefusedBehindPivot, why) }
}

fn paused(scene: &Scene<'_>, at: OpRef, hold: &Hold) -> Explained {
    let because = if hold.reason.is_empty() { String::new() } else { format!(" ({})", hold.reason) };
    let why = format!(
        "{} is not attempted: {} is paused since {} by {}{because}.{}",
        words::subject(scene.plan, at),
        hold.what,
        words::time(hold.since_us),
        hold.by,
        last(scene.state.op(at)),
    );
    let rule = format!("the pause of {}: no new attempt before it is resumed", hold.what);
    let unblocked_by = vec![format!("`{}`", hold.resume)];
    Explained { rule, unblocked_by, ..plain(at, Situation::Paused, why) }
}

fn waiting(scene: &Scene<'_>, at: OpRef, wait: &Wait) -> Explained {
    match &wait.why {
        Why::Backoff { rule } => backoff(scene, at, wait, *rule),
        Why::Room | Why::BreakerOpen | Why::Rate | Why::RetryBudget => in_the_lane(scene, at, wait),
        Why::Paused(scope) => {
            let (what, resume) = words::scope(scope, scene.plan);
            let hold = Hold {
                what,
                resume,
                since_us: wait.since_us,
                by: "an operator".to_owned(),
                reason: String::new(),
            };
            paused(scene, at, &hold)
        }
        Why::Others => {
            let why = format!(
                "{} is not attempted before the calls of the orchestrator that had it have ended for certain.",
                words::subject(scene.plan, at)
            );
            let rule =
                "the longest attempt timeout of the plan, from the moment it was taken over".to_owned();
            let unblocked_by = vec!["the end of that time".to_owned()];
            let next_us = wait.until_us;
            Explained { rule, unblocked_by, next_us, ..plain(at, Situation::TakingUp, why) }
        }
    }
}

/// The last attempt brought nothing final: what it said decides what is really waited for.
fn backoff(scene: &Scene<'_>, at: OpRef, wait: &Wait, rule: Rule) -> Explained {
    let op = scene.state.op(at);
    let next_us = wait.until_us;
    let (situation, wants) = after_answer(scene, at, op, rule);
    let next = next_us.map(|next_us| format!(" Next attempt {}.", words::when(next_us, scene.now_us)));
    let subject = words::subject(scene.plan, at);
    let attempt = words::attempt(scene.plan, at, op);
    let why = format!("{subject} {wants}: {attempt}.{}{}", last(op), next.unwrap_or_default());
    let rule = words::rule(scene.plan, at, rule);
    let mut unblocked_by = words::unblocked(situation, scene.plan, at);
    unblocked_by.extend(deadline(scene, at));
    Explained { next_us, rule, unblocked_by, ..plain(at, situation, why) }
}

fn after_answer(scene: &Scene<'_>, at: OpRef, op: &OpState, rule: Rule) -> (Situation, &'static str) {
    let open =
        |cause: &str| scene.state.attention.iter().any(|open| open.cause == cause && open.at == Some(at));
    if rule == Rule::Store {
        return (Situation::StoreAway, "cannot be recorded, the history's store is away");
    }
    match (op.last_code.as_str(), words::said(&op.last_reason)) {
        ("FAILED_PRECONDITION", "UNDER_REVIEW") => {
            (Situation::UnderReview, "waits for people of the participant to decide")
        }
        ("FAILED_PRECONDITION", "PAYMENT_UNKNOWN") => {
            (Situation::PaymentInDoubt, "waits for proof of what became of the payment")
        }
        ("FAILED_PRECONDITION", _) if open("payment_in_doubt") => {
            (Situation::PaymentInDoubt, "waits for proof that no money is kept")
        }
        ("FAILED_PRECONDITION", _) => {
            (Situation::InProgressThere, "is not finished at the participant, which is asked again")
        }
        ("ABORTED", _) => {
            (Situation::UnderReview, "was refused where nothing may refuse, and is still repeated")
        }
        (_, _) if open("retries_exhausted") => {
            (Situation::AttemptsUsedUp, "needs a person: its retries are used up, and it is still repeated")
        }
        (_, _) => (Situation::WaitingForRetry, "waits for its next attempt"),
    }
}

/// The time by which it has to have an outcome, where deadlines have not stood still.
fn deadline(scene: &Scene<'_>, at: OpRef) -> Option<String> {
    let since_us = scene.state.op(at).since_us;
    let deadline = Retry::of(scene.plan, at).deadline?;
    let stood_still = !scene.state.standstills.is_empty() || !scene.holds.is_empty();
    if since_us == 0 || stood_still || scene.state.undoing() || scene.plan.behind_pivot(at.step) {
        return None;
    }
    let until_us = since_us.saturating_add(i64::try_from(deadline.as_micros()).unwrap_or(i64::MAX));
    let when = words::when(until_us, scene.now_us);
    Some(format!("its deadline {when}: without an outcome everything is undone then"))
}

fn in_the_lane(scene: &Scene<'_>, at: OpRef, wait: &Wait) -> Explained {
    let seen = scene.hindrances.iter().find(|(step, _)| *step == at.step).map(|(_, hindrance)| hindrance);
    let guessed = guessed(wait);
    let Hindrance { kind, text, until_us } = seen.unwrap_or(&guessed);
    let participant = &scene.plan.steps()[at.step].participant;
    let situation = match kind {
        HindranceKind::BreakerOpen => Situation::LaneOpen,
        HindranceKind::Busy => Situation::LaneBusy,
    };
    let next = until_us.map(|until_us| format!(" It may go {}.", words::when(until_us, scene.now_us)));
    let why = format!(
        "{} waits since {} before the lane of {participant}: {text}.{}{}",
        words::subject(scene.plan, at),
        words::time(wait.since_us),
        last(scene.state.op(at)),
        next.unwrap_or_default(),
    );
    let rule = format!("the lane of {participant} (`amends lanes`)");
    let unblocked_by = words::unblocked(situation, scene.plan, at);
    Explained { next_us: *until_us, rule, unblocked_by, ..plain(at, situation, why) }
}

/// What the op itself noted when it began to wait, for a lane that says nothing now.
fn guessed(wait: &Wait) -> Hindrance {
    let (kind, text) = match &wait.why {
        Why::BreakerOpen => {
            (HindranceKind::BreakerOpen, "its breaker is open, too many calls failed or were slow")
        }
        Why::Rate => (HindranceKind::Busy, "its rate is used up"),
        Why::RetryBudget => (HindranceKind::Busy, "its budget for repeated calls is used up"),
        Why::Room | Why::Backoff { .. } | Why::Paused(_) | Why::Others => {
            (HindranceKind::Busy, "it has as many calls in flight as it may")
        }
    };
    Hindrance { kind, text: text.to_owned(), until_us: wait.until_us }
}

fn is_called(scene: &Scene<'_>, at: OpRef) -> Explained {
    let op = scene.state.op(at);
    let participant = &scene.plan.steps()[at.step].participant;
    let undo_waits = scene.state.undoing() && at.op == scene.plan.forward_op();
    let but = if undo_waits { " Its undo waits for the end of this call." } else { "" };
    let why = format!(
        "{} is being called, or its answer is being recorded.{}{but}",
        words::subject(scene.plan, at),
        last(op)
    );
    let timeout_ms = Retry::of(scene.plan, at).attempt_timeout.as_millis();
    let unblocked_by =
        vec![format!("an answer of {participant}, or the attempt's timeout of {timeout_ms} ms")];
    let rule = format!("attempt timeout of step {}: {timeout_ms} ms", scene.plan.branch_id(at.step).as_str());
    Explained { rule, unblocked_by, ..plain(at, Situation::Calling, why) }
}

/// It is to be done, and nobody in this process is at it.
fn nobody_at_it(scene: &Scene<'_>, at: OpRef) -> Explained {
    let subject = words::subject(scene.plan, at);
    let op = scene.state.op(at);
    let (more, unblocked_by) = words::decider(&scene.decider);
    let situation = waiting_for(&scene.decider);
    let began_before = scene.state.started_us < scene.up_since_us;
    let fresh = began_before && scene.now_us.saturating_sub(scene.up_since_us) < TAKING_UP_US;
    if fresh && situation != Situation::CoordinatorAway {
        let since = words::time(scene.up_since_us);
        let why = format!(
            "{subject} is next, and this orchestrator, which began at {since}, takes up what was open.{} {more}",
            last(op)
        );
        let rule = "recovery after a restart: everything open is taken up at once".to_owned();
        let why = why.trim_end().to_owned();
        return Explained { rule, unblocked_by, ..plain(at, Situation::TakingUp, why) };
    }
    let why = format!("{subject} is next.{} {more}", last(op));
    Explained {
        rule: words::reminder(&scene.decider),
        unblocked_by,
        ..plain(at, situation, why.trim_end().to_owned())
    }
}

/// ` The last answer was …`; empty where there is none.
fn last(op: &OpState) -> String {
    if op.last_code.is_empty() {
        return String::new();
    }
    let reason = reason::in_words(&op.last_reason);
    let colon = if reason.is_empty() { "" } else { ", " };
    format!(" The last answer was {}{colon}{reason}.", op.last_code)
}

fn plain(at: OpRef, situation: Situation, why: String) -> Explained {
    Explained { at, situation, next_us: None, rule: String::new(), why, unblocked_by: Vec::new() }
}
