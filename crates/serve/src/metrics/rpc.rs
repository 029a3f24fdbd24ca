//! Rate, errors and duration of every call that a server of ours takes, by service and method. Knows methods from the
//! descriptors only: whatever else a caller asks for counts as one, or the figures would grow with what callers make up.

use super::{CALL_SECONDS, Counter, Gauge, Histogram, Kind, Metric};
use bytes::Bytes;
use http::{HeaderMap, Request, Response};
use hyper::body::{Frame, SizeHint};
use prost::Message as _;
use prost_types::FileDescriptorSet;
use std::collections::HashMap;
use std::pin::Pin;
use std::sync::{LazyLock, OnceLock};
use std::task::{Context, Poll, ready};
use std::time::Instant;
use tonic::body::Body;
use tonic::{Code, Status};
use tower::{Layer, Service};

/// The table of this file.
pub(super) const METRICS: &[Metric] = &[REQUESTS, SECONDS, IN_FLIGHT];

const REQUESTS: Metric = Metric::new(
    "amends_rpc_requests_total",
    Kind::Counter,
    &["service", "method", "code"],
    "Calls that this process answered, by gRPC code; CANCELLED is also what the caller or its deadline cut off.",
);
const SECONDS: Metric = Metric::new(
    "amends_rpc_duration_seconds",
    Kind::Histogram(CALL_SECONDS),
    &["service", "method"],
    "Time from a call's arrival until its answer, of a stream until its end.",
);
const IN_FLIGHT: Metric =
    Metric::new("amends_rpc_in_flight", Kind::Gauge, &["service", "method"], "Calls that are under way.");

/// gRPC's codes: 0 to 16.
const CODES: usize = 17;
const STATUS: &str = "grpc-status";
/// Stands for every method that is not ours.
const OTHER: &str = "other";

static METHODS: LazyLock<HashMap<String, Method>> = LazyLock::new(methods);
static NOT_OURS: LazyLock<Method> = LazyLock::new(|| Method::new(OTHER, OTHER, Answers::Once));

/// How a method answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Answers {
    /// With one message: its code is known when the answer begins, and OK where none is told by then.
    Once,
    /// With a stream, whose code comes at its end.
    Stream,
}

/// One method, and its figures as far as it was called.
struct Method {
    service: String,
    name: String,
    answers: Answers,
    ended: [OnceLock<Counter>; CODES],
    seconds: OnceLock<Histogram>,
    in_flight: OnceLock<Gauge>,
}

impl Method {
    fn new(service: &str, name: &str, answers: Answers) -> Self {
        let (service, name) = (service.to_owned(), name.to_owned());
        let ended = [const { OnceLock::new() }; CODES];
        Self { service, name, answers, ended, seconds: OnceLock::new(), in_flight: OnceLock::new() }
    }

    /// The method of a request's path.
    fn of(path: &str) -> &'static Self {
        METHODS.get(path).unwrap_or(&NOT_OURS)
    }

    fn ended(&self, code: Code) -> &Counter {
        let place = usize::try_from(i32::from(code)).unwrap_or(CODES);
        let counter = self.ended.get(place).unwrap_or(&self.ended[Code::Unknown as usize]);
        counter.get_or_init(|| REQUESTS.counter(&[&self.service, &self.name, &spelled(code)]))
    }

    fn seconds(&self) -> &Histogram {
        self.seconds.get_or_init(|| SECONDS.histogram(&[&self.service, &self.name]))
    }

    fn in_flight(&self) -> &Gauge {
        self.in_flight.get_or_init(|| IN_FLIGHT.gauge(&[&self.service, &self.name]))
    }
}

/// Every method that a server of ours may have, by its path.
fn methods() -> HashMap<String, Method> {
    let mut all = HashMap::new();
    for encoded in [amends_proto::DESCRIPTORS, tonic_health::pb::FILE_DESCRIPTOR_SET] {
        let Ok(descriptors) = FileDescriptorSet::decode(encoded) else {
            tracing::error!("the descriptors cannot be read: calls are counted as of no method");
            continue;
        };
        for file in &descriptors.file {
            for service in &file.service {
                let full = format!("{}.{}", file.package(), service.name());
                for method in &service.method {
                    let answers = if method.server_streaming() { Answers::Stream } else { Answers::Once };
                    let path = format!("/{full}/{}", method.name());
                    all.insert(path, Method::new(&full, method.name(), answers));
                }
            }
        }
    }
    all
}

