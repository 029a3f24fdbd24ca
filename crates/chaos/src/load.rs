//! Keeps so many checkouts in flight while things break: clients that repeat a Start with the same request id until
//! it is acknowledged, and then wait for its end. Knows no fault.
use crate::error::ChaosError;
use crate::market;
use crate::settings::Settings;
use crate::witness::Witness;
use amends_proto::amends::v1::transactions_client::TransactionsClient;
use amends_proto::amends::v1::{
    Event, GetHistoryRequest, GetRequest, GlobalTransaction, Mode, StartResponse, WaitRequest,
};
use std::collections::BTreeSet;
use std::error::Error as _;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::Instant;
use tonic::transport::{Channel, Endpoint};
use tonic::{Code, Response, Status};

/// A client that got no answer asks again after this.
const PAUSE: Duration = Duration::from_millis(25);
/// One `Wait`; another follows.
const WAIT_MS: i32 = 5_000;
/// A call whose answer got lost together with its connection is given up after this.
const CALL_TIMEOUT: Duration = Duration::from_secs(10);
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);
/// A connection that nobody answers on for so long is given up.
const KEEP_ALIVE: Duration = Duration::from_secs(3);
/// Of what does not end, so many are told with the end of their history.
const TOLD: usize = 20;

type Client = TransactionsClient<Channel>;

/// How far the clients are.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Progress {
    /// Orders that a client has begun with.
    pub started: usize,
    /// Starts that were acknowledged.
    pub acknowledged: usize,
    /// Those of them whose first acknowledgement was lost: the request was known when it came again.
    pub repeated: usize,
    /// Ends that clients heard of.
    pub ended: u64,
    /// Acknowledged and, as far as clients know, not final.
    pub open: usize,
}

/// One end that a client heard of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ended {
    /// When, since the first client began.
    pub at: Duration,
    /// How long it took from the first Start.
    pub took: Duration,
}

/// The clients and what they know.
pub struct Load {
    seed: u64,
    modes: Vec<Mode>,
    client: Client,
    witness: Witness,
    progress: watch::Sender<Progress>,
    book: Mutex<Book>,
    next: AtomicU64,
    stopped: AtomicBool,
    began: Instant,
}

#[derive(Default)]
struct Book {
    open: BTreeSet<String>,
    ends: Vec<Ended>,
    complaints: Vec<String>,
}

impl Load {
    /// Clients of the orchestrator at `address`, which order nothing yet. What they are told is kept in a new file.
    ///
    /// # Errors
    /// That is no address, or the file is there.
    pub fn new(address: &str, settings: &Settings, witness: &Path) -> Result<Arc<Load>, ChaosError> {
        let endpoint = Endpoint::from_shared(format!("http://{address}"))?.tcp_nodelay(true);
        let channel = endpoint
            .timeout(CALL_TIMEOUT)
            .connect_timeout(CONNECT_TIMEOUT)
            .http2_keep_alive_interval(KEEP_ALIVE)
            .keep_alive_timeout(KEEP_ALIVE)
            .connect_lazy();
        Ok(Arc::new(Load {
            seed: settings.seed,
            modes: settings.modes.clone(),
            client: TransactionsClient::new(channel),
            witness: Witness::new(witness)?,
            progress: watch::Sender::default(),
            book: Mutex::default(),
            next: AtomicU64::new(0),
            stopped: AtomicBool::new(false),
            began: Instant::now(),
        }))
    }

    /// Starts so many clients; each has one checkout in flight until `stop`.
    pub fn run(self: &Arc<Load>, clients: usize) -> JoinSet<()> {
        (0..clients).map(|_| Arc::clone(self).order_until_stopped()).collect()
    }

    /// No new orders; those in flight go on, but for those that wait for a person.
    pub fn stop(&self) {
        self.stopped.store(true, Ordering::SeqCst);
    }

    /// How far the clients are, as it changes.
    pub fn progress(&self) -> watch::Receiver<Progress> {
        self.progress.subscribe()
    }

    /// Since the first client began.
    #[must_use]
    pub fn elapsed(&self) -> Duration {
        self.began.elapsed()
    }

    /// What clients were told.
    #[must_use]
    pub fn witness(&self) -> &Witness {
        &self.witness
    }

    /// Every end that clients heard of.
    #[must_use]
    pub fn ends(&self) -> Vec<Ended> {
        self.book().ends.clone()
    }

    /// What clients were told that nobody may tell them.
    #[must_use]
    pub fn complaints(&self) -> Vec<String> {
        self.book().complaints.clone()
    }

