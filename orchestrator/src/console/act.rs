//! What a person can do to one global transaction: each act is asked first, with what it means, and handed to the API as
//! every client's call is. Decides nothing.

use super::failure::Failure;
use super::form::{self, Question};
use super::frame::Place;
use super::visitor::Visitor;
use super::words::{self, in_address, spaced};
use super::{Desk, api::by};
use amends_proto::amends::v1::{
    AcknowledgeRequest, CancelRequest, Deadlines, ExplainRequest, GetHistoryRequest, GetRequest,
    GlobalTransaction, OpState, PauseRequest, RedriveRequest, Resolution, ResolveRequest, ResumeRequest,
    RetryRequest, Scope, scope::What,
};
use axum::extract::{Form, Path, Query, State};
use axum::http::StatusCode;
use axum::response::Response;
use maud::{Markup, html};
use serde::Deserialize;
use std::sync::Arc;

/// An act.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Act {
    Retry,
    Redrive,
    Pause,
    Resume,
    Cancel,
    Resolve,
    Acknowledge,
}

/// How an act is called and what it means.
struct Meaning {
    name: &'static str,
    title: &'static str,
    says: &'static str,
    button: &'static str,
    done: &'static str,
}

const ALL: [Act; 7] =
    [Act::Retry, Act::Redrive, Act::Pause, Act::Resume, Act::Cancel, Act::Resolve, Act::Acknowledge];
/// What may come behind what a person has seen without making their form out of date.
const IN_VAIN: [&str; 4] = ["attempt_started", "attempt_unknown", "parked", "attention_opened"];
/// An act is handed over so often at most, where attempts in vain keep coming in between.
const TRIES: usize = 4;
/// Name of what a resolution is that a second person has to approve.
const PROPOSED: &str = "proposed";

impl Act {
    fn meaning(self) -> Meaning {
        let (name, title, says, button, done) = match self {
            Self::Retry => (
                "retry",
                "Retry now",
                "The next attempt is made now instead of when its time comes. Guards make a repeated call harmless.",
                "Retry",
                "The retry is recorded.",
            ),
            Self::Redrive => (
                "redrive",
                "Redrive",
                "Another run goes on from every op that was attempted in vain. What was done stands, limits count anew.",
                "Redrive",
                "Another run has begun.",
            ),
            Self::Pause => (
                "pause",
                "Pause",
                "No new attempt until it is resumed or cancelled. What a participant is at goes on, and is recorded.",
                "Pause",
                "It is paused.",
            ),
            Self::Resume => ("resume", "Resume", "Attempts go on.", "Resume", "It goes on."),
            Self::Cancel => (
                "cancel",
                "Cancel",
                "No new forward attempt, then everything that was done is undone. Past the pivot this is refused.",
                "Cancel it, and undo",
                "It is being undone.",
            ),
            Self::Resolve => (
                "resolve",
                "Resolve with evidence",
                "You state what became of an op, and what follows from it is done. Look it up where it happened first: \
                 nobody checks what you state. Above a limit it counts when a second person states the same.",
                "State it",
                "What you stated is recorded.",
            ),
            Self::Acknowledge => (
                "acknowledge",
                "Look after it",
                "Others see that you look after this. It stays open until its cause is gone.",
                "I look after it",
                "It is recorded who looks after it.",
            ),
        };
        Meaning { name, title, says, button, done }
    }

    fn named(name: &str) -> Result<Self, Failure> {
        let found = ALL.into_iter().find(|act| act.meaning().name == name);
        found.ok_or_else(|| Failure::plain(StatusCode::NOT_FOUND, "There is no such act."))
    }

    /// Whether it may be of use where the global transaction stands; the API has the last word.
    fn fits(self, transaction: &GlobalTransaction) -> bool {
        let open = words::is_open(transaction);
        match self {
            Self::Retry | Self::Cancel | Self::Resolve | Self::Redrive => open,
            Self::Pause => open && !transaction.paused,
            Self::Resume => open && transaction.paused,
            Self::Acknowledge => !transaction.all_attention.is_empty(),
        }
    }
}

/// What to say after an act, by the name in the address.
#[must_use]
pub fn done(name: &str) -> Option<&'static str> {
    if name == PROPOSED {
        return Some(
            "What you stated is recorded as a proposal: it counts when a second person states the same.",
        );
    }
    ALL.into_iter().map(Act::meaning).find(|meaning| meaning.name == name).map(|meaning| meaning.done)
}

/// Links to the acts that may be of use.
#[must_use]
pub fn offers(transaction: &GlobalTransaction) -> Markup {
    let fitting: Vec<Act> = ALL.into_iter().filter(|act| act.fits(transaction)).collect();
    html! {
        @if !fitting.is_empty() {
            nav.acts aria-label="What can be done" {
                @for meaning in fitting.into_iter().map(Act::meaning) {
                    a.button id={ "do-" (meaning.name) } href={ "/t/" (transaction.gid) "/" (meaning.name) } { (meaning.title) }
                }
            }
        }
    }
}

/// What an address may name besides.
#[derive(Debug, Default, Deserialize)]
pub struct About {
    #[serde(default)]
    cause: String,
}