/// A code as gRPC spells it: FAILED_PRECONDITION.
fn spelled(code: Code) -> String {
    let mut spelled = String::new();
    for letter in format!("{code:?}").chars() {
        if letter.is_ascii_uppercase() && !spelled.is_empty() {
            spelled.push('_');
        }
        spelled.push(letter.to_ascii_uppercase());
    }
    spelled
}

fn code_in(headers: &HeaderMap) -> Option<Code> {
    let number = headers.get(STATUS)?.to_str().ok()?.parse().ok()?;
    Some(Code::from_i32(number))
}

/// A call under way. However it ends, also by being dropped, it is counted once.
struct Call {
    method: &'static Method,
    began: Instant,
    code: Code,
}

impl Call {
    fn begin(method: &'static Method) -> Self {
        method.in_flight().increment(1.0);
        Self { method, began: Instant::now(), code: Code::Cancelled }
    }

    fn end(mut self, code: Code) {
        self.code = code;
    }

    /// Ends the call, or leaves that to the end of its stream.
    fn answered(self, response: Response<Body>) -> Response<Body> {
        match (code_in(response.headers()), self.method.answers) {
            (Some(code), _) => self.end(code),
            (None, Answers::Once) => self.end(Code::Ok),
            (None, Answers::Stream) => {
                return response.map(|inner| Body::new(Watched { inner, call: Some(self) }));
            }
        }
        response
    }
}

impl Drop for Call {
    fn drop(&mut self) {
        self.method.in_flight().decrement(1.0);
        self.method.ended(self.code).increment(1);
        self.method.seconds().record(self.began.elapsed());
    }
}

/// A stream of answers that is listened to for its end.
struct Watched {
    inner: Body,
    call: Option<Call>,
}

impl Watched {
    fn end(&mut self, code: Code) {
        if let Some(call) = self.call.take() {
            call.end(code);
        }
    }
}

impl hyper::body::Body for Watched {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        let frame = ready!(Pin::new(&mut self.inner).poll_frame(context));
        match &frame {
            Some(Ok(frame)) => {
                if let Some(trailers) = frame.trailers_ref() {
                    let code = code_in(trailers).unwrap_or(Code::Unknown);
                    self.end(code);
                }
            }
            Some(Err(status)) => {
                let code = status.code();
                self.end(code);
            }
            None => self.end(Code::Ok),
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

/// Puts the figures around a server; it has to be the outermost, to see what callers see.
#[derive(Debug, Clone, Copy)]
pub(crate) struct RpcLayer;

impl<S> Layer<S> for RpcLayer {
    type Service = Observed<S>;

    fn layer(&self, inner: S) -> Observed<S> {
        Observed(inner)
    }
}

/// A server whose calls are counted.
#[derive(Debug, Clone)]
pub(crate) struct Observed<S>(S);

impl<S> Service<Request<Body>> for Observed<S>
where
    S: Service<Request<Body>, Response = Response<Body>>,
    S::Future: Send + 'static,
{
    type Response = Response<Body>;
    type Error = S::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Body>, S::Error>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.0.poll_ready(context)
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let call = Call::begin(Method::of(request.uri().path()));
        let answer = self.0.call(request);
        Box::pin(async move { Ok(call.answered(answer.await?)) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_spelled_as_grpc_does() {
        let all: Vec<String> = (0..17).map(|number| spelled(Code::from_i32(number))).collect();
        assert_eq!(all[0], "OK");
        assert_eq!(all[9], "FAILED_PRECONDITION");
        assert_eq!(all[4], "DEADLINE_EXCEEDED");
        assert_eq!(all.iter().collect::<std::collections::BTreeSet<_>>().len(), CODES);
    }

    #[test]
    fn only_methods_of_the_descriptors_have_figures_of_their_own() {
        let start = Method::of("/amends.v1.Transactions/Start");
        assert_eq!((start.service.as_str(), start.name.as_str()), ("amends.v1.Transactions", "Start"));
        assert_eq!(Method::of("/amends.v1.Transactions/Watch").answers, Answers::Stream);
        assert_eq!(Method::of("/grpc.health.v1.Health/Check").answers, Answers::Once);
        assert_eq!(Method::of("/amends.v1.Transactions/Made Up").service, OTHER);
        assert!(METHODS.len() > 50, "only {} methods were found", METHODS.len());
    }
}
