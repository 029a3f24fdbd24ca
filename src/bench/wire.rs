//! HTTP/2 without anything around it, below the generated gRPC code, at both ends of the load: no router, no health, no
//! deadlines, no reconnecting. What the measuring process takes is taken from what it measures.
use anyhow::Context as _;
use hyper::body::Incoming;
use hyper::client::conn::http2::SendRequest;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::service::TowerToHyperService;
use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{JoinHandle, JoinSet};
use tonic::body::Body;
use tonic::codegen::Service;

/// Calls in flight on one connection: more than any load here.
const MAX_CONCURRENT_STREAMS: u32 = 4_096;

/// One connection to a server. A clone is the same connection.
#[derive(Clone)]
pub struct Wire {
    requests: SendRequest<Body>,
}

impl Wire {
    /// Connects to host:port.
    pub async fn connect(address: &str) -> anyhow::Result<Wire> {
        let stream = TcpStream::connect(address).await.with_context(|| format!("connect to {address}"))?;
        stream.set_nodelay(true)?;
        let builder = hyper::client::conn::http2::Builder::new(TokioExecutor::new());
        let (requests, connection) = builder.handshake(TokioIo::new(stream)).await?;
        tokio::spawn(async move {
            // Whoever calls on it learns of its end too.
            if let Err(error) = connection.await {
                tracing::debug!(%error, "a connection broke");
            }
        });
        Ok(Wire { requests })
    }
}

impl Service<http::Request<Body>> for Wire {
    type Response = http::Response<Incoming>;
    type Error = hyper::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Self::Error>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.requests.poll_ready(context)
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        Box::pin(self.requests.send_request(request))
    }
}

/// Serves one gRPC service until the task is aborted.
pub fn serve<S>(listener: TcpListener, service: S) -> JoinHandle<()>
where
    S: Service<http::Request<Incoming>, Response = http::Response<Body>, Error = Infallible>,
    S: Clone + Send + 'static,
    S::Future: Send,
{
    tokio::spawn(async move {
        let mut connections = JoinSet::new();
        while let Ok((stream, _)) = listener.accept().await {
            // Only delays answers where it fails.
            stream.set_nodelay(true).ok();
            let service = TowerToHyperService::new(service.clone());
            let mut builder = hyper::server::conn::http2::Builder::new(TokioExecutor::new());
            builder.max_concurrent_streams(MAX_CONCURRENT_STREAMS);
            connections.spawn(builder.serve_connection(TokioIo::new(stream), service));
        }
    })
}