    fn book(&self) -> MutexGuard<'_, Book> {
        self.book.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn order_until_stopped(self: Arc<Load>) {
        while !self.stopped.load(Ordering::SeqCst) {
            let number = self.next.fetch_add(1, Ordering::SeqCst);
            if let Err(complaint) = self.order(number).await {
                self.book().complaints.push(format!("order {number}: {complaint}"));
                tokio::time::sleep(PAUSE).await;
            }
        }
    }

    async fn order(&self, number: u64) -> Result<(), String> {
        let asked = Instant::now();
        self.progress.send_modify(|progress| progress.started += 1);
        let StartResponse { gid, existing, .. } =
            self.start(number).await.map_err(|status| format!("the start was answered {status}"))?;
        self.witness.saw(number, &gid).map_err(|error| error.to_string())?;
        self.book().open.insert(gid.clone());
        self.progress.send_modify(|progress| {
            progress.acknowledged += 1;
            progress.open += 1;
            progress.repeated += usize::from(existing);
        });
        let waited = self.wait(&gid).await;
        let ended = Ended { at: self.began.elapsed(), took: asked.elapsed() };
        if matches!(waited, Ok(true)) {
            let mut book = self.book();
            book.open.remove(&gid);
            book.ends.push(ended);
        }
        self.progress.send_modify(|progress| {
            progress.open -= 1;
            progress.ended += u64::from(matches!(waited, Ok(true)));
        });
        waited.map(drop).map_err(|status| format!("waiting for {gid} was answered {status}"))
    }

    /// Starts the order of this number, however often that takes.
    ///
    /// # Errors
    /// An answer that no repetition changes.
    pub async fn start(&self, number: u64) -> Result<StartResponse, Status> {
        let order = market::order(self.seed, &self.modes, number);
        self.patiently(|mut client| {
            let order = order.clone();
            async move { client.start(order).await }
        })
        .await
    }

    /// As the orchestrator has it.
    ///
    /// # Errors
    /// An answer that no repetition changes.
    pub async fn get(&self, gid: &str) -> Result<GlobalTransaction, Status> {
        let get = GetRequest { gid: gid.to_owned() };
        self.patiently(|mut client| {
            let get = get.clone();
            async move { client.get(get).await }
        })
        .await
    }

    /// Waits for the end, or, once nobody orders any more, until it waits for a person; says which.
    async fn wait(&self, gid: &str) -> Result<bool, Status> {
        let wait = WaitRequest { gid: gid.to_owned(), timeout_ms: WAIT_MS };
        let ask = |mut client: Client| {
            let wait = wait.clone();
            async move { client.wait(wait).await }
        };
        loop {
            let now = self.patiently(ask).await?;
            if now.finished_at.is_some() {
                return Ok(true);
            }
            if now.attention.is_some() && self.stopped.load(Ordering::SeqCst) {
                return Ok(false);
            }
        }
    }

    /// Calls until there is an answer. An orchestrator that is away may come back; anything else it says is final.
    async fn patiently<Answer, Called>(&self, call: impl Fn(Client) -> Called) -> Result<Answer, Status>
    where
        Called: Future<Output = Result<Response<Answer>, Status>>,
    {
        loop {
            match call(self.client.clone()).await {
                Ok(answer) => return Ok(answer.into_inner()),
                Err(status) if is_away(&status) => tokio::time::sleep(PAUSE).await,
                Err(status) => return Err(status),
            }
        }
    }

    /// What is known of those that do not end.
    pub async fn stuck(&self) -> String {
        let open: Vec<String> = self.book().open.iter().cloned().collect();
        let mut text = format!("{} are open:", open.len());
        for gid in open.iter().take(TOLD) {
            let last = match self.history(gid).await {
                Ok(events) => events.iter().rev().take(6).rev().map(word).collect::<Vec<_>>().join(" "),
                Err(status) => format!("no history: {status}"),
            };
            text.push_str(&format!("\n{gid}: {last}"));
        }
        text
    }

    /// The events of a gid, asked for once.
    ///
    /// # Errors
    /// The orchestrator does not answer.
    pub async fn history(&self, gid: &str) -> Result<Vec<Event>, Status> {
        let request = GetHistoryRequest { gid: gid.to_owned(), from_seq: 1, page_size: 0 };
        Ok(self.client.clone().get_history(request).await?.into_inner().events)
    }
}

fn word(event: &Event) -> String {
    format!("{}{}{}{}", event.kind, event.branch_id, event.op, event.code)
}

/// A connection that broke comes as any of these codes, or as another that is not the orchestrator's own.
fn is_away(status: &Status) -> bool {
    let code = status.code();
    matches!(code, Code::Unavailable | Code::Unknown | Code::Cancelled | Code::DeadlineExceeded)
        || status.source().is_some()
}
