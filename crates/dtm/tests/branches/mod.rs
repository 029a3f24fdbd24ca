//! Branches that record every call and answer by a script, OK unless told otherwise. They decode nothing.

use std::collections::{HashMap, VecDeque};
use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use prost::bytes::{Buf, BufMut, Bytes};
use tokio::sync::watch;
use tonic::body::Body;
use tonic::codec::{Codec, DecodeBuf, Decoder, EncodeBuf, Encoder};
use tonic::codegen::{BoxFuture, Service};
use tonic::server::{Grpc, NamedService, UnaryService};
use tonic::transport::Server;
use tonic::transport::server::TcpIncoming;
use tonic::{Code, Request, Response, Status};

/// One call of a branch as it arrived.
#[derive(Debug, Clone)]
pub struct Call {
    pub gid: String,
    pub trans_type: String,
    pub branch_id: String,
    pub op: String,
    pub plan_mac: String,
    pub traceparent: String,
    pub method: String,
    pub payload: Bytes,
    #[allow(dead_code, reason = "not every test binary that shares these branches asks when")]
    pub at: Instant,
}

#[derive(Default)]
struct State {
    calls: Mutex<Vec<Call>>,
    script: Mutex<HashMap<Key, VecDeque<Scripted>>>,
    count: watch::Sender<usize>,
}

/// Of one gid, or of any where it is empty; op and branch id.
type Key = (String, String, String);

enum Scripted {
    Now(Status),
    /// OK or this, once the gate is gone.
    #[allow(dead_code, reason = "as `hold`")]
    Held(watch::Receiver<()>, Option<Status>),
}

/// Holds one call of a branch; it is answered when this is dropped.
pub struct Gate(#[allow(dead_code, reason = "it is its end that tells")] watch::Sender<()>);

/// The branches of one test.
pub struct Branches {
    address: SocketAddr,
    state: Arc<State>,
    server: tokio::task::JoinHandle<()>,
}

impl Branches {
    pub async fn start() -> Branches {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let state = Arc::new(State::default());
        let service = Recorder { state: state.clone() };
        let server = tokio::spawn(async move {
            let incoming = TcpIncoming::from(listener).with_nodelay(Some(true));
            Server::builder().add_service(service).serve_with_incoming(incoming).await.unwrap();
        });
        Branches { address, state, server }
    }

    pub fn url(&self, method: &str) -> String {
        format!("{}/{}/{method}", self.address, Recorder::NAME)
    }

    /// The next call of this op of this branch is answered so; later ones are answered OK.
    pub fn answer(&self, op: &str, branch_id: &str, code: Code, message: &str) {
        self.script(op, branch_id, Scripted::Now(Status::new(code, message)));
    }

    /// The next call of this op of this branch is answered OK when the gate is dropped.
    #[allow(dead_code, reason = "not every test binary that shares these branches holds a call")]
    pub fn hold(&self, op: &str, branch_id: &str) -> Gate {
        let (gate, held) = watch::channel(());
        self.script(op, branch_id, Scripted::Held(held, None));
        Gate(gate)
    }

    /// The next call of this op of this branch is answered so when the gate is dropped.
    #[allow(dead_code, reason = "as `hold`")]
    pub fn hold_then(&self, op: &str, branch_id: &str, code: Code, message: &str) -> Gate {
        let (gate, held) = watch::channel(());
        self.script(op, branch_id, Scripted::Held(held, Some(Status::new(code, message))));
        Gate(gate)
    }

    /// So many next calls of this op of this branch are answered so; later ones are answered OK.
    #[allow(dead_code, reason = "as `hold`")]
    pub fn answers(&self, count: usize, (op, branch_id): (&str, &str), code: Code, message: &str) {
        let scripted = std::iter::repeat_with(|| Scripted::Now(Status::new(code, message)));
        self.script_all(op, branch_id, scripted.take(count).collect());
    }

    /// So many next calls of this op of this branch are answered OK when the gate is dropped.
    #[allow(dead_code, reason = "as `hold`")]
    pub fn hold_all(&self, count: usize, op: &str, branch_id: &str) -> Gate {
        let (gate, held) = watch::channel(());
        self.script_all(op, branch_id, (0..count).map(|_| Scripted::Held(held.clone(), None)).collect());
        Gate(gate)
    }

    fn script(&self, op: &str, branch_id: &str, scripted: Scripted) {
        self.script_all(op, branch_id, VecDeque::from([scripted]));
    }

    fn script_all(&self, op: &str, branch_id: &str, scripted: VecDeque<Scripted>) {
        self.script_of("", op, branch_id, scripted);
    }

    fn script_of(&self, gid: &str, op: &str, branch_id: &str, scripted: VecDeque<Scripted>) {
        let key = (gid.to_owned(), op.to_owned(), branch_id.to_owned());
        self.state.script.lock().unwrap().insert(key, scripted);
    }

    /// As [`Branches::answer`], of one gid only: many of them may be played at the same time.
    #[allow(dead_code, reason = "as `hold`")]
    pub fn answer_of(&self, gid: &str, (op, branch_id): (&str, &str), code: Code, message: &str) {
        let scripted = Scripted::Now(Status::new(code, message));
        self.script_of(gid, op, branch_id, VecDeque::from([scripted]));
    }

    /// As [`Branches::answers`], of one gid only.
    #[allow(dead_code, reason = "as `hold`")]
    pub fn answers_of(
        &self,
        gid: &str,
        count: usize,
        (op, branch_id): (&str, &str),
        code: Code,
        message: &str,
    ) {
        let scripted = std::iter::repeat_with(|| Scripted::Now(Status::new(code, message)));
        self.script_of(gid, op, branch_id, scripted.take(count).collect());
    }

    /// As [`Branches::hold`], of one gid only.
    #[allow(dead_code, reason = "as `hold`")]
    pub fn hold_of(&self, gid: &str, (op, branch_id): (&str, &str)) -> Gate {
        let (gate, held) = watch::channel(());
        self.script_of(gid, op, branch_id, VecDeque::from([Scripted::Held(held, None)]));
        Gate(gate)
    }

    /// The calls of one gid so far, as [`Branches::order`].
    #[allow(dead_code, reason = "as `hold`")]
    pub fn order_of(&self, gid: &str) -> String {
        let calls = self.calls();
        let words = calls.iter().filter(|call| call.gid == gid);
        words.map(|call| format!("{} {}", call.op, call.branch_id)).collect::<Vec<_>>().join(", ")
    }

    /// Waits until this call, like `action 01`, of one gid has come.
    #[allow(dead_code, reason = "as `hold`")]
    pub async fn until_of(&self, gid: &str, wanted: &str, patience: Duration) {
        let mut count = self.state.count.subscribe();
        let arrived = async {
            while !self.order_of(gid).split(", ").any(|call| call == wanted) {
                count.changed().await.unwrap();
            }
        };
        let in_time = tokio::time::timeout(patience, arrived).await.is_ok();
        assert!(in_time, "expected {wanted}, got {}", self.order_of(gid));
    }

    pub fn calls(&self) -> Vec<Call> {
        self.state.calls.lock().unwrap().clone()
    }

    /// The calls so far, as `action 01, action 02, …`.
    pub fn order(&self) -> String {
        let calls = self.calls();
        let words: Vec<String> = calls.iter().map(|call| format!("{} {}", call.op, call.branch_id)).collect();
        words.join(", ")
    }

    pub async fn until(&self, order: &str, patience: Duration) {
        let in_time = self.comes_to(|calls| calls == order, patience).await;
        assert!(in_time, "expected {order}, got {}", self.order());
    }

    /// Waits until each of these calls, like `action 01`, has come at least once.
    #[allow(dead_code, reason = "as `hold`")]
    pub async fn until_all(&self, wanted: &[&str], patience: Duration) {
        let all = |calls: &str| wanted.iter().all(|call| calls.split(", ").any(|it| it == *call));
        assert!(self.comes_to(all, patience).await, "expected {wanted:?}, got {}", self.order());
    }

    async fn comes_to(&self, wanted: impl Fn(&str) -> bool, patience: Duration) -> bool {
        let mut count = self.state.count.subscribe();
        let arrived = async {
            while !wanted(&self.order()) {
                count.changed().await.unwrap();
            }
        };
        tokio::time::timeout(patience, arrived).await.is_ok()
    }
}

impl Drop for Branches {
    fn drop(&mut self) {
        self.server.abort();
    }
}

#[derive(Clone)]
struct Recorder {
    state: Arc<State>,
}

impl NamedService for Recorder {
    const NAME: &'static str = "raw.Branches";
}

impl Service<http::Request<Body>> for Recorder {
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = BoxFuture<Self::Response, Self::Error>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        let method = request.uri().path().rsplit('/').next().unwrap().to_owned();
        let unary = Record { state: self.state.clone(), method };
        Box::pin(async move { Ok(Grpc::new(Raw).unary(unary, request).await) })
    }
}

