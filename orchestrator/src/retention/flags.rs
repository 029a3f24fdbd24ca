//! Flags of retention.

use super::{Archive, Policy};
use crate::filter::duration_us;
use std::path::PathBuf;
use std::time::Duration;

/// Shortest time that an end is kept: callers repeat their requests for so long, and are answered from the history.
const LEAST_US: i64 = 3_600_000_000;

/// What is kept, and where the rest goes.
#[derive(Debug, Clone, clap::Args)]
pub struct RetentionArgs {
    /// How long a global transaction stays after its end, e.g. 30d; then it is archived and taken out. Without: for ever
    #[arg(long, env = "AMENDS_RETAIN", value_name = "TIME", requires = "archive", value_parser = retain)]
    retain: Option<Duration>,
    /// Folder of the archive
    #[arg(long, env = "AMENDS_ARCHIVE", value_name = "DIR", requires = "retain")]
    archive: Option<PathBuf>,
    /// Milliseconds between two looks for what is to be archived
    #[arg(long, env = "AMENDS_RETENTION_INTERVAL_MS", default_value_t = 600_000, value_parser = clap::value_parser!(u64).range(1_000..=86_400_000))]
    retention_interval_ms: u64,
}

fn retain(text: &str) -> Result<Duration, String> {
    let us = duration_us(text).filter(|us| *us >= LEAST_US).and_then(|us| u64::try_from(us).ok());
    us.map(Duration::from_micros).ok_or_else(|| "a time of at least 1h, e.g. 30d".to_owned())
}

impl RetentionArgs {
    /// As they say; `None` = everything is kept.
    #[must_use]
    pub fn policy(&self) -> Option<Policy> {
        Some(Policy {
            retain: self.retain?,
            archive: Archive::at(self.archive.clone()?),
            interval: Duration::from_millis(self.retention_interval_ms),
        })
    }
}
