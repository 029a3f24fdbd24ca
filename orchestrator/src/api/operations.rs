//! amends.v1.Operations: where everything is, and what the coordinator itself says.

use super::attention::{Acknowledging, Desk};
use super::error::ApiError;
use super::stats::Figures;
use super::steering::Helm;
use super::transactions::{caller, undropped};
use super::{branch_rows, bulk, explain, lanes, payloads, steering};
use crate::engine::{Engine, LaneBook};
use crate::errands::Errands;
use amends_proto::amends::v1 as pb;
use amends_proto::amends::v1::operations_server::Operations;
use amends_proto::amends::v1::{
    AcknowledgeRequest, AcknowledgeResponse, CoordinatorBranch, CoordinatorViewRequest,
    CoordinatorViewResponse, Endpoint, ExplainRequest, ExplainResponse, ListAttentionRequest,
    ListAttentionResponse, PayloadsRequest, PayloadsResponse, TopologyRequest, TopologyResponse,
};
use amends_proto::amends::v1::{LanesRequest, LanesResponse, SetLaneRequest, SetLaneResponse};
use std::sync::Arc;
use tonic::{Request, Response, Status};

/// Addresses that only the configuration knows.
#[derive(Debug, Clone)]
pub struct Addresses {
    /// host:port of the PSP; empty = none.
    pub psp: String,
    /// host:port of DTM's gRPC interface.
    pub dtm_grpc: String,
    /// host:port of DTM's HTTP interface.
    pub dtm_http: String,
}

/// The operations service.
pub struct OperationsService {
    engine: Arc<Engine>,
    addresses: Addresses,
    desk: Desk,
    lane_book: Arc<LaneBook>,
    figures: Figures,
    errands: Errands,
    /// Since when it serves, unix microseconds.
    up_since_us: i64,
    /// Above so many minor units a second person has to approve what an operator states.
    approve_above_minor: i64,
}

impl OperationsService {
    /// Operators' calls to `engine`.
    #[must_use]
    pub fn new(engine: Arc<Engine>, addresses: Addresses, desk: Desk, lane_book: Arc<LaneBook>) -> Self {
        let up_since_us = engine.now_us();
        let (figures, errands) = (Figures::default(), Errands::new(Arc::clone(&engine)));
        let approve_above_minor = i64::MAX;
        Self { engine, addresses, desk, lane_book, figures, errands, up_since_us, approve_above_minor }
    }

    /// A second person has to approve what an operator states of a global transaction above so many minor units.
    #[must_use]
    pub fn approving_above(self, minor: i64) -> Self {
        Self { approve_above_minor: minor, ..self }
    }

    /// Carries out what is asked for in bulk.
    #[must_use]
    pub fn errands(&self) -> Errands {
        self.errands.clone()
    }

    /// Who acts, and what is asked.
    fn helm<T>(&self, request: Request<T>) -> Result<(Helm, T), Status> {
        let subject = caller(request.metadata())?.name;
        let (engine, approve_above_minor) = (Arc::clone(&self.engine), self.approve_above_minor);
        Ok((Helm { engine, subject, approve_above_minor }, request.into_inner()))
    }
}

#[tonic::async_trait]
impl Operations for OperationsService {
    async fn topology(
        &self,
        _request: Request<TopologyRequest>,
    ) -> Result<Response<TopologyResponse>, Status> {
        let endpoint =
            |(name, address): (&str, &str)| Endpoint { name: name.into(), address: address.into() };
        let Addresses { psp, dtm_grpc, dtm_http } = self.addresses.clone();
        let coordinators = self.engine.coordinators();
        Ok(Response::new(TopologyResponse {
            participants: self.engine.lanes().addresses().map(endpoint).collect(),
            psp,
            coordinator: coordinators.own().name().to_owned(),
            dtm_grpc,
            dtm_http,
            version: env!("CARGO_PKG_VERSION").to_owned(),
            dtm_version: coordinators.remote().version().await.unwrap_or_default(),
        }))
    }

    async fn coordinator_view(
        &self,
        request: Request<CoordinatorViewRequest>,
    ) -> Result<Response<CoordinatorViewResponse>, Status> {
        let gid = request.into_inner().gid;
        let live = self.engine.find(&gid).await.map_err(ApiError::from)?;
        let live = live.ok_or_else(|| ApiError::NotFound(gid.clone()))?;
        let history_status = live.state().status().name().to_owned();
        if !live.coordinator().calls() {
            return Ok(Response::new(CoordinatorViewResponse { gid, history_status, ..Default::default() }));
        }
        let seen = live.coordinator().view(&gid).await;
        let seen = seen.map_err(|error| Status::unavailable(format!("COORDINATOR_UNAVAILABLE|{error}")))?;
        let branch = |seen: crate::coordinator::BranchView| CoordinatorBranch {
            branch_id: seen.branch_id,
            op: seen.op,
            status: seen.status,
        };
        Ok(Response::new(match seen {
            None => CoordinatorViewResponse { gid, history_status, ..CoordinatorViewResponse::default() },
            Some(seen) => CoordinatorViewResponse {
                gid,
                known: true,
                status: seen.status.name().to_owned(),
                branches: seen.branches.into_iter().map(branch).collect(),
                rollback_reason: seen.rollback_reason,
                history_status,
            },
        }))
    }

