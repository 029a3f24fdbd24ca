//! Waits until a process serves: gRPC health for ours, the version over HTTP for DTM. Knows no supervision policy.
use crate::keeper::Presence;
use crate::{Role, StackError, launch};
use backon::{ExponentialBuilder, Retryable as _};
use std::path::Path;
use std::time::Duration;
use tokio::sync::watch;
use tonic::transport::Endpoint;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::{HealthCheckRequest, health_client::HealthClient};

/// Pause between two questions, at first and at most.
const PAUSES: (Duration, Duration) = (Duration::from_millis(10), Duration::from_millis(250));
/// How long one question may take.
const QUESTION_TIMEOUT: Duration = Duration::from_secs(2);

/// Waits until `role` answers at `address`, at most for `limit`, and not at all once it ends.
pub(crate) async fn wait(
    role: Role,
    address: &str,
    mut presence: watch::Receiver<Presence>,
    log: &Path,
    limit: Duration,
) -> Result<(), StackError> {
    let start = match *presence.borrow_and_update() {
        Presence::Up { start, .. } | Presence::Down { start, .. } => start,
    };
    let fail =
        |what: String| StackError::NotReady { role, what, log: log.to_owned(), tail: launch::tail(log) };
    let pauses =
        ExponentialBuilder::new().with_min_delay(PAUSES.0).with_max_delay(PAUSES.1).without_max_times();
    let ready = async { (|| serves(role, address)).retry(pauses).await };
    let ended = presence.wait_for(|now| matches!(now, Presence::Down { start: last, .. } if *last >= start));
    tokio::select! {
        biased;
        _ = ready => Ok(()),
        end = ended => Err(fail(match end.as_deref() {
            Ok(Presence::Down { end: Some(status), .. }) => format!("ended with {status}"),
            Ok(Presence::Down { end: None, .. } | Presence::Up { .. }) | Err(_) => "ended".to_owned(),
        })),
        () = tokio::time::sleep(limit) => Err(fail(format!("was not ready after {} s", limit.as_secs()))),
    }
}

async fn serves(role: Role, address: &str) -> Result<(), String> {
    match role {
        Role::Dtm => dtm_serves(address).await,
        Role::Psp
        | Role::Order
        | Role::Account
        | Role::Inventory
        | Role::Points
        | Role::Gateway
        | Role::Orchestrator => healthy(address).await,
    }
}

/// DTM has no health service; any gRPC answer means that it is there.
async fn dtm_serves(address: &str) -> Result<(), String> {
    let channel = connect(address).await?;
    let mut client = amends_proto::dtm::dtm_client::DtmClient::new(channel);
    client.new_gid(()).await.map(|_| ()).map_err(|status| status.to_string())
}

async fn healthy(address: &str) -> Result<(), String> {
    let channel = connect(address).await?;
    let answer = HealthClient::new(channel).check(HealthCheckRequest::default()).await;
    match answer.map(|answer| answer.into_inner().status()) {
        Ok(ServingStatus::Serving) => Ok(()),
        Ok(other) => Err(other.as_str_name().to_owned()),
        Err(status) => Err(status.to_string()),
    }
}

async fn connect(address: &str) -> Result<tonic::transport::Channel, String> {
    let endpoint = Endpoint::from_shared(format!("http://{address}")).map_err(|error| error.to_string())?;
    let endpoint = endpoint.connect_timeout(QUESTION_TIMEOUT).timeout(QUESTION_TIMEOUT);
    endpoint.connect().await.map_err(|error| error.to_string())
}
