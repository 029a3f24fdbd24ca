//! Who looks: a number of their own, which forms are bound to, the name that they gave, and what they did a moment ago. All
//! of it lives in cookies. The name
//! proves nothing: until there is authentication it is only what is written into histories.

use super::tokens::{self, Tokens};
use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, header};
use std::convert::Infallible;

/// Cookie of the number.
const NUMBER: &str = "amends-visitor";
/// Cookie of the name.
const NAME: &str = "amends-name";
/// A name is kept so long: a month.
const NAME_LIFE_S: u32 = 30 * 86_400;
/// Cookie of what was done a moment ago, for one page and one answer.
const DONE: &str = "amends-done";
/// It is told at once or not at all, in seconds.
const DONE_LIFE_S: u32 = 60;
/// Longest name, as of a caller.
pub const MAX_NAME: usize = 64;

/// Whoever sent a request.
#[derive(Debug, Clone, Default)]
pub struct Visitor {
    number: String,
    /// As they named themselves; empty = not yet.
    pub name: String,
    /// What they did a moment ago, if this is the first page since; empty = nothing.
    pub done: String,
}

impl<S: Sync> FromRequestParts<S> for Visitor {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        Ok(Self::of(&parts.headers))
    }
}

impl Visitor {
    fn of(headers: &HeaderMap) -> Self {
        let given = headers.get_all(header::COOKIE).iter().filter_map(|value| value.to_str().ok());
        let pairs: Vec<(&str, &str)> =
            given.flat_map(|value| value.split(';')).filter_map(|pair| pair.trim().split_once('=')).collect();
        let cookie = |name: &str| pairs.iter().find(|(key, _)| *key == name).map(|(_, value)| *value);
        let number = cookie(NUMBER).filter(|number| is_number(number)).unwrap_or_default();
        let name = cookie(NAME).filter(|name| is_name(name)).unwrap_or_default();
        let done = cookie(DONE).unwrap_or_default();
        Self { number: number.to_owned(), name: name.to_owned(), done: done.to_owned() }
    }

    /// The token for a form, and the cookie to be set if this visitor had no number.
    ///
    /// # Errors
    /// Where the system gives no randomness.
    pub fn token(&self, tokens: &Tokens) -> Result<(String, Option<HeaderValue>), getrandom::Error> {
        if !self.number.is_empty() {
            return Ok((tokens.of(&self.number), None));
        }
        let number = tokens::new_visitor()?;
        let cookie = format!("{NUMBER}={number}; Path=/; HttpOnly; SameSite=Lax");
        Ok((tokens.of(&number), HeaderValue::try_from(cookie).ok()))
    }

    /// Whether a form was made for this visitor.
    #[must_use]
    pub fn brought(&self, tokens: &Tokens, token: &str) -> bool {
        !self.number.is_empty() && tokens.fits(&self.number, token)
    }
}

/// Remembers a name for the next form.
#[must_use]
pub fn remember(name: &str) -> Option<HeaderValue> {
    let cookie = format!("{NAME}={name}; Path=/; HttpOnly; SameSite=Lax; Max-Age={NAME_LIFE_S}");
    is_name(name).then(|| HeaderValue::try_from(cookie).ok()).flatten()
}

/// Keeps for the page at `path` what was done.
#[must_use]
pub fn to_be_told(path: &str, what: &str) -> Option<HeaderValue> {
    let cookie = format!("{DONE}={what}; Path={path}; HttpOnly; SameSite=Lax; Max-Age={DONE_LIFE_S}");
    HeaderValue::try_from(cookie).ok()
}

/// Forgets it: it was told.
#[must_use]
pub fn was_told(path: &str) -> Option<HeaderValue> {
    HeaderValue::try_from(format!("{DONE}=; Path={path}; HttpOnly; SameSite=Lax; Max-Age=0")).ok()
}

fn is_number(text: &str) -> bool {
    (32..=128).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// What can be a caller's name, and a cookie.
#[must_use]
pub fn is_name(text: &str) -> bool {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"._@+-".contains(&byte);
    (1..=MAX_NAME).contains(&text.len()) && text.bytes().all(fits)
}
