//! Log lines of a process, written to standard error: standard output belongs to a verb's result. A line that is written
//! inside a trace names it, and one that is written inside a span (a branch call) has that span's fields as its own.

use std::fmt;
use std::io::IsTerminal;

use tracing::{Event, Subscriber};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::format::{FormatEvent, FormatFields, Writer};
use tracing_subscriber::fmt::{FmtContext, FormattedFields};
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::util::SubscriberInitExt;

use crate::traces;

/// Levels unless somebody says otherwise: our own words, and of the libraries only what went wrong.
pub const LEVELS: &str =
    "info,h2=warn,hyper=warn,tonic=warn,tower=warn,sqlx=warn,sea_orm=warn,sea_orm_migration=warn";

/// How log lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum LogFormat {
    /// One JSON object per line, for machines
    Json,
    /// One line of text, for people
    Pretty,
}

/// Checks levels, and gives them back.
///
/// # Errors
/// They cannot be read.
pub fn levels(text: &str) -> Result<String, String> {
    EnvFilter::builder().parse(text).map(|_| text.to_owned()).map_err(|error| error.to_string())
}

/// The levels that the environment asks for; what cannot be read there asks for nothing.
#[must_use]
pub fn levels_of_environment() -> String {
    let asked = std::env::var("AMENDS_LOG").ok().and_then(|text| levels(&text).ok());
    asked.unwrap_or_else(|| LEVELS.to_owned())
}

/// Whether what is written there may have colours: on a terminal, unless `NO_COLOR` says something.
pub fn is_coloured(stream: &impl IsTerminal) -> bool {
    std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty()) && stream.is_terminal()
}

/// Starts logging from these levels on. A second call in the same process changes nothing. A line that cannot be written,
/// because the disk that the log is on is full, is lost: nothing else ends because of it.
pub fn init(format: LogFormat, levels: &str) {
    let filter = EnvFilter::new(levels);
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    // It would tell of the failed line by another one on standard error, and panic when that fails as well.
    let builder = builder.log_internal_errors(false).with_ansi(is_coloured(&std::io::stderr()));
    let outcome = match format {
        LogFormat::Json => {
            let builder = builder.json().flatten_event(true).with_current_span(false).with_span_list(false);
            builder.map_event_format(Lines::json).finish().try_init()
        }
        LogFormat::Pretty => builder.compact().map_event_format(Lines::pretty).finish().try_init(),
    };
    if outcome.is_err() {
        tracing::debug!("logging was already set up");
    }
}

/// Lines as `inner` makes them, with the trace that they are written in.
struct Lines<F> {
    inner: F,
    format: LogFormat,
}

impl<F> Lines<F> {
    fn json(inner: F) -> Self {
        Self { inner, format: LogFormat::Json }
    }

    fn pretty(inner: F) -> Self {
        Self { inner, format: LogFormat::Pretty }
    }
}

impl<S, N, F> FormatEvent<S, N> for Lines<F>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
    F: FormatEvent<S, N>,
{
    fn format_event(
        &self,
        context: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let place = traces::current();
        let about = about(context, self.format);
        if place.is_none() && about.is_empty() {
            return self.inner.format_event(context, writer, event);
        }
        let mut line = String::new();
        self.inner.format_event(context, Writer::new(&mut line), event)?;
        let line = about.iter().fold(line, |line, fields| with_fields(&line, fields));
        match place {
            None => writer.write_str(&line),
            Some(place) => writer.write_str(&named(&line, &place.trace_id_hex(), self.format)),
        }
    }
}

/// The fields of the spans that a line is written in, each as a JSON object. Lines for people have them from elsewhere.
fn about<S, N>(context: &FmtContext<'_, S, N>, format: LogFormat) -> Vec<String>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    match (format, context.event_scope()) {
        (LogFormat::Json, Some(spans)) => {
            let fields =
                spans.filter_map(|span| Some(span.extensions().get::<FormattedFields<N>>()?.fields.clone()));
            fields.filter(|fields| !fields.is_empty()).collect()
        }
        (LogFormat::Pretty, _) | (_, None) => Vec::new(),
    }
}

/// The line with those of the fields that it does not have itself.
fn with_fields(line: &str, fields: &str) -> String {
    let (Some(own), Ok(fields)) =
        (line.strip_prefix('{'), serde_json::from_str::<serde_json::Map<String, serde_json::Value>>(fields))
    else {
        return line.to_owned();
    };
    // Quotes inside texts are escaped: what looks like a key is one.
    let missing = fields.iter().filter(|(name, _)| !line.contains(&format!("\"{name}\":")));
    let missing: String = missing.map(|(name, value)| format!("\"{name}\":{value},")).collect();
    format!("{{{missing}{own}")
}

/// The line with the name of a trace in it.
fn named(line: &str, trace_id: &str, format: LogFormat) -> String {
    match (format, line.strip_prefix('{')) {
        (LogFormat::Json, Some(fields)) => format!("{{\"trace_id\":\"{trace_id}\",{fields}"),
        (LogFormat::Json, None) => line.to_owned(),
        (LogFormat::Pretty, _) => format!("{} trace_id={trace_id}\n", line.trim_end_matches('\n')),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_has_what_its_span_is_about_once() {
        let line = "{\"level\":\"INFO\",\"gid\":\"own\",\"message\":\"no \\\"op\\\": here\"}\n";
        let told = with_fields(line, "{\"gid\":\"g\",\"op\":\"try\"}");
        assert_eq!(told.matches("\"gid\":").count(), 1, "{told}");
        let told: serde_json::Value = serde_json::from_str(&told).unwrap();
        assert_eq!((&told["gid"], &told["op"]), (&"own".into(), &"try".into()));
        assert_eq!(with_fields(line, ""), line);
    }

    #[test]
    fn levels_that_cannot_be_read_are_refused() {
        assert!(levels(LEVELS).is_ok() && levels("warn,amends_orchestrator=debug").is_ok());
        assert!(levels("amends=loud").is_err());
    }

    #[test]
    fn a_line_names_its_trace() {
        let json = named("{\"level\":\"INFO\",\"message\":\"x\"}\n", "0af7", LogFormat::Json);
        let json: serde_json::Value = serde_json::from_str(&json).unwrap();
        assert_eq!((&json["trace_id"], &json["message"]), (&"0af7".into(), &"x".into()));
        assert_eq!(named("INFO x y=1\n", "0af7", LogFormat::Pretty), "INFO x y=1 trace_id=0af7\n");
    }
}
