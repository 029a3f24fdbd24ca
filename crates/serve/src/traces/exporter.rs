//! Where spans go: a bounded queue, and a task that sends what is in it to a collector, many at a time. Nobody ever waits
//! for either: what does not fit is lost. Knows OTLP, nothing of what spans are about.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::collector::trace::v1::trace_service_client::TraceServiceClient;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{AnyValue, InstrumentationScope, KeyValue};
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span};
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, sleep, timeout, timeout_at};
use tonic::transport::{Channel, Endpoint};
use tonic::{Code, Status};

use super::TraceArgs;

/// Spans that wait to be sent: some megabytes at most, and at full speed the work of a second or so.
const QUEUE: usize = 8_192;
/// Spans of one request: well below the 4 MiB that a collector takes.
const BATCH: usize = 512;
/// How long others may join the first span of a batch.
const GATHER: Duration = Duration::from_millis(200);
/// How long the collector may take for a batch.
const ANSWER: Duration = Duration::from_secs(5);
/// Between two tries to send the same batch. Meanwhile the queue fills, and then spans are lost.
const PAUSE: Duration = Duration::from_secs(1);
/// So often a batch is tried.
const TRIES: u32 = 5;
/// How long a process that ends waits for its last spans.
const LAST: Duration = Duration::from_secs(2);

static INSTALLED: OnceLock<Exporter> = OnceLock::new();

/// The way to the collector.
#[derive(Debug)]
pub(super) struct Exporter {
    queue: mpsc::Sender<Item>,
    sample: f64,
    lost: AtomicU64,
}

enum Item {
    Span(Box<Span>),
    /// Whoever asks hears when everything before it was sent or given up.
    Flush(oneshot::Sender<()>),
}

/// This process's way to its collector; `None` = it has none.
pub(super) fn installed() -> Option<&'static Exporter> {
    INSTALLED.get()
}

/// From now on spans are sent to the collector that `args` name, as those of `service`. Without one nothing is done, nor
/// where that was said before.
/// Connects when there is something to send.
///
/// # Errors
/// The endpoint is no URL.
pub fn install(args: &TraceArgs, service: &str) -> Result<(), tonic::transport::Error> {
    let Some(endpoint) = args.collector() else { return Ok(()) };
    let channel = Endpoint::from_shared(endpoint.to_owned())?.connect_timeout(ANSWER).connect_lazy();
    let (queue, items) = mpsc::channel(QUEUE);
    let exporter = Exporter { queue, sample: args.trace_sample, lost: AtomicU64::new(0) };
    if INSTALLED.set(exporter).is_ok() {
        let client = TraceServiceClient::new(channel);
        let (resource, endpoint) = (resource(service), endpoint.to_owned());
        let sender = Sender { client, resource, endpoint, away: false, overrun: false };
        tokio::spawn(sender.run(items));
    }
    Ok(())
}

/// Waits until what was recorded so far is sent, at most two seconds.
pub async fn flush() {
    let Some(exporter) = installed() else { return };
    let (done, sent) = oneshot::channel();
    let flushed = async {
        if exporter.queue.send(Item::Flush(done)).await.is_ok() {
            let _ = sent.await;
        }
    };
    if timeout(LAST, flushed).await.is_err() {
        tracing::warn!("the last spans could not be sent in time");
    }
}

