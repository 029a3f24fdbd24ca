//! What every request has to pass, and what every answer carries: the host that was asked for, the origin of whatever
//! changes something, and headers that keep a page from loading or telling anything elsewhere. Knows no page.

use super::Desk;
use super::failure::Failure;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

/// Nothing is loaded from elsewhere, nothing inline runs, nobody frames us.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; \
    form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

/// What each answer carries. `no-referrer` would make browsers hide the origin of our own forms.
const HEADERS: [(HeaderName, &str); 7] = [
    (header::CONTENT_SECURITY_POLICY, POLICY),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::X_FRAME_OPTIONS, "DENY"),
    (header::REFERRER_POLICY, "same-origin"),
    (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
    (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
    (
        HeaderName::from_static("permissions-policy"),
        "camera=(), microphone=(), geolocation=(), payment=(), usb=()",
    ),
];

/// Longest time until an answer begins: a page reads for less than a second, and nobody looks at one for longer.
const PATIENCE: Duration = Duration::from_secs(30);

/// Gives up on what takes too long. What was asked of the API goes on, so of an act nobody can tell then.
pub async fn in_time(request: Request, next: Next) -> Response {
    let (looked, path) = (is_look(request.method()), request.uri().path().to_owned());
    match tokio::time::timeout(PATIENCE, next.run(request)).await {
        Ok(response) => response,
        Err(_) if looked => Failure::too_slow().into_response(),
        Err(_) => {
            let gid = path.strip_prefix("/t/").and_then(|rest| rest.split('/').next());
            let shown_at = gid.map_or_else(|| "/".to_owned(), |gid| format!("/t/{gid}"));
            Failure::too_slow().of_act(&shown_at).into_response()
        }
    }
}

fn is_look(method: &Method) -> bool {
    matches!(*method, Method::GET | Method::HEAD)
}

/// Checks a request, and dresses its answer.
pub async fn pass(State(desk): State<Arc<Desk>>, request: Request, next: Next) -> Response {
    let mut response = match check(request.method(), request.headers(), &desk.names) {
        Ok(()) => next.run(request).await,
        Err(failure) => failure.into_response(),
    };
    let headers = response.headers_mut();
    for (name, value) in HEADERS {
        headers.insert(name, HeaderValue::from_static(value));
    }
    // Pages are of this moment; an asset says otherwise by itself.
    headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    response
}

fn check(method: &Method, headers: &HeaderMap, names: &[String]) -> Result<(), Failure> {
    let text = |name: HeaderName| headers.get(name).and_then(|value| value.to_str().ok());
    let host = text(header::HOST).unwrap_or_default();
    if !is_ours(host, names) {
        // A name that anybody may point at this address: a page of theirs would be of our origin.
        let what = "This console does not answer to that name. Start the orchestrator with --console-name to allow it.";
        return Err(Failure::plain(StatusCode::MISDIRECTED_REQUEST, what));
    }
    let fetched = |name: &'static str| text(HeaderName::from_static(name));
    let site = fetched("sec-fetch-site").unwrap_or("same-origin");
    if is_look(method) {
        let followed =
            fetched("sec-fetch-mode") == Some("navigate") && fetched("sec-fetch-dest") == Some("document");
        if followed || matches!(site, "same-origin" | "none") {
            return Ok(());
        }
        // A picture or a script of somebody else's page would make us read much, though that page cannot see it.
        let what = "A page of somebody else asked for this. Follow a link, or open it here.";
        return Err(Failure::plain(StatusCode::FORBIDDEN, what));
    }
    let origin = text(header::ORIGIN).unwrap_or_default();
    let own = ["http://", "https://"].iter().any(|scheme| origin.strip_prefix(scheme) == Some(host));
    if own && site == "same-origin" {
        return Ok(());
    }
    let what = "This did not come from a page of this console, so nothing was done. Open the page here and try again.";
    Err(Failure::plain(StatusCode::FORBIDDEN, what))
}

/// Whether a `Host` names us: by an address, as localhost, or as the flags say.
fn is_ours(host: &str, names: &[String]) -> bool {
    let name = match host.rsplit_once(':') {
        Some((name, port)) if !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        Some(_) | None => host,
    };
    let bare = name.trim_start_matches('[').trim_end_matches(']');
    let known = name.eq_ignore_ascii_case("localhost") || bare.parse::<IpAddr>().is_ok();
    known || names.iter().any(|own| name.eq_ignore_ascii_case(own))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_our_own_names_are_answered() {
        let names = ["amends.example".to_owned()];
        for ours in
            ["localhost", "localhost:7480", "127.0.0.1:7480", "[::1]:7480", "10.1.2.3", "Amends.example:80"]
        {
            assert!(is_ours(ours, &names), "{ours}");
        }
        for foreign in
            ["", "evil.example", "evil.example:7480", "localhost.evil.example", "127.0.0.1.nip.example"]
        {
            assert!(!is_ours(foreign, &names), "{foreign}");
        }
    }

    #[test]
    fn what_changes_something_comes_from_a_page_of_ours() {
        let asked = |method: Method, origin: Option<&str>, site: Option<&str>| {
            let mut headers = HeaderMap::new();
            headers.insert(header::HOST, "localhost:7480".parse().unwrap());
            if let Some(origin) = origin {
                headers.insert(header::ORIGIN, origin.parse().unwrap());
            }
            if let Some(site) = site {
                headers.insert("sec-fetch-site", site.parse().unwrap());
            }
            check(&method, &headers, &[]).is_ok()
        };
        assert!(asked(Method::POST, Some("http://localhost:7480"), None));
        assert!(asked(Method::POST, Some("https://localhost:7480"), Some("same-origin")));
        for foreign in [None, Some("null"), Some("http://evil.example"), Some("http://localhost:7481")] {
            assert!(!asked(Method::POST, foreign, None), "{foreign:?}");
        }
        assert!(!asked(Method::POST, Some("http://localhost:7480"), Some("cross-site")));
        assert!(!asked(Method::DELETE, None, None));
    }

    #[test]
    fn pages_of_others_may_lead_here_but_load_nothing() {
        let asked = |site: &str, mode: &str, dest: &str| {
            let named = [
                ("host", "localhost"),
                ("sec-fetch-site", site),
                ("sec-fetch-mode", mode),
                ("sec-fetch-dest", dest),
            ];
            let headers = named
                .map(|(name, value)| (HeaderName::from_static(name), HeaderValue::try_from(value).unwrap()));
            check(&Method::GET, &HeaderMap::from_iter(headers), &[]).is_ok()
        };
        assert!(asked("cross-site", "navigate", "document") && asked("none", "navigate", "document"));
        assert!(asked("same-origin", "cors", "empty") && asked("same-origin", "no-cors", "image"));
        for (site, mode, dest) in [
            ("cross-site", "no-cors", "image"),
            ("same-site", "no-cors", "script"),
            ("cross-site", "cors", "empty"),
            ("cross-site", "navigate", "iframe"),
        ] {
            assert!(!asked(site, mode, dest), "{site} {mode} {dest}");
        }
    }
}
