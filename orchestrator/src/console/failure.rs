//! What could not be shown or done, as a page: what was refused did nothing, of everything else nobody can tell. The one
//! place that turns a status of the API into one of HTTP.

use super::frame::{self, Head, Place};
use axum::http::StatusCode;
use axum::response::{Html, IntoResponse, Response};
use maud::{Markup, html};
use tonic::{Code, Status};

/// A request that comes to nothing, or to nobody knows what.
#[derive(Debug)]
pub struct Failure {
    status: StatusCode,
    reason: String,
    text: String,
    asked: Asked,
    /// Whether nothing can have been done.
    effect: Effect,
}

/// What was asked for.
#[derive(Debug)]
enum Asked {
    /// To be shown something: nothing is changed by that.
    Look,
    /// To do something; what became of it is shown at this address.
    Act(String),
}

/// What a refused or failed act may have done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Effect {
    /// Nothing: it was refused.
    Nothing,
    /// Its answer was lost, and it may have been done all the same.
    Unknown,
}

impl Failure {
    /// In our own words, of what we did not even begin.
    #[must_use]
    pub fn plain(status: StatusCode, text: &str) -> Self {
        let (reason, text) = (String::new(), text.to_owned());
        Self { status, reason, text, asked: Asked::Look, effect: Effect::Nothing }
    }

    /// An act that took too long for us; what we asked for goes on.
    #[must_use]
    pub fn too_slow() -> Self {
        let text = "It took too long to answer.";
        Self { effect: Effect::Unknown, ..Self::plain(StatusCode::GATEWAY_TIMEOUT, text) }
    }

    /// It is of an act; what became of it can be seen at this address.
    #[must_use]
    pub fn of_act(self, shown_at: &str) -> Self {
        Self { asked: Asked::Act(shown_at.to_owned()), ..self }
    }

    /// What can be said of the effect. An unknown outcome is never told as a refusal.
    fn effect(&self) -> Markup {
        let Asked::Act(shown_at) = &self.asked else { return html! {} };
        let look = html! { a href=(shown_at) { "Look at what there is" } };
        match self.effect {
            Effect::Unknown => html! {
                p { b { "Whether it was done is not known." } " " (look) " before you do it again." }
            },
            Effect::Nothing if self.reason == CHANGED => html! {
                p { "This form did nothing: what came in between is in the history, and may be what you sent a moment ago. " (look) "." }
            },
            Effect::Nothing => html! { p { "Nothing was changed. " (look) "." } },
        }
    }
}

/// Reason of a refusal of what is older than the newest event.
const CHANGED: &str = "CHANGED_MEANWHILE";

impl From<Status> for Failure {
    fn from(status: Status) -> Self {
        let (reason, text) = in_words(&status);
        let effect = effect(status.code());
        Self { status: http(status.code()), reason, text, asked: Asked::Look, effect }
    }
}

/// Only a refusal says that nothing was done.
fn effect(code: Code) -> Effect {
    match code {
        Code::InvalidArgument
        | Code::NotFound
        | Code::AlreadyExists
        | Code::FailedPrecondition
        | Code::PermissionDenied
        | Code::Unauthenticated
        | Code::Unimplemented => Effect::Nothing,
        Code::Ok
        | Code::OutOfRange
        | Code::Aborted
        | Code::ResourceExhausted
        | Code::Unavailable
        | Code::Cancelled
        | Code::DeadlineExceeded
        | Code::Unknown
        | Code::Internal
        | Code::DataLoss => Effect::Unknown,
    }
}

impl From<getrandom::Error> for Failure {
    fn from(error: getrandom::Error) -> Self {
        Self::plain(StatusCode::SERVICE_UNAVAILABLE, &format!("The system gives no randomness: {error}"))
    }
}

/// `REASON|text` of a status, taken apart.
#[must_use]
pub fn in_words(status: &Status) -> (String, String) {
    match status.message().split_once('|') {
        Some((reason, text)) => (reason.to_owned(), text.to_owned()),
        None => (String::new(), status.message().to_owned()),
    }
}

/// A text of the API. Where it shows what somebody wrote with a mark under a place, the place itself is marked instead: a
/// mark below is lost where the line is broken.
#[must_use]
pub fn said(text: &str) -> Markup {
    match pointed(text) {
        None => html! { pre.said { (text) } },
        Some((says, before, word, after)) => html! {
            pre.said { (says) "\n\n" (before) mark { (word) } (after) }
        },
    }
}

