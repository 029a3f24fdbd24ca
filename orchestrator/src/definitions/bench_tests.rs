//! Tests of the bench's plans: how many steps, which refuses, what is refused, and that it is not everywhere.

use super::*;
use crate::definitions::StepTimes;
use crate::plan::Plan;
use amends_dtm::Gid;
use prost::Message as _;
use prost_types::Any;

const WITH_NOOP: [&str; 2] = ["order", PARTICIPANT];

fn planned(
    mode: Mode,
    input: BenchInput,
    business_key: &str,
    participants: &[&str],
) -> Result<Plan, DefinitionError> {
    let any = Any { type_url: format!("type.googleapis.com/{INPUT}"), value: input.encode_to_vec() };
    let order = Order {
        gid: Gid::generate(),
        mode,
        input: &any,
        business_key,
        traceparent: "",
        now_us: 1,
        times: StepTimes { pivot_timeout_ms: 60_000, try_timeout_ms: 10_000, transaction_timeout_ms: 0 },
        participants,
    };
    super::super::plan(NAME, &order).map(|planned| planned.plan)
}

fn try_plan(mode: Mode, steps: i32, refuse_branch: i32) -> Result<Plan, DefinitionError> {
    planned(mode, BenchInput { steps, refuse_branch }, "", &WITH_NOOP)
}

fn methods(plan: &Plan) -> Vec<[&str; 3]> {
    let short = |method: &'_ str| method.len().min("amends.v1.Noop/".len());
    plan.steps()
        .iter()
        .map(|step| [&step.forward, &step.confirm, &step.undo].map(|method| &method[short(method)..]))
        .collect()
}

#[test]
fn a_saga_has_as_many_steps_as_asked_and_no_pivot() {
    let plan = try_plan(Mode::Saga, 3, 0).unwrap();
    assert_eq!(methods(&plan), [["Do", "", "Undo"]; 3]);
    assert_eq!(plan.steps()[0].forward, "amends.v1.Noop/Do");
    assert!(plan.steps().iter().all(|step| step.participant == "noop"));
    assert_eq!(plan.pivot(), None);
    assert_eq!(plan.steps()[0].policy.unwrap().step_timeout_ms, 0);
}

#[test]
fn a_tcc_confirms_too() {
    let plan = try_plan(Mode::Tcc, 2, 0).unwrap();
    assert_eq!(methods(&plan), [["Do", "Confirm", "Undo"]; 2]);
    assert_eq!(plan.steps()[1].policy.unwrap().step_timeout_ms, 10_000);
}

#[test]
fn the_asked_step_refuses() {
    let plan = try_plan(Mode::Saga, 2, 2).unwrap();
    assert_eq!(methods(&plan), [["Do", "", "Undo"], ["Refuse", "", "Undo"]]);
}

#[test]
fn the_business_key_is_the_callers_or_new() {
    let input = BenchInput { steps: 1, refuse_branch: 0 };
    let given = planned(Mode::Saga, input, "mine", &WITH_NOOP).unwrap();
    assert_eq!(given.body().business_key, "mine");
    let made = planned(Mode::Saga, input, "", &WITH_NOOP).unwrap();
    assert_eq!(made.body().business_key, made.gid().as_str());
}

#[test]
fn wrong_input_names_the_field() {
    let wrong = |steps, refuse_branch| {
        let error = try_plan(Mode::Saga, steps, refuse_branch).unwrap_err();
        let DefinitionError::Field { field, .. } = error else { panic!("{error}") };
        field
    };
    assert_eq!(wrong(0, 0), "steps");
    assert_eq!(wrong(-1, 0), "steps");
    assert_eq!(wrong(51, 0), "steps");
    assert_eq!(wrong(2, 3), "refuse_branch");
    assert_eq!(wrong(2, -1), "refuse_branch");
    assert_eq!(try_plan(Mode::Unspecified, 2, 0).unwrap_err(), DefinitionError::Mode);
    assert!(try_plan(Mode::Saga, 50, 50).is_ok());
}

#[test]
fn without_the_participant_there_is_no_such_definition() {
    let input = BenchInput { steps: 2, refuse_branch: 0 };
    let error = planned(Mode::Saga, input, "", &["order", "inventory"]).unwrap_err();
    assert_eq!(error, DefinitionError::Unknown(NAME.to_owned()));
}
