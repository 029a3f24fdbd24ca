//! A form about one global transaction that was sent: handed to the API as every client's call is. Decides nothing but
//! whether what came in between made the form out of date.

use super::act::{Act, PROPOSED};
use super::failure::Failure;
use super::form;
use super::visitor::Visitor;
use super::words::in_address;
use super::{Desk, api::by};
use amends_proto::amends::v1::{
    AcknowledgeRequest, CancelRequest, Deadlines, GetHistoryRequest, PauseRequest, RedriveRequest,
    Resolution, ResolveRequest, ResumeRequest, RetryRequest, Scope, scope::What,
};
use axum::extract::{Form, Path, State};
use axum::response::Response;
use serde::Deserialize;
use std::sync::Arc;
use tonic::Status;

/// What may come behind what a person has seen without making their form out of date. A need is not among it: the person
/// has not seen it.
const IN_VAIN: [&str; 3] = ["attempt_started", "attempt_unknown", "parked"];
/// An act is handed over so often at most, where attempts in vain keep coming in between.
const TRIES: usize = 4;
/// How the API begins to tell that there is something newer.
const CHANGED: &str = "CHANGED_MEANWHILE";
/// An outcome, as forms name it.
const REFUSED: &str = "refused";
/// Why a statement that a confirm was refused is not taken.
const PAUSE_FIRST: &str = "CHANGED_MEANWHILE|something came after what you looked at, perhaps an attempt that was carried \
    out and whose answer was lost. Pause it first, look again, then state it.";

/// A form that was sent.
#[derive(Debug, Clone, Deserialize)]
pub struct Sent {
    token: String,
    name: String,
    #[serde(default)]
    seq: i64,
    #[serde(default)]
    reason: String,
    #[serde(default)]
    op: String,
    #[serde(default)]
    outcome: String,
    #[serde(default)]
    evidence: String,
    #[serde(default)]
    reference: String,
    #[serde(default)]
    cause: String,
    #[serde(default)]
    deadlines: String,
}

/// `stop` or `run`.
#[must_use]
pub fn deadlines_named(name: &str) -> Deadlines {
    if name == "run" { Deadlines::Run } else { Deadlines::Stop }
}

/// Does it.
pub async fn carry_out(
    State(desk): State<Arc<Desk>>,
    Path((gid, act)): Path<(String, String)>,
    visitor: Visitor,
    Form(sent): Form<Sent>,
) -> Result<Response, Failure> {
    let shown_at = format!("/t/{}", in_address(&gid));
    let done = try_it(&desk, &visitor, &act, &gid, &sent).await;
    let done = done.map_err(|failure| failure.of_act(&shown_at))?;
    Ok(form::done_once(&shown_at, &sent.name, done))
}

async fn try_it(
    desk: &Desk,
    visitor: &Visitor,
    act: &str,
    gid: &str,
    sent: &Sent,
) -> Result<&'static str, Failure> {
    form::check(desk, visitor, &sent.token, &sent.name)?;
    let act = Act::named(act)?;
    match act {
        Act::Retry | Act::Redrive | Act::Pause | Act::Resume | Act::Cancel => form::has_reason(&sent.reason)?,
        // Evidence is its reason, and the API asks for it; who only looks after it owes none.
        Act::Resolve | Act::Acknowledge => {}
    }
    let mut seen = sent.seq;
    for _ in 1..TRIES {
        match hand_over(desk, act, gid, sent, seen).await {
            Err(refused) if refused.message().starts_with(CHANGED) => {
                if must_be_the_newest(act, sent) {
                    return Err(Status::failed_precondition(PAUSE_FIRST).into());
                }
                seen = after_attempts(desk, gid, seen).await?;
            }
            outcome => return Ok(outcome?),
        }
    }
    Ok(hand_over(desk, act, gid, sent, seen).await?)
}

