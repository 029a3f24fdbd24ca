//! A client of a DTM server: what initiators of global transactions ask over gRPC, what operators ask over HTTP.
//! Every call has a deadline. Requests are built from checked values only: DTM panics on others and keeps them.

mod endpoints;
mod error;
mod request;
mod view;

use std::time::Duration;

use amends_proto::dtm::DtmBranchRequest;
use amends_proto::dtm::dtm_client::DtmClient as Stub;
use tonic::Code;
use tonic::transport::{Channel, Endpoint};

use crate::{Gid, TransType};

pub use endpoints::DtmEndpoints;
pub use error::DtmError;
pub use request::{Registered, SagaOrder, SagaRequest, SagaStep, TccBranch, TccRequest};
pub use view::{BranchStatus, DtmBranch, DtmPage, DtmStatus, DtmSummary, DtmView, Woken};

/// Deadline of a call unless [`DtmClient::with_deadline`] says otherwise.
pub const DEFAULT_DEADLINE: Duration = Duration::from_secs(3);
const WINDOW_BYTES: u32 = 4 * 1024 * 1024;
const KEEPALIVE: Duration = Duration::from_secs(10);
/// DTM's SQL stores keep a rollback reason in 1,024 characters and panic on longer ones.
const REASON_BYTES: usize = 256;
/// What DTM says of a branch that was registered before.
const ALREADY_REGISTERED: &str = "UniqueKeyConflict";
/// How many waiting global transactions one wake-up reaches.
const WAKE_LIMIT: &str = "100000";

/// A client of one DTM server (or of a cluster behind one name). A clone shares the connection.
#[derive(Debug, Clone)]
pub struct DtmClient {
    stub: Stub<Channel>,
    http: reqwest::Client,
    http_base: String,
    deadline: Duration,
}

impl DtmClient {
    /// Makes the client; connects at the first call and again after a loss. Must be called inside a tokio runtime.
    pub fn new(endpoints: &DtmEndpoints) -> Result<DtmClient, DtmError> {
        let endpoint = Endpoint::from_shared(endpoints.grpc_uri())
            .map_err(|error| DtmError::InvalidRequest(format!("address of DTM: {error}")))?
            .tcp_nodelay(true)
            .connect_timeout(DEFAULT_DEADLINE)
            .initial_stream_window_size(WINDOW_BYTES)
            .initial_connection_window_size(WINDOW_BYTES)
            .http2_keep_alive_interval(KEEPALIVE)
            .keep_alive_timeout(KEEPALIVE);
        let http = reqwest::Client::builder().no_proxy().tcp_nodelay(true).build();
        Ok(DtmClient {
            stub: Stub::new(endpoint.connect_lazy()),
            http: http.map_err(|error| DtmError::InvalidRequest(format!("HTTP client: {error}")))?,
            http_base: endpoints.http_base(),
            deadline: DEFAULT_DEADLINE,
        })
    }

    /// The same client with another deadline for each call.
    #[must_use]
    pub fn with_deadline(self, deadline: Duration) -> DtmClient {
        DtmClient { deadline, ..self }
    }

    /// Starts a saga, or wakes one that is still submitted: the identical request again continues it at once. DTM
    /// runs the steps *of the request*, so nothing but the identical request may ever be sent again. `Refused` = it
    /// is aborting or has ended, and may have succeeded: read the status.
    pub async fn submit_saga(&self, request: &SagaRequest) -> Result<(), DtmError> {
        let message = request.to_message()?;
        let mut stub = self.stub.clone();
        self.settle(stub.submit(message)).await
    }

    /// Opens a TCC; again is harmless while it is prepared. `Refused` = it is past that.
    pub async fn prepare_tcc(&self, request: &TccRequest) -> Result<(), DtmError> {
        let message = request.to_message()?;
        let mut stub = self.stub.clone();
        self.settle(stub.prepare(message)).await
    }

