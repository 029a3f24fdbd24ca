//! Keeps so many checkouts in flight while processes die: clients that repeat a Start with the same request id until
//! it is acknowledged, and then wait for its end. Knows no victim.
use crate::market;
use crate::witness::Witness;
use amends_proto::amends::v1::transactions_client::TransactionsClient;
use amends_proto::amends::v1::{
    GetHistoryRequest, GetRequest, GlobalTransaction, StartResponse, WaitRequest,
};
use amends_testkit::Must as _;
use std::collections::BTreeSet;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tonic::transport::{Channel, Endpoint};
use tonic::{Code, Response, Status};

/// A client that got no answer asks again after this.
const PAUSE: Duration = Duration::from_millis(25);
/// One `Wait`; another follows.
const WAIT_MS: i32 = 5_000;
/// A call whose answer got lost together with its connection is given up after this.
const CALL_TIMEOUT: Duration = Duration::from_secs(10);

type Client = TransactionsClient<Channel>;

/// How far the clients are.
#[derive(Debug, Clone, Copy, Default)]
pub struct Progress {
    /// Starts that were acknowledged.
    pub acknowledged: usize,
    /// Those of them whose first acknowledgement was lost: the request was known when it came again.
    pub repeated: usize,
    /// Ends that clients heard of.
    pub ended: usize,
}

impl Progress {
    /// Acknowledged and, as far as clients know, not final.
    pub fn open(self) -> usize {
        self.acknowledged - self.ended
    }
}

/// The clients and what they know.
pub struct Load {
    seed: u64,
    client: Client,
    witness: Witness,
    progress: watch::Sender<Progress>,
    open: Mutex<BTreeSet<String>>,
    next: AtomicU64,
    stopped: AtomicBool,
}

impl Load {
    /// Clients of the orchestrator at `address`, which order nothing yet.
    pub fn new(address: &str, seed: u64, witness: &Path) -> Arc<Load> {
        let endpoint = Endpoint::from_shared(format!("http://{address}")).must("an address");
        let channel = endpoint.tcp_nodelay(true).timeout(CALL_TIMEOUT).connect_lazy();
        Arc::new(Load {
            seed,
            client: TransactionsClient::new(channel),
            witness: Witness::new(witness),
            progress: watch::Sender::default(),
            open: Mutex::default(),
            next: AtomicU64::new(0),
            stopped: AtomicBool::new(false),
        })
    }

    /// Starts so many clients; each has one checkout in flight until `stop`.
    pub fn run(self: &Arc<Load>, clients: usize) -> JoinSet<()> {
        (0..clients).map(|_| Arc::clone(self).order_until_stopped()).collect()
    }

    /// No new orders; those in flight go on.
    pub fn stop(&self) {
        self.stopped.store(true, Ordering::SeqCst);
    }

    /// How far the clients are, as it changes.
    pub fn progress(&self) -> watch::Receiver<Progress> {
        self.progress.subscribe()
    }

    /// What clients were told.
    pub fn witness(&self) -> &Witness {
        &self.witness
    }

    async fn order_until_stopped(self: Arc<Load>) {
        while !self.stopped.load(Ordering::SeqCst) {
            let number = self.next.fetch_add(1, Ordering::SeqCst);
            let StartResponse { gid, existing, .. } = self.start(number).await;
            self.witness.saw(number, &gid);
            self.open.lock().unwrap().insert(gid.clone());
            self.progress.send_modify(|progress| {
                progress.acknowledged += 1;
                progress.repeated += usize::from(existing);
            });
            self.wait(&gid).await;
            self.open.lock().unwrap().remove(&gid);
            self.progress.send_modify(|progress| progress.ended += 1);
        }
    }

    /// Starts the order of this number, however often that takes.
    pub async fn start(&self, number: u64) -> StartResponse {
        let order = market::order(self.seed, number);
        self.patiently(|mut client| {
            let order = order.clone();
            async move { client.start(order).await }
        })
        .await
    }

    /// As the orchestrator has it.
    pub async fn get(&self, gid: &str) -> GlobalTransaction {
        let get = GetRequest { gid: gid.to_owned() };
        self.patiently(|mut client| {
            let get = get.clone();
            async move { client.get(get).await }
        })
        .await
    }

    async fn wait(&self, gid: &str) {
        let wait = WaitRequest { gid: gid.to_owned(), timeout_ms: WAIT_MS };
        let ask = |mut client: Client| {
            let wait = wait.clone();
            async move { client.wait(wait).await }
        };
        while self.patiently(ask).await.finished_at.is_none() {}
    }

    /// Calls until there is an answer. An orchestrator that is away may come back; anything else it says is final.
    async fn patiently<Answer, Called>(&self, call: impl Fn(Client) -> Called) -> Answer
    where
        Called: Future<Output = Result<Response<Answer>, Status>>,
    {
        loop {
            match call(self.client.clone()).await {
                Ok(answer) => return answer.into_inner(),
                Err(status) => assert!(is_away(status.code()), "a client was told {status}"),
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    /// What is known of those that do not end, for the message of a failed test.
    pub async fn stuck(&self) -> String {
        let open: Vec<String> = self.open.lock().unwrap().iter().cloned().collect();
        let mut text = format!("{} are open:", open.len());
        for gid in open {
            let request = GetHistoryRequest { gid: gid.clone(), from_seq: 1, page_size: 0 };
            let events = match self.client.clone().get_history(request).await {
                Ok(answer) => answer.into_inner().events,
                Err(status) => return format!("{text}\n{gid}: no history: {status}"),
            };
            let word = |event: &amends_proto::amends::v1::Event| {
                format!("{}{}{}{}", event.kind, event.branch_id, event.op, event.code)
            };
            let last: Vec<String> = events.iter().rev().take(6).rev().map(word).collect();
            text.push_str(&format!("\n{gid}: {}", last.join(" ")));
        }
        text
    }
}

/// A connection that broke comes as any of these.
fn is_away(code: Code) -> bool {
    matches!(code, Code::Unavailable | Code::Unknown | Code::Cancelled | Code::DeadlineExceeded)
}
