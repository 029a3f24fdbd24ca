//! A collector of traces that keeps what it is sent, for tests to look at. Knows OTLP, no meaning of any span.
use crate::patience::{Must as _, SOON};
use opentelemetry_proto::tonic::collector::trace::v1::trace_service_server::{
    TraceService, TraceServiceServer,
};
use opentelemetry_proto::tonic::collector::trace::v1::{
    ExportTraceServiceRequest, ExportTraceServiceResponse,
};
use opentelemetry_proto::tonic::common::v1::KeyValue;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::trace::v1::Span;
use opentelemetry_proto::tonic::trace::v1::status::StatusCode;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio_stream::wrappers::TcpListenerStream;
use tonic::{Request, Response, Status};

/// One span that was sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seen {
    /// Who sent it: `amends-order`.
    pub service: String,
    /// What it is called.
    pub name: String,
    /// Ids in hex; without a parent it begins its trace.
    pub trace_id: String,
    /// Its own.
    pub span_id: String,
    /// Of the one above.
    pub parent: Option<String>,
    /// What it says of itself.
    pub attributes: BTreeMap<String, String>,
    /// Whether it says that it failed.
    pub failed: bool,
    /// From when to when, nanoseconds since 1970.
    pub time_ns: (u64, u64),
}

impl Seen {
    fn of(service: &str, span: &Span) -> Seen {
        let failed = span.status.as_ref().is_some_and(|status| status.code() == StatusCode::Error);
        Seen {
            service: service.to_owned(),
            name: span.name.clone(),
            trace_id: hex(&span.trace_id),
            span_id: hex(&span.span_id),
            parent: (!span.parent_span_id.is_empty()).then(|| hex(&span.parent_span_id)),
            attributes: texts(&span.attributes),
            failed,
            time_ns: (span.start_time_unix_nano, span.end_time_unix_nano),
        }
    }

    /// What it says under this name; empty = nothing.
    #[must_use]
    pub fn says(&self, name: &str) -> &str {
        self.attributes.get(name).map_or("", String::as_str)
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn texts(attributes: &[KeyValue]) -> BTreeMap<String, String> {
    let text = |attribute: &KeyValue| match attribute.value.as_ref().and_then(|value| value.value.as_ref()) {
        Some(Value::StringValue(text)) => text.clone(),
        Some(Value::IntValue(number)) => number.to_string(),
        other => format!("{other:?}"),
    };
    attributes.iter().map(|attribute| (attribute.key.clone(), text(attribute))).collect()
}

/// A collector on a free port of this machine. Dropping it ends it.
pub struct Collector {
    address: SocketAddr,
    seen: watch::Receiver<Vec<Seen>>,
    server: JoinHandle<()>,
}

impl Collector {
    /// Opens one.
    ///
    /// # Panics
    /// If it cannot listen.
    pub async fn open() -> Collector {
        let listener = TcpListener::bind("127.0.0.1:0").await.must("listen for spans");
        let address = listener.local_addr().must("an address");
        let (keep, seen) = watch::channel(Vec::new());
        let service = TraceServiceServer::new(Shelf(keep));
        let server = tonic::transport::Server::builder().add_service(service);
        let server = tokio::spawn(async move {
            server.serve_with_incoming(TcpListenerStream::new(listener)).await.must("serve as a collector");
        });
        Collector { address, seen, server }
    }

    /// Its URL.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// What it was sent so far.
    #[must_use]
    pub fn seen(&self) -> Vec<Seen> {
        self.seen.borrow().clone()
    }

    /// Looks at each arrival of spans until `look` finds nothing wrong with them.
    ///
    /// # Panics
    /// After [`SOON`], telling what was wrong last.
    pub async fn until<T>(&self, what: &str, look: impl Fn(&[Seen]) -> Result<T, String>) -> T {
        let (mut seen, mut wrong) = (self.seen.clone(), String::new());
        let looking = async {
            loop {
                match look(&seen.borrow_and_update()) {
                    Ok(found) => return found,
                    Err(still) => wrong = still,
                }
                seen.changed().await.must("the collector lives");
            }
        };
        match tokio::time::timeout(SOON, looking).await {
            Ok(found) => found,
            Err(_) => panic!("not within {} s: {what}: {wrong}", SOON.as_secs()),
        }
    }
}

impl Drop for Collector {
    fn drop(&mut self) {
        self.server.abort();
    }
}

struct Shelf(watch::Sender<Vec<Seen>>);

#[tonic::async_trait]
impl TraceService for Shelf {
    async fn export(
        &self,
        request: Request<ExportTraceServiceRequest>,
    ) -> Result<Response<ExportTraceServiceResponse>, Status> {
        self.0.send_modify(|seen| {
            for sent in request.into_inner().resource_spans {
                let resource = sent.resource.map(|resource| texts(&resource.attributes)).unwrap_or_default();
                let service = resource.get("service.name").map_or("", String::as_str);
                let spans = sent.scope_spans.iter().flat_map(|scope| &scope.spans);
                seen.extend(spans.map(|span| Seen::of(service, span)));
            }
        });
        Ok(Response::new(ExportTraceServiceResponse::default()))
    }
}
