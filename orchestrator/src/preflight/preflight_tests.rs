//! Tests of preflight: the definitions pass, and each rule can be broken, with the step named.

use super::*;
use amends_proto::amends::v1::{RetryPolicy, SagaStep, TccStep};
use amends_proto::pay::points::v1::PointsRequest;
use prost::Message as _;

const TIMES: StepTimes =
    StepTimes { pivot_timeout_ms: 60_000, try_timeout_ms: 10_000, transaction_timeout_ms: 0 };

fn grounds(services: &Services) -> Grounds<'_> {
    Grounds { services, participants: None, times: TIMES }
}

fn step(name: &str) -> SagaStep {
    SagaStep {
        name: name.into(),
        participant: "points".into(),
        action: "pay.points.v1.PointsService/Earn".into(),
        compensate: "pay.points.v1.PointsService/RevokeEarn".into(),
        payload: PointsRequest { points: 5, ..PointsRequest::default() }.encode_to_vec().into(),
        ..SagaStep::default()
    }
}

/// What is found in a SAGA of two steps once its second one is changed.
fn found(change: impl FnOnce(&mut SagaStep)) -> Findings {
    let mut steps = vec![step("a"), step("b")];
    change(&mut steps[1]);
    let request = StartSagaRequest { steps, ..StartSagaRequest::default() };
    let report = saga(&grounds(&Services::of_this_build()), &request);
    report.findings.into_iter().map(|it| (it.weight, it.kind, format!("{} {}", it.step, it.what))).collect()
}

/// What a preflight finds.
type Findings = Vec<(Weight, Kind, String)>;

#[test]
fn every_definition_passes_in_both_modes() {
    let services = Services::of_this_build();
    let reports = definitions(&grounds(&services));
    let seen: Vec<(&str, Mode, usize)> =
        reports.iter().map(|it| (it.definition.as_str(), it.mode, it.steps)).collect();
    let expected = [
        ("checkout", Mode::Saga, 7),
        ("checkout", Mode::Tcc, 6),
        ("bench", Mode::Saga, 2),
        ("bench", Mode::Tcc, 2),
    ];
    assert_eq!(seen, expected);
    assert!(reports.iter().all(|report| report.findings.is_empty()), "{reports:?}");
}

#[test]
fn a_definition_whose_participants_are_not_allowed_is_left_out() {
    let services = Services::of_this_build();
    let names = |allowed: &[&str]| -> Vec<String> {
        let grounds = Grounds { participants: Some(allowed), ..grounds(&services) };
        definitions(&grounds).into_iter().map(|report| report.definition).collect()
    };
    assert_eq!(names(&["noop", "points"]), ["bench", "bench"]);
    assert!(names(&[]).is_empty());
}

#[test]
fn sound_steps_have_nothing_found() {
    assert!(found(|_| {}).is_empty());
}

#[test]
fn each_refusal_names_the_step() {
    let b = "02 (`b`) pay.points.v1.PointsService/";
    let table: [(Kind, String, Findings); 5] = [
        (
            Kind::Method,
            format!("{b}Earnn action: `pay.points.v1.PointsService` has no method `Earnn`"),
            found(|step| step.action = "pay.points.v1.PointsService/Earnn".into()),
        ),
        (
            Kind::Request,
            "compensate: it takes a pay.order.v1.PlaceRequest".into(),
            found(|step| {
                step.compensate = "pay.order.v1.OrderService/ClosePlaced".into();
                step.payload = vec![].into();
            }),
        ),
        (
            Kind::Request,
            "action: the payload is no pay.points.v1.PointsRequest: it has no field 200".into(),
            found(|step| step.payload = [step.payload.as_ref(), &[0xc2, 0x0c, 1, 65]].concat().into()),
        ),
        (
            Kind::Request,
            "action: the payload is no pay.points.v1.PointsRequest: ".into(),
            found(|step| step.payload = vec![0xff].into()),
        ),
        (
            Kind::Method,
            "is a stream".into(),
            found(|step| {
                step.action = "amends.v1.Transactions/Watch".into();
                step.payload = vec![].into();
            }),
        ),
    ];
    for (kind, said, found) in table {
        let refused = found.iter().find(|(weight, found, _)| (*weight, *found) == (Weight::Refusal, kind));
        let (.., text) = refused.unwrap_or_else(|| panic!("{said}: {found:?}"));
        assert!(text.starts_with("02 (`b`)") && text.contains(&said), "{said}: {text}");
    }
}

#[test]
fn what_is_perhaps_not_meant_is_a_warning() {
    let table: [(Kind, &str, Findings); 4] = [
        (
            Kind::Method,
            "`trip.v1.Hotel` is not described",
            found(|it| it.action = "trip.v1.Hotel/Book".into()),
        ),
        (Kind::Undo, "has no compensation", found(|it| it.compensate.clear())),
        (
            Kind::Time,
            "one attempt may take 3000 ms, the whole step 50 ms",
            found(|it| it.step_timeout_ms = 50),
        ),
        (
            Kind::Time,
            "one attempt may take 9000 ms, the whole step 8000 ms",
            found(|it| {
                it.retry = Some(RetryPolicy { attempt_timeout_ms: 9_000, ..RetryPolicy::default() });
                it.step_timeout_ms = 8_000;
            }),
        ),
    ];
    for (kind, said, found) in table {
        let [(weight, of, text)] = &found[..] else { panic!("{said}: {found:?}") };
        assert_eq!((*weight, *of), (Weight::Warning, kind), "{text}");
        assert!(text.contains(said), "{text}");
    }
}

#[test]
fn steps_that_are_no_plan_are_refused_with_the_reason() {
    let services = Services::of_this_build();
    let request = StartTccRequest {
        steps: vec![TccStep { participant: "points".into(), ..TccStep::default() }],
        ..StartTccRequest::default()
    };
    let report = tcc(&grounds(&services), &request);
    assert!(report.is_refused() && report.steps == 0);
    assert!(report.findings[0].what.starts_with("step 1: try: "), "{report:?}");
    let request = StartSagaRequest { steps: vec![step("a")], ..StartSagaRequest::default() };
    let report = saga(&Grounds { participants: Some(&["bank"]), ..grounds(&services) }, &request);
    assert_eq!((report.findings[0].kind, report.is_refused()), (Kind::Participant, true));
}

#[test]
fn a_request_that_no_server_takes_is_refused() {
    let services = Services::of_this_build();
    let payload = PointsRequest { user_id: "u".repeat(600_000), ..PointsRequest::default() };
    let large = |name| SagaStep { payload: payload.encode_to_vec().into(), ..step(name) };
    let request = StartSagaRequest { steps: vec![large("a"), large("b")], ..StartSagaRequest::default() };
    let report = saga(&grounds(&services), &request);
    assert!(matches!(&report.findings[..], [Finding { kind: Kind::Size, .. }]), "{report:?}");
}

#[test]
fn descriptors_of_others_are_taken_in() {
    let mut services = Services::of_this_build();
    assert!(services.add(b"no descriptors").is_err());
    services.add(amends_proto::DESCRIPTORS).unwrap();
}
