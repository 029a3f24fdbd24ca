//! Style, script and htmx, compiled in: a page needs nothing from elsewhere. Their address names their content, so
//! browsers may keep them for ever.

use axum::extract::Path;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use sha2::{Digest as _, Sha256};
use std::sync::LazyLock;

/// An asset: file name, type, content.
type Asset = (&'static str, &'static str, &'static str);

const ALL: [Asset; 4] = [
    ("console.css", "text/css; charset=utf-8", include_str!("assets/console.css")),
    ("console.js", "text/javascript; charset=utf-8", include_str!("assets/console.js")),
    ("htmx.min.js", "text/javascript; charset=utf-8", include_str!("assets/htmx.min.js")),
    ("icon.svg", "image/svg+xml", include_str!("assets/icon.svg")),
];
const FOR_EVER: &str = "public, max-age=31536000, immutable";
/// Bytes of the hash that stand in an address.
const NAMED_BYTES: usize = 6;

static VERSION: LazyLock<String> = LazyLock::new(|| {
    let mut hash = Sha256::new();
    ALL.iter().for_each(|(_, _, content)| hash.update(content));
    hex::encode(&hash.finalize()[..NAMED_BYTES])
});

/// The address of an asset.
#[must_use]
pub fn address(name: &str) -> String {
    format!("/assets/{}/{name}", *VERSION)
}

/// Serves one.
pub async fn serve(Path((version, name)): Path<(String, String)>) -> Response {
    let found = ALL.iter().find(|(known, ..)| *known == name && version == *VERSION);
    match found {
        Some((_, kind, content)) => {
            ([(header::CONTENT_TYPE, *kind), (header::CACHE_CONTROL, FOR_EVER)], *content).into_response()
        }
        None => StatusCode::NOT_FOUND.into_response(),
    }
}
