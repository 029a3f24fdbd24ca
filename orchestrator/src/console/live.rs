//! One stream of server-sent events that says "something has changed", at most once a second: pages then ask for
//! themselves again. Carries no data. Must not know pages.

use super::lookout::{self, Looking, Sight};
use super::{Desk, failure::Failure};
use axum::body::Body;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use futures::stream;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, watch};

/// Streams at a time.
pub const MOST: usize = 64;
/// Between two pieces of news.
const EVERY: Duration = Duration::from_secs(1);
/// Without news, a sign of life: a page that hears nothing for some times as long (`console.js` has how long) says that
/// nobody answers any more, also where the connection stands.
const SILENCE: Duration = Duration::from_millis(1_500);
/// Within this time a page tells of a process that has died: somebody looks, waits for who hangs, and passes it on.
const TOLD: Duration = Duration::from_secs(5);
const _: () = {
    let longest = lookout::EVERY.as_millis() + lookout::PATIENCE.as_millis() + EVERY.as_millis();
    // A second for the page to ask for itself again.
    assert!(longest + 1_000 <= TOLD.as_millis(), "a death is told too late");
};

struct Listener {
    commits: watch::Receiver<u64>,
    sights: watch::Receiver<Option<Arc<Sight>>>,
    stopping: watch::Receiver<bool>,
    _looking: Looking,
    _room: OwnedSemaphorePermit,
}

/// The stream.
pub async fn serve(State(desk): State<Arc<Desk>>) -> Result<Response, Failure> {
    let room = Arc::clone(&desk.room).try_acquire_owned().map_err(|_| {
        Failure::plain(StatusCode::SERVICE_UNAVAILABLE, "Too many pages listen to this orchestrator.")
    })?;
    let (sights, looking) = desk.lookout.watch();
    let (commits, stopping) = (desk.pulse.bell(), desk.stopping.clone());
    let listener = Listener { commits, sights, stopping, _looking: looking, _room: room };
    // Whoever comes back after a pause asks for the page again: what happened meanwhile was told to nobody.
    let hello = Some("retry: 1000\nevent: news\ndata:\n\n");
    let told = stream::unfold((listener, hello), async |(mut listener, hello)| {
        let text = match hello {
            Some(text) => text,
            None => listener.next().await?,
        };
        Some((Ok::<_, Infallible>(text), (listener, None)))
    });
    let kind = [(header::CONTENT_TYPE, "text/event-stream"), (header::CACHE_CONTROL, "no-store")];
    Ok((kind, Body::from_stream(told)).into_response())
}

impl Listener {
    /// The next thing to say; `None` = the process goes down.
    async fn next(&mut self) -> Option<&'static str> {
        tokio::select! {
            () = stopped(&mut self.stopping) => return None,
            () = tokio::time::sleep(EVERY) => {}
        }
        let something = async {
            tokio::select! {
                committed = self.commits.changed() => committed.is_ok(),
                seen = self.sights.changed() => seen.is_ok(),
            }
        };
        tokio::select! {
            () = stopped(&mut self.stopping) => None,
            alive = something => alive.then(|| {
                // Both are told by the same word.
                self.commits.mark_unchanged();
                self.sights.mark_unchanged();
                "event: news\ndata:\n\n"
            }),
            () = tokio::time::sleep(SILENCE) => Some("event: here\ndata:\n\n"),
        }
    }
}

/// Returns when the process is asked to end.
pub async fn stopped(stopping: &mut watch::Receiver<bool>) {
    if stopping.wait_for(|stopping| *stopping).await.is_err() {
        // Nobody is left who could say so.
        std::future::pending::<()>().await;
    }
}
