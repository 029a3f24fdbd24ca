//! Bad input of StartSaga and StartTcc: every field of the request and of a step, made wrong; each is refused by its name
//! and leaves the history of the orchestrator as it was.
use crate::bodies::id;
use crate::mutations::{CARD_NUMBER, POOL};
use crate::steady::Steady;
use crate::world::{Auth, World, alone, run};
use amends_proto::amends::v1::{RetryPolicy, SagaStep, StartSagaRequest, StartTccRequest, TccStep};
use amends_stack::Role;
use prost::Message;
use std::collections::BTreeSet;
use tonic::Code;

const INVALID: &str = "INVALID_REQUEST";
const PAN: &str = "PAN_REJECTED";

fn saga() -> StartSagaRequest {
    let step = |name: &str| SagaStep {
        name: name.into(),
        participant: "points".into(),
        action: "pay.points.v1.PointsService/Burn".into(),
        compensate: "pay.points.v1.PointsService/CancelBurn".into(),
        ..SagaStep::default()
    };
    StartSagaRequest { request_id: id(), steps: vec![step("a"), step("b")], ..StartSagaRequest::default() }
}

fn tcc() -> StartTccRequest {
    let step = |name: &str| TccStep {
        name: name.into(),
        participant: "points".into(),
        r#try: "pay.points.v1.PointsService/TryBurn".into(),
        confirm: "pay.points.v1.PointsService/ConfirmBurn".into(),
        cancel: "pay.points.v1.PointsService/CancelBurn".into(),
        ..TccStep::default()
    };
    StartTccRequest { request_id: id(), steps: vec![step("a"), step("b")], ..StartTccRequest::default() }
}

/// Which field is wrong, the reason of the refusal, and how a right message becomes wrong.
type Wrong<M> = (&'static str, &'static str, fn(&mut M));

const SAGAS: [Wrong<StartSagaRequest>; 33] = [
    ("request_id", INVALID, |it| it.request_id.clear()),
    ("request_id", INVALID, |it| it.request_id = "r".repeat(65)),
    ("request_id", PAN, |it| it.request_id = CARD_NUMBER.into()),
    ("business_key", INVALID, |it| it.business_key = "k".repeat(161)),
    ("business_key", PAN, |it| it.business_key = CARD_NUMBER.into()),
    ("reuse", INVALID, |it| it.reuse = 99),
    ("steps", INVALID, |it| it.steps.clear()),
    ("steps", INVALID, |it| it.steps = vec![SagaStep { name: String::new(), ..it.steps[0].clone() }; 51]),
    ("wait_ms", INVALID, |it| it.wait_ms = -1),
    ("name", INVALID, |it| it.steps[1].name = "n".repeat(65)),
    ("name", INVALID, |it| it.steps[1].name = "a\u{0}b".into()),
    ("name", INVALID, |it| it.steps[1].name = "a".into()),
    ("name", PAN, |it| it.steps[1].name = CARD_NUMBER.into()),
    ("participant", INVALID, |it| it.steps[1].participant.clear()),
    ("participant", INVALID, |it| it.steps[1].participant = "bank".into()),
    ("participant", INVALID, |it| it.steps[1].participant = "127.0.0.1:80".into()),
    ("participant", PAN, |it| it.steps[1].participant = CARD_NUMBER.into()),
    ("action", INVALID, |it| it.steps[1].action.clear()),
    ("action", INVALID, |it| it.steps[1].action = "http://h:1/a.B/C".into()),
    ("action", INVALID, |it| it.steps[1].action = "x".repeat(5_000)),
    ("compensate", INVALID, |it| it.steps[1].compensate = "a.B.C".into()),
    ("payload", INVALID, |it| it.steps[1].payload = vec![0; 1_000_001].into()),
    ("timeout_ms", INVALID, |it| it.steps[1].timeout_ms = i32::MAX),
    ("step_timeout_ms", INVALID, |it| it.steps[1].step_timeout_ms = -1),
    ("after", INVALID, |it| it.steps[1].after = vec!["c".into()]),
    ("after", INVALID, |it| it.steps[1].after = vec!["a".into(), "a".into()]),
    ("after", INVALID, |it| it.steps[1].after = vec!["b".into()]),
    ("after", PAN, |it| it.steps[1].after = vec![CARD_NUMBER.into()]),
    ("retry", INVALID, |it| {
        it.steps[1].retry = Some(RetryPolicy { max_attempts: -1, ..RetryPolicy::default() });
    }),
    ("compensate_retry", INVALID, |it| {
        it.steps[1].compensate_retry = Some(RetryPolicy { factor_percent: 1, ..RetryPolicy::default() });
    }),
    ("safe_to_give_up", INVALID, |it| (it.steps[1].safe_to_give_up, it.steps[1].pivot) = (true, true)),
    ("timeout_ms", INVALID, |it| it.timeout_ms = -1),
    ("pivot", INVALID, |it| it.steps.iter_mut().for_each(|step| step.pivot = true)),
];

