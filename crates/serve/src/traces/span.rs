//! One thing that was done, from its beginning to its end, for whoever reads traces. Where nobody does, it is empty and
//! costs next to nothing. Knows what a span says, not where it goes.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue};
use opentelemetry_proto::tonic::trace::v1 as otlp;
use otlp::span::SpanKind;
use otlp::status::StatusCode;

use super::context::SpanContext;
use super::exporter::{self, Exporter};

/// Longest text of an attribute: it says what happened, it does not carry what was sent.
const MAX_TEXT: usize = 256;

/// What a span is to the one that it is below of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Work inside a process.
    Internal,
    /// A call that was answered.
    Server,
    /// A call that was made.
    Client,
}

/// A span that is under way. It ends when it is dropped.
#[derive(Debug, Default)]
pub struct Span {
    context: Option<SpanContext>,
    recording: Option<Box<Recording>>,
}

#[derive(Debug)]
struct Recording {
    exporter: &'static Exporter,
    began: Instant,
    span: otlp::Span,
}

impl Span {
    /// Begins a span below `parent`. Nothing is recorded where the parent is not, or where there is none.
    #[must_use]
    pub fn begin(kind: Kind, name: &str, parent: Option<SpanContext>) -> Span {
        let Some(exporter) = exporter::installed() else { return Span { context: parent, recording: None } };
        let recorded = parent.filter(SpanContext::is_sampled);
        let context = recorded.and_then(|parent| parent.with_span(random()?));
        let Some(context) = context else { return Span { context: parent, recording: None } };
        let began = Began { at: SystemTime::now(), parent: parent.map(|parent| parent.span_id()) };
        Span::recording(exporter, kind, name, context, began)
    }

    /// Begins a trace of its own, recorded or not as its id falls.
    #[must_use]
    pub fn root(kind: Kind, name: &str) -> Span {
        let Some(exporter) = exporter::installed() else { return Span::default() };
        let ids = random().and_then(|trace_id| Some((trace_id, random()?)));
        let context =
            ids.and_then(|(trace_id, id)| SpanContext::new(trace_id, id, exporter.samples(trace_id)));
        let Some(context) = context else { return Span::default() };
        let began = Began { at: SystemTime::now(), parent: None };
        match context.is_sampled() {
            true => Span::recording(exporter, kind, name, context, began),
            false => Span { context: Some(context), recording: None },
        }
    }

    /// A span that is over, whose id was known before: others stand below it already.
    #[must_use]
    pub fn past(name: &str, context: SpanContext, parent: Option<SpanContext>, began: SystemTime) -> Span {
        match exporter::installed().filter(|_| context.is_sampled()) {
            Some(exporter) => {
                let began = Began { at: began, parent: parent.map(|parent| parent.span_id()) };
                Span::recording(exporter, Kind::Internal, name, context, began)
            }
            None => Span { context: Some(context), recording: None },
        }
    }

    fn recording(
        exporter: &'static Exporter,
        kind: Kind,
        name: &str,
        context: SpanContext,
        began: Began,
    ) -> Span {
        let span = otlp::Span {
            trace_id: context.trace_id().to_vec(),
            span_id: context.span_id().to_vec(),
            parent_span_id: began.parent.map(|id| id.to_vec()).unwrap_or_default(),
            flags: 1,
            name: name.to_owned(),
            kind: match kind {
                Kind::Internal => SpanKind::Internal,
                Kind::Server => SpanKind::Server,
                Kind::Client => SpanKind::Client,
            }
            .into(),
            start_time_unix_nano: unix_nanos(began.at),
            ..otlp::Span::default()
        };
        let recording = Recording { exporter, began: Instant::now(), span };
        Span { context: Some(context), recording: Some(Box::new(recording)) }
    }

    /// Where in the trace those stand who are called from here: below this span or, where it is not recorded, where its
    /// parent stands.
    #[must_use]
    pub fn context(&self) -> Option<SpanContext> {
        self.context
    }

    /// Whether anybody will read what is said of it.
    #[must_use]
    pub fn is_recorded(&self) -> bool {
        self.recording.is_some()
    }

    /// Says something of it. Never what was sent or answered, nor anything secret.
    pub fn set(&mut self, name: &str, value: &str) {
        let text = || value.chars().take(MAX_TEXT).collect();
        self.attribute(name, || Value::StringValue(text()));
    }

    /// Says a number of it.
    pub fn count(&mut self, name: &str, value: u32) {
        self.attribute(name, || Value::IntValue(value.into()));
    }

    fn attribute(&mut self, name: &str, value: impl FnOnce() -> Value) {
        if let Some(recording) = &mut self.recording {
            let value = Some(AnyValue { value: Some(value()) });
            recording.span.attributes.push(KeyValue { key: name.to_owned(), value, key_strindex: 0 });
        }
    }

    /// Says that it did not come to what it was for.
    pub fn fail(&mut self, why: &str) {
        if let Some(recording) = &mut self.recording {
            let message = why.chars().take(MAX_TEXT).collect();
            recording.span.status = Some(otlp::Status { message, code: StatusCode::Error.into() });
        }
    }

    /// Ends a span of the past at that time.
    pub fn ended_at(mut self, end: SystemTime) {
        if let Some(recording) = &mut self.recording {
            recording.span.end_time_unix_nano = unix_nanos(end);
        }
    }
}

impl Drop for Span {
    fn drop(&mut self) {
        let Some(recording) = self.recording.take() else { return };
        let Recording { exporter, began, mut span } = *recording;
        if span.end_time_unix_nano == 0 {
            span.end_time_unix_nano = span.start_time_unix_nano.saturating_add(nanos(began.elapsed()));
        }
        exporter.take(span);
    }
}

/// When a span began, and below which.
#[derive(Debug, Clone, Copy)]
struct Began {
    at: SystemTime,
    parent: Option<[u8; 8]>,
}

/// An id that nobody else has; `None` where the machine has no randomness to give.
fn random<const BYTES: usize>() -> Option<[u8; BYTES]> {
    let mut bytes = [0; BYTES];
    getrandom::fill(&mut bytes).ok()?;
    Some(bytes)
}

fn unix_nanos(time: SystemTime) -> u64 {
    time.duration_since(UNIX_EPOCH).map(nanos).unwrap_or_default()
}

fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}
