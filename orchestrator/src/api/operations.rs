//! amends.v1.Operations: where everything is, and what the coordinator itself says.

use super::error::ApiError;
use super::explain;
use crate::engine::Engine;
use amends_proto::amends::v1::operations_server::Operations;
use amends_proto::amends::v1::{
    CoordinatorBranch, CoordinatorViewRequest, CoordinatorViewResponse, Endpoint, ExplainRequest,
    ExplainResponse, PayloadsRequest, PayloadsResponse, TopologyRequest, TopologyResponse,
};
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
    /// Since when it serves, unix microseconds.
    up_since_us: i64,
}

impl OperationsService {
    /// Operators' calls to `engine`.
    #[must_use]
    pub fn new(engine: Arc<Engine>, addresses: Addresses) -> Self {
        let up_since_us = engine.now_us();
        Self { engine, addresses, up_since_us }
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

    async fn explain(&self, request: Request<ExplainRequest>) -> Result<Response<ExplainResponse>, Status> {
        let told = explain::answer(&self.engine, self.up_since_us, &request.into_inner().gid).await;
        Ok(Response::new(told?))
    }

    async fn payloads(&self, _: Request<PayloadsRequest>) -> Result<Response<PayloadsResponse>, Status> {
        Err(Status::unimplemented("not yet"))
    }
}
