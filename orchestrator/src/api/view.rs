//! The fold as clients see it. Reads nothing but what it is given.

use super::attention;
use crate::engine::Live;
use crate::history::entity::{event, global_transaction};
use crate::history::{Act, OpState, Proposal, RunDetail, Standing, State, Status, op_name};
use crate::plan::{Mode, OpRef, StepIndex};
use amends_dtm::Op;
use amends_proto::amends::v1 as pb;
use prost_types::Timestamp;

/// A whole global transaction.
pub fn transaction(live: &Live) -> pb::GlobalTransaction {
    let state = live.state();
    let steps = (0..live.plan.steps().len()).map(|step| step_view(live, &state, step));
    pb::GlobalTransaction {
        steps: steps.collect(),
        reason: state.cause().map(|cause| cause.text().to_owned()).unwrap_or_default(),
        undo_cause: state.cause().map(|cause| cause.name().to_owned()).unwrap_or_default(),
        attention: state.attention.first().map(|open| attention::shown(live, &state, open)),
        all_attention: state.attention.iter().map(|open| attention::shown(live, &state, open)).collect(),
        last_seq: state.last_seq,
        paused: state.paused.is_some(),
        after_commit: state.after_commit,
        proposal: state.proposal.as_ref().map(|proposal| proposed(live, proposal)),
        run: Some(run(&state)),
        plan_hash: hex::encode(live.plan.hash()),
        trace_id: crate::trace::id_of(&live.plan),
        status: status(state.status()).into(),
        finished_at: time(state.finished_us),
        ..row(live.base())
    }
}

/// A row of the list, without steps.
pub fn row(row: &global_transaction::Model) -> pb::GlobalTransaction {
    let mode = if row.mode == mode_name(Mode::Tcc) { Mode::Tcc } else { Mode::Saga };
    pb::GlobalTransaction {
        gid: row.gid.clone(),
        status: status_named(&row.status).into(),
        reason: row.reason.clone(),
        definition: row.definition.clone(),
        definition_version: row.definition_version,
        mode: mode.into(),
        business_key: row.business_key.clone(),
        request_id: row.request_id.clone(),
        caller: row.caller.clone(),
        created_at: time(row.created_at_us),
        finished_at: time(row.finished_at_us),
        coordinator: row.coordinator.clone(),
        paused: row.paused,
        attention: row.needs_attention.then(pb::Attention::default),
        ..pb::GlobalTransaction::default()
    }
}

/// One stored event.
pub fn event(row: event::Model) -> pb::Event {
    pb::Event {
        seq: row.seq,
        time: time(row.time_us),
        kind: row.kind,
        branch_id: row.branch_id,
        op: row.op,
        attempt: row.attempt,
        code: row.code,
        act: Act::stored(&row.detail, "").map(act),
        run: RunDetail::stored(&row.detail).map(begun),
        reason: row.reason,
        build_id: row.build_id,
    }
}

/// The run that began last.
pub fn run(state: &State) -> pb::Run {
    match &state.redrive {
        None => pb::Run { number: 1, since: time(state.started_us), ..pb::Run::default() },
        Some(redrive) => pb::Run {
            number: number(redrive.run),
            since: time(redrive.since_us),
            continues: number(redrive.run.saturating_sub(1)),
            from: redrive.from.iter().map(|at| op_name(*at)).collect(),
            act: Some(act(redrive.act.clone())),
            reason: redrive.act.reason.clone(),
        },
    }
}

/// As its event names it: when and by whom stand beside it.
fn begun(run: RunDetail) -> pb::Run {
    let (number, continues) = (number(run.run), number(run.continues));
    pb::Run { number, continues, from: run.from, ..pb::Run::default() }
}

fn number(count: u32) -> i32 {
    i32::try_from(count).unwrap_or(i32::MAX)
}

fn act(act: Act) -> pb::Act {
    let Act { subject, reason: _, evidence, reference, approved_by, owner } = act;
    pb::Act { subject, evidence, reference, approved_by, owner }
}