/// Whether an attempt in between may have made untrue what is stated. Whoever says that a confirm was refused looked before
/// that attempt: it may have been carried out and its answer lost, and everything would be undone beside it.
fn must_be_the_newest(act: Act, sent: &Sent) -> bool {
    act == Act::Resolve && sent.outcome == REFUSED && sent.op.ends_with(" confirm")
}

/// The seq of the newest event, if nothing but attempts in vain came behind the one that the person has seen: those make
/// no form out of date. Otherwise the one that was seen.
async fn after_attempts(desk: &Desk, gid: &str, seen: i64) -> Result<i64, Status> {
    let from_seq = seen.saturating_add(1);
    let request = GetHistoryRequest { gid: gid.to_owned(), from_seq, page_size: 0 };
    let events = desk.api.transactions().get_history(request).await?.into_inner().events;
    let in_vain = all_in_vain(events.iter().map(|event| event.kind.as_str()));
    Ok(events.last().filter(|_| in_vain).map_or(seen, |last| last.seq))
}

fn all_in_vain<'a>(mut kinds: impl Iterator<Item = &'a str>) -> bool {
    kinds.all(|kind| IN_VAIN.contains(&kind))
}

/// Hands it to the API, and names what was done.
async fn hand_over(
    desk: &Desk,
    act: Act,
    gid: &str,
    sent: &Sent,
    expected_last_seq: i64,
) -> Result<&'static str, Status> {
    let gid = gid.to_owned();
    let Sent { name, reason, op, outcome, evidence, reference, cause, deadlines, .. } = sent.clone();
    let (branch_id, op) = op.split_once(' ').unwrap_or_default();
    let (branch_id, op) = (branch_id.to_owned(), op.to_owned());
    let scope = Some(Scope { what: Some(What::Gid(gid.clone())) });
    let (mut operations, mut transactions) = (desk.api.operations(), desk.api.transactions());
    match act {
        Act::Retry => {
            let request = RetryRequest { gid, branch_id, op, reason, expected_last_seq };
            drop(operations.retry(by(&name, request)?).await?);
        }
        Act::Redrive => {
            let request = RedriveRequest { gid, reason, expected_last_seq };
            drop(operations.redrive(by(&name, request)?).await?);
        }
        Act::Pause => {
            let deadlines = deadlines_named(&deadlines).into();
            let request = PauseRequest { scope, deadlines, reason, expected_last_seq };
            drop(operations.pause(by(&name, request)?).await?);
        }
        Act::Resume => {
            drop(operations.resume(by(&name, ResumeRequest { scope, reason, expected_last_seq })?).await?);
        }
        Act::Cancel => drop(transactions.cancel(by(&name, CancelRequest { gid, reason })?).await?),
        Act::Resolve => {
            let outcome = match outcome.as_str() {
                "succeeded" => Resolution::Succeeded,
                REFUSED => Resolution::Refused,
                "compensated" => Resolution::Compensated,
                _ => Resolution::Unspecified,
            };
            let outcome = outcome.into();
            let request =
                ResolveRequest { gid, branch_id, op, outcome, evidence, reference, expected_last_seq };
            let resolved = operations.resolve(by(&name, request)?).await?.into_inner();
            return Ok(if resolved.awaiting_approval { PROPOSED } else { act.meaning().name });
        }
        Act::Acknowledge => {
            let request = AcknowledgeRequest { gid, cause, owner: String::new(), note: reason };
            drop(operations.acknowledge(by(&name, request)?).await?);
        }
    }
    Ok(act.meaning().name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_attempts_in_vain_leave_a_form_as_it_is() {
        let fits = |kinds: &[&str]| all_in_vain(kinds.iter().copied());
        assert!(fits(&["attempt_started", "attempt_unknown", "parked", "attempt_started"]));
        for kind in ["attention_opened", "succeeded", "refused", "operator_paused", "cancel_requested"] {
            assert!(!fits(&["attempt_started", kind]), "{kind}");
        }
    }
}
