//! Where everything is: made from the orchestrator's topology. Connects lazily, reads nothing else.
use amends_dtm::client::DtmClient;
use amends_proto::amends::v1::TopologyRequest;
use amends_proto::amends::v1::operations_client::OperationsClient;
use std::collections::BTreeMap;
use std::time::Duration;
use tonic::transport::{Channel, Endpoint};

/// A page of rows of a large store comes well within this.
const CALL_TIMEOUT: Duration = Duration::from_secs(30);
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// The processes that the checkers ask.
#[derive(Clone)]
pub struct Targets {
    /// The orchestrator's gRPC interface.
    pub orchestrator: Channel,
    /// Participants by name. Those that are not of the payments domain are not read.
    pub participants: BTreeMap<String, Channel>,
    /// The simulated PSP, if there is one.
    pub psp: Option<Channel>,
    /// The DTM server, if there is one.
    pub dtm: Option<DtmClient>,
    /// Name of the coordinator of new global transactions: `dtm` or `embedded`.
    pub coordinator: String,
}

/// Why something could not be read. Says nothing about invariants.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// Not `host:port`.
    #[error("{address} is not an address")]
    Address {
        /// What was given.
        address: String,
        /// Why.
        #[source]
        source: tonic::transport::Error,
    },
    /// A call failed.
    #[error("reading {what} failed")]
    Call {
        /// What was being read.
        what: &'static str,
        /// Why.
        #[source]
        source: Box<tonic::Status>,
    },
    /// The coordinator's own list could not be read.
    #[error("reading the coordinator's list failed")]
    Coordinator(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// Paging came back to where it was.
    #[error("paging of {0} does not move on")]
    Stuck(&'static str),
}

impl Targets {
    /// Asks the orchestrator at `address` (host:port) for everything else.
    ///
    /// # Errors
    /// The orchestrator does not answer, or names something that is no address.
    pub async fn from_topology(address: &str) -> Result<Targets, ReadError> {
        let orchestrator = channel(address)?;
        let topology = OperationsClient::new(orchestrator.clone())
            .topology(TopologyRequest {})
            .await
            .map_err(|source| ReadError::Call { what: "the topology", source: Box::new(source) })?
            .into_inner();
        let mut participants = BTreeMap::new();
        for endpoint in topology.participants {
            participants.insert(endpoint.name, channel(&endpoint.address)?);
        }
        let psp = if topology.psp.is_empty() { None } else { Some(channel(&topology.psp)?) };
        let dtm = crate::coordinator::client(&topology.dtm_grpc, &topology.dtm_http)?;
        Ok(Targets { orchestrator, participants, psp, dtm, coordinator: topology.coordinator })
    }
}

/// A channel to `host:port` (or a URL) that connects at its first call.
///
/// # Errors
/// It is no address.
pub fn channel(address: &str) -> Result<Channel, ReadError> {
    let url = if address.contains("://") { address.to_owned() } else { format!("http://{address}") };
    let endpoint = Endpoint::from_shared(url)
        .map_err(|source| ReadError::Address { address: address.to_owned(), source })?;
    Ok(endpoint.connect_timeout(CONNECT_TIMEOUT).timeout(CALL_TIMEOUT).connect_lazy())
}
