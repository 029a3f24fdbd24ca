//! Transactions of the caller's own, through the API: any order of steps, parallel ones, what is the same request and
//! what is another.

use super::world::{PATIENCE, World};
use amends_orchestrator::api::{StepTimes, TransactionsService, Watchers};
use amends_proto::amends::v1::transactions_server::Transactions as _;
use amends_proto::amends::v1::{
    GetByBusinessKeyRequest, GetRequest, ReusePolicy, SagaStep, StartResponse, StartSagaRequest,
    StartTccRequest, Status, TccStep,
};
use std::sync::Arc;
use tokio::sync::watch;
use tonic::{Code, Request};

fn saga_step(name: &str, after: &[&str]) -> SagaStep {
    SagaStep {
        name: name.into(),
        participant: "scripted".into(),
        action: "raw.Branches/Book".into(),
        compensate: "raw.Branches/Free".into(),
        payload: name.as_bytes().to_vec().into(),
        timeout_ms: 20_000,
        after: after.iter().map(|&name| name.into()).collect(),
        ..SagaStep::default()
    }
}

fn tcc_step(name: &str) -> TccStep {
    TccStep {
        name: name.into(),
        participant: "scripted".into(),
        r#try: "raw.Branches/Hold".into(),
        confirm: "raw.Branches/Take".into(),
        cancel: "raw.Branches/Drop".into(),
        ..TccStep::default()
    }
}

/// Written down backwards: the last waits for two that wait for the first.
fn trip() -> StartSagaRequest {
    let steps = vec![
        saga_step("pay", &["car", "hotel"]),
        saga_step("car", &["flight"]),
        saga_step("hotel", &["flight"]),
        saga_step("flight", &[]),
    ];
    StartSagaRequest { steps, ..request("trip") }
}

fn request(request_id: &str) -> StartSagaRequest {
    StartSagaRequest { request_id: request_id.into(), wait_ms: 15_000, ..StartSagaRequest::default() }
}

impl World {
    fn api(&self) -> TransactionsService {
        let times = StepTimes { pivot_timeout_ms: 1_000, try_timeout_ms: 10_000, transaction_timeout_ms: 0 };
        let watchers = Watchers::new(1, watch::channel(false).1);
        TransactionsService::new(Arc::clone(&self.engine), times, watchers)
    }

    async fn saga(&self, request: StartSagaRequest) -> Result<StartResponse, tonic::Status> {
        let api = self.api();
        let started = self.within(async move { api.start_saga(Request::new(request)).await }).await;
        started.map(tonic::Response::into_inner)
    }

    async fn tcc(&self, request: StartTccRequest) -> Result<StartResponse, tonic::Status> {
        let api = self.api();
        let started = self.within(async move { api.start_tcc(Request::new(request)).await }).await;
        started.map(tonic::Response::into_inner)
    }
}

#[tokio::test]
async fn own_steps_in_any_order_run_behind_what_they_wait_for() {
    let world = World::start().await;
    let started = world.saga(trip()).await.unwrap();
    assert_eq!((started.status(), started.existing), (Status::Succeeded, false));
    let calls = world.branches.calls();
    let said: Vec<&str> = calls.iter().map(|call| std::str::from_utf8(&call.payload).unwrap()).collect();
    assert_eq!((said[0], said[3]), ("flight", "pay"), "{said:?}");
    assert!(calls.iter().all(|call| call.method == "Book" && call.op == "action"));
    let shown = world.api().get(Request::new(GetRequest { gid: started.gid.clone() })).await.unwrap();
    let shown = shown.into_inner();
    assert_eq!((shown.definition.as_str(), shown.definition_version), ("own", 0));
    assert_eq!(shown.business_key, started.gid, "where none is named");
    let steps: Vec<(&str, String)> =
        shown.steps.iter().map(|step| (step.name.as_str(), step.after.join(" "))).collect();
    let after = |names: [&str; 4]| names.map(str::to_owned);
    let [none, first, same, both] = after(["", "01", "01", "02 03"]);
    assert_eq!(steps, [("flight", none), ("car", first), ("hotel", same), ("pay", both)]);
}

#[tokio::test]
async fn a_refused_own_step_undoes_what_came_before() {
    let world = World::start().await;
    world.branches.answer("action", "03", Code::Aborted, "FULL|no room");
    let request =
        StartSagaRequest { steps: ["a", "b", "c"].map(|name| saga_step(name, &[])).to_vec(), ..request("r") };
    let started = world.saga(request).await.unwrap();
    assert_eq!((started.status(), started.reason.as_str()), (Status::Failed, "FULL|no room"));
    assert_eq!(world.branches.order(), "action 01, action 02, action 03, compensate 02, compensate 01");
}

#[tokio::test]
async fn an_own_tcc_is_confirmed_and_cancelled() {
    let world = World::start().await;
    let steps = vec![tcc_step("a"), tcc_step("b")];
    let request = |id: &str| StartTccRequest {
        request_id: id.into(),
        steps: steps.clone(),
        wait_ms: 15_000,
        ..StartTccRequest::default()
    };
    assert_eq!(world.tcc(request("one")).await.unwrap().status(), Status::Succeeded);
    assert_eq!(world.branches.order(), "try 01, try 02, confirm 02, confirm 01");
    world.branches.answer("try", "02", Code::Aborted, "FULL|x");
    assert_eq!(world.tcc(request("two")).await.unwrap().status(), Status::Failed);
    assert!(world.branches.order().ends_with("try 01, try 02, cancel 01"), "{}", world.branches.order());
}

