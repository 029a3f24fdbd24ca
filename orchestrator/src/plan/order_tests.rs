//! Tests of the order of steps: chains, graphs, and what is neither.

use super::*;
use crate::plan::{Mode, Plan, samples};

fn steps(set: StepSet) -> Vec<StepIndex> {
    set.iter().collect()
}

#[test]
fn in_a_chain_everything_earlier_is_before() {
    let plan = samples::plan(Mode::Saga, 4, None);
    assert_eq!(steps(plan.just_before(2)), [1]);
    assert_eq!(steps(plan.before(2)), [0, 1]);
    assert_eq!(steps(plan.behind(1)), [2, 3]);
    assert!(plan.before(0).is_empty() && plan.behind(3).is_empty());
}

#[test]
fn in_a_graph_only_what_is_named_is_before() {
    let plan = samples::diamond(Mode::Saga);
    assert_eq!(steps(plan.before(1)), [0]);
    assert_eq!(steps(plan.before(2)), [0], "1 and 2 run beside each other");
    assert_eq!(steps(plan.just_before(3)), [1, 2]);
    assert_eq!(steps(plan.before(3)), [0, 1, 2]);
    assert_eq!(steps(plan.behind(0)), [1, 2, 3]);
    assert_eq!(steps(plan.behind(1)), [3]);
    let loose = samples::graph(Mode::Saga, &[&[], &[], &[1]], None);
    assert!(loose.behind(0).is_empty() && steps(loose.behind(1)) == [2]);
}

#[test]
fn fifty_steps_have_their_bits() {
    let plan = samples::plan(Mode::Saga, MAX_STEPS, None);
    assert_eq!(plan.behind(0).iter().count(), MAX_STEPS - 1);
    assert!(plan.before(MAX_STEPS - 1).contains(0));
}

#[test]
fn the_order_survives_storing() {
    let plan = samples::diamond(Mode::Tcc);
    assert_eq!(Plan::decode(&plan.encode()).unwrap(), plan);
}

/// A plan that an earlier version stored reads back with the hash that DTM was given then.
#[test]
fn a_plan_of_before_graphs_keeps_its_hash() {
    let mut body = samples::plan(Mode::Saga, 2, Some(1)).body().clone();
    body.gid = "0192d3c4-5b6a-7f01-8abc-0123456789ab".into();
    let hash = "5d63841617b8b1a57cc065bab9087f972de3b6987b8f0d97075898ac0a842120";
    assert_eq!(hex::encode(Plan::new(body.clone()).unwrap().hash()), hash);
    body.graph = true;
    body.steps[1].after = vec!["01".into()];
    assert_ne!(hex::encode(Plan::new(body).unwrap().hash()), hash);
}

#[test]
fn what_a_step_cannot_wait_for_is_named() {
    let broken = |change: fn(&mut pb::Plan)| {
        let mut body = samples::diamond(Mode::Saga).body().clone();
        change(&mut body);
        Plan::new(body).unwrap_err().to_string()
    };
    let said = broken(|plan| plan.steps[1].after = vec!["03".into()]);
    assert_eq!(said, "step 02: it waits for a step that is not an earlier one");
    assert!(broken(|plan| plan.steps[1].after = vec!["02".into()]).contains("not an earlier one"));
    assert!(broken(|plan| plan.steps[1].after = vec!["x".into()]).contains("not an earlier one"));
    assert!(broken(|plan| plan.steps[3].after.push("02".into())).contains("the same step twice"));
    assert!(broken(|plan| plan.graph = false).contains("only a step of a graph"));
}

#[test]
fn every_step_is_before_or_behind_the_pivot() {
    let pivoted = |pivots: &[StepIndex]| {
        let mut body = samples::diamond(Mode::Saga).body().clone();
        pivots.iter().for_each(|pivot| body.steps[*pivot].pivot = true);
        Plan::new(body)
    };
    assert!(pivoted(&[0]).unwrap().behind_pivot(2));
    assert!(!pivoted(&[3]).unwrap().behind_pivot(2));
    let beside = pivoted(&[1]).unwrap_err().to_string();
    assert_eq!(beside, "step 03: a step is either before or behind the pivot");
    assert!(pivoted(&[0, 3]).unwrap_err().to_string().contains("one pivot"));
}