/// Asks before it is done.
pub async fn ask(
    State(desk): State<Arc<Desk>>,
    Path((gid, act)): Path<(String, String)>,
    Query(about): Query<About>,
    visitor: Visitor,
) -> Result<Response, Failure> {
    let act = Act::named(&act)?;
    let found = desk.api.transactions().get(GetRequest { gid: gid.clone() }).await?.into_inner();
    let meaning = act.meaning();
    let due = match act {
        Act::Retry | Act::Resolve => due(&desk, &found).await,
        Act::Redrive | Act::Pause | Act::Resume | Act::Cancel | Act::Acknowledge => Vec::new(),
    };
    let says = html! {
        p { b { (found.business_key) } " " (words::status(found.status())) " " code { (gid) } }
        p { (meaning.says) }
    };
    let fields = html! {
        input type="hidden" name="seq" value=(found.last_seq);
        (fields(act, &found, &due, &about))
    };
    let (action, back) = (format!("/t/{gid}/{}", meaning.name), format!("/t/{gid}"));
    let Meaning { title, button, .. } = meaning;
    let question = Question { title, here: Place::List, says, action: &action, fields, button, back: &back };
    form::ask(&desk, &visitor, &question)
}

/// The ops that are to be done now, or else those that have begun and have no outcome: `05 action`.
async fn due(desk: &Desk, transaction: &GlobalTransaction) -> Vec<String> {
    let asked = desk.api.operations().explain(ExplainRequest { gid: transaction.gid.clone() }).await;
    let explained = asked.map(|told| told.into_inner().ops).unwrap_or_default();
    if !explained.is_empty() {
        return explained.iter().map(|op| format!("{} {}", op.branch_id, op.op)).collect();
    }
    let ops = transaction.steps.iter().flat_map(|step| step.ops.iter().map(move |op| (step, op)));
    let open =
        ops.filter(|(_, op)| matches!(op.state(), OpState::Running | OpState::Waiting | OpState::Refused));
    open.map(|(step, op)| format!("{} {}", step.branch_id, op.op)).collect()
}

fn fields(act: Act, transaction: &GlobalTransaction, due: &[String], about: &About) -> Markup {
    match act {
        Act::Retry => html! { (ops(due, Some("all that wait"))) (form::reason()) },
        Act::Redrive | Act::Resume | Act::Cancel => form::reason(),
        Act::Pause => html! { (deadlines()) (form::reason()) },
        Act::Resolve => html! {
            (ops(due, None))
            fieldset {
                legend { "What became of it" }
                label { input type="radio" name="outcome" value="succeeded" required; " It was done" }
                label { input type="radio" name="outcome" value="refused"; " It was not done and will not be: take everything back" }
                label { input type="radio" name="outcome" value="compensated"; " What an undo had to take back is taken back" }
            }
            label for="evidence" { "Evidence: what proves it, in words" }
            textarea #evidence name="evidence" required maxlength="1500" rows="4" {}
            label for="reference" { "Where the proof can be looked up (optional)" }
            input #reference name="reference" maxlength="200";
        },
        Act::Acknowledge => html! {
            label for="cause" { "Which need" }
            select #cause name="cause" {
                option value="" { "all that are open" }
                @for need in &transaction.all_attention {
                    option value=(need.cause) selected[need.cause == about.cause] { (spaced(&need.cause)) }
                }
            }
            label for="reason" { "Note (optional)" }
            input #reason name="reason" maxlength="200";
        },
    }
}

/// What deadlines do during a pause.
#[must_use]
pub fn deadlines() -> Markup {
    html! {
        fieldset {
            legend { "Deadlines meanwhile" }
            label { input type="radio" name="deadlines" value="stop" checked; " stand still" }
            label { input type="radio" name="deadlines" value="run"; " run on" }
        }
    }
}

fn ops(due: &[String], all: Option<&str>) -> Markup {
    html! {
        label for="op" { "Which op" }
        select #op name="op" {
            @if let Some(all) = all { option value="" { (all) } }
            @for op in due { option value=(op) { (op) } }
        }
    }
}

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
    form::check(&desk, &visitor, &sent.token, &sent.name)?;
    let act = Act::named(&act)?;
    let mut seen = sent.seq;
    for _ in 1..TRIES {
        match hand_over(&desk, act, &gid, &sent, seen).await {
            Err(refused) if refused.message().starts_with("CHANGED_MEANWHILE") => {
                seen = after_attempts(&desk, &gid, seen).await?;
            }
            outcome => return told(&gid, &sent, outcome),
        }
    }
    let outcome = hand_over(&desk, act, &gid, &sent, seen).await;
    told(&gid, &sent, outcome)
}

fn told(gid: &str, sent: &Sent, outcome: Result<&'static str, tonic::Status>) -> Result<Response, Failure> {
    Ok(form::done(&format!("/t/{}?done={}", in_address(gid), outcome?), &sent.name))
}

/// The seq of the newest event, if nothing but attempts in vain came behind the one that the person has seen: those make
/// no form out of date. Otherwise the one that was seen.
async fn after_attempts(desk: &Desk, gid: &str, seen: i64) -> Result<i64, tonic::Status> {
    let from_seq = seen.saturating_add(1);
    let request = GetHistoryRequest { gid: gid.to_owned(), from_seq, page_size: 0 };
    let events = desk.api.transactions().get_history(request).await?.into_inner().events;
    let in_vain = events.iter().all(|event| IN_VAIN.contains(&event.kind.as_str()));
    Ok(events.last().filter(|_| in_vain).map_or(seen, |last| last.seq))
}

/// Hands it to the API, and names what was done.
async fn hand_over(
    desk: &Desk,
    act: Act,
    gid: &str,
    sent: &Sent,
    expected_last_seq: i64,
) -> Result<&'static str, tonic::Status> {
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
                "refused" => Resolution::Refused,
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
