//! The DTM server as coordinator. Turns plans into DTM's requests; every URL in them is the relay's, and the payload
//! is the plan's hash: nothing of a plan enters DTM (design.md §2).

use super::nudges::Nudges;
use super::{BranchView, Coordinator, CoordinatorError, CoordinatorStatus, DTM, Reply, View};
use crate::engine::HOLD_FORWARD;
use crate::meters::{CoordinatorCall as Call, CoordinatorMeters, Said};
use crate::plan::{Mode, Plan};
use crate::trace;
use amends_crash_points::{Place, around};
use amends_dtm::Gid;
use amends_dtm::client::{
    BranchStatus, DtmClient, DtmError, DtmStatus, SagaOrder, SagaRequest, SagaStep, TccBranch, TccRequest,
};
use amends_proto::amends::v1::RunRequest;
use amends_serve::traces;
use bytes::Bytes;
use futures::FutureExt as _;
use prost::Message as _;
use std::collections::BTreeMap;
use tokio::time::Instant;
use tonic::{Code, Status};

/// DTM's own poll: the backstop only, waking it is our job (design.md §2, Times).
const RETRY_INTERVAL_S: u32 = 60;
/// DTM waits so long for the relay; it must be longer than the relay's hold and one second.
const REQUEST_TIMEOUT_S: u32 = 5;
const _: () = assert!(HOLD_FORWARD.as_millis() + 1_000 <= REQUEST_TIMEOUT_S as u128 * 1_000);
/// A TCC that nobody decides is taken back by DTM after this time (payments-domain.md §3).
const TCC_TIMEOUT_TO_FAIL_S: u32 = 600;

/// DTM as the coordinator.
pub struct DtmCoordinator {
    client: DtmClient,
    relay: String,
    relay_run: String,
    nudges: Nudges,
    meters: CoordinatorMeters,
}

impl DtmCoordinator {
    /// DTM behind `client`, told to call the relay at `relay` (host:port as DTM sees it; DTM stores it for ever).
    #[must_use]
    pub fn new(client: DtmClient, relay: &str) -> Self {
        let relay_run = format!("{relay}/amends.v1.Relay/Run");
        let (relay, nudges) = (relay.to_owned(), Nudges::default());
        Self { client, relay, relay_run, nudges, meters: CoordinatorMeters::new() }
    }

    fn payload(plan: &Plan) -> Bytes {
        RunRequest { plan_hash: Bytes::copy_from_slice(plan.hash()) }.encode_to_vec().into()
    }

    fn saga(&self, plan: &Plan) -> SagaRequest {
        let step = |_: &_| SagaStep {
            action: self.relay_run.clone(),
            compensate: self.relay_run.clone(),
            payload: Self::payload(plan),
        };
        SagaRequest {
            gid: plan.gid().clone(),
            steps: plan.steps().iter().map(step).collect(),
            order: order(plan),
            retry_interval_s: RETRY_INTERVAL_S,
            request_timeout_s: REQUEST_TIMEOUT_S,
            timeout_to_fail_s: 0,
            headers: headers(plan),
        }
    }

    fn tcc(plan: &Plan) -> TccRequest {
        TccRequest {
            gid: plan.gid().clone(),
            retry_interval_s: RETRY_INTERVAL_S,
            request_timeout_s: REQUEST_TIMEOUT_S,
            timeout_to_fail_s: TCC_TIMEOUT_TO_FAIL_S,
            headers: headers(plan),
        }
    }

    async fn timed<T>(
        &self,
        call: Call,
        reply: impl Future<Output = Result<T, DtmError>>,
    ) -> Result<T, DtmError> {
        let began = Instant::now();
        let reply = reply.await;
        let said = match &reply {
            Ok(_) => Said::Done,
            Err(DtmError::Refused(_) | DtmError::InvalidRequest(_)) => Said::Refused,
            Err(DtmError::ReplyUnknown(_) | DtmError::NoAnswer(_) | DtmError::Protocol(_)) => Said::Unknown,
        };
        self.meters.ended(call, said, began.elapsed());
        reply
    }

    async fn register_tcc(&self, plan: &Plan) -> Result<(), CoordinatorError> {
        around!(
            Place::DtmPrepare,
            self.timed(Call::Prepare, self.client.prepare_tcc(&Self::tcc(plan))).await
        )
        .map_err(meaning)?;
        for step in 0..plan.steps().len() {
            let branch = TccBranch {
                gid: plan.gid().clone(),
                branch_id: plan.branch_id(step),
                confirm: self.relay_run.clone(),
                cancel: self.relay_run.clone(),
                payload: Self::payload(plan),
            };
            around!(
                Place::DtmBranch,
                self.timed(Call::Branch, self.client.register_tcc_branch(&branch)).await
            )
            .map_err(meaning)?;
        }
        Ok(())
    }

