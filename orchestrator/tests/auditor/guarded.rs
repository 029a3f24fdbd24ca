//! A participant with guard rows in memory, as the auditor meets one: the test takes rows away, plants them, and makes
//! it refuse, fall silent or forget how to list. Keeps the guard's table of decisions and no business.

use amends_proto::pay::branch::v1::{BranchOp, BranchOpStatus, ListBranchOpsRequest, ListBranchOpsResponse};
use std::collections::{BTreeMap, BTreeSet};
use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use tokio::time::Instant;
use tonic::body::Body;
use tonic::codegen::{BoxFuture, Service};
use tonic::server::{Grpc, NamedService, UnaryService};
use tonic::transport::Server;
use tonic::transport::server::TcpIncoming;
use tonic::{Code, Request, Response, Status};
use tonic_prost::ProstCodec;

pub use BranchOpStatus::{Done, Tombstone};

/// Of a row: gid, branch id, op.
type Key = (String, String, String);

/// How the list of rows is answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Listing {
    /// As it should.
    #[default]
    Rows,
    /// It is away.
    Away,
    /// It has no such method.
    Unknown,
}

#[derive(Default)]
struct State {
    rows: BTreeMap<Key, BranchOpStatus>,
    refusals: BTreeSet<(String, String)>,
    busy: BTreeSet<(String, String)>,
    calls: Vec<String>,
    lists: Vec<Instant>,
    listing: Listing,
}

/// The participant. A clone is the same one.
#[derive(Clone)]
pub struct Guarded {
    pub address: SocketAddr,
    state: Arc<Mutex<State>>,
}

impl Guarded {
    pub async fn start() -> Guarded {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let guarded = Guarded { address: listener.local_addr().unwrap(), state: Arc::default() };
        let service = guarded.clone();
        tokio::spawn(async move {
            let incoming = TcpIncoming::from(listener).with_nodelay(Some(true));
            Server::builder().add_service(service).serve_with_incoming(incoming).await.unwrap();
        });
        guarded
    }

    fn locked<T>(&self, work: impl FnOnce(&mut State) -> T) -> T {
        work(&mut self.state.lock().unwrap())
    }

    /// It loses a row; true = it had it.
    pub fn lose(&self, gid: &str, branch_id: &str, op: &str) -> bool {
        self.locked(|state| state.rows.remove(&key(gid, branch_id, op)).is_some())
    }

    /// Somebody makes a row without any call.
    pub fn plant(&self, gid: &str, branch_id: &str, op: &str, status: BranchOpStatus) {
        self.locked(|state| state.rows.insert(key(gid, branch_id, op), status));
    }

    /// From now on this op of this branch is refused where it would run.
    pub fn refuse(&self, branch_id: &str, op: &str) {
        self.locked(|state| state.refusals.insert((branch_id.to_owned(), op.to_owned())));
    }

    /// This op of this branch is still at it, until it is released.
    pub fn hold(&self, branch_id: &str, op: &str) {
        self.locked(|state| state.busy.insert((branch_id.to_owned(), op.to_owned())));
    }

    pub fn release(&self) {
        self.locked(|state| state.busy.clear());
    }

    /// How lists are answered from now on.
    pub fn listing(&self, listing: Listing) {
        self.locked(|state| state.listing = listing);
    }

    pub fn row(&self, gid: &str, branch_id: &str, op: &str) -> Option<BranchOpStatus> {
        self.locked(|state| state.rows.get(&key(gid, branch_id, op)).copied())
    }

    /// Calls of one op of one branch so far.
    pub fn calls(&self, op: &str, branch_id: &str) -> usize {
        let wanted = format!("{op} {branch_id}");
        self.locked(|state| state.calls.iter().filter(|call| **call == wanted).count())
    }

    /// When its rows were asked for.
    pub fn lists(&self) -> Vec<Instant> {
        self.locked(|state| state.lists.clone())
    }

