//! The gRPC face of the service: hands branch calls to the guard and direct calls to where they are done. Decides
//! nothing by itself.

use crate::state::OpEvent;
use crate::validate::{self, Grant};
use crate::{branch, direct, queries};
use amends_participant::{Fault, Guard, Reason, Refusal, branch_ops, idempotency};
use amends_proto::pay::branch::v1::{ListBranchOpsRequest, ListBranchOpsResponse};
use amends_proto::pay::points::v1::points_service_server::PointsService;
use amends_proto::pay::points::v1::{
    GetRequest, GrantRequest, ListAccountsResponse, ListOpsResponse, ListRequest, PointsAccount,
    PointsRequest, PointsResponse,
};
use amends_serve::store::Store;
use futures::FutureExt as _;
use sea_orm::DbErr;
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
        let user_id = validate::user_id(&request.get_ref().user_id).map_err(refused)?;
        match queries::account(self.store.reader(), &user_id).await.map_err(failed)? {
            Some(account) => Ok(Response::new(queries::show_account(account))),
            None => Err(refused(Refusal::new(Reason::AccountNotFound, "the user never had points"))),
        }
    }

    async fn list_ops(&self, request: Request<ListRequest>) -> Answer<ListOpsResponse> {
        let page = queries::Page::checked(request.get_ref()).map_err(refused)?;
        queries::ops(self.store.reader(), page).await.map(Response::new).map_err(failed)
    }

    async fn list_accounts(&self, request: Request<ListRequest>) -> Answer<ListAccountsResponse> {
        let page = queries::Page::checked(request.get_ref()).map_err(refused)?;
        queries::accounts(self.store.reader(), page).await.map(Response::new).map_err(failed)
    }

    async fn grant(&self, request: Request<GrantRequest>) -> Answer<PointsAccount> {
        let grant = Grant::checked(request.get_ref()).map_err(refused)?;
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

fn refused(refusal: Refusal) -> Status {
    refusal.into_direct_status()
}

fn failed(error: DbErr) -> Status {
    Fault::Store(error).into_direct_status()
}
