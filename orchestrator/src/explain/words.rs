//! The words of an explanation: ops, rules and remedies as people say them. Pure; knows no situation by itself.

use super::{Decider, Word};
use crate::engine::{Retry, Rule, Scope};
use crate::history::OpState;
use crate::plan::{OpRef, Plan};
use amends_proto::amends::v1::Situation;
use chrono::{DateTime, SecondsFormat};

/// `Step 05 gateway.Charge (action)`.
pub(super) fn subject(plan: &Plan, at: OpRef) -> String {
    let step = &plan.steps()[at.step];
    let method = plan.method(at).rsplit('/').next().unwrap_or_default();
    format!("Step {} {}.{method} ({})", step.branch_id, step.participant, at.op.as_str())
}

/// The reason of `REASON|text`.
pub(super) fn said(text: &str) -> &str {
    text.split('|').next().unwrap_or_default()
}

/// A time to the second.
pub(super) fn time(unix_us: i64) -> String {
    let at = DateTime::from_timestamp_micros(unix_us);
    at.map(|at| at.to_rfc3339_opts(SecondsFormat::Secs, true)).unwrap_or_default()
}

/// `in 2.3 s, at …`, or `now`.
pub(super) fn when(unix_us: i64, now_us: i64) -> String {
    let left_ms = unix_us.saturating_sub(now_us) / 1_000;
    if left_ms <= 0 {
        return "now".to_owned();
    }
    format!("in {}, at {}", span(left_ms), time(unix_us))
}

/// `350 ms`, `2.3 s`, `5 min`.
pub(super) fn span(ms: i64) -> String {
    match ms {
        ..1_000 => format!("{ms} ms"),
        1_000..120_000 if ms % 1_000 == 0 => format!("{} s", ms / 1_000),
        1_000..120_000 => format!("{}.{} s", ms / 1_000, ms % 1_000 / 100),
        _ => format!("{} min", ms / 60_000),
    }
}

/// `attempt 3`, and `attempt 3, 2 of 10 failed` where the policy counts.
pub(super) fn attempt(plan: &Plan, at: OpRef, op: &OpState) -> String {
    let OpState { attempts, failures, renewed, .. } = op;
    let in_run = renewed.map(|renewed| format!(" in run {}", renewed.run)).unwrap_or_default();
    match Retry::of(plan, at).max_attempts {
        None => format!("attempt {attempts}"),
        Some(most) => format!("attempt {attempts}, {failures} of {most} failed{in_run}"),
    }
}

/// Which rule sets the time of the next attempt.
pub(super) fn rule(plan: &Plan, at: OpRef, rule: Rule) -> String {
    let branch_id = plan.branch_id(at.step);
    match rule {
        Rule::Interval => {
            let (step, op) = (branch_id.as_str(), at.op.as_str());
            format!("retry policy of {op} of step {step}: {}", Retry::of(plan, at))
        }
        Rule::InProgress => "a participant that is still at it is asked again within 2 s".to_owned(),
        Rule::Store => "a store that is away is tried again every 200 ms".to_owned(),
    }
}

/// What is paused, and the verb that resumes it.
#[must_use]
pub fn scope(scope: &Scope, plan: &Plan) -> (String, String) {
    match scope {
        Scope::Transaction => {
            ("this global transaction".to_owned(), format!("amends resume {}", plan.gid().as_str()))
        }
        Scope::Definition(name) => {
            (format!("definition {name}"), format!("amends resume --definition {name}"))
        }
        Scope::Participant(name) => {
            (format!("participant {name}"), format!("amends resume --participant {name}"))
        }
    }
}

/// The verb with which an operator states an op's outcome.
pub(super) fn resolve(plan: &Plan, at: OpRef) -> String {
    let branch_id = plan.branch_id(at.step);
    let (gid, step, op) = (plan.gid().as_str(), branch_id.as_str(), at.op.as_str());
    format!("`amends resolve {gid} --step {step} --op {op} --outcome … --evidence …`")
}

/// What would unblock an op that waits in this situation.
pub(super) fn unblocked(situation: Situation, plan: &Plan, at: OpRef) -> Vec<String> {
    let participant = &plan.steps()[at.step].participant;
    let retry = format!("`amends retry {}`, which does not wait", plan.gid().as_str());
    let stated = format!("an operator's statement: {}", resolve(plan, at));
    match situation {
        Situation::WaitingForRetry => vec![format!("an answer of {participant} to the next attempt"), retry],
        Situation::AttemptsUsedUp => vec![
            format!("{participant} as it should be, then {retry}"),
            format!("`amends redrive {}`, which begins its policy anew", plan.gid().as_str()),
            stated,
        ],
        Situation::InProgressThere => vec![format!("{participant} finishes what it is at")],
        Situation::UnderReview => {
            vec![format!("a decision of the people of {participant} (`amends in-doubt list`)"), stated]
        }
        Situation::PaymentInDoubt => vec![
            "the payment provider's answer, which is asked for again and again".to_owned(),
            "a person's statement with evidence: `amends in-doubt list`, `propose`, `approve`".to_owned(),
        ],
        Situation::LaneOpen => vec![
            format!("{participant} answers the next probe in time"),
            "`amends lanes` shows why its breaker is open".to_owned(),
        ],
        Situation::LaneBusy => vec![format!("calls to {participant} that end, or time")],
        Situation::StoreAway => vec!["the history's store is back".to_owned()],
        Situation::Unspecified
        | Situation::Finished
        | Situation::Calling
        | Situation::Paused
        | Situation::CoordinatorAway
        | Situation::CoordinatorsTurn
        | Situation::TakingUp
        | Situation::RefusedBehindPivot
        | Situation::Idle => Vec::new(),
    }
}

/// What is waited for where the coordinator has to act, and what would bring that about.
pub(super) fn decider(decider: &Decider) -> (String, Vec<String>) {
    match decider {
        Decider::Engine => (
            "The engine itself goes on with it.".to_owned(),
            vec!["nothing: it goes on by itself".to_owned()],
        ),
        Decider::Coordinator(Word::Away(error)) => (
            format!("DTM, which has to ask for it, cannot be reached ({error})."),
            vec!["DTM is back: it is looked for twice a second, and everything open goes on then".to_owned()],
        ),
        Decider::Coordinator(Word::NotKnown) => (
            "DTM does not know it: it is registered there again, or driven from here.".to_owned(),
            vec!["nothing: it goes on by itself".to_owned()],
        ),
        Decider::Coordinator(Word::Says(status)) => (
            format!("DTM has to ask for it (it says {status})."),
            vec!["DTM's call; it is reminded within seconds".to_owned()],
        ),
        Decider::Coordinator(Word::NotAsked) => ("DTM has to ask for it.".to_owned(), Vec::new()),
    }
}

/// Which rule brings on what the coordinator should.
pub(super) fn reminder(decider: &Decider) -> String {
    match decider {
        Decider::Engine => String::new(),
        Decider::Coordinator(Word::Away(_)) => {
            "a coordinator that is away is looked for every 500 ms".to_owned()
        }
        Decider::Coordinator(Word::NotKnown | Word::Says(_) | Word::NotAsked) => {
            "a coordinator that is silent is reminded after 300 ms, then ever more rarely, at least every 20 s"
                .to_owned()
        }
    }
}
