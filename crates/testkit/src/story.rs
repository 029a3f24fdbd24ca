//! One started global transaction: asks about it, acts on it, waits for its end. Judges only what it is told to.
use crate::checkout::script_psp;
use crate::holdings::facts;
use crate::patience::{Must as _, SOON, until};
use crate::proxy::Entry;
use crate::shop::Shop;
use crate::timeline::told;
use amends_proto::amends::v1::{
    CancelRequest, CoordinatorViewRequest, Event, GetHistoryRequest, GetRequest, GlobalTransaction, Status,
    WaitRequest,
};
use amends_proto::pay::order::v1::{GetRequest as GetOrder, OrderState};
use amends_proto::pay::psp::v1::Fact;
use amends_stack::Coordinator;
use tonic_types::StatusExt as _;

/// A started checkout.
#[derive(Clone)]
pub struct Story<'s, 'w> {
    /// Where.
    pub shop: &'s Shop<'w>,
    /// Its gid.
    pub gid: String,
    /// Its order.
    pub order_id: String,
}

impl Story<'_, '_> {
    /// As it stands.
    ///
    /// # Panics
    /// If the orchestrator does not answer.
    pub async fn get(&self) -> GlobalTransaction {
        let get = GetRequest { gid: self.gid.clone() };
        self.shop.world.clients().transactions.get(get).await.must("get").into_inner()
    }

    /// As it stands when it is over, or after so many milliseconds.
    ///
    /// # Panics
    /// If the orchestrator does not answer.
    pub async fn wait_ms(&self, timeout_ms: i32) -> GlobalTransaction {
        let wait = WaitRequest { gid: self.gid.clone(), timeout_ms };
        self.shop.world.clients().transactions.wait(wait).await.must("wait").into_inner()
    }

    /// Waits for its end.
    ///
    /// # Panics
    /// If that does not come in time; shows its history.
    pub async fn end(&self) -> GlobalTransaction {
        let seen = self.wait_ms(i32::try_from(SOON.as_millis()).unwrap_or(i32::MAX)).await;
        if seen.finished_at.is_none() {
            let (status, calls) = (seen.status(), self.calls().await);
            panic!("{} is {status:?} after {SOON:?}: {calls}; {}", self.gid, self.decisions().await);
        }
        seen
    }

    /// Waits for its end, which must be this one.
    ///
    /// # Panics
    /// If it is another, or does not come.
    pub async fn ends(&self, status: Status) -> GlobalTransaction {
        let end = self.end().await;
        let (calls, reason) = (self.calls().await, &end.reason);
        assert_eq!(end.status(), status, "{}: {calls}; reason {reason}", self.gid);
        end
    }

    /// Waits until it stands as `stands` says.
    ///
    /// # Panics
    /// If that does not happen in time.
    pub async fn becomes(
        &self,
        what: &str,
        stands: impl Fn(&GlobalTransaction) -> bool,
    ) -> GlobalTransaction {
        until(what, async || Some(self.get().await).filter(&stands)).await
    }

    /// Asks for its end.
    ///
    /// # Errors
    /// As the orchestrator answers.
    pub async fn cancel(&self, reason: &str) -> Result<GlobalTransaction, tonic::Status> {
        let cancel = CancelRequest { gid: self.gid.clone(), reason: reason.to_owned() };
        Ok(self.shop.world.clients().transactions.cancel(cancel).await?.into_inner())
    }

    /// Its events.
    ///
    /// # Panics
    /// If the orchestrator does not answer.
    pub async fn events(&self) -> Vec<Event> {
        let request = GetHistoryRequest { gid: self.gid.clone(), from_seq: 1, page_size: 0 };
        let answer = self.shop.world.clients().transactions.get_history(request).await;
        answer.must("get the history").into_inner().events
    }

    /// Its ops with what became of each attempt, as one line.
    ///
    /// # Panics
    /// If the orchestrator does not answer.
    pub async fn calls(&self) -> String {
        told(&self.get().await.steps, &self.events().await)
    }

    /// What was decided about it, as one line.
    ///
    /// # Panics
    /// If the orchestrator does not answer.
    pub async fn decisions(&self) -> String {
        let decided = ["submit_decided", "committed", "abort_decided", "undo_decided", "cancel_requested"];
        let other = ["attention_opened", "attention_closed"];
        let words = self.events().await.into_iter().filter_map(|event| match event.kind.as_str() {
            kind if decided.contains(&kind) => Some(kind.to_owned()),
            kind if other.contains(&kind) => Some(format!("{kind}({})", event.code)),
            _ => None,
        });
        words.collect::<Vec<_>>().join(" ")
    }

    /// Waits until DTM itself says so: it may lag behind, and go back for a while (dtm.md D22). On the embedded
    /// coordinator there is nobody but history to ask.
    ///
    /// # Panics
    /// If it does not.
    pub async fn dtm_says(&self, status: &str) {
        if self.shop.world.stack().coordinator() == Coordinator::Embedded {
            return;
        }
        let view = CoordinatorViewRequest { gid: self.gid.clone() };
        until(&format!("DTM says {status} of {}", self.gid), async || {
            let seen = self.shop.world.clients().operations.coordinator_view(view.clone()).await;
            (seen.must("ask for DTM's view").into_inner().status == status).then_some(())
        })
        .await;
    }

    /// What the proxies saw of it.
    #[must_use]
    pub fn journal(&self) -> Vec<Entry> {
        self.shop.world.script().journal().of(&self.order_id)
    }

    /// What they saw of one method.
    #[must_use]
    pub fn calls_of(&self, method: &str) -> Vec<Entry> {
        self.shop.world.script().journal().calls(method, &self.order_id)
    }

    /// Waits until so many calls of a method have ended.
    ///
    /// # Panics
    /// If that does not happen in time.
    pub async fn called(&self, method: &str, count: usize) -> Vec<Entry> {
        self.shop.world.script().journal().counted(method, &self.order_id, count).await
    }

    /// Tells the PSP how to behave from now on at `op` of its order.
    ///
    /// # Panics
    /// If the PSP does not understand it.
    pub async fn psp(&self, op: &str, behaviour: &str) {
        script_psp(self.shop, &self.order_id, op, behaviour).await;
    }

    /// What the PSP knows of its order.
    ///
    /// # Panics
    /// If the PSP does not answer.
    pub async fn facts(&self) -> Vec<Fact> {
        facts(self.shop, |fact| fact.order_id == self.order_id).await
    }

    /// State of its order; `None` = there is no such order.
    ///
    /// # Panics
    /// If the order service does not answer.
    pub async fn order(&self) -> Option<OrderState> {
        let get = GetOrder { order_id: self.order_id.clone(), ..GetOrder::default() };
        match self.shop.world.clients().orders.get(get).await {
            Ok(order) => Some(order.into_inner().state()),
            Err(status) if status.code() == tonic::Code::NotFound => None,
            Err(status) => panic!("get an order: {status}"),
        }
    }
}

/// The reason that a status carries in its error details.
#[must_use]
pub fn reason_of(status: &tonic::Status) -> String {
    status.get_details_error_info().map(|info| info.reason).unwrap_or_default()
}

/// The gid that a status names in its error details.
#[must_use]
pub fn error_gid(status: &tonic::Status) -> String {
    let info = status.get_details_error_info();
    info.and_then(|info| info.metadata.get("gid").cloned()).unwrap_or_default()
}
