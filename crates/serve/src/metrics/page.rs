//! `/metrics` and `/healthz` over HTTP: as routes beside others, or on a listener of their own. Knows no figure.

use super::render;
use crate::http::{self, Limits};
use crate::listener::{self, ListenError};
use axum::Router;
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use std::net::SocketAddr;

/// Prometheus' text format, as its version 0.0.4 has it.
const TEXT: &str = "text/plain; version=0.0.4; charset=utf-8";

/// Both pages, to stand beside others of the same listener.
pub fn routes<S: Clone + Send + Sync + 'static>() -> Router<S> {
    Router::new().route("/metrics", get(metrics)).route("/healthz", get(healthz))
}

/// Serves both pages on a listener of their own for as long as the process lives; tells where it listens.
///
/// # Errors
/// The address cannot be listened on.
pub async fn listen(address: SocketAddr) -> Result<SocketAddr, ListenError> {
    let listener = listener::bind(address).await?;
    let address = listener.local_addr().map_err(|source| ListenError { address, source })?;
    tracing::info!(%address, "metrics are served");
    tokio::spawn(http::serve(listener, routes(), Limits::default(), std::future::pending()));
    Ok(address)
}

async fn metrics() -> Response {
    match render().await {
        Some(text) => ([(CONTENT_TYPE, TEXT)], text).into_response(),
        None => (StatusCode::NOT_FOUND, "this process records no metrics\n").into_response(),
    }
}

/// The process runs and answers. Whether it can do its work is for gRPC's health and the figures to say: a process whose
/// store is away must not be killed for it.
async fn healthz() -> &'static str {
    "ok\n"
}