    /// Registers one branch of a prepared TCC. `Refused` = no prepared TCC of that gid.
    pub async fn register_tcc_branch(&self, branch: &TccBranch) -> Result<Registered, DtmError> {
        let message: DtmBranchRequest = branch.to_message()?;
        let mut stub = self.stub.clone();
        match self.settle(stub.register_branch(message)).await {
            Ok(()) => Ok(Registered::Now),
            Err(DtmError::ReplyUnknown(status))
                if status.code() == Code::Unknown && status.message().contains(ALREADY_REGISTERED) =>
            {
                Ok(Registered::Before)
            }
            Err(error) => Err(error),
        }
    }

    /// Decides a prepared TCC for confirm. Send it **at most once** for a gid: a second one makes DTM call it
    /// succeeded without the remaining confirms, and one for an absent gid makes an empty success. The request must be
    /// the one it was prepared with: DTM confirms with *its* headers and timeouts.
    pub async fn submit_tcc(&self, request: &TccRequest) -> Result<(), DtmError> {
        let message = request.to_message()?;
        let mut stub = self.stub.clone();
        self.settle(stub.submit(message)).await
    }

    /// Decides a prepared TCC for cancel, or wakes one that is aborting already. Of what its poll has come to before DTM
    /// answers only after its calls (CronTransOnce stores that it waits), and a "not yet" of theirs takes no abort back.
    /// `Refused` = it was submitted or has ended. A gid that DTM does not know is answered `ReplyUnknown`. The reason is cut to 256 bytes.
    pub async fn abort(&self, gid: &Gid, reason: &str) -> Result<(), DtmError> {
        let message = amends_proto::dtm::DtmRequest {
            gid: gid.to_string(),
            trans_type: TransType::Tcc.to_string(),
            rollback_reason: reason[..reason.floor_char_boundary(REASON_BYTES)].to_owned(),
            ..Default::default()
        };
        let mut stub = self.stub.clone();
        match self.settle(stub.abort(message)).await {
            Err(DtmError::ReplyUnknown(status)) if status.code() == Code::FailedPrecondition => Ok(()),
            settled => settled,
        }
    }

    /// What DTM says about a global transaction; nothing if it does not know the gid. Over BoltDB the status may go
    /// backwards for a while.
    pub async fn query(&self, gid: &Gid) -> Result<Option<DtmView>, DtmError> {
        view::read_view(&self.get("query", &[("gid", gid.as_str())]).await?)
    }

    /// One page of all global transactions; `position` is empty for the first page. The order is the store's own.
    pub async fn list(&self, position: &str, limit: u32) -> Result<DtmPage, DtmError> {
        let limit = limit.to_string();
        view::read_page(&self.get("all", &[("position", position), ("limit", &limit)]).await?)
    }

    /// Wakes every waiting global transaction into DTM's one serial loop. Coalesce: at most one per second.
    pub async fn reset_cron_time(&self) -> Result<Woken, DtmError> {
        view::read(&self.get("resetCronTime", &[("timeout", "0"), ("limit", WAKE_LIMIT)]).await?)
    }

    /// The version that the server names, over HTTP.
    pub async fn version(&self) -> Result<String, DtmError> {
        view::read_version(&self.get("version", &[]).await?)
    }

    /// Ends when both interfaces of the server answer; changes nothing there.
    pub async fn ping(&self) -> Result<(), DtmError> {
        self.version().await?;
        let mut stub = self.stub.clone();
        self.settle(stub.new_gid(())).await
    }

    async fn settle<T>(
        &self,
        call: impl Future<Output = Result<tonic::Response<T>, tonic::Status>>,
    ) -> Result<(), DtmError> {
        // No `grpc-timeout` is sent: DTM must not stop half-way because we stopped waiting.
        match tokio::time::timeout(self.deadline, call).await {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(status)) => Err(DtmError::of(status)),
            Err(_) => Err(DtmError::of(tonic::Status::deadline_exceeded("DTM did not answer in time"))),
        }
    }

    async fn get(&self, what: &str, query: &[(&str, &str)]) -> Result<Vec<u8>, DtmError> {
        let url = format!("{}/api/dtmsvr/{what}", self.http_base);
        let response = self.http.get(url).query(query).timeout(self.deadline).send().await?;
        let status = response.status();
        let body = response.bytes().await?;
        if status.is_success() {
            return Ok(body.into());
        }
        Err(DtmError::Protocol(format!("{what}: HTTP status {status}")))
    }
}