struct Record {
    state: Arc<State>,
    method: String,
}

impl UnaryService<Bytes> for Record {
    type Response = Bytes;
    type Future = BoxFuture<Response<Bytes>, Status>;

    fn call(&mut self, request: Request<Bytes>) -> Self::Future {
        let word =
            |name: &str| request.metadata().get(name).map_or("", |value| value.to_str().unwrap()).to_owned();
        let call = Call {
            gid: word("dtm-gid"),
            trans_type: word("dtm-trans_type"),
            branch_id: word("dtm-branch_id"),
            op: word("dtm-op"),
            plan_mac: word("pay-plan-mac"),
            traceparent: word("traceparent"),
            method: self.method.clone(),
            payload: request.get_ref().clone(),
            at: Instant::now(),
        };
        let key = |gid: &str| (gid.to_owned(), call.op.clone(), call.branch_id.clone());
        let keys = [key(&call.gid), key("")];
        self.state.calls.lock().unwrap().push(call);
        self.state.count.send_modify(|count| *count += 1);
        let mut script = self.state.script.lock().unwrap();
        let scripted = keys.iter().find_map(|key| script.get_mut(key).and_then(VecDeque::pop_front));
        drop(script);
        Box::pin(async move {
            match scripted {
                Some(Scripted::Now(status)) => return Err(status),
                Some(Scripted::Held(mut gate, answer)) => {
                    drop(gate.changed().await);
                    if let Some(status) = answer {
                        return Err(status);
                    }
                }
                None => {}
            }
            Ok(Response::new(Bytes::new()))
        })
    }
}

/// A codec of raw bytes.
#[derive(Clone, Copy)]
struct Raw;

impl Codec for Raw {
    type Encode = Bytes;
    type Decode = Bytes;
    type Encoder = Raw;
    type Decoder = Raw;

    fn encoder(&mut self) -> Raw {
        Raw
    }

    fn decoder(&mut self) -> Raw {
        Raw
    }
}

impl Encoder for Raw {
    type Item = Bytes;
    type Error = Status;

    fn encode(&mut self, item: Bytes, buffer: &mut EncodeBuf<'_>) -> Result<(), Status> {
        buffer.put(item);
        Ok(())
    }
}

impl Decoder for Raw {
    type Item = Bytes;
    type Error = Status;

    fn decode(&mut self, buffer: &mut DecodeBuf<'_>) -> Result<Option<Bytes>, Status> {
        Ok(Some(buffer.copy_to_bytes(buffer.remaining())))
    }
}
