//! The participant of these tests: it writes down each call with its begin and its end, also the end by a caller that
//! has gone, and can keep calls waiting.
use amends_dtm::metadata;
use amends_proto::amends::v1::noop_server::{Noop, NoopServer};
use amends_serve::{grpc, listener};
use std::collections::{BTreeMap, BTreeSet};
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tonic::service::Routes;
use tonic::{Request, Response, Status};

/// What each op takes: long enough for many to be in flight, and not all alike.
const WORK: [Duration; 3] = [Duration::from_millis(5), Duration::from_millis(15), Duration::from_millis(40)];

/// One op of one branch.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Called {
    pub gid: String,
    pub branch_id: String,
    pub op: String,
}

#[derive(Default)]
struct Book {
    begun: BTreeMap<SocketAddr, usize>,
    running: BTreeSet<Called>,
    done: BTreeMap<Called, usize>,
    overlaps: Vec<Called>,
}

/// What it has seen.
#[derive(Clone)]
pub struct Log {
    book: Arc<Mutex<Book>>,
    open: watch::Sender<bool>,
}

/// A running participant; dropping it ends it.
pub struct Participant {
    pub address: SocketAddr,
    pub log: Log,
    server: JoinHandle<()>,
}

impl Participant {
    /// Starts it on a free port.
    pub async fn start() -> Participant {
        let listener = listener::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, 0))).await.unwrap();
        let address = listener.local_addr().unwrap();
        let log = Log { book: Arc::default(), open: watch::Sender::new(true) };
        let routes = Routes::new(NoopServer::new(Service(log.clone())));
        let server = tokio::spawn(async move {
            let never = std::future::pending();
            grpc::serve(listener, routes, grpc::GrpcOptions::default(), never).await.unwrap();
        });
        Participant { address, log, server }
    }
}

impl Drop for Participant {
    fn drop(&mut self) {
        self.server.abort();
    }
}

impl Log {
    /// From now on every call waits …
    pub fn shut(&self) {
        self.open.send_replace(false);
    }

    /// … until now.
    pub fn open(&self) {
        self.open.send_replace(true);
    }

    /// How many calls it has had from each address.
    pub fn callers(&self) -> BTreeMap<SocketAddr, usize> {
        self.book.lock().unwrap().begun.clone()
    }

    /// How many calls it has had.
    pub fn begun(&self) -> usize {
        self.callers().values().sum()
    }

    /// How many it has at this moment.
    pub fn running(&self) -> usize {
        self.book.lock().unwrap().running.len()
    }

    /// Ops that were called while they were running: it must stay empty.
    pub fn overlaps(&self) -> Vec<Called> {
        self.book.lock().unwrap().overlaps.clone()
    }

    /// How often a branch was told that an op is done.
    pub fn done(&self, gid: &str, branch_id: &str, op: &str) -> usize {
        let called = Called { gid: gid.into(), branch_id: branch_id.into(), op: op.into() };
        self.book.lock().unwrap().done.get(&called).copied().unwrap_or_default()
    }

    async fn called(&self, request: &Request<()>) -> Called {
        let text = |key| request.metadata().get(key).unwrap().to_str().unwrap().to_owned();
        let called =
            Called { gid: text(metadata::GID), branch_id: text(metadata::BRANCH_ID), op: text(metadata::OP) };
        *self.book.lock().unwrap().begun.entry(request.remote_addr().unwrap()).or_default() += 1;
        let running = Running::begin(&self.book, &called);
        let work = WORK[usize::from(called.gid.as_bytes()[35]) % WORK.len()];
        tokio::time::sleep(work).await;
        self.open.subscribe().wait_for(|open| *open).await.unwrap();
        drop(running);
        called
    }
}

/// A call that has not ended. The end of its caller, or of its deadline, drops it too.
struct Running<'a> {
    book: &'a Mutex<Book>,
    called: Called,
}

impl Running<'_> {
    fn begin<'a>(book: &'a Mutex<Book>, called: &Called) -> Running<'a> {
        let mut now = book.lock().unwrap();
        if !now.running.insert(called.clone()) {
            now.overlaps.push(called.clone());
        }
        Running { book, called: called.clone() }
    }
}

impl Drop for Running<'_> {
    fn drop(&mut self) {
        self.book.lock().unwrap().running.remove(&self.called);
    }
}

struct Service(Log);

impl Service {
    async fn done(&self, request: Request<()>) -> Result<Response<()>, Status> {
        let called = self.0.called(&request).await;
        *self.0.book.lock().unwrap().done.entry(called).or_default() += 1;
        Ok(Response::new(()))
    }
}

#[tonic::async_trait]
impl Noop for Service {
    async fn r#do(&self, request: Request<()>) -> Result<Response<()>, Status> {
        self.done(request).await
    }

    async fn confirm(&self, request: Request<()>) -> Result<Response<()>, Status> {
        self.done(request).await
    }

    async fn undo(&self, request: Request<()>) -> Result<Response<()>, Status> {
        self.done(request).await
    }

    async fn refuse(&self, request: Request<()>) -> Result<Response<()>, Status> {
        self.0.called(&request).await;
        Err(Status::aborted("REFUSED|as asked"))
    }
}

#[tokio::test]
async fn a_second_call_of_a_running_op_is_seen() {
    let (book, called) =
        (Mutex::default(), Called { gid: "g".into(), branch_id: "01".into(), op: "try".into() });
    let first = Running::begin(&book, &called);
    drop(first);
    let second = Running::begin(&book, &called);
    assert!(book.lock().unwrap().overlaps.is_empty(), "one after the other");
    let third = Running::begin(&book, &called);
    assert_eq!(book.lock().unwrap().overlaps, [called]);
    drop((second, third));
}
