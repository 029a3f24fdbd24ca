//! What a person is asked before anything is done: what it means, who they are, and why. A form carries a token, so only
//! one that an orchestrator of ours made for this visitor is taken.

use super::Desk;
use super::failure::Failure;
use super::frame::{self, Head, Place};
use super::visitor::{self, MAX_NAME, Visitor};
use axum::http::{StatusCode, header};
use axum::response::{Html, IntoResponse as _, Redirect, Response};
use maud::{Markup, html};

/// What is asked.
pub struct Question<'a> {
    /// What is to be done, as a headline.
    pub title: &'a str,
    /// Where in the navigation.
    pub here: Place,
    /// What it means.
    pub says: Markup,
    /// Where the form goes.
    pub action: &'a str,
    /// Fields besides the name.
    pub fields: Markup,
    /// What the button says.
    pub button: &'a str,
    /// Where to go back to.
    pub back: &'a str,
}

/// The page that asks.
///
/// # Errors
/// Where the system gives no randomness.
pub fn ask(desk: &Desk, visitor: &Visitor, question: &Question<'_>) -> Result<Response, Failure> {
    let (token, cookie) = visitor.token(&desk.tokens)?;
    let Question { title, here, says, action, fields, button, back } = question;
    let main = html! {
        h1 { (title) }
        (says)
        form.ask method="post" action=(action) autocomplete="off" {
            input type="hidden" name="token" value=(token);
            (fields)
            label for="name" { "Your name, for the history" }
            input #name name="name" value=(visitor.name) required maxlength=(MAX_NAME) pattern="[A-Za-z0-9._@+\\-]+"
                title="Letters, digits and . _ @ + -";
            div.row { button.primary type="submit" { (button) } a.button href=(back) { "Back" } }
        }
    };
    let page = frame::page(&Head { title, here: *here, live: None }, &html! {}, &main);
    let mut response = Html(page.into_string()).into_response();
    if let Some(cookie) = cookie {
        response.headers_mut().append(header::SET_COOKIE, cookie);
    }
    Ok(response)
}

/// The field for a reason.
#[must_use]
pub fn reason() -> Markup {
    html! {
        label for="reason" { "Reason, for the history" }
        input #reason name="reason" required maxlength="200";
    }
}

/// Lets only a form with a reason in: whoever reads the history later is to know why.
///
/// # Errors
/// Where there is none.
pub fn has_reason(reason: &str) -> Result<(), Failure> {
    if reason.trim().is_empty() {
        return Err(Failure::plain(StatusCode::BAD_REQUEST, "Give a reason, for the history."));
    }
    Ok(())
}

/// Lets only a form in that was made for this visitor.
///
/// # Errors
/// Says how to get a new one.
pub fn check(desk: &Desk, visitor: &Visitor, token: &str, name: &str) -> Result<(), Failure> {
    if !visitor.brought(&desk.tokens, token) {
        let what = "This form is not of this visit. Open it again.";
        return Err(Failure::plain(StatusCode::FORBIDDEN, what));
    }
    if !visitor::is_name(name) {
        let what = format!("Your name must have 1 to {MAX_NAME} of: letters, digits and . _ @ + -");
        return Err(Failure::plain(StatusCode::BAD_REQUEST, &what));
    }
    Ok(())
}

/// It is done: on to the page that shows it. The name is remembered.
#[must_use]
pub fn done(to: &str, name: &str) -> Response {
    let mut response = Redirect::to(to).into_response();
    if let Some(cookie) = visitor::remember(name) {
        response.headers_mut().append(header::SET_COOKIE, cookie);
    }
    response
}

/// The same, with what was done, which that page says once: nobody else's link can make it say so.
#[must_use]
pub fn done_once(to: &str, name: &str, what: &str) -> Response {
    let mut response = done(to, name);
    if let Some(cookie) = visitor::to_be_told(to, what) {
        response.headers_mut().append(header::SET_COOKIE, cookie);
    }
    response
}
