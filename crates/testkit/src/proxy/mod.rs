//! A proxy between the orchestrator and one participant: gRPC over HTTP/2, messages as bytes. It breaks the calls
//! that its script names and writes down what became of each. Knows no service and no story.
mod journal;
mod raw;
mod script;

pub use journal::{Call, Entry, Journal, Reply};
pub use script::{Fault, Gate, On, Repeat, Script};

use crate::patience::Must as _;
use bytes::Bytes;
use futures::FutureExt as _;
use futures::future::BoxFuture;
use http::uri::PathAndQuery;
use raw::RawCodec;
use std::convert::Infallible;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_stream::wrappers::TcpListenerStream;
use tonic::metadata::MetadataMap;
use tonic::server::UnaryService;
use tonic::transport::{Channel, Endpoint, Server};
use tonic::{Code, Request, Response, Status};
use tower::Service;

/// Lists of rows pass through here too, for the checkers.
const MAX_MESSAGE: usize = 64 * 1024 * 1024;

type Answer = Result<Response<Bytes>, Status>;

/// A running proxy; dropping it closes it.
pub struct Proxy {
    address: SocketAddr,
    upstream: Arc<OnceLock<Channel>>,
    server: JoinHandle<()>,
}

impl Proxy {
    /// Opens a proxy on a free port, which leads nowhere yet.
    ///
    /// # Panics
    /// Where there is no free port.
    pub async fn open(service: &'static str, script: Arc<Script>) -> Proxy {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.must("open a proxy");
        let address = listener.local_addr().must("open a proxy");
        let upstream = Arc::new(OnceLock::new());
        let desk = Desk { service, upstream: Arc::clone(&upstream), script };
        let server = tokio::spawn(async move {
            let server = Server::builder().tcp_nodelay(true);
            server.serve_with_incoming(desk, TcpListenerStream::new(listener)).await.must("serve as proxy");
        });
        Proxy { address, upstream, server }
    }

    /// host:port.
    #[must_use]
    pub fn address(&self) -> String {
        self.address.to_string()
    }

    /// Makes it lead to a participant at host:port; counts once.
    ///
    /// # Panics
    /// Where that is no address.
    pub fn lead_to(&self, address: &str) {
        let endpoint = Endpoint::from_shared(format!("http://{address}")).must("lead a proxy");
        self.upstream.get_or_init(|| endpoint.tcp_nodelay(true).connect_lazy());
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.server.abort();
    }
}

#[derive(Clone)]
struct Desk {
    service: &'static str,
    upstream: Arc<OnceLock<Channel>>,
    script: Arc<Script>,
}

impl Service<http::Request<tonic::body::Body>> for Desk {
    type Response = http::Response<tonic::body::Body>;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<tonic::body::Body>) -> Self::Future {
        let path = request.uri().path_and_query().cloned().unwrap_or(PathAndQuery::from_static("/"));
        let handler = Handler { desk: self.clone(), path };
        async move {
            let mut grpc = tonic::server::Grpc::new(RawCodec).max_decoding_message_size(MAX_MESSAGE);
            Ok(grpc.unary(handler, request).await)
        }
        .boxed()
    }
}

struct Handler {
    desk: Desk,
    path: PathAndQuery,
}

impl UnaryService<Bytes> for Handler {
    type Response = Bytes;
    type Future = BoxFuture<'static, Answer>;

    fn call(&mut self, request: Request<Bytes>) -> Self::Future {
        let (desk, path) = (self.desk.clone(), self.path.clone());
        // In a task of its own: a held call is made even if its caller has given up.
        let served = tokio::spawn(desk.serve(path, request));
        async move { served.await.unwrap_or_else(|error| Err(Status::internal(error.to_string()))) }.boxed()
    }
}

impl Desk {
    async fn serve(self, path: PathAndQuery, request: Request<Bytes>) -> Answer {
        let (mut headers, _, message) = request.into_parts();
        let method = path.path().rsplit('/').next().unwrap_or_default();
        let Some(call) = Call::new(self.service, method, &headers, message.clone()) else {
            return self.pass(&path, headers, message).await;
        };
        // The participant must carry out what the script held back, however long that was.
        headers.remove("grpc-timeout");
        let make = || self.pass(&path, headers.clone(), message.clone());
        let (replies, told) = match self.script.fault_for(&call) {
            None => once(make().await),
            Some(fault) => meet(fault, make).await,
        };
        self.script.journal().add(Entry { call, replies, told: Reply::of(&told) });
        told
    }

    async fn pass(&self, path: &PathAndQuery, headers: MetadataMap, message: Bytes) -> Answer {
        let Some(channel) = self.upstream.get() else {
            return Err(Status::unavailable("NOWHERE|the proxy does not lead anywhere yet"));
        };
        let mut client = tonic::client::Grpc::new(channel.clone()).max_decoding_message_size(MAX_MESSAGE);
        client.ready().await.map_err(|error| Status::unavailable(error.to_string()))?;
        let mut request = Request::new(message);
        *request.metadata_mut() = headers;
        client.unary(request, path.clone(), RawCodec).await
    }
}

fn once(answer: Answer) -> (Vec<Reply>, Answer) {
    (vec![Reply::of(&answer)], answer)
}

/// Carries out a fault. Gives what the participant answered, and what the caller is told.
async fn meet<F: Future<Output = Answer>>(fault: Fault, make: impl Fn() -> F) -> (Vec<Reply>, Answer) {
    match fault {
        Fault::Refuse(reason) => (Vec::new(), Err(Status::aborted(format!("{reason}|by the script")))),
        Fault::Answer(code) => (Vec::new(), Err(Status::new(code, "SCRIPTED|by the script"))),
        Fault::LoseReply => {
            let reply = Reply::of(&make().await);
            (vec![reply], Err(Status::unavailable("SCRIPTED|the reply was lost")))
        }
        Fault::Delay(time) => {
            tokio::time::sleep(time).await;
            once(make().await)
        }
        Fault::Hold(gate) => {
            gate.pass().await;
            once(make().await)
        }
        Fault::HoldReply(gate) => {
            let answer = make().await;
            gate.pass().await;
            once(answer)
        }
        Fault::Repeat(Repeat::AtOnce(times)) => {
            first_final(futures::future::join_all((0..times).map(|_| make())).await)
        }
        Fault::Repeat(Repeat::InTurn(times)) => {
            let mut answers = Vec::with_capacity(times);
            for _ in 0..times {
                answers.push(make().await);
            }
            first_final(answers)
        }
    }
}

fn first_final(mut answers: Vec<Answer>) -> (Vec<Reply>, Answer) {
    let replies: Vec<Reply> = answers.iter().map(Reply::of).collect();
    let is_final = |reply: &Reply| matches!(reply.code, Code::Ok | Code::Aborted);
    let chosen = replies.iter().position(is_final).unwrap_or(0);
    (replies, answers.swap_remove(chosen))
}