    /// DTM answers an abort of a gid that it does not know with INTERNAL (dtm.md §2), and so does a connection that broke
    /// under an abort that it may have taken: only what it says of the gid tells them apart. Whatever else is no answer asks
    /// for the abort again, not for another question to somebody who is away.
    async fn not_aborted(&self, gid: &Gid, answer: &Status) -> CoordinatorError {
        match around!(Place::DtmView, self.timed(Call::View, self.client.query(gid)).await) {
            Ok(None) => CoordinatorError::Refused("DTM does not know the gid".to_owned()),
            Ok(Some(_)) | Err(_) => CoordinatorError::Unknown(answer.to_string()),
        }
    }
}

/// A graph is DTM's concurrent saga. One that DTM has no room for goes as a chain, which keeps its order too: then its
/// steps run one after another.
fn order(plan: &Plan) -> SagaOrder {
    if !plan.is_graph() {
        return SagaOrder::Chain;
    }
    // What is before another that is waited for goes without saying.
    let after = (0..plan.steps().len()).map(|step| {
        let named = plan.just_before(step);
        let implied = |earlier: &usize| named.iter().any(|other| plan.before(other).contains(*earlier));
        named.iter().filter(|earlier| !implied(earlier)).collect()
    });
    let graph = SagaOrder::Graph(after.collect());
    if graph.fits() { graph } else { SagaOrder::Chain }
}

/// What DTM passes on with each call of the relay: where that stands in the trace. It comes of the plan alone, or a
/// repeated request would be another one.
fn headers(plan: &Plan) -> BTreeMap<String, String> {
    let place = trace::of_plan(plan).map(|place| (traces::HEADER.to_owned(), place.to_string()));
    place.into_iter().collect()
}

fn meaning(error: DtmError) -> CoordinatorError {
    match error {
        DtmError::Refused(text) | DtmError::InvalidRequest(text) => CoordinatorError::Refused(text),
        DtmError::ReplyUnknown(status) => CoordinatorError::Unknown(status.to_string()),
        DtmError::NoAnswer(error) => CoordinatorError::Unknown(error.to_string()),
        DtmError::Protocol(text) => CoordinatorError::Unknown(text),
    }
}

fn status(status: DtmStatus) -> CoordinatorStatus {
    match status {
        DtmStatus::Prepared => CoordinatorStatus::Prepared,
        DtmStatus::Submitted => CoordinatorStatus::Submitted,
        DtmStatus::Aborting => CoordinatorStatus::Aborting,
        DtmStatus::Succeed => CoordinatorStatus::Succeed,
        DtmStatus::Failed => CoordinatorStatus::Failed,
    }
}

fn branch_status(status: BranchStatus) -> &'static str {
    match status {
        BranchStatus::Prepared => "prepared",
        BranchStatus::Succeed => "succeed",
        BranchStatus::Failed => "failed",
    }
}

