//! `amends start own`: steps of the caller's own from JSON, over services that know nothing of it.
use crate::verbs::amends;
use amends_proto::amends::v1::{SagaStep, StartSagaRequest};
use amends_proto::pay::money::v1::Money;
use amends_proto::pay::points::v1::PointsRequest;
use prost::Message;
use prost_reflect::{DescriptorPool, DynamicMessage, SerializeOptions};
use serde_json::json;
use uuid::Uuid;

/// Earns points in two steps, the second of which stands first and waits for the other.
fn earnings() -> StartSagaRequest {
    let step = |name: &str, after: &[&str]| {
        let payload = PointsRequest {
            op_id: Uuid::now_v7().to_string(),
            user_id: "own".into(),
            order_id: Uuid::now_v7().to_string(),
            points: 5,
            basis: Some(Money { minor_units: 500, currency: "USD".into() }),
        };
        SagaStep {
            name: name.into(),
            participant: "points".into(),
            action: "pay.points.v1.PointsService/Earn".into(),
            compensate: "pay.points.v1.PointsService/RevokeEarn".into(),
            payload: payload.encode_to_vec().into(),
            after: after.iter().map(|&name| name.into()).collect(),
            ..SagaStep::default()
        }
    };
    StartSagaRequest {
        steps: vec![step("bonus", &["base"]), step("base", &[])],
        ..StartSagaRequest::default()
    }
}

/// As a caller writes it: proto field names, payloads in base64.
fn text(request: &StartSagaRequest) -> String {
    let pool = DescriptorPool::decode(amends_proto::DESCRIPTORS).unwrap();
    let descriptor = pool.get_message_by_name("amends.v1.StartSagaRequest").unwrap();
    let message = DynamicMessage::decode(descriptor, request.encode_to_vec().as_slice()).unwrap();
    let options = SerializeOptions::new().use_proto_field_name(true);
    message.serialize_with_options(serde_json::value::Serializer, &options).unwrap().to_string()
}

const START: [&str; 8] = ["start", "own", "--mode", "saga", "--input", "-", "--output", "json"];

#[test]
fn own_steps_are_started_from_json() {
    let text = text(&earnings());
    let words = [&START, ["--wait", "30", "--request-id", "own-1"].as_slice()].concat();
    let started = amends(&words, &text);
    assert_eq!(started.code, 0, "{}", started.stderr);
    let told = started.json();
    assert_eq!((&told["status"], &told["definition"]), (&json!("succeeded"), &json!("own")));
    assert_eq!((&told["steps"][0]["name"], &told["steps"][1]["name"]), (&json!("base"), &json!("bonus")));
    assert_eq!((&told["steps"][1]["after"], &told["request_id"]), (&json!(["01"]), &json!("own-1")));
    let again = amends(&words, &text);
    assert_eq!((again.code, &again.json()["gid"]), (0, &told["gid"]), "{}", again.stderr);
}

#[test]
fn own_steps_that_are_wrong_are_named() {
    let mut request = earnings();
    request.steps[0].participant = "bank".into();
    let refused = amends(&START, &text(&request));
    assert_eq!(refused.code, 1, "{}", refused.stdout);
    assert!(refused.stderr.contains("step 1 (`bonus`): participant"), "{}", refused.stderr);
    let misspelt = amends(&START, r#"{"stps": []}"#);
    assert!(misspelt.code == 1 && misspelt.stderr.contains("stps"), "{}", misspelt.stderr);
}
