//! Clients that keep global transactions in flight on both replicas, and know of each how long it took. Whoever gets no
//! answer asks the other replica the same.
use crate::pair::Client;
use amends_proto::amends::v1::{
    BenchInput, Event, GetHistoryRequest, GetRequest, GlobalTransaction, Mode, StartRequest, StartResponse,
    WaitRequest,
};
use prost::Message as _;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::Instant;
use tonic::{Code, Response, Status};

const PAUSE: Duration = Duration::from_millis(25);
const WAIT_MS: i32 = 5_000;
/// Steps of each.
pub const STEPS: i32 = 3;
/// Every so manieth is refused by its last step.
const REFUSED: usize = 5;

/// What a client knows of one global transaction.
#[derive(Debug, Clone)]
pub struct Seen {
    pub number: usize,
    pub began: Instant,
    pub ended: Option<Instant>,
}

/// The clients.
pub struct Load {
    clients: [Client; 2],
    next: AtomicUsize,
    stopped: AtomicBool,
    seen: Mutex<BTreeMap<String, Seen>>,
    ended: watch::Sender<usize>,
}

impl Load {
    pub fn new(clients: [Client; 2]) -> Arc<Load> {
        Arc::new(Load {
            clients,
            next: AtomicUsize::default(),
            stopped: AtomicBool::default(),
            seen: Mutex::default(),
            ended: watch::Sender::default(),
        })
    }

    /// Starts so many clients; each has one in flight until `stop`.
    pub fn run(self: &Arc<Load>, clients: usize) -> JoinSet<()> {
        (0..clients).map(|_| Arc::clone(self).work()).collect()
    }

    pub fn stop(&self) {
        self.stopped.store(true, Ordering::SeqCst);
    }

    /// Returns when so many more have ended.
    pub async fn ends(&self, more: usize) {
        let mut ended = self.ended.subscribe();
        let wanted = *ended.borrow_and_update() + more;
        ended.wait_for(|ended| *ended >= wanted).await.unwrap();
    }

    /// Acknowledged, and not known to have ended.
    pub fn open(&self) -> Vec<String> {
        let seen = self.seen.lock().unwrap();
        seen.iter().filter(|(_, it)| it.ended.is_none()).map(|(gid, _)| gid.clone()).collect()
    }

    /// All that were acknowledged.
    pub fn seen(&self) -> BTreeMap<String, Seen> {
        self.seen.lock().unwrap().clone()
    }

    /// Returns when these have ended.
    pub async fn ended(&self, gids: &[String]) {
        let mut changed = self.ended.subscribe();
        while gids.iter().any(|gid| self.seen.lock().unwrap()[gid].ended.is_none()) {
            changed.changed().await.unwrap();
        }
    }

    async fn work(self: Arc<Load>) {
        while !self.stopped.load(Ordering::SeqCst) {
            let number = self.next.fetch_add(1, Ordering::SeqCst);
            let began = Instant::now();
            let gid = self.start(number).await.gid;
            self.seen.lock().unwrap().insert(gid.clone(), Seen { number, began, ended: None });
            while self.wait(number, &gid).await.finished_at.is_none() {}
            self.seen.lock().unwrap().get_mut(&gid).unwrap().ended = Some(Instant::now());
            self.ended.send_modify(|ended| *ended += 1);
        }
    }

    /// Starts the one of this number, however often that takes.
    pub async fn start(&self, number: usize) -> StartResponse {
        self.patiently(number, |mut client| async move { client.start(request(number)).await }).await
    }

    async fn wait(&self, number: usize, gid: &str) -> GlobalTransaction {
        let wait = WaitRequest { gid: gid.to_owned(), timeout_ms: WAIT_MS };
        // The one that did not start it is asked first: mostly another than the owner.
        self.patiently(number + 1, |mut client| {
            let wait = wait.clone();
            async move { client.wait(wait).await }
        })
        .await
    }

    /// As the replicas have it.
    pub async fn get(&self, number: usize, gid: &str) -> GlobalTransaction {
        let get = GetRequest { gid: gid.to_owned() };
        self.patiently(number, |mut client| {
            let get = get.clone();
            async move { client.get(get).await }
        })
        .await
    }

    /// Its history in a line, with milliseconds since its start.
    pub async fn told(&self, gid: &str) -> String {
        let history = GetHistoryRequest { gid: gid.to_owned(), from_seq: 1, ..GetHistoryRequest::default() };
        let ask = |mut client: Client| {
            let history = history.clone();
            async move { client.get_history(history).await }
        };
        let events = self.patiently(0, ask).await.events;
        let ms = |event: &Event| {
            let time = event.time.unwrap_or_default();
            time.seconds * 1_000 + i64::from(time.nanos) / 1_000_000
        };
        let began = events.first().map(ms).unwrap_or_default();
        let word = |event: &Event| {
            format!("{}:{}{}{}{}", ms(event) - began, event.kind, event.branch_id, event.op, event.code)
        };
        events.iter().map(word).collect::<Vec<_>>().join(" ")
    }

    async fn patiently<Answer, Called>(&self, first: usize, call: impl Fn(Client) -> Called) -> Answer
    where
        Called: Future<Output = Result<Response<Answer>, Status>>,
    {
        for turn in first.. {
            match call(self.clients[turn % self.clients.len()].clone()).await {
                Ok(answer) => return answer.into_inner(),
                Err(status) => assert!(is_away(status.code()), "a client was told {status}"),
            }
            tokio::time::sleep(PAUSE).await;
        }
        unreachable!("there is always another turn")
    }
}

/// The global transaction of a number: both modes, and now and then one that is refused.
pub fn request(number: usize) -> StartRequest {
    let refuse_branch = if number.is_multiple_of(REFUSED) { STEPS } else { 0 };
    let input = BenchInput { steps: STEPS, refuse_branch };
    StartRequest {
        request_id: format!("load-{number}"),
        definition: "bench".to_owned(),
        mode: if number.is_multiple_of(2) { Mode::Saga } else { Mode::Tcc }.into(),
        input: Some(prost_types::Any {
            type_url: "type.googleapis.com/amends.v1.BenchInput".to_owned(),
            value: input.encode_to_vec(),
        }),
        ..StartRequest::default()
    }
}

/// Whether it has to fail.
pub fn is_refused(number: usize) -> bool {
    number.is_multiple_of(REFUSED)
}

/// A connection that broke comes as any of these.
fn is_away(code: Code) -> bool {
    matches!(code, Code::Unavailable | Code::Unknown | Code::Cancelled | Code::DeadlineExceeded)
}
