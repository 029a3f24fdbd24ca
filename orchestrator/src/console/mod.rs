//! The web console: pages for whoever is called at night. Server-rendered, nothing from elsewhere, and nothing but what
//! the API answers: it asks the same services as every client does, in this process. Must not know the engine or the store,
//! nor a service but the gateway's queue of payments in doubt.

mod act;
mod api;
mod assets;
mod attention;
mod bars;
mod books;
mod bulk;
mod deed;
mod definitions;
mod door;
mod download;
mod failure;
mod flags;
mod form;
mod frame;
mod hold;
mod in_doubt;
mod list;
mod live;
mod lookout;
mod overview;
mod participants;
mod picture;
mod rates;
mod remedy;
mod resolution;
mod show;
mod timeline;
mod tokens;
mod visitor;
mod words;

pub use flags::{ConsoleArgs, TraceUrl};

use crate::definitions::StepTimes;
use crate::history::Pulse;
use amends_serve::http;
use api::Api;
use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::http::StatusCode;
use axum::middleware::{from_fn, from_fn_with_state};
use axum::routing::get;
use failure::Failure;
use in_doubt::Gateway;
use lookout::Lookout;
use std::collections::BTreeMap;
use std::sync::Arc;
use tokens::Tokens;
use tokio::net::TcpListener;
use tokio::sync::{Semaphore, SemaphorePermit, watch};
use tonic::service::Routes;

/// Largest form: evidence at its limit, each byte encoded in three.
const MAX_FORM_BYTES: usize = 16 * 1024;
/// Previews and parts of downloads that are read at a time: each may go through thousands of plans or events.
const DEAR: usize = 4;

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
    /// Signs forms; the same in all replicas.
    pub form_key: [u8; 32],
    /// Where traces are looked at.
    pub trace_url: Option<TraceUrl>,
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
    /// Who keeps payments in doubt, if anybody does.
    gateway: Option<Gateway>,
    times: StepTimes,
    names: Vec<String>,
    trace_url: Option<TraceUrl>,
    stopping: watch::Receiver<bool>,
    clock: fn() -> i64,
    /// Room for streams.
    room: Arc<Semaphore>,
    /// Turns at what is dear.
    dear: Semaphore,
}

impl Desk {
    /// Waits for a turn at what is dear to read; it ends with what is given back.
    async fn turn(&self) -> Option<SemaphorePermit<'_>> {
        // Nobody closes it: there is always one to come.
        self.dear.acquire().await.ok()
    }
}

/// The pages, with what watches their figures.
pub struct Console(Arc<Desk>);

impl Console {
    /// A console that nobody serves yet.
    #[must_use]
    pub fn new(parts: Parts) -> Self {
        let Parts { api, pulse, participants, times, names, form_key, trace_url, stopping, clock } = parts;
        let api = Api::new(api);
        let lookout = Arc::new(Lookout::new(api.clone(), Arc::clone(&pulse), &participants));
        let gateway = participants.get(in_doubt::GATEWAY).and_then(|address| Gateway::at(address));
        let participants = participants.into_keys().collect();
        let (tokens, room) = (Tokens::new(form_key), Arc::new(Semaphore::new(live::MOST)));
        Self(Arc::new(Desk {
            api,
            lookout,
            pulse,
            tokens,
            participants,
            gateway,
            times,
            names,
            trace_url,
            stopping,
            clock,
            room,
            dear: Semaphore::new(DEAR),
        }))
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
            .route("/t/{gid}/history.json", get(download::history))
            .route("/t/{gid}/books", get(books::page))
            .route("/t/{gid}/{act}", get(act::ask).post(deed::carry_out))
            .route("/attention", get(attention::page))
            .route("/in-doubt", get(in_doubt::page))
            .route("/in-doubt/{id}", get(in_doubt::one))
            .route("/in-doubt/{id}/{act}", get(in_doubt::ask).post(in_doubt::carry_out))
            .route("/participants", get(participants::page))
            .route("/definitions", get(definitions::page))
            .route("/hold/{kind}/{name}/{act}", get(hold::ask).post(hold::carry_out))
            .route("/bulk", get(bulk::ask).post(bulk::start))
            .route("/bulk/{id}", get(bulk::page))
            .route("/assets/{version}/{name}", get(assets::serve))
            .fallback(async || Failure::plain(StatusCode::NOT_FOUND, "There is no such page."))
            .layer(DefaultBodyLimit::max(MAX_FORM_BYTES))
            .layer(from_fn(door::in_time))
            .layer(from_fn_with_state(Arc::clone(desk), door::pass))
            .with_state(Arc::clone(desk));
        beside.merge(pages)
    }

    /// Serves until the process is asked to end, and lets what is in flight finish.
    pub async fn serve(self, listener: TcpListener, beside: Router) {
        let looking = tokio::spawn(Arc::clone(&self.0.lookout).run());
        let mut stopping = self.0.stopping.clone();
        let stop = async move { live::stopped(&mut stopping).await };
        http::serve(listener, self.router(beside), http::Limits::default(), stop).await;
        looking.abort();
    }
}
