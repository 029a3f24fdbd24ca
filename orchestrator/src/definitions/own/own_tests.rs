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
    planned_with(mode, key, steps, Terms { reuse: Reuse::Always, timeout_ms: 0 })
}

fn planned_with(
    mode: Mode,
    key: &str,
    steps: &[OwnStep<'_>],
    terms: Terms,
) -> Result<Planned, DefinitionError> {
    let order = Order {
        gid: Gid::generate(),
        mode,
        input: &Any::default(),
        business_key: key,
        traceparent: "",
        now_us: 1,
        times: StepTimes { pivot_timeout_ms: 60_000, try_timeout_ms: 10_000, transaction_timeout_ms: 0 },
        participants: &["shop", "bank"],
    };
    plan(&order, steps, terms)
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
fn policies_go_into_the_plan_as_the_caller_wrote_them() {
    let undo = RetryPolicy { max_attempts: 9, ..RetryPolicy::default() };
    let mut step = saga_step("", &[]);
    *retry(&mut step) = RetryPolicy {
        initial_interval_ms: 1,
        factor_percent: 150,
        max_interval_ms: 2,
        jitter_percent: Some(0),
        max_attempts: 3,
        total_ms: Some(0),
        attempt_timeout_ms: 4,
    };
    (step.compensate_retry, step.safe_to_give_up) = (Some(undo), true);
    let expected = StepPolicy {
        attempt_timeout_ms: 4,
        step_timeout_ms: 0,
        initial_interval_ms: 1,
        max_interval_ms: 2,
        attention_after_ms: 0,
        factor_percent: 150,
        jitter_percent: Some(0),
        max_attempts: 3,
        safe_to_give_up: true,
        undo: Some(undo),
        confirm: None,
    };
    assert_eq!(saga(&[step]).unwrap().policy(0), expected);
    let step = TccStep { cancel_retry: Some(undo), confirm_retry: Some(undo), ..tcc_step() };
    let policy = tcc(&[step]).unwrap().policy(0);
    assert_eq!((policy.undo, policy.confirm, policy.attention_after_ms), (Some(undo), Some(undo), 600_000));
}

#[test]
fn a_step_behind_the_pivot_is_never_given_up() {
    let mut steps = [saga_step("a", &[]), saga_step("b", &[])];
    (steps[0].pivot, steps[1].safe_to_give_up) = (true, true);
    let error = saga(&steps).unwrap_err().to_string();
    assert_eq!(error, "step 2 (`b`): only a step before the pivot is safe to give up");
}

#[test]
fn the_time_of_the_whole_has_limits() {
    let with = |timeout_ms| {
        let steps = [saga_step("", &[])];
        let steps: Vec<OwnStep<'_>> = steps.iter().map(OwnStep::from).collect();
        planned_with(Mode::Saga, "k", &steps, Terms { reuse: Reuse::Always, timeout_ms })
    };
    assert_eq!(with(5).unwrap().plan.body().timeout_ms, 5);
    for wrong in [-1, 604_800_001] {
        assert_eq!(with(wrong).unwrap_err().to_string(), "timeout_ms: must be 0 to 604800000");
    }
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

const WRONG: [Wrong; 28] = [
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
    (|it| retry(it).max_attempts = 1_001, "step 2 (`b`): retry: max_attempts must be 0 to 1000"),
    (
        |it| retry(it).factor_percent = 99,
        "step 2 (`b`): retry: factor_percent must be 100 to 1000, or 0 for 200",
    ),
    (|it| retry(it).jitter_percent = Some(91), "step 2 (`b`): retry: jitter_percent must be 0 to 90"),
    (|it| retry(it).total_ms = Some(-1), "step 2 (`b`): retry: total_ms must be 0 to 86400000"),
    (
        |it| retry(it).attempt_timeout_ms = 60_001,
        "step 2 (`b`): retry: attempt_timeout_ms must be 0 to 60000",
    ),
    (
        |it| retry(it).initial_interval_ms = 40_000,
        "step 2 (`b`): retry: initial_interval_ms is 40000, more than max_interval_ms, which is 30000",
    ),
    (
        |it| it.compensate_retry = Some(RetryPolicy { max_interval_ms: -1, ..RetryPolicy::default() }),
        "step 2 (`b`): compensate_retry: max_interval_ms must be 0 to 86400000",
    ),
    (
        |it| (it.safe_to_give_up, it.pivot) = (true, true),
        "step 2 (`b`): safe_to_give_up: is only for a step before the pivot that can be undone",
    ),
    (
        |it| {
            it.safe_to_give_up = true;
            retry(it).total_ms = Some(0);
        },
        "step 2 (`b`): safe_to_give_up: needs max_attempts or total_ms in `retry`",
    ),
    (
        |it| {
            it.safe_to_give_up = true;
            it.compensate.clear();
        },
        "step 2 (`b`): safe_to_give_up: is only for a step before the pivot that can be undone",
    ),
];

fn retry(step: &mut SagaStep) -> &mut RetryPolicy {
    step.retry.get_or_insert_default()
}

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
