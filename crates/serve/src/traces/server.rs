//! A span for each call that a server of ours answers, below the caller's. Callers outside every trace get none: a probe
//! of our health is nobody's story. Knows header names, no method.

use std::pin::Pin;
use std::task::{Context, Poll};

use http::{HeaderMap, Request, Response};
use tonic::Code;
use tower::{Layer, Service};

use super::context::SpanContext;
use super::current::within;
use super::exporter;
use super::span::{Kind, Span};

const STATUS: &str = "grpc-status";
/// What callers say of a branch call, and how it is called in traces.
const SAID: [(&str, &str); 3] =
    [("dtm-gid", "amends.gid"), ("dtm-branch_id", "amends.branch_id"), ("dtm-op", "amends.op")];
/// With these codes a server says that it failed; the others are the caller's concern.
const FAILED: [Code; 6] = [
    Code::Unknown,
    Code::DeadlineExceeded,
    Code::Unimplemented,
    Code::Internal,
    Code::Unavailable,
    Code::DataLoss,
];

/// The layer, where spans are sent at all.
pub(crate) fn layer() -> Option<TraceLayer> {
    exporter::installed().map(|_| TraceLayer)
}

/// Puts spans around a server's calls.
#[derive(Debug, Clone, Copy)]
pub(crate) struct TraceLayer;

impl<S> Layer<S> for TraceLayer {
    type Service = Traced<S>;

    fn layer(&self, inner: S) -> Traced<S> {
        Traced(inner)
    }
}

/// A server whose calls are traced.
#[derive(Debug, Clone)]
pub(crate) struct Traced<S>(S);

impl<S, In, Out> Service<Request<In>> for Traced<S>
where
    S: Service<Request<In>, Response = Response<Out>>,
    S::Future: Send + 'static,
{
    type Response = Response<Out>;
    type Error = S::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Out>, S::Error>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.0.poll_ready(context)
    }

    fn call(&mut self, request: Request<In>) -> Self::Future {
        let caller = SpanContext::of_headers(request.headers());
        let mut span = Span::begin(Kind::Server, request.uri().path().trim_start_matches('/'), caller);
        if span.is_recorded() {
            describe(&mut span, request.headers());
        }
        let answer = within(span.context(), self.0.call(request));
        Box::pin(async move {
            let answer = answer.await?;
            if span.is_recorded() {
                conclude(&mut span, code_of(answer.headers()));
            }
            Ok(answer)
        })
    }
}

fn describe(span: &mut Span, headers: &HeaderMap) {
    span.set("rpc.system", "grpc");
    for (header, name) in SAID {
        if let Some(value) = headers.get(header).and_then(|value| value.to_str().ok()) {
            span.set(name, value);
        }
    }
}

/// Of an answer that is a stream only its beginning is known; whatever fails later is not told here.
fn code_of(headers: &HeaderMap) -> Code {
    let number = headers.get(STATUS).and_then(|value| value.to_str().ok()?.parse().ok());
    number.map_or(Code::Ok, Code::from_i32)
}

fn conclude(span: &mut Span, code: Code) {
    span.count("rpc.grpc.status_code", u32::try_from(i32::from(code)).unwrap_or_default());
    if FAILED.contains(&code) {
        span.fail(code.description());
    }
}
