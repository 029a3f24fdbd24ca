//! The participant `noop`, played in this process: does nothing, holds calls when it is told to, and keeps a book of
//! what it was called for. Knows no orchestrator.
use amends_proto::amends::v1::noop_server::{Noop, NoopServer};
use amends_serve::{grpc, listener};
use std::collections::{BTreeMap, BTreeSet};
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tonic::service::Routes;
use tonic::{Request, Response, Status};

/// A branch and an op of it.
pub type BranchOp = (String, String);

/// The running participant; dropping it ends it.
pub struct Participant {
    address: SocketAddr,
    desk: Desk,
    server: JoinHandle<()>,
}

/// What it knows.
#[derive(Clone)]
struct Desk {
    book: Arc<Mutex<Book>>,
    /// Calls of this branch wait.
    held: watch::Sender<Option<&'static str>>,
    /// Gids called since the last mark.
    called: watch::Sender<BTreeSet<String>>,
}

#[derive(Default)]
struct Book {
    arrived: BTreeMap<String, BTreeSet<BranchOp>>,
    done: BTreeMap<String, BTreeSet<BranchOp>>,
}

impl Participant {
    /// Starts it on a free port.
    pub async fn start() -> Participant {
        let listener = listener::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, 0))).await.unwrap();
        let address = listener.local_addr().unwrap();
        let (held, called) = (watch::Sender::new(None), watch::Sender::default());
        let desk = Desk { book: Arc::default(), held, called };
        let routes = Routes::new(NoopServer::new(desk.clone()));
        let served = grpc::serve(listener, routes, grpc::GrpcOptions::default(), std::future::pending());
        let server = tokio::spawn(async move { served.await.unwrap() });
        Participant { address, desk, server }
    }

    /// host:port.
    pub fn address(&self) -> String {
        self.address.to_string()
    }

    /// From now on calls of this branch wait.
    pub fn hold(&self, branch_id: &'static str) {
        self.desk.held.send_replace(Some(branch_id));
    }

    /// Answers all that wait, and all that come.
    pub fn let_go(&self) {
        self.desk.held.send_replace(None);
    }

    /// Begins to count who is called.
    pub fn mark(&self) {
        self.desk.called.send_replace(BTreeSet::new());
    }

    /// Waits until so many global transactions were called since the mark.
    pub async fn called(&self, count: usize) {
        let mut called = self.desk.called.subscribe();
        called.wait_for(|gids| gids.len() >= count).await.unwrap();
    }

    /// How many global transactions have called this branch so far.
    pub fn arrived_at(&self, branch_id: &str) -> usize {
        let book = self.desk.book.lock().unwrap();
        book.arrived.values().filter(|ops| ops.iter().any(|(branch, _)| branch == branch_id)).count()
    }

    /// What was done for a global transaction: forward ops, confirms and undos that were answered OK.
    pub fn done(&self, gid: &str) -> BTreeSet<BranchOp> {
        self.desk.book.lock().unwrap().done.get(gid).cloned().unwrap_or_default()
    }
}

impl Drop for Participant {
    fn drop(&mut self) {
        self.server.abort();
    }
}

impl Desk {
    async fn serve(&self, request: Request<()>) -> (String, BranchOp) {
        let text = |key| request.metadata().get(key).unwrap().to_str().unwrap().to_owned();
        let (gid, branch_op) = (text("dtm-gid"), (text("dtm-branch_id"), text("dtm-op")));
        let arrived = branch_op.clone();
        self.book.lock().unwrap().arrived.entry(gid.clone()).or_default().insert(arrived);
        self.called.send_if_modified(|gids| gids.insert(gid.clone()));
        let mut held = self.held.subscribe();
        held.wait_for(|held| held.is_none_or(|branch| branch != branch_op.0)).await.unwrap();
        (gid, branch_op)
    }

    async fn done(&self, request: Request<()>) -> Result<Response<()>, Status> {
        let (gid, branch_op) = self.serve(request).await;
        self.book.lock().unwrap().done.entry(gid).or_default().insert(branch_op);
        Ok(Response::new(()))
    }
}

#[tonic::async_trait]
impl Noop for Desk {
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
        self.serve(request).await;
        Err(Status::aborted("REFUSED|as asked"))
    }
}
