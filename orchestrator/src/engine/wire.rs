//! One HTTP/2 connection to a participant: made when first needed, made again after it broke. Straight on hyper,
//! because the layers of a tonic channel cost as much as a call itself. Knows bytes, no message and no outcome.

use futures::FutureExt as _;
use futures::future::BoxFuture;
use hyper::body::Incoming;
use hyper::client::conn::http2::{Builder, SendRequest};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::sync::Mutex;
use tokio::time::{Instant, timeout};
use tonic::body::Body;
use tonic::codegen::Service;

/// Time to connect: a participant that is away must be noticed well before an attempt's timeout.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(1);
/// A connection that nobody answers on for so long is given up: its other end may be gone without a word.
const KEEP_ALIVE: Duration = Duration::from_secs(10);

/// The way to one address. A clone is the same connection.
#[derive(Debug, Clone)]
pub struct Wire(Arc<End>);

#[derive(Debug)]
struct End {
    address: String,
    state: Mutex<State>,
    /// What callers take while it holds; behind a lock that nobody keeps.
    open: std::sync::RwLock<Option<SendRequest<Body>>>,
}

#[derive(Debug, Default)]
struct State {
    failed: Option<(Instant, String)>,
}

/// Nothing was answered: the call may or may not have arrived.
#[derive(Debug, thiserror::Error)]
pub enum WireError {
    /// No connection came about; nothing was sent.
    #[error("{address}: {what}")]
    Connect {
        /// host:port.
        address: String,
        /// Why.
        what: String,
    },
    /// It broke.
    #[error("the connection broke")]
    Broken(#[from] hyper::Error),
}

impl Wire {
    /// A way to host:port; connects when first used.
    #[must_use]
    pub fn new(address: &str) -> Self {
        let end = End { address: address.to_owned(), state: Mutex::default(), open: Default::default() };
        Self(Arc::new(end))
    }

    fn standing(&self) -> Option<SendRequest<Body>> {
        let open = self.0.open.read().unwrap_or_else(std::sync::PoisonError::into_inner);
        open.as_ref().filter(|sender| !sender.is_closed()).cloned()
    }

    /// One caller connects; those who waited meanwhile share what came of it.
    async fn connected(&self) -> Result<SendRequest<Body>, WireError> {
        let asked = Instant::now();
        let mut state = self.0.state.lock().await;
        if let Some(sender) = self.standing() {
            return Ok(sender);
        }
        let failed = state.failed.as_ref().filter(|(when, _)| *when >= asked);
        let outcome = match failed {
            Some((_, what)) => Err(what.clone()),
            None => self.connect().await,
        };
        match outcome {
            Ok(sender) => {
                let mut open = self.0.open.write().unwrap_or_else(std::sync::PoisonError::into_inner);
                *open = Some(sender.clone());
                Ok(sender)
            }
            Err(what) => {
                state.failed = Some((Instant::now(), what.clone()));
                Err(WireError::Connect { address: self.0.address.clone(), what })
            }
        }
    }

    async fn connect(&self) -> Result<SendRequest<Body>, String> {
        let stream = timeout(CONNECT_TIMEOUT, TcpStream::connect(&self.0.address)).await;
        let stream = stream.map_err(|_| "no connection in time".to_owned())?.map_err(|e| e.to_string())?;
        stream.set_nodelay(true).map_err(|error| error.to_string())?;
        let handshake = Builder::new(TokioExecutor::new())
            .timer(TokioTimer::new())
            .keep_alive_interval(KEEP_ALIVE)
            .keep_alive_timeout(KEEP_ALIVE)
            .handshake(TokioIo::new(stream));
        let handshake = timeout(CONNECT_TIMEOUT, handshake).await;
        let (sender, connection) =
            handshake.map_err(|_| "no handshake in time".to_owned())?.map_err(|error| error.to_string())?;
        // Its end shows in the sender; there is nothing more to say about it.
        tokio::spawn(connection.map(drop));
        Ok(sender)
    }
}

impl Service<http::Request<Body>> for Wire {
    type Response = http::Response<Incoming>;
    type Error = WireError;
    type Future = BoxFuture<'static, Result<Self::Response, WireError>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), WireError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        match self.standing() {
            Some(mut sender) => sender.send_request(request).map(|answer| Ok(answer?)).boxed(),
            None => {
                let wire = self.clone();
                async move { Ok(wire.connected().await?.send_request(request).await?) }.boxed()
            }
        }
    }
}
