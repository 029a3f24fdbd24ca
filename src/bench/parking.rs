//! A participant that lets chosen calls wait: it answers "in progress" for a while, then OK, and tells how long after that
//! the next op of the same global transaction was called. Knows no orchestrator and no coordinator.
use super::wire;
use amends_dtm::metadata;
use amends_proto::amends::v1::noop_server::{Noop, NoopServer};
use amends_serve::listener;
use std::collections::HashMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::Notify;
use tokio::task::JoinHandle;
use tonic::{Request, Response, Status};

/// Which call waits, and for how long.
#[derive(Debug, Clone, Copy)]
pub struct Rule {
    /// Branch id and op of the call that waits.
    pub waits: (&'static str, &'static str),
    /// So long it is "in progress".
    pub parked: Duration,
    /// The call that is made next.
    pub next: (&'static str, &'static str),
}

/// A running participant; dropping it ends it.
pub struct Parking {
    pub address: SocketAddr,
    state: Arc<State>,
    server: JoinHandle<()>,
}

#[derive(Default)]
struct State {
    book: Mutex<Book>,
    changed: Notify,
}

/// What happens to whom. A global transaction follows the rule that held at its first call.
#[derive(Default)]
struct Book {
    rule: Option<Rule>,
    guests: HashMap<String, Guest>,
    gaps: Vec<Duration>,
}

struct Guest {
    rule: Rule,
    stage: Stage,
}

/// How far one has come.
#[derive(Clone, Copy)]
enum Stage {
    /// The call that waits has not come.
    Coming,
    /// It came first then.
    Waiting(Instant),
    /// It was answered OK then.
    Left(Instant),
    /// The next call has come, too.
    Gone,
}

impl Parking {
    /// Starts it on a free port.
    pub async fn start() -> anyhow::Result<Parking> {
        let listener = listener::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, 0))).await?;
        let address = listener.local_addr()?;
        let state = Arc::new(State::default());
        let server = wire::serve(listener, NoopServer::new(Service(Arc::clone(&state))));
        Ok(Parking { address, state, server })
    }

    /// Whoever comes for the first time from now on waits so.
    pub fn set(&self, rule: Rule) {
        let mut book = self.state.lock();
        book.rule = Some(rule);
        book.gaps.clear();
    }

    /// Waits until so many wait that came under the rule that holds.
    pub async fn until_waiting(&self, count: usize) {
        self.until(|book| {
            book.guests.values().filter(|guest| matches!(guest.stage, Stage::Waiting(_))).count() >= count
        })
        .await;
    }

    /// Waits until so many have gone on, and tells how long after the end of its wait each one's next call came.
    pub async fn gaps(&self, count: usize) -> Vec<Duration> {
        self.until(|book| book.gaps.len() >= count).await;
        std::mem::take(&mut self.state.lock().gaps)
    }

    async fn until(&self, wanted: impl Fn(&Book) -> bool) {
        loop {
            let changed = self.state.changed.notified();
            if wanted(&self.state.lock()) {
                return;
            }
            changed.await;
        }
    }
}

impl Drop for Parking {
    fn drop(&mut self) {
        self.server.abort();
    }
}

impl State {
    fn lock(&self) -> MutexGuard<'_, Book> {
        self.book.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether the call still waits.
    fn called(&self, request: &Request<()>) -> bool {
        let now = Instant::now();
        let text =
            |key| request.metadata().get(key).and_then(|value| value.to_str().ok()).unwrap_or_default();
        let call = (text(metadata::BRANCH_ID), text(metadata::OP));
        let waits = self.lock().called(text(metadata::GID), call, now);
        self.changed.notify_waiters();
        waits
    }
}

impl Book {
    fn called(&mut self, gid: &str, call: (&str, &str), now: Instant) -> bool {
        let Some(rule) = self.rule else { return false };
        let guest = Guest { rule, stage: Stage::Coming };
        let guest = self.guests.entry(gid.to_owned()).or_insert(guest);
        if call == guest.rule.next
            && let Stage::Left(then) = guest.stage
        {
            guest.stage = Stage::Gone;
            self.gaps.push(now - then);
        }
        if call != guest.rule.waits {
            return false;
        }
        let since = match guest.stage {
            Stage::Coming => now,
            Stage::Waiting(since) => since,
            // A repeat of what was answered already.
            Stage::Left(_) | Stage::Gone => return false,
        };
        let waits = now - since < guest.rule.parked;
        guest.stage = if waits { Stage::Waiting(since) } else { Stage::Left(now) };
        waits
    }
}

struct Service(Arc<State>);

impl Service {
    fn answer(&self, request: &Request<()>) -> Result<Response<()>, Status> {
        match self.0.called(request) {
            true => Err(Status::failed_precondition("IN_PROGRESS|as asked")),
            false => Ok(Response::new(())),
        }
    }
}

#[tonic::async_trait]
impl Noop for Service {
    async fn r#do(&self, request: Request<()>) -> Result<Response<()>, Status> {
        self.answer(&request)
    }

    async fn confirm(&self, request: Request<()>) -> Result<Response<()>, Status> {
        self.answer(&request)
    }

    async fn undo(&self, request: Request<()>) -> Result<Response<()>, Status> {
        self.answer(&request)
    }

    async fn refuse(&self, request: Request<()>) -> Result<Response<()>, Status> {
        self.answer(&request)?;
        Err(Status::aborted("REFUSED|as asked"))
    }
}
