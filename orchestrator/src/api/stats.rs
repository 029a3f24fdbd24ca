//! Stats: figures of the whole history, counted at most every few seconds.

use super::error::ApiError;
use super::view;
use crate::engine::Engine;
use crate::history::{CauseCount, Counts, StatusCount};
use amends_proto::amends::v1 as pb;
use tokio::sync::Mutex;

/// Counting walks through an index of all rows: a second of work for some millions. Dashboards ask together.
const KEPT_US: i64 = 5_000_000;

/// The figures that were counted last.
#[derive(Debug, Default)]
pub struct Figures(Mutex<Option<(i64, Counts)>>);

impl Figures {
    /// Counts, or tells what was counted just now. Of several who ask at once one counts.
    pub async fn tell(&self, engine: &Engine) -> Result<pb::StatsResponse, ApiError> {
        let mut kept = self.0.lock().await;
        let now_us = engine.now_us();
        if let Some((at_us, counts)) = &*kept
            && (0..KEPT_US).contains(&(now_us - at_us))
        {
            return Ok(response(counts, *at_us));
        }
        let counts = engine.history().reader.counts().await?;
        let told = response(&counts, now_us);
        *kept = Some((now_us, counts));
        Ok(told)
    }
}

fn response(counts: &Counts, at_us: i64) -> pb::StatsResponse {
    let status = |one: &StatusCount| pb::StatusFigure {
        definition: one.definition.clone(),
        status: view::status_named(&one.status).into(),
        count: one.count,
    };
    let cause = |one: &CauseCount| pb::CauseFigure {
        cause: one.cause.clone(),
        count: one.count,
        oldest: view::time(one.oldest_us),
    };
    let statuses: Vec<_> = counts.statuses.iter().map(status).collect();
    let open = [pb::Status::Accepted, pb::Status::Running, pb::Status::Compensating];
    let age = counts.oldest_open_us.map(|us| at_us.saturating_sub(us).max(0));
    pb::StatsResponse {
        open: statuses.iter().filter(|one| open.contains(&one.status())).map(|one| one.count).sum(),
        statuses,
        causes: counts.causes.iter().map(cause).collect(),
        paused: counts.paused,
        oldest_open: counts.oldest_open_us.and_then(view::time),
        oldest_open_age: age.map(|us| prost_types::Duration {
            seconds: us / 1_000_000,
            nanos: i32::try_from(us % 1_000_000 * 1_000).unwrap_or(0),
        }),
        counted_at: view::time(at_us),
    }
}
