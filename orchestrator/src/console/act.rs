//! What a person can do to one global transaction: how each act is called, what it means, and the form that asks before it
//! is done. Decides nothing, and does nothing.

use super::failure::Failure;
use super::form::{self, Question};
use super::frame::Place;
use super::visitor::Visitor;
use super::words::{self, spaced};
use super::{Desk, remedy};
use amends_proto::amends::v1::{ExplainRequest, GetRequest, GlobalTransaction, OpState};
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::response::Response;
use maud::{Markup, html};
use serde::Deserialize;
use std::sync::Arc;

/// An act.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Act {
    /// The next attempt now.
    Retry,
    /// Another run from what failed.
    Redrive,
    /// No new attempt.
    Pause,
    /// Attempts go on.
    Resume,
    /// Everything is undone.
    Cancel,
    /// The outcome of an op is stated.
    Resolve,
    /// Somebody looks after it.
    Acknowledge,
}

/// How an act is called and what it means.
pub struct Meaning {
    /// As addresses have it.
    pub name: &'static str,
    /// On its link, and above its form.
    pub title: &'static str,
    says: &'static str,
    button: &'static str,
    done: &'static str,
}

const ALL: [Act; 7] =
    [Act::Retry, Act::Redrive, Act::Pause, Act::Resume, Act::Cancel, Act::Resolve, Act::Acknowledge];
/// Name of what a resolution is that a second person has to approve.
pub const PROPOSED: &str = "proposed";

impl Act {
    /// How it is called and what it means.
    #[must_use]
    pub fn meaning(self) -> Meaning {
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
                 nobody checks what you state. Above a limit it counts when a second person states the same. That a confirm \
                 was refused is taken only if no attempt came in between: pause it first, then look.",
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

    /// By its name in an address.
    ///
    /// # Errors
    /// Where there is none.
    pub fn named(name: &str) -> Result<Self, Failure> {
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
    let elsewhere = remedy::is_resolved_elsewhere(transaction);
    let fits = |act: &Act| act.fits(transaction) && !(elsewhere && *act == Act::Resolve);
    let fitting: Vec<Act> = ALL.into_iter().filter(fits).collect();
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
    /// The op that is meant, as `05 action`.
    #[serde(default)]
    op: String,
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
        @if act == Act::Resolve { (remedy::warning(&found)) }
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
        Act::Retry => html! { (ops(due, Choice::All, &about.op)) (form::reason()) },
        Act::Redrive | Act::Resume | Act::Cancel => form::reason(),
        Act::Pause => html! { (deadlines()) (form::reason()) },
        Act::Resolve => html! {
            (ops(due, Choice::One, &about.op))
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

/// How many ops an act is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Choice {
    /// All that wait, if none is named.
    All,
    /// The one that somebody named: nothing is stated of an op that merely stands first.
    One,
}

fn ops(due: &[String], choice: Choice, meant: &str) -> Markup {
    let chosen = match choice {
        Choice::One if meant.is_empty() && due.len() == 1 => due.first().map(String::as_str),
        Choice::One | Choice::All => due.iter().map(String::as_str).find(|op| *op == meant),
    };
    html! {
        label for="op" { "Which op" }
        select #op name="op" required[choice == Choice::One] {
            option value="" { @match choice { Choice::All => "all that wait", Choice::One => "choose one" } }
            @for op in due { option value=(op) selected[Some(op.as_str()) == chosen] { (op) } }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_stated_of_an_op_that_nobody_named() {
        let due = ["05 action".to_owned(), "06 action".to_owned()];
        let asked = |due: &[String], meant: &str| ops(due, Choice::One, meant).into_string();
        assert!(!asked(&due, "").contains("selected"), "{}", asked(&due, ""));
        assert!(asked(&due, "").contains("required"));
        assert!(asked(&due, "06 action").contains("<option value=\"06 action\" selected>"));
        assert!(!asked(&due, "07 action").contains("selected"), "what has an outcome is no other op");
        assert!(!asked(&due[..1], "06 action").contains("selected"));
        assert!(asked(&due[..1], "").contains("<option value=\"05 action\" selected>"), "there is no other");
    }
}
