//! Rows, events and plans to be stored. Knows no store.
use amends_dtm::{BranchId, Gid};
use amends_orchestrator::history::entity::event;
use amends_orchestrator::history::{Append, AppendError, Conflict, NewTransaction, Reuse, Row};
use amends_orchestrator::plan::{Mode, Plan};
use amends_proto::amends::v1 as pb;

/// A plan with one step.
pub fn plan() -> Plan {
    let step = pb::PlanStep {
        branch_id: BranchId::of_index(0).as_str().into(),
        participant: "p".into(),
        forward: "a.B/C".into(),
        undo: "a.B/D".into(),
        policy: Some(pb::StepPolicy {
            attempt_timeout_ms: 1,
            initial_interval_ms: 1,
            ..pb::StepPolicy::default()
        }),
        ..pb::PlanStep::default()
    };
    Plan::new(pb::Plan {
        gid: Gid::generate().as_str().into(),
        mode: Mode::Saga.into(),
        steps: vec![step],
        ..pb::Plan::default()
    })
    .unwrap()
}

/// An event without a meaning for the fold, but for the first.
pub fn event(gid: &str, seq: i64) -> event::Model {
    let kind = if seq == 1 { "started" } else { "registered" };
    event::Model {
        gid: gid.into(),
        seq,
        time_us: seq,
        kind: kind.into(),
        branch_id: String::new(),
        op: String::new(),
        attempt: 0,
        code: String::new(),
        reason: String::new(),
        build_id: "test".into(),
        detail: String::new(),
    }
}

/// The row of a new one.
pub fn row(gid: &str, key: &str) -> Row {
    Row {
        gid: gid.into(),
        caller: "c".into(),
        request_id: gid.into(),
        request_digest: vec![1],
        definition: "d".into(),
        definition_version: 1,
        mode: "saga".into(),
        business_key: key.into(),
        status: "accepted".into(),
        reason: String::new(),
        is_open: true,
        needs_attention: false,
        coordinator: "dtm".into(),
        created_at_us: 1,
        finished_at_us: 0,
        ..Row::default()
    }
}

/// A start of `plan` with this row.
pub fn start(row: Row, plan: &Plan, reuse: Reuse) -> Append {
    let new = Some(NewTransaction { plan: plan.encode(), reuse });
    Append { events: vec![event(&row.gid, 1)], row: Some(row), new, needs: None }
}

/// A start with this business key, and its gid.
pub fn started(key: &str, reuse: Reuse) -> (String, Append) {
    let plan = plan();
    let gid = plan.gid().as_str().to_owned();
    (gid.clone(), start(row(&gid, key), &plan, reuse))
}

/// Further events of one that is there.
pub fn more(gid: &str, seqs: impl IntoIterator<Item = i64>) -> Append {
    Append {
        events: seqs.into_iter().map(|seq| event(gid, seq)).collect(),
        row: None,
        new: None,
        needs: None,
    }
}

/// The append that ends it.
pub fn end(gid: &str, key: &str, status: &str) -> Append {
    let row = Row { status: status.into(), is_open: false, finished_at_us: 9, ..row(gid, key) };
    Append { events: vec![event(gid, 2)], row: Some(row), new: None, needs: None }
}

/// What stood in the way of a start.
pub fn conflict(outcome: Result<(), AppendError>) -> Conflict {
    match outcome {
        Err(AppendError::Conflict(conflict)) => *conflict,
        Ok(()) | Err(AppendError::Store(_) | AppendError::Closed) => panic!("no conflict: {outcome:?}"),
    }
}
