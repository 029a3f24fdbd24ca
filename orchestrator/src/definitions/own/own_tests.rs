//! Tests of plans from the caller's own steps: chains, graphs in any order, and what is refused by which name.

use super::*;
use crate::definitions::StepTimes;
use amends_dtm::Gid;
use prost_types::Any;

const CARD: &str = "4111111111111111";

fn saga_step(name: &str, after: &[&str]) -> SagaStep {
    SagaStep {
        name: name.into(),
        participant: "shop".into(),
        action: "a.v1.Shop/Do".into(),
        compensate: "a.v1.Shop/Undo".into(),
        payload: vec![1].into(),
        after: after.iter().map(|&name| name.into()).collect(),
        ..SagaStep::default()
    }
}

fn tcc_step() -> TccStep {
    TccStep {
        participant: "shop".into(),
        r#try: "a.v1.Shop/Try".into(),
        confirm: "a.v1.Shop/Confirm".into(),
        cancel: "a.v1.Shop/Cancel".into(),
        ..TccStep::default()
    }
}

fn order(mode: Mode, key: &str) -> Result<Planned, DefinitionError> {
    planned(mode, key, &[(&saga_step("", &[])).into()])
}

fn planned(mode: Mode, key: &str, steps: &[OwnStep<'_>]) -> Result<Planned, DefinitionError> {
    let order = Order {
        gid: Gid::generate(),
        mode,
        input: &Any::default(),
        business_key: key,
        traceparent: "",
        now_us: 1,
        times: StepTimes { pivot_timeout_ms: 60_000, try_timeout_ms: 10_000 },
        participants: &["shop", "bank"],
    };
    plan(&order, steps, Terms { reuse: Reuse::Always, timeout_ms: 0 })
}

fn saga(steps: &[SagaStep]) -> Result<Plan, DefinitionError> {
    let steps: Vec<OwnStep<'_>> = steps.iter().map(OwnStep::from).collect();
    planned(Mode::Saga, "k", &steps).map(|planned| planned.plan)
}

fn tcc(steps: &[TccStep]) -> Result<Plan, DefinitionError> {
    let steps: Vec<OwnStep<'_>> = steps.iter().map(OwnStep::from).collect();
    planned(Mode::Tcc, "k", &steps).map(|planned| planned.plan)
}

fn names(plan: &Plan) -> Vec<&str> {
    plan.steps().iter().map(|step| step.name.as_str()).collect()
}

fn after(plan: &Plan) -> Vec<String> {
    plan.steps().iter().map(|step| step.after.join(",")).collect()
}

#[test]
fn steps_without_after_run_in_order() {
    let plan = saga(&[saga_step("", &[]), saga_step("b", &[]), saga_step("", &[])]).unwrap();
    assert!(!plan.is_graph());
    assert!(plan.before(2).contains(0));
    assert_eq!((plan.body().definition.as_str(), plan.body().definition_version), (NAME, VERSION));
}

#[test]
fn steps_in_any_order_are_sorted_behind_what_they_wait_for() {
    let steps = [
        saga_step("d", &["c", "b"]),
        saga_step("b", &["a"]),
        saga_step("", &[]),
        saga_step("c", &["a"]),
        saga_step("a", &[]),
    ];
    let plan = saga(&steps).unwrap();
    assert_eq!(names(&plan), ["", "a", "b", "c", "d"]);
    assert_eq!(after(&plan), ["", "", "02", "02", "03,04"]);
    assert!(plan.is_graph() && plan.before(1).is_empty(), "without `after` it begins at once");
}

#[test]
fn a_sorted_request_keeps_its_order() {
    let steps = [saga_step("a", &[]), saga_step("c", &["a"]), saga_step("b", &["a"])];
    assert_eq!(names(&saga(&steps).unwrap()), ["a", "c", "b"]);
}

#[test]
fn policies_have_the_callers_times_or_the_defaults() {
    let mut step = saga_step("", &[]);
    let policy = saga(&[step.clone()]).unwrap().policy(0);
    assert_eq!((policy.attempt_timeout_ms, policy.step_timeout_ms), (3_000, 0));
    (step.timeout_ms, step.step_timeout_ms) = (50, 60);
    let policy = saga(&[step]).unwrap().policy(0);
    assert_eq!((policy.attempt_timeout_ms, policy.step_timeout_ms), (50, 60));
    let plan = tcc(&[tcc_step()]).unwrap();
    assert_eq!(plan.policy(0).step_timeout_ms, 10_000);
    assert!(plan.steps()[0].durable_start);
}

#[test]
fn an_empty_key_is_the_gid() {
    let plan = order(Mode::Saga, "").unwrap().plan;
    assert_eq!(plan.body().business_key, plan.gid().as_str());
    assert_eq!(order(Mode::Saga, "mine").unwrap().plan.body().business_key, "mine");
    assert_eq!(order(Mode::Unspecified, "").unwrap_err(), DefinitionError::Mode);
}

/// What is wrong with the second of two steps, and what the refusal says.
type Wrong = (fn(&mut SagaStep), &'static str);

const WRONG: [Wrong; 18] = [
    (|it| it.participant = "bench".into(), "step 2 (`b`): participant: `bench` is not on the allow-list"),
    (|it| it.participant.clear(), "step 2 (`b`): participant: `` is not on the allow-list"),
    (|it| it.participant = "x".repeat(65), "step 2: participant: must have at most 64 characters"),
    (|it| it.name = "a".into(), "step 2 (`a`): name: another step has it"),
    (|it| it.name = "n".repeat(65), "step 2: name: must have at most 64 characters"),
    (|it| it.name = "a\nb".into(), "step 2: name: must not have control characters"),
    (|it| it.name = CARD.into(), "step 2: name: looks like a card number"),
    (|it| it.after = vec![CARD.into()], "step 2: after: looks like a card number"),
    (|it| it.action.clear(), "step 2 (`b`): action: must be the full name of a method"),
    (|it| it.action = "a.v1.Shop.Do".into(), "step 2 (`b`): action: must be the full name"),
    (|it| it.action = "/a.v1.Shop/Do".into(), "step 2 (`b`): action: must be the full name"),
    (|it| it.action = "a..Shop/Do".into(), "step 2 (`b`): action: must be the full name"),
    (|it| it.compensate = "a.v1.Shop/Do?x".into(), "step 2 (`b`): compensate: must be the full name"),
    (|it| it.payload = vec![0; 1_000_001].into(), "step 2 (`b`): payload: must have at most 1000000 bytes"),
    (|it| it.timeout_ms = -1, "step 2 (`b`): timeout_ms: must be 0 to 60000"),
    (|it| it.timeout_ms = 60_001, "step 2 (`b`): timeout_ms: must be 0 to 60000"),
    (|it| it.step_timeout_ms = -1, "step 2 (`b`): step_timeout_ms: must be 0 to 86400000"),
    (|it| it.after = vec!["c".into()], "step 2 (`b`): after: no step is called `c`"),
];

#[test]
fn what_is_wrong_with_a_step_is_named() {
    for (spoil, said) in WRONG {
        let mut steps = [saga_step("a", &[]), saga_step("b", &[])];
        spoil(&mut steps[1]);
        let error = saga(&steps).unwrap_err().to_string();
        assert!(error.starts_with(said), "{error}\nmust say: {said}");
    }
    assert!(saga(&[]).unwrap_err().to_string().contains("must be 1 to 50, are 0"));
    let many = vec![saga_step("", &[]); 51];
    assert!(saga(&many).unwrap_err().to_string().contains("are 51"));
    assert!(saga(&many[1..]).is_ok());
}

#[test]
fn a_tcc_step_has_all_three_methods() {
    type Without = (fn(&mut TccStep), &'static str);
    let without: [Without; 3] = [
        (|it| it.r#try.clear(), "step 1: try: must be"),
        (|it| it.confirm.clear(), "step 1: confirm: must be"),
        (|it| it.cancel.clear(), "step 1: cancel: must be"),
    ];
    for (spoil, said) in without {
        let mut step = tcc_step();
        spoil(&mut step);
        let error = tcc(&[step]).unwrap_err().to_string();
        assert!(error.starts_with(said), "{error}");
    }
    let nothing_to_undo = SagaStep { compensate: String::new(), ..saga_step("", &[]) };
    assert!(saga(&[nothing_to_undo]).is_ok());
}

#[test]
fn steps_that_wait_for_each_other_are_named() {
    let steps =
        [saga_step("a", &[]), saga_step("b", &["a", "d"]), saga_step("c", &["b"]), saga_step("d", &["c"])];
    let error = saga(&steps).unwrap_err().to_string();
    assert_eq!(error, "after: these steps wait for each other: b → d → c → b");
    let error = saga(&[saga_step("a", &["a"])]).unwrap_err().to_string();
    assert!(error.ends_with("a → a"), "{error}");
    let twice = saga(&[saga_step("a", &[]), saga_step("b", &["a", "a"])]).unwrap_err().to_string();
    assert_eq!(twice, "step 2 (`b`): after: names `a` twice");
}

#[test]
fn a_step_beside_the_pivot_is_named_by_its_place_in_the_request() {
    let mut steps = [saga_step("c", &["a"]), saga_step("b", &["a"]), saga_step("a", &[])];
    steps[1].pivot = true;
    let error = saga(&steps).unwrap_err().to_string();
    assert_eq!(error, "step 1 (`c`): a step is either before or behind the pivot");
}