impl Exporter {
    /// Takes a span that is over. Never waits.
    pub(super) fn take(&self, span: Span) {
        if self.queue.try_send(Item::Span(Box::new(span))).is_err() {
            self.lost.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Whether a trace of this id that begins here is recorded: the same answer in every process with the same share.
    pub(super) fn samples(&self, trace_id: [u8; 16]) -> bool {
        within_share(trace_id, self.sample)
    }
}

/// The last 56 bits of a trace id are random (W3C Trace Context, level 2).
fn within_share(trace_id: [u8; 16], share: f64) -> bool {
    let [.., a, b, c, d, e, f, g] = trace_id;
    let drawn = u64::from_be_bytes([0, a, b, c, d, e, f, g]);
    let drawn = drawn as f64 / (1_u64 << 56) as f64;
    drawn < share
}

/// What all spans of this process have in common.
fn resource(service: &str) -> Resource {
    let text = |key: &str, value: String| KeyValue {
        key: key.to_owned(),
        value: Some(AnyValue { value: Some(Value::StringValue(value)) }),
        key_strindex: 0,
    };
    let attributes = vec![
        text("service.name", format!("amends-{service}")),
        text("service.version", env!("CARGO_PKG_VERSION").to_owned()),
        text("process.pid", std::process::id().to_string()),
    ];
    Resource { attributes, ..Resource::default() }
}

struct Sender {
    client: TraceServiceClient<Channel>,
    resource: Resource,
    endpoint: String,
    /// The last batch did not arrive, and that is told.
    away: bool,
    /// There were more spans than could be sent, and that is told.
    overrun: bool,
}

impl Sender {
    async fn run(mut self, mut items: mpsc::Receiver<Item>) {
        while let Some(first) = items.recv().await {
            let (mut spans, mut waiting) = (Vec::new(), Vec::new());
            let mut next = Some(first);
            let end = Instant::now() + GATHER;
            while let Some(item) = next.take() {
                match item {
                    Item::Span(span) => spans.push(*span),
                    Item::Flush(done) => waiting.push(done),
                }
                if spans.len() < BATCH && waiting.is_empty() {
                    next = timeout_at(end, items.recv()).await.ok().flatten();
                }
            }
            if !spans.is_empty() {
                self.send(spans).await;
            }
            for done in waiting {
                let _ = done.send(());
            }
        }
    }

    async fn send(&mut self, spans: Vec<Span>) {
        let count = spans.len() as u64;
        let request = self.request(spans);
        for attempt in 1..=TRIES {
            match self.try_send(request.clone()).await {
                Ok(()) => return self.tell_success(),
                Err(status) => {
                    self.tell_failure(&status);
                    if attempt == TRIES || !may_pass(status.code()) {
                        break;
                    }
                }
            }
            sleep(PAUSE).await;
        }
        lost(count);
    }

    async fn try_send(&mut self, request: ExportTraceServiceRequest) -> Result<(), Status> {
        let sent = timeout(ANSWER, self.client.export(request)).await;
        sent.unwrap_or_else(|_| Err(Status::deadline_exceeded("no answer in time"))).map(drop)
    }

    fn request(&self, spans: Vec<Span>) -> ExportTraceServiceRequest {
        let scope = InstrumentationScope { name: "amends".to_owned(), ..InstrumentationScope::default() };
        let scope_spans = vec![ScopeSpans { scope: Some(scope), spans, schema_url: String::new() }];
        let resource = Some(self.resource.clone());
        let resource_spans = vec![ResourceSpans { resource, scope_spans, schema_url: String::new() }];
        ExportTraceServiceRequest { resource_spans }
    }

    /// Once, until it works again.
    fn tell_failure(&mut self, status: &Status) {
        if !std::mem::replace(&mut self.away, true) {
            let (endpoint, code, error) = (&self.endpoint, status.code(), status.message());
            tracing::warn!(endpoint, ?code, error, "the collector does not take spans; some will be lost");
        }
    }

    /// Spans may also have been lost because there were more than the collector takes. That is told once for all.
    fn tell_success(&mut self) {
        let lost = installed().map_or(0, |exporter| exporter.lost.swap(0, Ordering::Relaxed));
        if std::mem::take(&mut self.away) {
            tracing::info!(endpoint = self.endpoint, lost, "the collector takes spans again");
        } else if lost > 0 && !std::mem::replace(&mut self.overrun, true) {
            tracing::warn!(endpoint = self.endpoint, lost, "more spans than are sent; lower --trace-sample");
        }
    }
}

fn lost(count: u64) {
    if let Some(exporter) = installed() {
        exporter.lost.fetch_add(count, Ordering::Relaxed);
    }
}

/// What a repeat may change (OTLP specification, Failures).
fn may_pass(code: Code) -> bool {
    let passing = [
        Code::Cancelled,
        Code::DeadlineExceeded,
        Code::Aborted,
        Code::OutOfRange,
        Code::Unavailable,
        Code::DataLoss,
        Code::ResourceExhausted,
    ];
    passing.contains(&code)
}

#[cfg(test)]
mod tests {
    use super::within_share;

    #[test]
    fn a_share_of_all_traces_is_recorded() {
        let ids = (0..1_024_u64).map(|number| {
            let mut id = [7; 16];
            // Spread evenly over the last 56 bits.
            id[8..].copy_from_slice(&(number << 46).to_be_bytes());
            id
        });
        let ids: Vec<[u8; 16]> = ids.collect();
        let taken = |share: f64| ids.iter().filter(|id| within_share(**id, share)).count();
        assert_eq!((taken(0.0), taken(0.25), taken(1.0)), (0, 256, 1_024));
    }
}
