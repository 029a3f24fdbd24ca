//! Lets the owner answer: a call whose handler says that another replica has the global transaction goes there as it
//! came, and its answer comes back as it is, whole. Knows no message, and of the methods only which one streams.

use super::peers::{Door, Peers};
use bytes::Bytes;
use futures::StreamExt as _;
use futures::future::BoxFuture;
use http::HeaderMap;
use http::request::Parts;
use http_body_util::{BodyExt as _, BodyStream, Full, Limited, StreamBody};
use hyper::body::Frame;
use std::convert::Infallible;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::time::Instant;
use tonic::body::Body;
use tonic::codegen::Service;
use tonic::metadata::MetadataValue;
use tonic::server::NamedService;
use tonic::{Code, Status};

/// Response metadata of a handler that cannot answer: the replica that can.
const OWNER: &str = "amends-owner";
/// Request metadata of a call that comes from another replica: it goes no further.
const FORWARDED: &str = "amends-forwarded";
/// Between two tries to find who has it, while it goes from one to another.
const LOOK: Duration = Duration::from_millis(100);
/// Clients wait so long for a new owner: longer than a lease lasts.
const CLIENTS_WAIT: Duration = Duration::from_secs(5);
/// Largest request: a message at its limit, and its frame.
const MAX_REQUEST_BYTES: usize = amends_serve::grpc::MAX_MESSAGE_BYTES + 16;
/// Its answer has no end before the global transaction has one. Every other method answers with one message.
const STREAMING: &str = "/amends.v1.Transactions/Watch";

/// Marks the answer of a handler: that replica is to be asked instead.
pub fn ask(status: &mut Status, owner: &str) {
    if let Ok(owner) = MetadataValue::try_from(owner) {
        status.metadata_mut().insert(OWNER, owner);
    }
}

/// A service before which the owner is asked.
#[derive(Debug, Clone)]
pub struct Forwarding<S> {
    inner: S,
    /// `None` = there are no others.
    peers: Option<Arc<Peers>>,
    door: Door,
}

impl<S> Forwarding<S> {
    /// In front of `inner`, which is behind that door of every replica.
    #[must_use]
    pub fn new(inner: S, peers: Option<Arc<Peers>>, door: Door) -> Self {
        Self { inner, peers, door }
    }
}

impl<S: NamedService> NamedService for Forwarding<S> {
    const NAME: &'static str = S::NAME;
}

impl<S> Service<http::Request<Body>> for Forwarding<S>
where
    S: Service<http::Request<Body>, Response = http::Response<Body>, Error = Infallible>
        + Clone
        + Send
        + 'static,
    S::Future: Send,
{
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        // The one that was polled is ready; the clone is for later.
        let fresh = self.inner.clone();
        let mut inner = std::mem::replace(&mut self.inner, fresh);
        match self.peers.clone() {
            None => Box::pin(inner.call(request)),
            Some(peers) => Box::pin(serve(inner, peers, self.door, request)),
        }
    }
}

async fn serve<S>(
    mut inner: S,
    peers: Arc<Peers>,
    door: Door,
    request: http::Request<Body>,
) -> Result<http::Response<Body>, Infallible>
where
    S: Service<http::Request<Body>, Response = http::Response<Body>, Error = Infallible>,
{
    let (head, body) = request.into_parts();
    let Ok(body) = Limited::new(body, MAX_REQUEST_BYTES).collect().await else {
        return Ok(Status::new(Code::OutOfRange, "TOO_LARGE|the request is too large").into_http());
    };
    let body = body.to_bytes();
    let mut until = Instant::now() + patience(door);
    let mut lost = false;
    loop {
        let answer = inner.call(request_of(&head, &body)).await?;
        let Some(owner) = answer.headers().get(OWNER).and_then(|owner| owner.to_str().ok()) else {
            return Ok(if lost { true_word(answer) } else { answer });
        };
        if head.headers.contains_key(FORWARDED) {
            return Ok(answer);
        }
        let asked = Instant::now();
        match by_owner(&peers, (owner, door), &head, &body).await {
            Asked::Answered(answer) => return Ok(if lost { true_word(answer) } else { answer }),
            Asked::Lost => lost = true,
            Asked::Elsewhere => {}
        }
        // It was there and died over the call, which may have lasted: the wait for its heir begins now.
        if asked.elapsed() > LOOK {
            until = Instant::now() + patience(door);
        }
        if Instant::now() >= until {
            return Ok(answer);
        }
        tokio::time::sleep(LOOK).await;
    }
}

/// The coordinator is told "ask again" at once: it has other things to do.
fn patience(door: Door) -> Duration {
    match door {
        Door::Relay => Duration::ZERO,
        Door::Api => CLIENTS_WAIT,
    }
}

