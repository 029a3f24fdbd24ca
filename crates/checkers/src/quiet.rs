//! Waits until nothing moves any more: no open global transaction, and a coordinator that has caught up.
use crate::coordinator;
use crate::history;
use crate::snapshot::CoordinatorStatus;
use crate::targets::{ReadError, Targets};
use amends_proto::amends::v1::transactions_client::TransactionsClient;
use amends_proto::amends::v1::{GlobalTransaction, Status, WaitRequest};
use futures::StreamExt as _;
use std::time::Duration;
use tokio::time::Instant;

/// One `Wait` of an open global transaction; short, because attention (which ends our waiting) does not end it.
const WAIT_SLICE_MS: i32 = 500;
const WAITS_AT_ONCE: usize = 32;
/// DTM tells nobody when it is done: it is asked again after this.
const COORDINATOR_PAUSE: Duration = Duration::from_millis(250);

/// What the waiting ended with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Quiet {
    /// All is final; global transactions with attention (e.g. a payment in doubt) do not count.
    Reached,
    /// These gids were not final when the time was over.
    StillOpen(Vec<String>),
    /// History is final, the coordinator is not yet for these gids.
    CoordinatorBehind(Vec<String>),
}

/// Waits for quiet, at most `timeout`. Processes that do not answer meanwhile (a restart) are asked again.
///
/// # Errors
/// Something did not answer even at the end.
pub async fn wait_quiet(targets: &Targets, timeout: Duration) -> Result<Quiet, ReadError> {
    let deadline = Instant::now() + timeout;
    loop {
        let seen = look(targets).await;
        if matches!(seen, Ok(Quiet::Reached)) || Instant::now() >= deadline {
            return seen;
        }
        match &seen {
            Ok(Quiet::StillOpen(gids)) => wait_for(targets, gids).await,
            Ok(Quiet::Reached | Quiet::CoordinatorBehind(_)) | Err(_) => {
                tokio::time::sleep(COORDINATOR_PAUSE).await;
            }
        }
    }
}

async fn look(targets: &Targets) -> Result<Quiet, ReadError> {
    let open =
        history::list(&targets.orchestrator, &[Status::Accepted, Status::Running, Status::Compensating])
            .await?;
    let gids: Vec<String> = open.iter().filter(|t| moves(t)).map(|t| t.gid.clone()).collect();
    if !gids.is_empty() {
        return Ok(Quiet::StillOpen(gids));
    }
    let Some(dtm) = &targets.dtm else { return Ok(Quiet::Reached) };
    let waiting: Vec<&str> = open.iter().map(|transaction| transaction.gid.as_str()).collect();
    let behind: Vec<String> = coordinator::read(dtm)
        .await?
        .into_iter()
        .filter(|(gid, status)| *status == CoordinatorStatus::Open && !waiting.contains(&gid.as_str()))
        .map(|(gid, _)| gid)
        .collect();
    Ok(if behind.is_empty() { Quiet::Reached } else { Quiet::CoordinatorBehind(behind) })
}

/// A global transaction with attention waits for a person or for proof from outside.
fn moves(transaction: &GlobalTransaction) -> bool {
    transaction.attention.is_none() && !transaction.paused
}

/// Waits until each of them is final, or for a short while.
async fn wait_for(targets: &Targets, gids: &[String]) {
    let client = TransactionsClient::new(targets.orchestrator.clone());
    let waits = futures::stream::iter(gids.iter().take(WAITS_AT_ONCE).cloned()).map(|gid| {
        let mut client = client.clone();
        // An orchestrator that is away is noticed by the next look.
        async move { client.wait(WaitRequest { gid, timeout_ms: WAIT_SLICE_MS }).await.is_ok() }
    });
    let answered = waits.buffer_unordered(WAITS_AT_ONCE).any(|answered| async move { answered }).await;
    if !answered {
        tokio::time::sleep(COORDINATOR_PAUSE).await;
    }
}
