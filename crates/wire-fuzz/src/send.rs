//! Sends a call over HTTP/2 and reads what comes back. One connection, opened again when it breaks. Judges nothing.
use crate::shot::{CallShot, Outcome};
use bytes::Bytes;
use futures::StreamExt as _;
use http::{HeaderMap, HeaderName, HeaderValue};
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, StreamBody};
use hyper::body::Frame;
use hyper::body::Incoming;
use hyper::client::conn::http2::{Builder, SendRequest};
use hyper_util::rt::{TokioExecutor, TokioIo};
use std::convert::Infallible;
use std::time::Duration;
use tokio::net::TcpStream;

/// How long a connection may take, on a machine that is busy with the attack.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// Most bytes of an answer that are read; a stream of events has no end.
const READ_LIMIT: usize = 4 << 20;
/// Longest message of a status that is kept.
const MESSAGE_LIMIT: usize = 400;

type Body = BoxBody<Bytes, Infallible>;

/// A way to one port.
pub struct Line {
    address: String,
    connection: Option<SendRequest<Body>>,
}

impl Line {
    /// To host:port. Connects at the first call.
    #[must_use]
    pub fn to(address: &str) -> Line {
        Line { address: address.to_owned(), connection: None }
    }

    /// Drops the connection: the next call makes a new one.
    pub fn hang_up(&mut self) {
        self.connection = None;
    }

    /// Sends a call and waits for its status, at most so long.
    pub async fn send(&mut self, shot: &CallShot, patience: Duration) -> Outcome {
        let request = match request(shot, &self.address) {
            Ok(request) => request,
            Err(why) => return Outcome::Unsent(why),
        };
        let connection = match self.connected().await {
            Ok(connection) => connection,
            Err(why) => return Outcome::Unreachable(why),
        };
        let answer = async {
            connection.ready().await?;
            let response = connection.send_request(request).await?;
            read(response).await
        };
        match tokio::time::timeout(patience, answer).await {
            Err(_) => Outcome::GaveUp,
            Ok(Ok(outcome)) => outcome,
            Ok(Err(error)) => {
                if connection.is_closed() {
                    self.connection = None;
                }
                Outcome::Broken(told(&error))
            }
        }
    }

    async fn connected(&mut self) -> Result<&mut SendRequest<Body>, String> {
        let alive = self.connection.take().filter(|connection| !connection.is_closed());
        let connection = match alive {
            Some(connection) => connection,
            None => connect(&self.address).await?,
        };
        Ok(self.connection.insert(connection))
    }
}

async fn connect(address: &str) -> Result<SendRequest<Body>, String> {
    let opened = async {
        let stream = TcpStream::connect(address).await.map_err(|error| error.to_string())?;
        stream.set_nodelay(true).map_err(|error| error.to_string())?;
        let mut builder = Builder::new(TokioExecutor::new());
        builder.max_header_list_size(1 << 20);
        builder.handshake(TokioIo::new(stream)).await.map_err(|error| told(&error))
    };
    let opened = tokio::time::timeout(CONNECT_TIMEOUT, opened).await;
    let (requests, connection) = opened.map_err(|_| "no connection in time".to_owned())??;
    tokio::spawn(async move {
        // Whoever sends on it learns of its end too.
        if let Err(error) = connection.await {
            tracing::debug!(%error, "a connection broke");
        }
    });
    Ok(requests)
}

fn told(error: &hyper::Error) -> String {
    use std::error::Error as _;
    error.source().map_or_else(|| error.to_string(), |source| format!("{error}: {source}"))
}

fn request(shot: &CallShot, address: &str) -> Result<http::Request<Body>, String> {
    let uri = format!("http://{address}{}", shot.path);
    let mut request = http::Request::builder().method(shot.verb.as_str()).uri(uri);
    if let Some(headers) = request.headers_mut() {
        for (name, value) in &shot.headers {
            let name = HeaderName::from_bytes(name.as_bytes()).map_err(|error| error.to_string())?;
            let value = HeaderValue::from_bytes(&value.0).map_err(|error| error.to_string())?;
            headers.append(name, value);
        }
    }
    let pieces: Vec<_> =
        shot.body.iter().map(|piece| Ok(Frame::data(Bytes::from(piece.0.clone())))).collect();
    let pieces = futures::stream::iter(pieces);
    let body = if shot.ends {
        BodyExt::boxed(StreamBody::new(pieces))
    } else {
        BodyExt::boxed(StreamBody::new(pieces.chain(futures::stream::pending())))
    };
    request.body(body).map_err(|error| error.to_string())
}

async fn read(response: http::Response<Incoming>) -> Result<Outcome, hyper::Error> {
    let (head, mut body) = response.into_parts();
    if let Some(outcome) = status(&head.headers) {
        return Ok(outcome);
    }
    let mut read = 0;
    while let Some(frame) = body.frame().await {
        let frame = frame?;
        if let Some(outcome) = frame.trailers_ref().and_then(status) {
            return Ok(outcome);
        }
        read += frame.data_ref().map_or(0, Bytes::len);
        if read > READ_LIMIT {
            return Ok(Outcome::GaveUp);
        }
    }
    Ok(Outcome::Http(head.status.as_u16()))
}

/// The gRPC status in headers or trailers.
fn status(headers: &HeaderMap) -> Option<Outcome> {
    let text = |name| headers.get(name).and_then(|value: &HeaderValue| value.to_str().ok());
    let code = text("grpc-status")?.parse().unwrap_or(-1);
    let mut message = text("grpc-message").unwrap_or_default().to_owned();
    message.truncate(message.floor_char_boundary(MESSAGE_LIMIT));
    Some(Outcome::Status { code, message, detailed: headers.contains_key("grpc-status-details-bin") })
}
