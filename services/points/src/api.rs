//! The gRPC face of the service: hands branch calls to the guard and direct calls to where they are done. Decides
//! nothing by itself.

use crate::state::OpEvent;
use crate::validate::Grant;
use crate::{branch, direct, queries};
use amends_participant::{Guard, Refusal, branch_ops, direct_answer, idempotency};
use amends_proto::pay::branch::v1::{ListBranchOpsRequest, ListBranchOpsResponse};
use amends_proto::pay::points::v1::points_service_server::PointsService;
use amends_proto::pay::points::v1::{
    GetRequest, GrantRequest, ListAccountsResponse, ListOpsResponse, ListRequest, PointsAccount,
    PointsRequest, PointsResponse,
};
use amends_serve::store::Store;
use futures::FutureExt as _;
use tonic::{Request, Response, Status};
use uuid::Uuid;

/// Answer of one method.
type Answer<T> = Result<Response<T>, Status>;

/// The points service over one store and its guard.
pub struct Api {
    store: Store,
    guard: Guard,
}

impl Api {
    /// A service over the store that the guard keeps its rows in.
    pub fn new(store: Store, guard: Guard) -> Api {
        Api { store, guard }
    }
}

#[tonic::async_trait]
impl PointsService for Api {
    async fn try_burn(&self, request: Request<PointsRequest>) -> Answer<PointsResponse> {
        self.guard.forward(request, |tx, call| branch::burn(tx, call, OpEvent::TryBurn).boxed()).await
    }

    async fn confirm_burn(&self, request: Request<PointsRequest>) -> Answer<PointsResponse> {
        self.guard.confirm(request, |tx, call| branch::finish(tx, call, OpEvent::ConfirmBurn).boxed()).await
    }

    async fn cancel_burn(&self, request: Request<PointsRequest>) -> Answer<PointsResponse> {
        self.guard.undo(request, |tx, call| branch::finish(tx, call, OpEvent::CancelBurn).boxed()).await
    }

    async fn try_earn(&self, request: Request<PointsRequest>) -> Answer<PointsResponse> {
        self.guard.forward(request, |tx, call| branch::try_earn(tx, call).boxed()).await
    }

    async fn confirm_earn(&self, request: Request<PointsRequest>) -> Answer<PointsResponse> {
        self.guard.confirm(request, |tx, call| branch::finish(tx, call, OpEvent::ConfirmEarn).boxed()).await
    }

    async fn cancel_earn(&self, request: Request<PointsRequest>) -> Answer<PointsResponse> {
        self.guard.undo(request, |tx, call| branch::finish(tx, call, OpEvent::CancelEarn).boxed()).await
    }

    async fn burn(&self, request: Request<PointsRequest>) -> Answer<PointsResponse> {
        self.guard.forward(request, |tx, call| branch::burn(tx, call, OpEvent::Burn).boxed()).await
    }

    async fn return_burn(&self, request: Request<PointsRequest>) -> Answer<PointsResponse> {
        self.guard.undo(request, |tx, call| branch::finish(tx, call, OpEvent::ReturnBurn).boxed()).await
    }

    async fn earn(&self, request: Request<PointsRequest>) -> Answer<PointsResponse> {
        self.guard.forward(request, |tx, call| branch::earn(tx, call).boxed()).await
    }

    async fn revoke_earn(&self, request: Request<PointsRequest>) -> Answer<PointsResponse> {
        self.guard.undo(request, |tx, call| branch::finish(tx, call, OpEvent::RevokeEarn).boxed()).await
    }

    async fn get(&self, request: Request<GetRequest>) -> Answer<PointsAccount> {
        direct_answer(queries::account(self.store.reader(), request.get_ref()).await)
    }

    async fn list_ops(&self, request: Request<ListRequest>) -> Answer<ListOpsResponse> {
        direct_answer(queries::ops(self.store.reader(), request.get_ref()).await)
    }

    async fn list_accounts(&self, request: Request<ListRequest>) -> Answer<ListAccountsResponse> {
        direct_answer(queries::accounts(self.store.reader(), request.get_ref()).await)
    }

    async fn grant(&self, request: Request<GrantRequest>) -> Answer<PointsAccount> {
        let grant = Grant::checked(request.get_ref()).map_err(Refusal::into_direct_status)?;
        let key = request.get_ref().idempotency_key.clone();
        let op_id = Uuid::now_v7().to_string();
        idempotency::run(&self.guard, request, &key, move |tx, call| {
            async move {
                let granted = direct::grant(tx, &grant, op_id, call.now_us).await?;
                Ok(queries::show_account(granted))
            }
            .boxed()
        })
        .await
    }

    async fn list_branch_ops(&self, request: Request<ListBranchOpsRequest>) -> Answer<ListBranchOpsResponse> {
        branch_ops::list(&self.store, request.into_inner()).await.map(Response::new)
    }
}