    async fn branch_rows(
        &self,
        request: Request<pb::BranchRowsRequest>,
    ) -> Result<Response<pb::BranchRowsResponse>, Status> {
        Ok(Response::new(branch_rows::answer(&self.engine, &request.into_inner().gid).await?))
    }

    async fn acknowledge(
        &self,
        request: Request<AcknowledgeRequest>,
    ) -> Result<Response<AcknowledgeResponse>, Status> {
        let caller = caller(request.metadata())?.name;
        let acknowledging = Acknowledging::new(request.into_inner(), &caller)?;
        let engine = Arc::clone(&self.engine);
        Ok(Response::new(undropped(async move { acknowledging.record(&engine).await }).await?))
    }

    async fn list_attention(
        &self,
        request: Request<ListAttentionRequest>,
    ) -> Result<Response<ListAttentionResponse>, Status> {
        Ok(Response::new(self.desk.list(&self.engine, &request.into_inner()).await?))
    }

    async fn explain(&self, request: Request<ExplainRequest>) -> Result<Response<ExplainResponse>, Status> {
        let told = explain::answer(&self.engine, self.up_since_us, &request.into_inner().gid).await;
        Ok(Response::new(told?))
    }

    async fn lanes(&self, request: Request<LanesRequest>) -> Result<Response<LanesResponse>, Status> {
        Ok(Response::new(lanes::lanes(&self.engine, &request.into_inner())?))
    }

    async fn set_lane(&self, request: Request<SetLaneRequest>) -> Result<Response<SetLaneResponse>, Status> {
        let subject = caller(request.metadata())?.name;
        Ok(Response::new(lanes::set(&self.engine, &self.lane_book, subject, request.into_inner()).await?))
    }

    async fn retry(
        &self,
        request: Request<pb::RetryRequest>,
    ) -> Result<Response<pb::GlobalTransaction>, Status> {
        let (helm, asked) = self.helm(request)?;
        Ok(Response::new(undropped(async move { helm.retry(asked).await }).await?))
    }

    async fn redrive(
        &self,
        request: Request<pb::RedriveRequest>,
    ) -> Result<Response<pb::GlobalTransaction>, Status> {
        let (helm, asked) = self.helm(request)?;
        Ok(Response::new(undropped(async move { helm.redrive(asked).await }).await?))
    }

    async fn pause(&self, request: Request<pb::PauseRequest>) -> Result<Response<pb::PauseResponse>, Status> {
        let (helm, asked) = self.helm(request)?;
        Ok(Response::new(undropped(async move { helm.pause(asked).await }).await?))
    }

    async fn resume(
        &self,
        request: Request<pb::ResumeRequest>,
    ) -> Result<Response<pb::PauseResponse>, Status> {
        let (helm, asked) = self.helm(request)?;
        Ok(Response::new(undropped(async move { helm.resume(asked).await }).await?))
    }

    async fn resolve(
        &self,
        request: Request<pb::ResolveRequest>,
    ) -> Result<Response<pb::ResolveResponse>, Status> {
        let (helm, asked) = self.helm(request)?;
        Ok(Response::new(undropped(async move { helm.resolve(asked).await }).await?))
    }

    async fn stats(&self, _: Request<pb::StatsRequest>) -> Result<Response<pb::StatsResponse>, Status> {
        Ok(Response::new(self.figures.tell(&self.engine).await?))
    }

    async fn preview_bulk(
        &self,
        request: Request<pb::PreviewBulkRequest>,
    ) -> Result<Response<pb::PreviewBulkResponse>, Status> {
        Ok(Response::new(bulk::look(&self.errands, request.get_ref()).await?))
    }

    async fn start_bulk(
        &self,
        request: Request<pb::StartBulkRequest>,
    ) -> Result<Response<pb::StartBulkResponse>, Status> {
        let subject = caller(request.metadata())?.name;
        let (errands, asked) = (self.errands.clone(), request.into_inner());
        Ok(Response::new(undropped(async move { bulk::start(&errands, subject, asked).await }).await?))
    }

    async fn get_bulk(
        &self,
        request: Request<pb::GetBulkRequest>,
    ) -> Result<Response<pb::GetBulkResponse>, Status> {
        Ok(Response::new(bulk::get(&self.errands, request.get_ref()).await?))
    }

    async fn list_holds(
        &self,
        request: Request<pb::ListHoldsRequest>,
    ) -> Result<Response<pb::ListHoldsResponse>, Status> {
        Ok(Response::new(steering::holds(&self.engine, request.get_ref())))
    }

    async fn payloads(
        &self,
        request: Request<PayloadsRequest>,
    ) -> Result<Response<PayloadsResponse>, Status> {
        Ok(Response::new(payloads::answer(&self.engine, &request.into_inner().gid).await?))
    }
}
