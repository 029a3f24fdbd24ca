//! What could not be shown or done, as a page. The one place that turns a status of the API into one of HTTP.

use super::frame::{self, Head, Place};
use axum::http::StatusCode;
use axum::response::{Html, IntoResponse, Response};
use maud::html;
use tonic::{Code, Status};

/// A request that comes to nothing.
#[derive(Debug)]
pub struct Failure {
    status: StatusCode,
    reason: String,
    text: String,
}

impl Failure {
    /// In our own words.
    #[must_use]
    pub fn plain(status: StatusCode, text: &str) -> Self {
        Self { status, reason: String::new(), text: text.to_owned() }
    }
}

impl From<Status> for Failure {
    fn from(status: Status) -> Self {
        let (reason, text) = in_words(&status);
        Self { status: http(status.code()), reason, text }
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
                pre.said { (self.text) }
            }
            p { "Nothing was changed. " a href="/" { "Back to the overview" } }
        };
        let page = frame::page(&Head { title, here: Place::None, live: None }, &html! {}, &main);
        (self.status, Html(page.into_string())).into_response()
    }
}