impl Coordinator for DtmCoordinator {
    fn name(&self) -> &'static str {
        DTM
    }

    fn calls(&self) -> bool {
        true
    }

    fn relay(&self) -> &str {
        &self.relay
    }

    fn register<'a>(&'a self, plan: &'a Plan) -> Reply<'a, ()> {
        async move {
            match plan.mode() {
                Mode::Tcc => self.register_tcc(plan).await,
                Mode::Saga | Mode::Unspecified => around!(
                    Place::DtmSaga,
                    self.timed(Call::Saga, self.client.submit_saga(&self.saga(plan))).await
                )
                .map_err(meaning),
            }
        }
        .boxed()
    }

    fn submit<'a>(&'a self, plan: &'a Plan) -> Reply<'a, ()> {
        async move {
            around!(
                Place::DtmSubmit,
                self.timed(Call::Submit, self.client.submit_tcc(&Self::tcc(plan))).await
            )
            .map_err(meaning)
        }
        .boxed()
    }

    fn abort<'a>(&'a self, plan: &'a Plan, reason: &'a str) -> Reply<'a, ()> {
        async move {
            let abort = self.timed(Call::Abort, self.client.abort(plan.gid(), reason));
            let answered = around!(Place::DtmAbort, abort.await);
            if let Err(DtmError::ReplyUnknown(status)) = &answered
                && status.code() == Code::Internal
            {
                return Err(self.not_aborted(plan.gid(), status).await);
            }
            answered.map_err(meaning)
        }
        .boxed()
    }

    fn nudge_all(&self) -> Reply<'_, ()> {
        async move {
            if self.nudges.admit().await {
                around!(Place::DtmNudge, self.timed(Call::Nudge, self.client.reset_cron_time()).await)
                    .map_err(meaning)?;
            }
            Ok(())
        }
        .boxed()
    }

    fn view<'a>(&'a self, gid: &'a str) -> Reply<'a, Option<View>> {
        async move {
            let gid = Gid::parse(gid).map_err(|error| CoordinatorError::Refused(error.to_string()))?;
            let seen = around!(Place::DtmView, self.timed(Call::View, self.client.query(&gid)).await)
                .map_err(meaning)?;
            Ok(seen.map(|seen| View {
                status: status(seen.status),
                rollback_reason: seen.rollback_reason,
                branches: seen
                    .branches
                    .into_iter()
                    .map(|branch| BranchView {
                        branch_id: branch.branch_id,
                        op: branch.op,
                        status: branch_status(branch.status).to_owned(),
                    })
                    .collect(),
            }))
        }
        .boxed()
    }

    fn version(&self) -> Reply<'_, String> {
        async move { self.timed(Call::Version, self.client.version()).await.map_err(meaning) }.boxed()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::samples;
    use amends_dtm::client::DtmEndpoints;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::time::Duration;
    use tokio::io::AsyncReadExt as _;
    use tokio::net::TcpListener;

    /// Takes connections, and breaks each when something was said on it.
    async fn hangs_up() -> String {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        tokio::spawn(async move {
            while let Ok((mut connection, _)) = listener.accept().await {
                let _ = connection.read(&mut [0; 1_024]).await;
            }
        });
        address
    }

    #[tokio::test]
    async fn an_abort_under_which_the_connection_broke_is_not_refused() {
        let address = hangs_up().await;
        let endpoints = DtmEndpoints { grpc: address.clone(), http: address };
        let coordinator = DtmCoordinator::new(DtmClient::new(&endpoints).unwrap(), "127.0.0.1:1");
        let aborted = coordinator.abort(&samples::plan(Mode::Tcc, 2, None), "undo").await;
        assert!(matches!(aborted, Err(CoordinatorError::Unknown(_))), "{aborted:?}");
    }

    /// Takes connections and says nothing; counts them.
    async fn hangs() -> (String, Arc<AtomicUsize>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (address, taken) = (listener.local_addr().unwrap().to_string(), Arc::<AtomicUsize>::default());
        let count = Arc::clone(&taken);
        tokio::spawn(async move {
            let mut kept = Vec::new();
            while let Ok((connection, _)) = listener.accept().await {
                count.fetch_add(1, Ordering::SeqCst);
                kept.push(connection);
            }
        });
        (address, taken)
    }

    /// Nobody listens there any more.
    async fn is_gone() -> String {
        TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().to_string()
    }

    #[tokio::test]
    async fn who_does_not_answer_an_abort_is_not_asked_a_second_question() {
        let (http, asked) = hangs().await;
        for grpc in [hangs().await.0, is_gone().await] {
            let endpoints = DtmEndpoints { grpc, http: http.clone() };
            let client = DtmClient::new(&endpoints).unwrap().with_deadline(Duration::from_millis(200));
            let coordinator = DtmCoordinator::new(client, "127.0.0.1:1");
            let aborted = coordinator.abort(&samples::plan(Mode::Tcc, 2, None), "undo").await;
            assert!(matches!(aborted, Err(CoordinatorError::Unknown(_))), "{aborted:?}");
            assert_eq!(asked.load(Ordering::SeqCst), 0, "{aborted:?}");
        }
    }

    #[test]
    fn a_graph_is_said_without_what_goes_without_saying() {
        let plan = samples::graph(Mode::Saga, &[&[], &[0], &[0, 1], &[0, 2]], None);
        let said = vec![vec![], vec![0], vec![1], vec![2]];
        assert_eq!(order(&plan), SagaOrder::Graph(said));
        assert_eq!(order(&samples::plan(Mode::Saga, 3, None)), SagaOrder::Chain);
    }

    #[test]
    fn a_graph_that_dtm_has_no_room_for_goes_as_a_chain() {
        let first: Vec<usize> = (0..25).collect();
        let after: Vec<&[usize]> =
            (0..50).map(|step| if step < 25 { &[] } else { first.as_slice() }).collect();
        assert_eq!(order(&samples::graph(Mode::Saga, &after, None)), SagaOrder::Chain);
    }
}
