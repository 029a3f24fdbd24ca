//! The gRPC face of the service: hands branch calls to the guard and direct calls to where they are done. Decides
//! nothing by itself.

use crate::state::AccountEvent;
use crate::validate::{self, Deposit, Opening};
use crate::{branch, direct, entity::account, queries};
use amends_crash_points::{Place, around};
use amends_participant::{
    EffectFuture, Fault, Guard, Refusal, branch_ops, direct_answer, idempotency, outlive,
};
use amends_proto::pay::account::v1::account_service_server::AccountService;
use amends_proto::pay::account::v1::{
    Account, DepositRequest, FreezeRequest, GetRequest, ListEntriesResponse, ListHoldsResponse, ListRequest,
    ListResponse, OpenRequest, TransferRequest, TransferResponse,
};
use amends_proto::pay::branch::v1::{ListBranchOpsRequest, ListBranchOpsResponse};
use amends_serve::store::LocalTransaction;
use amends_serve::store::Store;
use futures::FutureExt as _;
use tonic::{Request, Response, Status};

/// Answer of one method.
type Answer<T> = Result<Response<T>, Status>;

/// The account service over one store and its guard.
pub struct Api {
    store: Store,
    guard: Guard,
}

impl Api {
    /// A service over the store that the guard keeps its rows in.
    pub fn new(store: Store, guard: Guard) -> Api {
        Api { store, guard }
    }

    /// One direct write in one local transaction, which ends even if the caller gives up.
    async fn write<F>(&self, effect: F) -> Answer<Account>
    where
        F: for<'t> FnOnce(&'t LocalTransaction, i64) -> EffectFuture<'t, account::Model> + Send + 'static,
    {
        let (store, guard) = (self.store.clone(), self.guard.clone());
        let work = async move {
            let tx = store.transaction().await?;
            let account = effect(&tx, guard.now_us()).await?;
            around!(Place::AccountWrite, tx.commit().await)?;
            Ok::<_, Fault>(queries::show_account(account)?)
        };
        direct_answer(outlive(work).await?)
    }
}

#[tonic::async_trait]
impl AccountService for Api {
    async fn try_transfer(&self, request: Request<TransferRequest>) -> Answer<TransferResponse> {
        self.guard.forward(request, |tx, call| branch::try_transfer(tx, call).boxed()).await
    }

    async fn confirm_transfer(&self, request: Request<TransferRequest>) -> Answer<TransferResponse> {
        self.guard.confirm(request, |tx, call| branch::confirm_transfer(tx, call).boxed()).await
    }

    async fn cancel_transfer(&self, request: Request<TransferRequest>) -> Answer<TransferResponse> {
        self.guard.undo(request, |tx, call| branch::cancel_transfer(tx, call).boxed()).await
    }

    async fn transfer(&self, request: Request<TransferRequest>) -> Answer<TransferResponse> {
        self.guard.forward(request, |tx, call| branch::transfer(tx, call).boxed()).await
    }

    async fn reverse_transfer(&self, request: Request<TransferRequest>) -> Answer<TransferResponse> {
        self.guard.undo(request, |tx, call| branch::reverse_transfer(tx, call).boxed()).await
    }

    async fn get(&self, request: Request<GetRequest>) -> Answer<Account> {
        direct_answer(queries::account(self.store.reader(), request.get_ref()).await)
    }

    async fn list(&self, request: Request<ListRequest>) -> Answer<ListResponse> {
        direct_answer(queries::accounts(self.store.reader(), request.get_ref()).await)
    }

    async fn list_entries(&self, request: Request<ListRequest>) -> Answer<ListEntriesResponse> {
        direct_answer(queries::entries(self.store.reader(), request.get_ref()).await)
    }

    async fn list_holds(&self, request: Request<ListRequest>) -> Answer<ListHoldsResponse> {
        direct_answer(queries::holds(self.store.reader(), request.get_ref()).await)
    }

    async fn open(&self, request: Request<OpenRequest>) -> Answer<Account> {
        let opening = Opening::checked(request.get_ref()).map_err(Refusal::into_direct_status)?;
        self.write(|tx, now_us| async move { direct::open(tx, &opening, now_us).await }.boxed()).await
    }

    async fn deposit(&self, request: Request<DepositRequest>) -> Answer<Account> {
        let deposit = Deposit::checked(request.get_ref()).map_err(Refusal::into_direct_status)?;
        let key = request.get_ref().idempotency_key.clone();
        idempotency::run(&self.guard, request, &key, move |tx, call| {
            async move {
                let source_id = format!("{}/{}", call.caller, call.body.idempotency_key);
                let account = direct::deposit(tx, &deposit, source_id, call.now_us).await?;
                Ok(queries::show_account(account)?)
            }
            .boxed()
        })
        .await
    }

    async fn freeze(&self, request: Request<FreezeRequest>) -> Answer<Account> {
        let account_id = validate::frozen_account(request.get_ref()).map_err(Refusal::into_direct_status)?;
        let event = if request.get_ref().frozen { AccountEvent::Freeze } else { AccountEvent::Thaw };
        self.write(move |tx, _| async move { direct::change_state(tx, &account_id, event).await }.boxed())
            .await
    }

    async fn list_branch_ops(&self, request: Request<ListBranchOpsRequest>) -> Answer<ListBranchOpsResponse> {
        branch_ops::list(&self.store, request.into_inner()).await.map(Response::new)
    }
}
