//! Pausing and resuming all of a definition, or all calls of a participant. Hands over to the API; decides nothing.

use super::act::deadlines;
use super::deed::deadlines_named;
use super::failure::Failure;
use super::form::{self, Question};
use super::frame::Place;
use super::visitor::Visitor;
use super::words::in_address;
use super::{Desk, api::by};
use amends_proto::amends::v1::{PauseRequest, ResumeRequest, Scope, scope::What};
use axum::extract::{Form, Path, State};
use axum::http::StatusCode;
use axum::response::Response;
use maud::html;
use serde::Deserialize;
use std::sync::Arc;

/// What is asked: of which kind, its name, and what is to be done with it.
type Asked = (String, String, String);

/// A form that was sent.
#[derive(Debug, Deserialize)]
pub struct Sent {
    token: String,
    name: String,
    #[serde(default)]
    reason: String,
    #[serde(default)]
    deadlines: String,
}

/// Whether attempts end or go on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Turn {
    Pause,
    Resume,
}

struct Target {
    what: What,
    turn: Turn,
    back: &'static str,
    here: Place,
}

fn target((kind, name, act): &Asked) -> Result<Target, Failure> {
    let none = || Failure::plain(StatusCode::NOT_FOUND, "There is nothing of that kind to be paused.");
    let (what, back, here) = match kind.as_str() {
        "definition" => (What::Definition(name.clone()), "/definitions", Place::Definitions),
        "participant" => (What::Participant(name.clone()), "/participants", Place::Participants),
        _ => return Err(none()),
    };
    let turn = match act.as_str() {
        "pause" => Turn::Pause,
        "resume" => Turn::Resume,
        _ => return Err(none()),
    };
    Ok(Target { what, turn, back, here })
}

/// Asks before it is done.
pub async fn ask(
    State(desk): State<Arc<Desk>>,
    Path(asked): Path<Asked>,
    visitor: Visitor,
) -> Result<Response, Failure> {
    let Target { turn, back, here, .. } = target(&asked)?;
    let (kind, name, act) = &asked;
    let (verb, means) = match turn {
        Turn::Pause => ("Pause", "No new attempt is made until it is resumed. What is being called goes on."),
        Turn::Resume => ("Resume", "Attempts go on."),
    };
    let (title, action) =
        (format!("{verb} {kind} {name}"), format!("/hold/{kind}/{}/{act}", in_address(name)));
    let fields = html! { @if turn == Turn::Pause { (deadlines()) } (form::reason()) };
    let says = html! { p { (means) } };
    form::ask(
        &desk,
        &visitor,
        &Question { title: &title, here, says, action: &action, fields, button: verb, back },
    )
}

/// Does it.
pub async fn carry_out(
    State(desk): State<Arc<Desk>>,
    Path(asked): Path<Asked>,
    visitor: Visitor,
    Form(sent): Form<Sent>,
) -> Result<Response, Failure> {
    let Target { what, turn, back, .. } = target(&asked)?;
    let done = hold(&desk, &visitor, sent, what, turn).await.map_err(|failure| failure.of_act(back))?;
    Ok(form::done(back, &done))
}

/// Hands it over; gives back the name of who did it.
async fn hold(desk: &Desk, visitor: &Visitor, sent: Sent, what: What, turn: Turn) -> Result<String, Failure> {
    let Sent { token, name, reason, deadlines } = sent;
    form::check(desk, visitor, &token, &name)?;
    form::has_reason(&reason)?;
    let scope = Some(Scope { what: Some(what) });
    let mut operations = desk.api.operations();
    match turn {
        Turn::Pause => {
            let deadlines = deadlines_named(&deadlines).into();
            let request = PauseRequest { scope, deadlines, reason, expected_last_seq: 0 };
            drop(operations.pause(by(&name, request)?).await?);
        }
        Turn::Resume => {
            drop(operations.resume(by(&name, ResumeRequest { scope, reason, expected_last_seq: 0 })?).await?);
        }
    }
    Ok(name)
}
