//! The gateway on the wire. Thin: every method hands over to `branch` or `queries`.

use amends_participant::{Fault, Reason, Refusal, branch_ops, direct_answer, idempotency, outlive};
use amends_proto::pay::branch::v1::{ListBranchOpsRequest, ListBranchOpsResponse};
use amends_proto::pay::gateway::v1::gateway_service_server::GatewayService;
use amends_proto::pay::gateway::v1::{
    ApproveResolutionRequest, ClaimInDoubtRequest, GetInDoubtRequest, GetPaymentRequest, InDoubtItem,
    ListAttemptsResponse, ListInDoubtResponse, ListPaymentsResponse, ListRequest, PayRequest, PayResponse,
    Payment, ProposeResolutionRequest,
};
use tonic::{Request, Response, Status};

use crate::cashier::Cashier;
use crate::state::Form;
use crate::{branch, queries, resolution};

type Answer<T> = Result<Response<T>, Status>;

/// The service.
pub struct GatewayApi {
    cashier: Cashier,
}

impl GatewayApi {
    /// A service over this cashier.
    #[must_use]
    pub fn new(cashier: Cashier) -> GatewayApi {
        GatewayApi { cashier }
    }

    /// An operator's act, in a task that outlives its caller.
    async fn act<R, W>(
        &self,
        request: Request<R>,
        act: impl FnOnce(Cashier, String, R) -> W,
    ) -> Answer<InDoubtItem>
    where
        W: Future<Output = Result<InDoubtItem, Fault>> + Send + 'static,
    {
        let caller = idempotency::caller(request.metadata()).map_err(Refusal::into_direct_status)?;
        if caller == idempotency::ANONYMOUS {
            // Two people are told apart by their names.
            let text = "amends-caller: an operator's act needs a name";
            return Err(Refusal::new(Reason::InvalidRequest, text).into_direct_status());
        }
        direct_answer(outlive(act(self.cashier.clone(), caller, request.into_inner())).await?)
    }
}

#[tonic::async_trait]
impl GatewayService for GatewayApi {
    async fn try_pay(&self, request: Request<PayRequest>) -> Answer<PayResponse> {
        branch::forward(&self.cashier, request, Form::Authorize).await
    }

    async fn confirm_pay(&self, request: Request<PayRequest>) -> Answer<PayResponse> {
        branch::confirm(&self.cashier, request).await
    }

    async fn cancel_pay(&self, request: Request<PayRequest>) -> Answer<PayResponse> {
        branch::undo(&self.cashier, request).await
    }

    async fn charge(&self, request: Request<PayRequest>) -> Answer<PayResponse> {
        branch::forward(&self.cashier, request, Form::Sale).await
    }

    async fn reverse_charge(&self, request: Request<PayRequest>) -> Answer<PayResponse> {
        branch::undo(&self.cashier, request).await
    }

    async fn get_payment(&self, request: Request<GetPaymentRequest>) -> Answer<Payment> {
        direct_answer(queries::get_payment(&self.cashier, request.get_ref()).await)
    }

    async fn list_payments(&self, request: Request<ListRequest>) -> Answer<ListPaymentsResponse> {
        direct_answer(queries::list_payments(self.cashier.guard().store(), request.get_ref()).await)
    }

    async fn list_attempts(&self, request: Request<ListRequest>) -> Answer<ListAttemptsResponse> {
        direct_answer(queries::list_attempts(self.cashier.guard().store(), request.get_ref()).await)
    }

    async fn list_in_doubt(&self, request: Request<ListRequest>) -> Answer<ListInDoubtResponse> {
        direct_answer(queries::list_in_doubt(&self.cashier, request.get_ref()).await)
    }

    async fn get_in_doubt(&self, request: Request<GetInDoubtRequest>) -> Answer<InDoubtItem> {
        direct_answer(queries::get_in_doubt(&self.cashier, &request.get_ref().item_id).await)
    }

    async fn claim_in_doubt(&self, request: Request<ClaimInDoubtRequest>) -> Answer<InDoubtItem> {
        self.act(request, |cashier, caller, request| async move {
            resolution::claim(&cashier, &caller, &request).await
        })
        .await
    }

    async fn propose_resolution(&self, request: Request<ProposeResolutionRequest>) -> Answer<InDoubtItem> {
        self.act(request, |cashier, caller, request| async move {
            resolution::propose(&cashier, &caller, &request).await
        })
        .await
    }

    async fn approve_resolution(&self, request: Request<ApproveResolutionRequest>) -> Answer<InDoubtItem> {
        self.act(request, |cashier, caller, request| async move {
            resolution::approve(&cashier, &caller, &request).await
        })
        .await
    }

    async fn list_branch_ops(&self, request: Request<ListBranchOpsRequest>) -> Answer<ListBranchOpsResponse> {
        branch_ops::list(self.cashier.guard().store(), request.into_inner()).await.map(Response::new)
    }
}
