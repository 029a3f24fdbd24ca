//! Log lines of a process, written to standard error: standard output belongs to a verb's result.

use tracing_subscriber::EnvFilter;
use tracing_subscriber::util::SubscriberInitExt;

/// Levels unless `AMENDS_LOG` says otherwise: our own words, and of the libraries only what went wrong.
const DEFAULT_FILTER: &str =
    "info,h2=warn,hyper=warn,tonic=warn,tower=warn,sqlx=warn,sea_orm=warn,sea_orm_migration=warn";

/// How log lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum LogFormat {
    /// One JSON object per line, for machines
    Json,
    /// One line of text, for people
    Pretty,
}

/// Starts logging. A second call in the same process changes nothing. A line that cannot be written, because the disk that
/// the log is on is full, is lost: nothing else ends because of it.
pub fn init(format: LogFormat) {
    let filter = EnvFilter::try_from_env("AMENDS_LOG").unwrap_or_else(|_| EnvFilter::new(DEFAULT_FILTER));
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    // It would tell of the failed line by another one on standard error, and panic when that fails as well.
    let builder = builder.log_internal_errors(false);
    let outcome = match format {
        LogFormat::Json => builder.json().flatten_event(true).finish().try_init(),
        LogFormat::Pretty => builder.compact().finish().try_init(),
    };
    if outcome.is_err() {
        tracing::debug!("logging was already set up");
    }
}