/// What became of a call that was handed over.
enum Asked {
    Answered(http::Response<Body>),
    /// It was not reached, or has it no more: nothing was done.
    Elsewhere,
    /// Whether it did anything is not known. The call is repeated: every call of ours may be.
    Lost,
}

async fn by_owner(peers: &Peers, (owner, door): (&str, Door), head: &Parts, body: &Bytes) -> Asked {
    let Some(mut channel) = peers.reach(owner, door).await else { return Asked::Elsewhere };
    let Ok(me) = peers.me().parse() else { return Asked::Elsewhere };
    let mut request = request_of(head, body);
    request.headers_mut().insert(FORWARDED, me);
    if std::future::poll_fn(|context| channel.poll_ready(context)).await.is_err() {
        return Asked::Elsewhere;
    }
    match channel.call(request).await {
        Ok(answer) if answer.headers().contains_key(OWNER) => Asked::Elsewhere,
        Ok(answer) if head.uri.path() == STREAMING => Asked::Answered(answer.map(until_it_breaks)),
        Ok(answer) => whole(answer).await.map_or(Asked::Lost, Asked::Answered),
        Err(_) => Asked::Lost,
    }
}

/// The answer to a repeat of what was lost. A refusal may come of the lost one's own effect (what was redriven has nothing
/// left to redrive), and must not be told as if nothing had been done.
fn true_word(answer: http::Response<Body>) -> http::Response<Body> {
    let status = answer.headers().get("grpc-status").and_then(|status| status.to_str().ok()?.parse().ok());
    match status.map(Code::from_i32) {
        Some(Code::FailedPrecondition) => {
            let text = "OWNER_AWAY|the orchestrator that had it broke off; look what became of it before you ask again";
            Status::unavailable(text).into_http()
        }
        Some(_) | None => answer,
    }
}

/// `None` = it broke off: the owner died while it answered. Nobody is told so before it is known how it goes on.
async fn whole(answer: http::Response<Body>) -> Option<http::Response<Body>> {
    let (head, body) = answer.into_parts();
    let body = body.collect().await.ok()?;
    Some(http::Response::from_parts(head, Body::new(body)))
}

/// Where it breaks off it ends with UNAVAILABLE, so that the watcher goes on elsewhere: of a stream that merely broke, a
/// client would be told INTERNAL.
fn until_it_breaks(body: Body) -> Body {
    let frames = BodyStream::new(body).scan(false, |broken, frame| {
        let frame = match frame {
            _ if *broken => None,
            Ok(frame) => Some(Ok(frame)),
            Err(_) => {
                *broken = true;
                Some(owner_away().map(Frame::trailers))
            }
        };
        std::future::ready(frame)
    });
    Body::new(StreamBody::new(frames))
}

fn owner_away() -> Result<HeaderMap, Status> {
    let status = Status::unavailable("OWNER_AWAY|the orchestrator that has it broke off; ask again");
    let mut trailers = HeaderMap::new();
    status.add_header(&mut trailers)?;
    Ok(trailers)
}

fn request_of(head: &Parts, body: &Bytes) -> http::Request<Body> {
    http::Request::from_parts(head.clone(), Body::new(Full::new(body.clone())))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// One frame of data, and then what is given.
    fn answer(end: Result<Frame<Bytes>, Status>) -> http::Response<Body> {
        let frames = [Ok(Frame::data(Bytes::from_static(b"data"))), end];
        http::Response::new(Body::new(StreamBody::new(futures::stream::iter(frames))))
    }

    fn ok() -> Result<Frame<Bytes>, Status> {
        let mut trailers = HeaderMap::new();
        Status::ok("").add_header(&mut trailers)?;
        Ok(Frame::trailers(trailers))
    }

    fn broken() -> Result<Frame<Bytes>, Status> {
        Err(Status::internal("broken pipe"))
    }

    #[tokio::test]
    async fn an_answer_comes_back_as_it_is_or_not_at_all() {
        let came = whole(answer(ok())).await.unwrap().into_body().collect().await.unwrap();
        assert_eq!(came.trailers().unwrap()["grpc-status"], "0");
        assert_eq!(came.to_bytes(), "data");
        assert!(whole(answer(broken())).await.is_none());
    }

    #[test]
    fn a_refusal_of_a_repeat_is_not_taken_for_one_of_the_first() {
        for (code, told) in [(Code::FailedPrecondition, "14"), (Code::NotFound, "5"), (Code::Ok, "0")] {
            let answer = Status::new(code, "X|x").into_http();
            assert_eq!(true_word(answer).headers()["grpc-status"], told);
        }
    }

    #[tokio::test]
    async fn a_broken_stream_ends_unavailable() {
        for (end, status) in [(ok(), "0"), (broken(), "14")] {
            let came = until_it_breaks(answer(end).into_body()).collect().await.unwrap();
            assert_eq!(came.trailers().unwrap()["grpc-status"], status);
            assert_eq!(came.to_bytes(), "data");
        }
    }
}