    fn list(&self, gid: &str) -> Result<ListBranchOpsResponse, Status> {
        self.locked(|state| {
            state.lists.push(Instant::now());
            match state.listing {
                Listing::Away => return Err(Status::unavailable("AWAY|for a while")),
                Listing::Unknown => return Err(Status::unimplemented("")),
                Listing::Rows => {}
            }
            let of_gid = state.rows.iter().filter(|((of, _, _), _)| of == gid);
            let branch_ops = of_gid.map(|((gid, branch_id, op), status)| BranchOp {
                gid: gid.clone(),
                branch_id: branch_id.clone(),
                op: op.clone(),
                status: (*status).into(),
                ..BranchOp::default()
            });
            Ok(ListBranchOpsResponse { branch_ops: branch_ops.collect(), next_cursor: String::new() })
        })
    }

    /// The guard's table, as far as these tests go.
    fn act(&self, gid: &str, branch_id: &str, op: &str) -> Result<(), Status> {
        self.locked(|state| {
            state.calls.push(format!("{op} {branch_id}"));
            if state.busy.contains(&(branch_id.to_owned(), op.to_owned())) {
                return Err(Status::failed_precondition("IN_PROGRESS|wait"));
            }
            let refused = state.refusals.contains(&(branch_id.to_owned(), op.to_owned()));
            let forward = match op {
                "try" | "confirm" | "cancel" => "try",
                _ => "action",
            };
            let own = state.rows.get(&key(gid, branch_id, op)).copied();
            let done = state.rows.get(&key(gid, branch_id, forward)).copied();
            let status = match (op, own, done) {
                (_, Some(Done), _) => return Ok(()),
                (_, Some(_), _) => return Err(Status::aborted("BRANCH_CLOSED|x")),
                ("action" | "try", None, _) if refused => BranchOpStatus::Refused,
                ("confirm", None, None) => return Err(Status::internal("CONFIRM_WITHOUT_TRY|x")),
                ("cancel" | "compensate", None, None) => {
                    state.rows.insert(key(gid, branch_id, forward), Tombstone);
                    Done
                }
                _ => Done,
            };
            state.rows.insert(key(gid, branch_id, op), status);
            if status == Done { Ok(()) } else { Err(Status::new(Code::Aborted, "OUT_OF_IT|no more")) }
        })
    }
}

fn key(gid: &str, branch_id: &str, op: &str) -> Key {
    (gid.to_owned(), branch_id.to_owned(), op.to_owned())
}

impl NamedService for Guarded {
    const NAME: &'static str = "raw.Branches";
}

impl Service<http::Request<Body>> for Guarded {
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = BoxFuture<Self::Response, Self::Error>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        let guarded = self.clone();
        let lists = request.uri().path().ends_with("/ListBranchOps");
        Box::pin(async move {
            Ok(if lists {
                let codec: ProstCodec<ListBranchOpsResponse, ListBranchOpsRequest> = ProstCodec::default();
                Grpc::new(codec).unary(Rows(guarded), request).await
            } else {
                Grpc::new(ProstCodec::<(), ()>::default()).unary(Act(guarded), request).await
            })
        })
    }
}

struct Rows(Guarded);

impl UnaryService<ListBranchOpsRequest> for Rows {
    type Response = ListBranchOpsResponse;
    type Future = BoxFuture<Response<ListBranchOpsResponse>, Status>;

    fn call(&mut self, request: Request<ListBranchOpsRequest>) -> Self::Future {
        let listed = self.0.list(&request.get_ref().gid);
        Box::pin(async move { listed.map(Response::new) })
    }
}

struct Act(Guarded);

impl UnaryService<()> for Act {
    type Response = ();
    type Future = BoxFuture<Response<()>, Status>;

    fn call(&mut self, request: Request<()>) -> Self::Future {
        let word = |name: &str| request.metadata().get(name).unwrap().to_str().unwrap().to_owned();
        let acted = self.0.act(&word("dtm-gid"), &word("dtm-branch_id"), &word("dtm-op"));
        Box::pin(async move { acted.map(Response::new) })
    }
}