/// What a text says, and the line that it shows: before the marked place, the word there, and after it.
fn pointed(text: &str) -> Option<(&str, String, String, String)> {
    let (above, mark) = text.rsplit_once('\n')?;
    let (says, line) = above.rsplit_once('\n')?;
    let at = mark.strip_suffix('^').filter(|blank| blank.chars().all(|it| it == ' '))?.chars().count();
    let before: String = line.chars().take(at).collect();
    let word: String = line.chars().skip(at).take_while(|it| !it.is_whitespace()).collect();
    let after = line.chars().skip(at + word.chars().count()).collect();
    // At its end something is missing: a place of its own shows where.
    let word = if word.is_empty() { " ".to_owned() } else { word };
    Some((says, before.trim_start().to_owned(), word, after))
}

/// The status of HTTP that says the same.
fn http(code: Code) -> StatusCode {
    match code {
        Code::Ok => StatusCode::OK,
        Code::InvalidArgument | Code::OutOfRange => StatusCode::BAD_REQUEST,
        Code::NotFound => StatusCode::NOT_FOUND,
        Code::AlreadyExists | Code::FailedPrecondition | Code::Aborted => StatusCode::CONFLICT,
        Code::PermissionDenied => StatusCode::FORBIDDEN,
        Code::Unauthenticated => StatusCode::UNAUTHORIZED,
        Code::ResourceExhausted => StatusCode::TOO_MANY_REQUESTS,
        Code::Unimplemented => StatusCode::NOT_IMPLEMENTED,
        Code::Unavailable | Code::Cancelled => StatusCode::SERVICE_UNAVAILABLE,
        Code::DeadlineExceeded => StatusCode::GATEWAY_TIMEOUT,
        Code::Unknown | Code::Internal | Code::DataLoss => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        let title = self.status.canonical_reason().unwrap_or("Not possible");
        let main = html! {
            h1 { (title) }
            div.notice.bad role="alert" {
                @if !self.reason.is_empty() { p { code { (self.reason) } } }
                (said(&self.text))
            }
            (self.effect())
            p { a href="/" { "Back to the overview" } }
        };
        let page = frame::page(&Head { title, here: Place::None, live: None }, &html! {}, &main);
        (self.status, Html(page.into_string())).into_response()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(failure: Failure) -> String {
        failure.of_act("/t/x").effect().into_string()
    }

    #[test]
    fn an_unknown_outcome_is_never_told_as_a_refusal() {
        let unknown = [
            Status::unavailable("STORAGE_UNAVAILABLE|the history store is away"),
            Status::unavailable("OWNER_AWAY|ask again"),
            Status::unavailable("STOPPING|the process is going down"),
            Status::deadline_exceeded("x"),
            Status::internal("x"),
            Status::cancelled("x"),
        ];
        for status in unknown {
            let said = said(status.clone().into());
            assert!(said.contains("is not known") && said.contains("/t/x"), "{status:?}: {said}");
            assert!(!said.contains("Nothing was changed"), "{status:?}: {said}");
        }
        assert!(said(Failure::too_slow()).contains("is not known"));
    }

    #[test]
    fn the_wrong_place_of_what_was_written_is_marked() {
        let of = |text: &str| super::said(text).into_string();
        let shown = of("filter, character 10: x; expected y\n  status = walking & not\n           ^");
        assert!(shown.contains("expected y\n\nstatus = <mark>walking</mark> &amp; not"), "{shown}");
        assert!(of("expected more\n  open and\n          ^").contains("open and<mark> </mark>"));
        assert_eq!(of("no line\n <"), "<pre class=\"said\">no line\n &lt;</pre>");
    }

    #[test]
    fn a_refusal_says_that_nothing_was_done() {
        for status in [Status::failed_precondition("PAST_PIVOT|too late"), Status::not_found("x")] {
            assert!(said(status.clone().into()).contains("Nothing was changed"), "{status:?}");
        }
        let second = said(Status::failed_precondition("CHANGED_MEANWHILE|x").into());
        assert!(
            second.contains("This form did nothing") && !second.contains("Nothing was changed"),
            "{second}"
        );
        let looked = Failure::from(Status::unavailable("x")).effect().into_string();
        assert_eq!(looked, "", "who only looked changed nothing, and is told nothing of it");
    }
}
