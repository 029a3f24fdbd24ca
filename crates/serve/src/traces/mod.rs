//! Traces for whoever looks for where time went or what failed: OpenTelemetry spans, sent by OTLP to a collector. Without
//! one named nothing is recorded, and what asks for a span pays a look at an empty place. A collector that is away, slow
//! or wrong costs spans, never time. Knows no service and no global transaction.

mod context;
mod current;
mod exporter;
mod server;
mod span;

pub use context::{HEADER, SpanContext};
pub use current::{carried, current, tell, within};
pub use exporter::{flush, install};
pub(crate) use server::layer;
pub use span::{Kind, Span};

/// Where traces go. Flags of every process, and of verbs that begin traces.
#[derive(Debug, Clone, clap::Args)]
pub struct TraceArgs {
    /// Collector that takes traces by OTLP over gRPC, as http://HOST:PORT; without it, or empty, none are made
    #[arg(long, env = "AMENDS_OTLP_ENDPOINT", value_name = "URL", value_parser = endpoint)]
    pub otlp_endpoint: Option<String>,
    /// Share of the traces that begin here to be recorded, 0 to 1; others are recorded as their beginner decided
    #[arg(long, env = "AMENDS_TRACE_SAMPLE", value_name = "SHARE", default_value_t = 1.0, value_parser = share)]
    pub trace_sample: f64,
}

impl TraceArgs {
    /// The collector, if one is named.
    #[must_use]
    pub fn collector(&self) -> Option<&str> {
        self.otlp_endpoint.as_deref().filter(|url| !url.is_empty())
    }
}

/// Whether this process sends spans at all.
#[must_use]
pub fn is_on() -> bool {
    exporter::installed().is_some()
}

/// Whether a trace of this id that begins here is to be recorded; `None` = this process records none.
#[must_use]
pub fn samples(trace_id: [u8; 16]) -> Option<bool> {
    exporter::installed().map(|exporter| exporter.samples(trace_id))
}

/// A file of settings may name the variable and leave it empty: that is no collector.
fn endpoint(text: &str) -> Result<String, String> {
    if text.is_empty() {
        return Ok(String::new());
    }
    let url: http::Uri = text.parse().map_err(|error| format!("no URL: {error}"))?;
    match (url.scheme_str(), url.authority()) {
        (Some("http"), Some(_)) => Ok(text.to_owned()),
        (Some("https"), _) => Err("only http:// is spoken; put a collector on this machine".to_owned()),
        _ => Err("must be http://HOST:PORT".to_owned()),
    }
}

fn share(text: &str) -> Result<f64, String> {
    let share: f64 = text.parse().map_err(|_| "no number".to_owned())?;
    if (0.0..=1.0).contains(&share) { Ok(share) } else { Err("must be 0 to 1".to_owned()) }
}

#[cfg(test)]
mod tests {
    use super::{endpoint, share};

    #[test]
    fn what_is_no_collector_is_refused() {
        for good in ["", "http://127.0.0.1:4317", "http://otel-collector:4317/", "http://[::1]:4317"] {
            assert!(endpoint(good).is_ok(), "{good}");
        }
        for bad in ["127.0.0.1:4317", "https://h:1", "grpc://h:1", "http://", "/x"] {
            assert!(endpoint(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_share_is_from_0_to_1() {
        assert_eq!((share("0"), share("0.25"), share("1")), (Ok(0.0), Ok(0.25), Ok(1.0)));
        for bad in ["", "-0.1", "1.1", "NaN", "inf", "half"] {
            assert!(share(bad).is_err(), "{bad}");
        }
    }
}