fn proposed(live: &Live, proposal: &Proposal) -> pb::Proposal {
    pb::Proposal {
        branch_id: live.plan.branch_id(proposal.at.step).as_str().to_owned(),
        op: proposal.at.op.as_str().to_owned(),
        outcome: proposal.outcome.name().to_owned(),
        act: Some(act(proposal.act.clone())),
    }
}

/// Our status in the API's terms.
pub fn status(status: Status) -> pb::Status {
    match status {
        Status::Accepted => pb::Status::Accepted,
        Status::Running => pb::Status::Running,
        Status::Compensating => pb::Status::Compensating,
        Status::Succeeded => pb::Status::Succeeded,
        Status::Failed => pb::Status::Failed,
        Status::Cancelled => pb::Status::Cancelled,
    }
}

/// The stored name of a status that a list asks for; `None` = no such status.
pub fn status_name(status: pb::Status) -> Option<&'static str> {
    Some(match status {
        pb::Status::Unspecified => return None,
        pb::Status::Accepted => Status::Accepted.name(),
        pb::Status::Running => Status::Running.name(),
        pb::Status::Compensating => Status::Compensating.name(),
        pb::Status::Succeeded => Status::Succeeded.name(),
        pb::Status::Failed => Status::Failed.name(),
        pb::Status::Cancelled => Status::Cancelled.name(),
    })
}

/// The stored name of a mode.
pub fn mode_name(mode: Mode) -> &'static str {
    match mode {
        Mode::Tcc => "tcc",
        Mode::Saga | Mode::Unspecified => "saga",
    }
}

pub fn status_named(name: &str) -> pb::Status {
    let all = [
        pb::Status::Accepted,
        pb::Status::Running,
        pb::Status::Compensating,
        pb::Status::Succeeded,
        pb::Status::Failed,
        pb::Status::Cancelled,
    ];
    all.into_iter().find(|status| status_name(*status) == Some(name)).unwrap_or(pb::Status::Unspecified)
}

fn step_view(live: &Live, state: &State, step: StepIndex) -> pb::Step {
    let planned = &live.plan.steps()[step];
    let ops = [live.plan.forward_op(), Op::Confirm, live.plan.undo_op()];
    let ops = ops.into_iter().filter_map(|op| op_view(live, state, OpRef { step, op }));
    let after = live.plan.just_before(step).iter();
    pb::Step {
        branch_id: planned.branch_id.clone(),
        participant: planned.participant.clone(),
        forward: planned.forward.clone(),
        confirm: planned.confirm.clone(),
        undo: planned.undo.clone(),
        pivot: planned.pivot,
        ops: ops.collect(),
        name: planned.name.clone(),
        after: after.map(|step| live.plan.branch_id(step).as_str().to_owned()).collect(),
    }
}

/// `None` for an op that nobody has begun.
fn op_view(live: &Live, state: &State, at: OpRef) -> Option<pb::Op> {
    let OpState { standing, attempts, last_code, last_reason, started_us, ended_us, .. } = state.op(at);
    let running = live.running(at).is_some();
    let shown = match standing {
        Standing::Succeeded | Standing::SucceededLate => pb::OpState::Succeeded,
        Standing::Refused => pb::OpState::Refused,
        Standing::Skipped => pb::OpState::Skipped,
        Standing::Waiting => pb::OpState::Waiting,
        Standing::Attempted => pb::OpState::Running,
        Standing::Untouched if running => pb::OpState::Running,
        Standing::Untouched => return None,
    };
    Some(pb::Op {
        op: at.op.as_str().to_owned(),
        state: shown.into(),
        attempts: number(*attempts),
        last_code: last_code.clone(),
        last_reason: last_reason.clone(),
        started_at: time(*started_us),
        ended_at: time(*ended_us),
    })
}

/// `None` for 0: it has not happened.
pub fn time(unix_us: i64) -> Option<Timestamp> {
    let nanos = i32::try_from(unix_us.rem_euclid(1_000_000) * 1_000).unwrap_or(0);
    (unix_us > 0).then_some(Timestamp { seconds: unix_us.div_euclid(1_000_000), nanos })
}
