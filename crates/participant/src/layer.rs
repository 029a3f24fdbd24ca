//! What the guard needs of HTTP: the method's path on the way in, the replay marker as a trailer on the way out; and what
//! log lines say a call is about. Decides nothing about a branch.

use amends_dtm::{BranchId, Gid, Op, metadata};
use std::convert::Infallible;
use std::str::FromStr as _;
use std::sync::Arc;
use std::task::{Context, Poll};

use futures::future::{MapOk, TryFutureExt as _};
use http::{HeaderMap, HeaderName, HeaderValue, Request, Response};
use http_body_util::BodyExt as _;
use prost::bytes::Bytes;
use tonic::body::Body;
use tonic::server::NamedService;
use tower::{Layer, Service};
use tracing::instrument::Instrumented;
use tracing::{Instrument as _, Span};

/// Trailer of an answer that was stored earlier; its value is `1`.
pub const REPLAYED: &str = "x-replayed";

/// The method called, `package.Service/Method`: an extension of every request behind [`GuardLayer`].
#[derive(Debug, Clone)]
pub struct MethodPath(pub Arc<str>);

/// Goes around every service with branch methods: `Routes::new(GuardLayer.layer(PointsServiceServer::new(api)))`.
#[derive(Debug, Clone, Copy, Default)]
pub struct GuardLayer;

impl GuardLayer {
    /// Wraps a tonic service.
    pub fn layer<S>(self, service: S) -> GuardService<S> {
        GuardService(service)
    }
}

impl<S> Layer<S> for GuardLayer {
    type Service = GuardService<S>;

    fn layer(&self, service: S) -> GuardService<S> {
        GuardService(service)
    }
}

/// A service behind [`GuardLayer`].
#[derive(Debug, Clone)]
pub struct GuardService<S>(S);

impl<S: NamedService> NamedService for GuardService<S> {
    const NAME: &'static str = S::NAME;
}

impl<S, In, Out> Service<Request<In>> for GuardService<S>
where
    S: Service<Request<In>, Response = Response<Out>, Error = Infallible>,
    Out: hyper::body::Body<Data = Bytes> + Send + 'static,
    Out::Error: Into<tonic::codegen::StdError>,
{
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Instrumented<MapOk<S::Future, fn(Response<Out>) -> Response<Body>>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.0.poll_ready(context)
    }

    fn call(&mut self, mut request: Request<In>) -> Self::Future {
        let path = request.uri().path().trim_start_matches('/').into();
        request.extensions_mut().insert(MethodPath(path));
        let about = about(request.headers());
        self.0
            .call(request)
            .map_ok(marker_to_trailers as fn(Response<Out>) -> Response<Body>)
            .instrument(about)
    }
}

/// What every log line of a branch call says it is about; of a direct call, or one that nobody can read, nothing. Whether
/// the caller may say so is not checked yet.
fn about(headers: &HeaderMap) -> Span {
    let text = |name: &str| headers.get(name)?.to_str().ok();
    let read = || {
        let gid = Gid::parse(text(metadata::GID)?).ok()?;
        let branch_id = BranchId::parse(text(metadata::BRANCH_ID)?).ok()?;
        let op = Op::from_str(text(metadata::OP)?).ok()?;
        // As loud as any line can be: it must be there for all of them.
        Some(tracing::error_span!("branch", %gid, %branch_id, op = op.as_str()))
    };
    read().unwrap_or_else(Span::none)
}

/// An answer without a body has its status in the headers, and they count as trailers already.
fn marker_to_trailers<Out>(response: Response<Out>) -> Response<Body>
where
    Out: hyper::body::Body<Data = Bytes> + Send + 'static,
    Out::Error: Into<tonic::codegen::StdError>,
{
    let (mut head, body) = response.into_parts();
    if head.headers.contains_key(tonic::Status::GRPC_STATUS) {
        return Response::from_parts(head, Body::new(body));
    }
    match head.headers.remove(REPLAYED) {
        None => Response::from_parts(head, Body::new(body)),
        Some(marker) => {
            Response::from_parts(head, Body::new(body.map_frame(move |frame| mark(frame, &marker))))
        }
    }
}

fn mark(mut frame: hyper::body::Frame<Bytes>, marker: &HeaderValue) -> hyper::body::Frame<Bytes> {
    if let Some(trailers) = frame.trailers_mut() {
        trailers.insert(HeaderName::from_static(REPLAYED), marker.clone());
    }
    frame
}
