//! Operations.Lanes and SetLane: lanes as operators see and set them. Translates only.

use crate::engine::{Engine, Hindrance, LaneBook, LaneChange, LaneError, LaneView, Reset};
use amends_proto::amends::v1::{
    Lane, LaneBacklog, LaneBreaker, LaneSettings, LanesRequest, LanesResponse, SetLaneRequest,
    SetLaneResponse,
};
use prost_types::Timestamp;
use std::time::Duration;
use tonic::Status;

/// All lanes, or one.
pub(super) fn lanes(engine: &Engine, request: &LanesRequest) -> Result<LanesResponse, Status> {
    let wanted = &request.participant;
    let views = engine.lanes().views().into_iter();
    let views = views.filter(|view| wanted.is_empty() || view.name == *wanted);
    let lanes: Vec<Lane> = views.map(|view| shown(&view, engine.now_us())).collect();
    match lanes.is_empty() && !wanted.is_empty() {
        true => Err(unknown(&LaneError::Unknown(wanted.clone()))),
        false => Ok(LanesResponse { lanes }),
    }
}

/// Sets one lane.
pub(super) async fn set(
    engine: &Engine,
    book: &LaneBook,
    subject: String,
    request: SetLaneRequest,
) -> Result<SetLaneResponse, Status> {
    let reset = if request.reset { Reset::Yes } else { Reset::No };
    let settings = named(&request.settings.unwrap_or_default());
    if settings.is_empty() && reset == Reset::No {
        return Err(Status::invalid_argument("EMPTY_CHANGE|name a setting, or reset"));
    }
    let participant = request.participant;
    let change = LaneChange { participant, reset, settings, subject, at_us: engine.now_us() };
    book.change(&change).await.map_err(|error| match error {
        LaneError::Unknown(_) => unknown(&error),
        LaneError::Settings(error) => Status::invalid_argument(format!("BAD_SETTING|{error}")),
        LaneError::Store(error) => {
            tracing::error!(%error, "a lane was not set");
            Status::unavailable("STORE_UNAVAILABLE|whether it was set is unknown: look, and set it again")
        }
    })?;
    let mut found = lanes(engine, &LanesRequest { participant: change.participant })?;
    Ok(SetLaneResponse { lane: found.lanes.pop() })
}

fn unknown(error: &LaneError) -> Status {
    Status::not_found(format!("UNKNOWN_PARTICIPANT|{error}"))
}

/// What is there, by name.
fn named(settings: &LaneSettings) -> Vec<(&'static str, u32)> {
    let all = [
        ("concurrency", settings.concurrency),
        ("rate", settings.rate),
        ("failures", settings.failures),
        ("slow_ms", settings.slow_ms),
        ("open_ms", settings.open_ms),
        ("open_max_ms", settings.open_max_ms),
        ("slow_start_ms", settings.slow_start_ms),
        ("retry_percent", settings.retry_percent),
        ("retry_floor", settings.retry_floor),
    ];
    all.into_iter().filter_map(|(name, value)| Some((name, value?))).collect()
}

fn shown(view: &LaneView, now_us: i64) -> Lane {
    let figures = &view.figures;
    let at = |then: Duration| {
        let then_us = match view.now.checked_sub(then) {
            Some(ago) => now_us.saturating_sub(micros(ago)),
            None => now_us.saturating_add(micros(then.saturating_sub(view.now))),
        };
        timestamp(then_us)
    };
    let count = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
    let backlog = |(definition, waiting): &(String, usize)| LaneBacklog {
        definition: definition.clone(),
        waiting: count(*waiting),
    };
    let (phase, since) = figures.phase;
    Lane {
        participant: view.name.clone(),
        address: view.address.clone(),
        settings: Some(settings(&view.settings)),
        is_set: view.is_set,
        in_flight: figures.in_flight,
        width: figures.width,
        depth: count(figures.waiting.iter().map(|(_, waiting)| waiting).sum()),
        waiting: figures.waiting.iter().map(backlog).collect(),
        breaker: Some(LaneBreaker {
            state: phase.name().to_owned(),
            since: Some(at(since)),
            failures: count(figures.ill),
        }),
        slow_start_until: figures.slow_start_ends.map(at),
        waits_for: figures.hindrance.map(hindrance_name).unwrap_or_default().to_owned(),
        waits_until: figures.hindrance.and_then(Hindrance::until).map(at),
        repeats_left: figures.repeats_left,
        calls: figures.calls,
        repeats: figures.repeats,
    }
}

fn settings(settings: &crate::engine::LaneSettings) -> LaneSettings {
    LaneSettings {
        concurrency: Some(settings.concurrency),
        rate: Some(settings.rate),
        failures: Some(settings.failures),
        slow_ms: Some(settings.slow_ms),
        open_ms: Some(settings.open_ms),
        open_max_ms: Some(settings.open_max_ms),
        slow_start_ms: Some(settings.slow_start_ms),
        retry_percent: Some(settings.retry_percent),
        retry_floor: Some(settings.retry_floor),
    }
}

fn hindrance_name(hindrance: Hindrance) -> &'static str {
    match hindrance {
        Hindrance::Room => "room",
        Hindrance::SlowStart(_) => "slow_start",
        Hindrance::BreakerOpen(_) => "breaker_open",
        Hindrance::Probing => "probing",
        Hindrance::Rate(_) => "rate",
        Hindrance::RetryBudget(_) => "retry_budget",
    }
}

fn micros(time: Duration) -> i64 {
    i64::try_from(time.as_micros()).unwrap_or(i64::MAX)
}

fn timestamp(us: i64) -> Timestamp {
    let nanos = i32::try_from(us.rem_euclid(1_000_000) * 1_000).unwrap_or_default();
    Timestamp { seconds: us.div_euclid(1_000_000), nanos }
}
