//! What a long history costs: memory of an orchestrator with many finished and many running global transactions, and
//! the time that it takes to start on their store (design.md §7). Knows one orchestrator and no other side.
use super::alone::Alone;
use super::case::Case;
use super::noop::Participant;
use super::processes::free_addresses;
use super::through::{Deed, Through};
use super::witness::Witness;
use serde::Serialize;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tokio::task::JoinSet;

/// In flight while the finished ones are made.
const IN_FLIGHT: usize = 64;
/// The most memory that may be in use.
const BUDGET_MIB: f64 = 200.0;
/// Starts of each kind; the fastest counts, because nothing but the machine makes one slower.
const STARTS: usize = 3;
/// So long the running ones run before the memory is read: all have failed attempts by then, and wait for the next.
const SETTLE: Duration = Duration::from_secs(5);

/// How many there are to be.
#[derive(Debug, Clone, Copy)]
pub struct Crowd {
    pub finished: usize,
    pub running: usize,
}

/// What was measured. Memory is what the kernel counts as resident.
#[derive(Debug, Serialize)]
pub struct Footprint {
    profile: &'static str,
    finished: usize,
    running: usize,
    empty_mib: f64,
    finished_mib: f64,
    running_mib: f64,
    running_after_restart_mib: f64,
    budget_mib: f64,
    start_empty_ms: f64,
    start_finished_ms: f64,
    start_running_ms: f64,
}

impl Footprint {
    /// Whether the memory is within its budget.
    pub fn is_within(&self) -> bool {
        self.running_mib <= BUDGET_MIB && self.running_after_restart_mib <= BUDGET_MIB
    }

    /// For people.
    pub fn text(&self) -> String {
        format!(
            "memory ({} build, at most {} MiB): {:.0} MiB empty · {:.0} MiB after {} finished · {:.0} MiB with {} \
             running · {:.0} MiB after a restart\nstart: {:.0} ms on an empty store · {:.0} ms with {} finished · \
             {:.0} ms with {} running\n",
            self.profile,
            self.budget_mib,
            self.empty_mib,
            self.finished_mib,
            self.finished,
            self.running_mib,
            self.running,
            self.running_after_restart_mib,
            self.start_empty_ms,
            self.start_finished_ms,
            self.finished,
            self.start_running_ms,
            self.running,
        )
    }
}

/// Measures one orchestrator on a store of its own in `folder`.
pub async fn measure(folder: &Path, crowd: Crowd) -> anyhow::Result<Footprint> {
    let participant = Participant::start(None).await?;
    let noop = participant.address;
    let addresses = free_addresses()?;
    let start = async || Alone::start(folder, &addresses, noop).await;
    let start_empty_ms = fastest(&start).await?;
    let first = start().await?;
    let empty_mib = first.resident_mib()?;
    finish(&addresses[0], folder, crowd.finished).await?;
    let finished_mib = first.resident_mib()?;
    first.kill().await?;
    let start_finished_ms = fastest(&start).await?;
    let mut second = start().await?;
    // Nobody answers from now on: whatever is started goes on for ever.
    drop(participant);
    begin(&addresses[0], folder, crowd.running).await?;
    tokio::time::sleep(SETTLE).await;
    let running_mib = second.resident_mib()?;
    second.kill().await?;
    let start_running_ms = fastest(&start).await?;
    second = start().await?;
    tokio::time::sleep(SETTLE).await;
    let running_after_restart_mib = second.resident_mib()?;
    second.kill().await?;
    Ok(Footprint {
        profile: env!("AMENDS_PROFILE"),
        finished: crowd.finished,
        running: crowd.running,
        empty_mib,
        finished_mib,
        running_mib,
        running_after_restart_mib,
        budget_mib: BUDGET_MIB,
        start_empty_ms,
        start_finished_ms,
        start_running_ms,
    })
}

/// Milliseconds until it serves, of the fastest of some starts that each end with a kill.
async fn fastest(start: &impl AsyncFn() -> anyhow::Result<Alone>) -> anyhow::Result<f64> {
    let mut best = f64::INFINITY;
    for _ in 0..STARTS {
        let one = start().await?;
        best = best.min(one.started_in.as_secs_f64() * 1_000.0);
        one.kill().await?;
    }
    Ok(best)
}

/// Brings so many to their end.
async fn finish(address: &str, folder: &Path, count: usize) -> anyhow::Result<()> {
    let through = Arc::new(Through::new(address, deed(), &Witness::new(folder)).await?);
    let left = Arc::new(AtomicUsize::new(count));
    let mut workers = JoinSet::new();
    for _ in 0..IN_FLIGHT {
        let (through, left) = (Arc::clone(&through), Arc::clone(&left));
        workers.spawn(async move {
            let one_less = |left: usize| left.checked_sub(1);
            while left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, one_less).is_ok() {
                through.one().await?;
            }
            anyhow::Ok(())
        });
    }
    while let Some(worker) = workers.join_next().await {
        worker??;
    }
    Ok(())
}

/// Starts so many and waits for none.
async fn begin(address: &str, folder: &Path, count: usize) -> anyhow::Result<()> {
    let through = Through::new(address, deed(), &Witness::new(folder)).await?;
    for _ in 0..count {
        through.begin().await?;
    }
    Ok(())
}

fn deed() -> Deed {
    Deed::Noop(Case::Saga2.shape())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn too_much_memory_is_seen() {
        let mut footprint = Footprint {
            profile: "debug",
            finished: 1,
            running: 1,
            empty_mib: 1.0,
            finished_mib: 1.0,
            running_mib: 199.0,
            running_after_restart_mib: 199.0,
            budget_mib: BUDGET_MIB,
            start_empty_ms: 1.0,
            start_finished_ms: 1.0,
            start_running_ms: 1.0,
        };
        assert!(footprint.is_within());
        footprint.running_after_restart_mib = 201.0;
        assert!(!footprint.is_within());
    }
}
