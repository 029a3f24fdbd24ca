//! How long the next op waits when one that was parked is final: never for a coordinator's own poll. On each coordinator
//! and store, beside other global transactions that wait. Knows what is allowed, nothing of how it is reached.
use super::case::{End, Shape};
use super::parking::{Parking, Rule};
use super::processes::{Driver, Orchestrator};
use super::through::{Deed, Through};
use crate::output::table;
use amends_dtm::binary::DtmBinary;
use amends_proto::amends::v1::Mode;
use anyhow::Context as _;
use hdrhistogram::Histogram;
use serde::Serialize;
use std::path::Path;
use std::time::Duration;

/// At once where the call was still held, or where nobody else is asked.
const AT_ONCE: Duration = Duration::from_millis(200);
/// Behind a forward op.
const FORWARD: Duration = Duration::from_millis(200);
/// Behind one of a second phase.
const SECOND: Duration = Duration::from_secs(3);
/// Longest wait for all of a case.
const PATIENCE: Duration = Duration::from_secs(300);
/// In flight at once: a quiet machine.
const TOGETHER: usize = 5;

/// One kind of op that is parked.
struct Kind {
    name: &'static str,
    shape: Shape,
    rule: Rule,
    on_dtm: Duration,
}

/// What was measured of one kind on one coordinator.
#[derive(Debug, Serialize)]
pub struct Row {
    case: &'static str,
    coordinator: &'static str,
    store: &'static str,
    waiting: usize,
    samples: usize,
    p50_ms: f64,
    p99_ms: f64,
    allowed_ms: f64,
}

impl Row {
    /// Whether it is as soon as it has to be.
    pub fn is_within(&self) -> bool {
        self.p99_ms <= self.allowed_ms
    }
}

/// For people.
pub fn text(rows: &[Row]) -> String {
    let header = ["parked op", "coordinator", "store", "waiting", "samples", "p50 ms", "p99 ms", "allowed"];
    let right = ["waiting", "samples", "p50 ms", "p99 ms", "allowed"];
    let cells = |row: &Row| {
        let numbers = [row.p50_ms, row.p99_ms, row.allowed_ms].map(|ms| format!("{ms:.1}"));
        let mut cells = vec![row.case.to_owned(), row.coordinator.to_owned(), row.store.to_owned()];
        cells.extend([row.waiting.to_string(), row.samples.to_string()]);
        cells.extend(numbers);
        cells
    };
    table(&header, &right, rows.iter().map(cells).collect())
}

fn kinds() -> [Kind; 5] {
    let shape = |mode, steps, end| Shape { mode, steps, end };
    let rule = |waits, ms, next| Rule { waits, parked: Duration::from_millis(ms), next };
    [
        Kind {
            name: "action, held",
            shape: shape(Mode::Saga, 2, End::Succeeds),
            rule: rule(("01", "action"), 500, ("02", "action")),
            on_dtm: AT_ONCE,
        },
        Kind {
            name: "action, parked",
            shape: shape(Mode::Saga, 2, End::Succeeds),
            // Longer than the relay holds a call.
            rule: rule(("01", "action"), 2_500, ("02", "action")),
            on_dtm: FORWARD,
        },
        Kind {
            name: "compensate, parked",
            shape: shape(Mode::Saga, 3, End::Refused),
            rule: rule(("02", "compensate"), 1_000, ("01", "compensate")),
            on_dtm: SECOND,
        },
        Kind {
            name: "confirm, parked",
            shape: shape(Mode::Tcc, 2, End::Succeeds),
            rule: rule(("02", "confirm"), 1_000, ("01", "confirm")),
            on_dtm: SECOND,
        },
        Kind {
            name: "cancel, parked",
            shape: shape(Mode::Tcc, 3, End::Refused),
            rule: rule(("02", "cancel"), 1_000, ("01", "cancel")),
            on_dtm: SECOND,
        },
    ]
}

/// Measures all kinds on one coordinator, beside `waiting` others.
pub async fn measure(
    binary: &DtmBinary,
    folder: &Path,
    driver: Driver,
    (waiting, samples): (usize, usize),
) -> anyhow::Result<Vec<Row>> {
    let parking = Parking::start().await?;
    let one = Orchestrator::beside(binary, folder, driver, parking.address, &[]).await?;
    let others = Shape { mode: Mode::Saga, steps: 2, end: End::Succeeds };
    parking.set(Rule { waits: ("01", "action"), parked: Duration::MAX, next: ("02", "action") });
    let through = Through::new(&one.address, Deed::Noop(others), &one.witness).await?;
    for _ in 0..waiting {
        through.begin().await?;
    }
    let all_wait = parking.until_waiting(waiting);
    tokio::time::timeout(PATIENCE, all_wait).await.context("the others do not wait")?;
    let mut rows = Vec::new();
    for kind in kinds() {
        parking.set(kind.rule);
        let through = Through::new(&one.address, Deed::Noop(kind.shape), &one.witness).await?;
        let mut gaps = Histogram::<u64>::new(3)?;
        let mut left = samples;
        while left > 0 {
            let count = left.min(TOGETHER);
            for _ in 0..count {
                through.begin().await?;
            }
            let gone = tokio::time::timeout(PATIENCE, parking.gaps(count)).await;
            for gap in gone.with_context(|| format!("{}: no next op", kind.name))? {
                gaps.record(u64::try_from(gap.as_micros())?)?;
            }
            left -= count;
        }
        let ms = |quantile| gaps.value_at_quantile(quantile) as f64 / 1_000.0;
        let allowed = if driver == Driver::Embedded { AT_ONCE } else { kind.on_dtm };
        rows.push(Row {
            case: kind.name,
            coordinator: driver.coordinator(),
            store: driver.store(),
            waiting,
            samples,
            p50_ms: ms(0.5),
            p99_ms: ms(0.99),
            allowed_ms: allowed.as_secs_f64() * 1_000.0,
        });
    }
    Ok(rows)
}
