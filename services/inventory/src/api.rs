//! The inventory service on the wire: names which effect belongs to which call. Decides nothing itself.
use crate::state::Event;
use crate::{branch, queries, restock};
use amends_participant::{Guard, branch_ops, direct_answer};
use amends_proto::pay::branch::v1::{ListBranchOpsRequest, ListBranchOpsResponse};
use amends_proto::pay::inventory::v1::inventory_service_server::InventoryService;
use amends_proto::pay::inventory::v1::{
    GetRequest, ListRequest, ListReservationsResponse, ListStockResponse, ReserveRequest, ReserveResponse,
    RestockRequest, Stock,
};
use amends_serve::store::Store;
use tonic::{Request, Response, Status};

/// The service; a clone is the same service.
#[derive(Clone)]
pub struct InventoryApi {
    store: Store,
    guard: Guard,
}

impl InventoryApi {
    /// The service over this database.
    #[must_use]
    pub fn new(store: Store, guard: Guard) -> InventoryApi {
        InventoryApi { store, guard }
    }
}

type Answer<T> = Result<Response<T>, Status>;

#[tonic::async_trait]
impl InventoryService for InventoryApi {
    async fn try_reserve(&self, request: Request<ReserveRequest>) -> Answer<ReserveResponse> {
        self.guard.forward(request, |tx, call| Box::pin(branch::reserve(tx, call, Event::TryReserve))).await
    }

    async fn confirm_reserve(&self, request: Request<ReserveRequest>) -> Answer<ReserveResponse> {
        self.guard
            .confirm(request, |tx, call| Box::pin(branch::finish(tx, call, Event::ConfirmReserve)))
            .await
    }

    async fn cancel_reserve(&self, request: Request<ReserveRequest>) -> Answer<ReserveResponse> {
        self.guard.undo(request, |tx, call| Box::pin(branch::finish(tx, call, Event::CancelReserve))).await
    }

    async fn deduct(&self, request: Request<ReserveRequest>) -> Answer<ReserveResponse> {
        self.guard.forward(request, |tx, call| Box::pin(branch::reserve(tx, call, Event::Deduct))).await
    }

    async fn return_stock(&self, request: Request<ReserveRequest>) -> Answer<ReserveResponse> {
        self.guard.undo(request, |tx, call| Box::pin(branch::finish(tx, call, Event::ReturnStock))).await
    }

    async fn get(&self, request: Request<GetRequest>) -> Answer<Stock> {
        direct_answer(queries::get(&self.store, request.get_ref()).await)
    }

    async fn list_stock(&self, request: Request<ListRequest>) -> Answer<ListStockResponse> {
        direct_answer(queries::list_stock(&self.store, request.get_ref()).await)
    }

    async fn list_reservations(&self, request: Request<ListRequest>) -> Answer<ListReservationsResponse> {
        direct_answer(queries::list_reservations(&self.store, request.get_ref()).await)
    }

    async fn restock(&self, request: Request<RestockRequest>) -> Answer<Stock> {
        restock::restock(&self.guard, request).await
    }

    async fn list_branch_ops(&self, request: Request<ListBranchOpsRequest>) -> Answer<ListBranchOpsResponse> {
        branch_ops::list(&self.store, request.into_inner()).await.map(Response::new)
    }
}