const TCCS: [Wrong<StartTccRequest>; 19] = [
    ("request_id", INVALID, |it| it.request_id.clear()),
    ("business_key", INVALID, |it| it.business_key = "a\nb".into()),
    ("reuse", INVALID, |it| it.reuse = -1),
    ("steps", INVALID, |it| it.steps.clear()),
    ("wait_ms", INVALID, |it| it.wait_ms = i32::MIN),
    ("name", PAN, |it| it.steps[0].name = CARD_NUMBER.into()),
    ("participant", INVALID, |it| it.steps[0].participant = "dtm".into()),
    ("try", INVALID, |it| it.steps[0].r#try.clear()),
    ("confirm", INVALID, |it| it.steps[0].confirm.clear()),
    ("cancel", INVALID, |it| it.steps[0].cancel.clear()),
    ("payload", INVALID, |it| it.steps[0].payload = vec![0; 1_000_001].into()),
    ("timeout_ms", INVALID, |it| it.steps[0].timeout_ms = -1),
    ("step_timeout_ms", INVALID, |it| it.steps[0].step_timeout_ms = i32::MAX),
    ("after", INVALID, |it| it.steps[0].after = vec!["a".into()]),
    ("retry", INVALID, |it| {
        it.steps[0].retry = Some(RetryPolicy { max_interval_ms: 1, ..RetryPolicy::default() });
    }),
    ("safe_to_give_up", INVALID, |it| {
        it.steps[0].safe_to_give_up = true;
        it.steps[0].retry = Some(RetryPolicy { total_ms: Some(0), ..RetryPolicy::default() });
    }),
    ("confirm_retry", INVALID, |it| {
        it.steps[0].confirm_retry = Some(RetryPolicy { initial_interval_ms: -1, ..RetryPolicy::default() });
    }),
    ("cancel_retry", INVALID, |it| {
        it.steps[0].cancel_retry = Some(RetryPolicy { jitter_percent: Some(100), ..RetryPolicy::default() });
    }),
    ("timeout_ms", INVALID, |it| it.timeout_ms = i32::MAX),
];

async fn not_started(world: &World, method: &str, request: &impl Message, field: &str, reason: &str) {
    let before = Steady::of(world, Role::Orchestrator).await;
    let path = format!("amends.v1.Transactions/{method}");
    let reply = world.direct(Role::Orchestrator, &path, request.encode_to_vec()).await;
    assert_eq!(reply.refusal(), (Code::InvalidArgument, reason), "{method} with a wrong {field}: {reply:?}");
    let said = format!("{reply:?}");
    assert!(said.contains(field), "{method} must name {field}: {said}");
    assert!(!said.contains(CARD_NUMBER), "a card number is repeated: {said}");
    before.still(0, field).await;
}

#[test]
fn own_steps_that_are_wrong_start_nothing() {
    run(async {
        let turn = alone(Auth::Required).await;
        for (field, reason, spoil) in SAGAS {
            let mut request = saga();
            spoil(&mut request);
            not_started(turn.world, "StartSaga", &request, field, reason).await;
        }
        for (field, reason, spoil) in TCCS {
            let mut request = tcc();
            spoil(&mut request);
            not_started(turn.world, "StartTcc", &request, field, reason).await;
        }
    });
}

/// Whoever adds a field decides here what is wrong for it.
#[test]
fn every_field_of_own_steps_is_made_wrong_once() {
    let fields = |names: [&str; 2]| -> BTreeSet<String> {
        let messages = names.map(|name| POOL.get_message_by_name(&format!("amends.v1.{name}")).unwrap());
        messages.iter().flat_map(|message| message.fields().map(|field| field.name().to_owned())).collect()
    };
    let made_wrong: BTreeSet<String> = SAGAS.iter().map(|wrong| wrong.0.to_owned()).collect();
    assert_eq!(fields(["StartSagaRequest", "SagaStep"]), made_wrong);
    let made_wrong: BTreeSet<String> = TCCS.iter().map(|wrong| wrong.0.to_owned()).collect();
    assert_eq!(fields(["StartTccRequest", "TccStep"]), made_wrong);
}