/// A participant that keeps no guards must not have been called without a trace of it.
#[tokio::test]
async fn an_own_step_is_known_to_have_begun_before_its_participant_is_called() {
    let world = World::start().await;
    let gate = world.branches.hold("action", "01");
    let started = world
        .saga(StartSagaRequest { steps: vec![saga_step("a", &[])], wait_ms: 0, ..request("r") })
        .await
        .unwrap();
    world.branches.until_all(&["action 01"], PATIENCE).await;
    let kinds = world.kinds(&started.gid).await;
    assert!(kinds.iter().any(|kind| kind == "attempt_started"), "{kinds:?}");
    drop(gate);
}

#[tokio::test]
async fn the_same_request_is_found_again_and_another_is_told_what_differs() {
    let world = World::start().await;
    let first = world.saga(trip()).await.unwrap();
    let again = world.saga(trip()).await.unwrap();
    assert_eq!((again.gid.as_str(), again.existing), (first.gid.as_str(), true));
    let mut other_steps = trip();
    other_steps.steps[1].payload = vec![1].into();
    let mut other_order = trip();
    other_order.steps.swap(1, 2);
    let others = [
        ("steps", other_steps),
        ("steps", other_order),
        ("reuse", StartSagaRequest { reuse: ReusePolicy::Always.into(), ..trip() }),
        ("business_key", StartSagaRequest { business_key: "mine".into(), ..trip() }),
        ("timeout_ms", StartSagaRequest { timeout_ms: 60_000, ..trip() }),
    ];
    for (named, request) in others {
        let refused = world.saga(request).await.unwrap_err();
        assert_eq!(refused.code(), Code::AlreadyExists, "{named}");
        assert!(refused.message().ends_with(&format!("with another {named}")), "{}", refused.message());
        assert!(refused.message().contains(&first.gid));
    }
    let tcc = StartTccRequest {
        request_id: "trip".into(),
        steps: vec![tcc_step("a")],
        ..StartTccRequest::default()
    };
    let refused = world.tcc(tcc).await.unwrap_err();
    assert!(refused.message().ends_with("with another mode"), "{}", refused.message());
    assert_eq!(world.branches.calls().len(), 4, "nothing ran twice");
}

#[tokio::test]
async fn a_business_key_may_be_used_again_as_the_caller_says() {
    let world = World::start().await;
    let keyed = |id: &str, reuse: ReusePolicy| StartSagaRequest {
        business_key: "trip 7".into(),
        reuse: reuse.into(),
        steps: vec![saga_step("a", &[])],
        ..request(id)
    };
    let gate = world.branches.hold("action", "01");
    let running =
        world.saga(StartSagaRequest { wait_ms: 0, ..keyed("1", ReusePolicy::Unspecified) }).await.unwrap();
    let refused = world.saga(keyed("2", ReusePolicy::Unspecified)).await.unwrap_err();
    assert_eq!(refused.code(), Code::AlreadyExists);
    assert!(refused.message().contains(&running.gid), "{}", refused.message());
    drop(gate);
    world.end(&running.gid).await;
    let refused = world.saga(keyed("3", ReusePolicy::AfterFailed)).await.unwrap_err();
    assert_eq!(refused.code(), Code::AlreadyExists, "it succeeded");
    assert!(world.saga(keyed("4", ReusePolicy::RejectWhileRunning)).await.is_ok());
    let newest = world.saga(keyed("5", ReusePolicy::Always)).await.unwrap();
    let key = GetByBusinessKeyRequest { definition: "own".into(), business_key: "trip 7".into() };
    let found = world.api().get_by_business_key(Request::new(key)).await.unwrap().into_inner();
    assert_eq!(found.gid, newest.gid);
}

#[tokio::test]
async fn own_steps_that_cannot_be_planned_start_nothing() {
    let world = World::start().await;
    let wrong = [
        (saga_step("x", &["pay"]), "these steps wait for each other: pay → x → pay"),
        (
            SagaStep { participant: "bank".into(), ..saga_step("x", &[]) },
            "step 5 (`x`): participant: `bank` is not",
        ),
        (
            SagaStep { pivot: true, ..saga_step("x", &["car"]) },
            "step 3 (`hotel`): a step is either before or behind",
        ),
    ];
    for (step, said) in wrong {
        let mut request = trip();
        if said.contains("each other") {
            request.steps[0].after.push("x".into());
        }
        request.steps.push(step);
        let refused = world.saga(request).await.unwrap_err();
        assert_eq!(refused.code(), Code::InvalidArgument);
        assert!(refused.message().contains(said), "{}", refused.message());
    }
    assert!(world.engine.history().reader.open_gids().await.unwrap().is_empty());
    assert!(world.branches.calls().is_empty());
}
