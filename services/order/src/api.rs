//! The order service on the wire: names which effect belongs to which call. Decides nothing itself.
use crate::state::Event;
use crate::{branch, queries};
use amends_participant::{Guard, branch_ops, direct_answer};
use amends_proto::pay::branch::v1::{ListBranchOpsRequest, ListBranchOpsResponse};
use amends_proto::pay::order::v1::order_service_server::OrderService;
use amends_proto::pay::order::v1::{
    GetRequest, ListRequest, ListResponse, MarkPaidRequest, Order, OrderResponse, PlaceRequest,
};
use amends_serve::store::Store;
use tonic::{Request, Response, Status};

/// The service; a clone is the same service.
#[derive(Clone)]
pub struct OrderApi {
    store: Store,
    guard: Guard,
}

impl OrderApi {
    /// The service over this database.
    #[must_use]
    pub fn new(store: Store, guard: Guard) -> OrderApi {
        OrderApi { store, guard }
    }
}

type Answer<T> = Result<Response<T>, Status>;

#[tonic::async_trait]
impl OrderService for OrderApi {
    async fn try_place(&self, request: Request<PlaceRequest>) -> Answer<OrderResponse> {
        self.guard.forward(request, |tx, call| Box::pin(branch::place(tx, call, Event::TryPlace))).await
    }

    async fn confirm_place(&self, request: Request<PlaceRequest>) -> Answer<OrderResponse> {
        self.guard.confirm(request, |tx, call| Box::pin(branch::finish(tx, call, Event::ConfirmPlace))).await
    }

    async fn cancel_place(&self, request: Request<PlaceRequest>) -> Answer<OrderResponse> {
        self.guard.undo(request, |tx, call| Box::pin(branch::finish(tx, call, Event::CancelPlace))).await
    }

    async fn place(&self, request: Request<PlaceRequest>) -> Answer<OrderResponse> {
        self.guard.forward(request, |tx, call| Box::pin(branch::place(tx, call, Event::Place))).await
    }

    async fn close_placed(&self, request: Request<PlaceRequest>) -> Answer<OrderResponse> {
        self.guard.undo(request, |tx, call| Box::pin(branch::finish(tx, call, Event::ClosePlaced))).await
    }

    async fn mark_paid(&self, request: Request<MarkPaidRequest>) -> Answer<OrderResponse> {
        self.guard.forward(request, |tx, call| Box::pin(branch::mark_paid(tx, call))).await
    }

    async fn revert_paid(&self, request: Request<MarkPaidRequest>) -> Answer<OrderResponse> {
        self.guard.undo(request, |tx, call| Box::pin(branch::revert_paid(tx, call))).await
    }

    async fn get(&self, request: Request<GetRequest>) -> Answer<Order> {
        direct_answer(queries::get(&self.store, request.get_ref()).await)
    }

    async fn list(&self, request: Request<ListRequest>) -> Answer<ListResponse> {
        direct_answer(queries::list(&self.store, request.get_ref()).await)
    }

    async fn list_branch_ops(&self, request: Request<ListBranchOpsRequest>) -> Answer<ListBranchOpsResponse> {
        branch_ops::list(&self.store, request.into_inner()).await.map(Response::new)
    }
}
