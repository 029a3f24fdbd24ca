//! The web console: pages for whoever is called at night. Server-rendered, nothing from elsewhere, and nothing but what
//! the API answers: it asks the same services as every client does, in this process. Must not know the engine, the store
//! or a service.

mod act;
mod api;
mod assets;
mod attention;
mod bars;
mod bulk;
mod coordinator;
mod definitions;
mod door;
mod failure;
mod flags;
mod form;
mod frame;
mod hold;
mod list;
mod live;
mod lookout;
mod overview;
mod participants;
mod picture;
mod rates;
mod show;
mod timeline;
mod tokens;
mod visitor;
mod words;

pub use flags::ConsoleArgs;

use crate::definitions::StepTimes;
use crate::history::Pulse;
use api::Api;
use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::http::StatusCode;
use axum::middleware::from_fn_with_state;
use axum::routing::get;
use failure::Failure;
use lookout::Lookout;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use tokens::Tokens;
use tokio::net::TcpListener;
use tokio::sync::{Semaphore, watch};
use tonic::service::Routes;

/// Largest form: evidence at its limit, each byte encoded in three.
const MAX_FORM_BYTES: usize = 16 * 1024;
/// How long requests in flight may take to end once the process was asked to.
const DRAIN: Duration = Duration::from_secs(3);

/// What the console is made of.
pub struct Parts {
    /// What the API's port serves.
    pub api: Routes,
    /// What was committed.
    pub pulse: Arc<Pulse>,
    /// The participants by name and address.
    pub participants: BTreeMap<String, String>,
    /// Times that plans of definitions are made with.
    pub times: StepTimes,
    /// Names that it answers to, besides localhost and addresses.
    pub names: Vec<String>,
    /// True once the process was asked to end.
    pub stopping: watch::Receiver<bool>,
    /// Unix microseconds.
    pub clock: fn() -> i64,
}

/// What pages work with.
struct Desk {
    api: Api,
    lookout: Arc<Lookout>,
    pulse: Arc<Pulse>,
    tokens: Tokens,
    participants: Vec<String>,
    times: StepTimes,
    names: Vec<String>,
    stopping: watch::Receiver<bool>,
    clock: fn() -> i64,
    /// Room for streams.
    room: Arc<Semaphore>,
}

/// The pages, with what watches their figures.
pub struct Console(Arc<Desk>);

impl Console {
    /// A console that nobody serves yet.
    ///
    /// # Errors
    /// Where the system gives no randomness.
    pub fn new(parts: Parts) -> Result<Self, getrandom::Error> {
        let Parts { api, pulse, participants, times, names, stopping, clock } = parts;
        let api = Api::new(api);
        let lookout = Arc::new(Lookout::new(api.clone(), Arc::clone(&pulse), &participants));
        let participants = participants.into_keys().collect();
        let (tokens, room) = (Tokens::new()?, Arc::new(Semaphore::new(live::MOST)));
        Ok(Self(Arc::new(Desk {
            api,
            lookout,
            pulse,
            tokens,
            participants,
            times,
            names,
            stopping,
            clock,
            room,
        })))
    }

    /// All pages. What is `beside` them on the same port is not theirs, and is not checked as they are.
    pub fn router(&self, beside: Router) -> Router {
        let desk = &self.0;
        let pages = Router::new()
            .route("/", get(overview::page))
            .route("/live", get(live::serve))
            .route("/list", get(list::page))
            .route("/find", get(list::find))
            .route("/t/{gid}", get(show::page))
            .route("/t/{gid}/history.json", get(show::history))
            .route("/t/{gid}/{act}", get(act::ask).post(act::carry_out))
            .route("/attention", get(attention::page))
            .route("/participants", get(participants::page))
            .route("/definitions", get(definitions::page))
            .route("/hold/{kind}/{name}/{act}", get(hold::ask).post(hold::carry_out))
            .route("/bulk", get(bulk::ask).post(bulk::start))
            .route("/bulk/{id}", get(bulk::page))
            .route("/assets/{version}/{name}", get(assets::serve))
            .fallback(async || Failure::plain(StatusCode::NOT_FOUND, "There is no such page."))
            .layer(DefaultBodyLimit::max(MAX_FORM_BYTES))
            .layer(from_fn_with_state(Arc::clone(desk), door::pass))
            .with_state(Arc::clone(desk));
        beside.merge(pages)
    }

    /// Serves until the process is asked to end, and lets what is in flight finish.
    ///
    /// # Errors
    /// Where the listener breaks down.
    pub async fn serve(self, listener: TcpListener, beside: Router) -> std::io::Result<()> {
        let looking = tokio::spawn(Arc::clone(&self.0.lookout).run());
        let (mut first, mut second) = (self.0.stopping.clone(), self.0.stopping.clone());
        let serving = axum::serve(listener, self.router(beside))
            .with_graceful_shutdown(async move { live::stopped(&mut first).await });
        let given_up = async {
            live::stopped(&mut second).await;
            tokio::time::sleep(DRAIN).await;
        };
        let ended = tokio::select! {
            ended = async { serving.await } => ended,
            () = given_up => Ok(()),
        };
        looking.abort();
        ended
    }
}
