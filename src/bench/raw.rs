//! The raw side: a plain DTM client whose branches are the no-op participant itself. Knows no orchestrator.
use super::case::Shape;
use super::noop::{Ends, Participant};
use super::{ATTEMPT_LIMIT, channel};
use amends_dtm::client::{DtmClient, SagaOrder, SagaRequest, SagaStep, TccBranch, TccRequest};
use amends_dtm::{BranchId, Gid, Op, TransType, metadata};
use amends_proto::amends::v1::Mode;
use amends_proto::amends::v1::noop_client::NoopClient;
use anyhow::Context as _;
use prost::bytes::Bytes;
use std::collections::BTreeMap;
use tonic::Request;
use tonic::metadata::MetadataValue;
use tonic::transport::Channel;

/// As the orchestrator registers its own: DTM's poll is a backstop only.
const RETRY_INTERVAL_S: u32 = 60;
const REQUEST_TIMEOUT_S: u32 = 5;
const TIMEOUT_TO_FAIL_S: u32 = 600;
/// A message as long as that with the plan hash that the orchestrator leaves with DTM: field 1, 32 bytes.
const PAYLOAD: &[u8] = b"\x0a\x20................................";

/// Runs global transactions of one shape on DTM without the orchestrator.
pub struct Raw {
    dtm: DtmClient,
    address: String,
    participant: NoopClient<Channel>,
    ends: Ends,
    shape: Shape,
}

impl Raw {
    pub async fn new(dtm: &DtmClient, participant: &Participant, shape: Shape) -> anyhow::Result<Raw> {
        let address = participant.address.to_string();
        Ok(Raw {
            // At a high load its answer is late: that is what is measured.
            dtm: dtm.clone().with_deadline(ATTEMPT_LIMIT),
            participant: NoopClient::new(channel(&address).await?),
            address,
            ends: participant.ends.clone(),
            shape,
        })
    }

    /// From the first request to DTM until the participant has had the last branch call.
    pub async fn one(&self) -> anyhow::Result<Gid> {
        let gid = Gid::generate();
        let end = self.ends.of(&gid, self.shape.last_call());
        match self.shape.mode {
            Mode::Tcc => self.tcc(&gid).await?,
            Mode::Saga | Mode::Unspecified => self.dtm.submit_saga(&self.saga(&gid)).await?,
        }
        let end = tokio::time::timeout(ATTEMPT_LIMIT, end).await;
        end.with_context(|| format!("raw {gid} did not end"))??;
        Ok(gid)
    }

    fn url(&self, method: &str) -> String {
        format!("{}/amends.v1.Noop/{method}", self.address)
    }

    fn saga(&self, gid: &Gid) -> SagaRequest {
        let step = |step| SagaStep {
            action: self.url(if self.shape.refuses(step) { "Refuse" } else { "Do" }),
            compensate: self.url("Undo"),
            payload: Bytes::from_static(PAYLOAD),
        };
        SagaRequest {
            gid: gid.clone(),
            steps: (0..self.shape.steps).map(step).collect(),
            order: SagaOrder::Chain,
            retry_interval_s: RETRY_INTERVAL_S,
            request_timeout_s: REQUEST_TIMEOUT_S,
            timeout_to_fail_s: 0,
            headers: BTreeMap::new(),
        }
    }

    async fn tcc(&self, gid: &Gid) -> anyhow::Result<()> {
        let request = TccRequest {
            gid: gid.clone(),
            retry_interval_s: RETRY_INTERVAL_S,
            request_timeout_s: REQUEST_TIMEOUT_S,
            timeout_to_fail_s: TIMEOUT_TO_FAIL_S,
            headers: BTreeMap::new(),
        };
        self.dtm.prepare_tcc(&request).await?;
        for step in 0..self.shape.steps {
            let branch = TccBranch {
                gid: gid.clone(),
                branch_id: BranchId::of_index(step),
                confirm: self.url("Confirm"),
                cancel: self.url("Undo"),
                payload: Bytes::from_static(PAYLOAD),
            };
            self.dtm.register_tcc_branch(&branch).await?;
        }
        for step in 0..self.shape.steps {
            self.try_step(gid, &BranchId::of_index(step)).await?;
        }
        Ok(self.dtm.submit_tcc(&request).await?)
    }

    /// The initiator of a TCC itself calls the tries.
    async fn try_step(&self, gid: &Gid, branch_id: &BranchId) -> anyhow::Result<()> {
        let mut request = Request::new(());
        for (key, value) in [
            (metadata::GID, gid.as_str()),
            (metadata::TRANS_TYPE, TransType::Tcc.as_str()),
            (metadata::BRANCH_ID, branch_id.as_str()),
            (metadata::OP, Op::Try.as_str()),
        ] {
            request.metadata_mut().insert(key, MetadataValue::try_from(value)?);
        }
        self.participant.clone().r#do(request).await.context("try at the no-op participant")?;
        Ok(())
    }
}
