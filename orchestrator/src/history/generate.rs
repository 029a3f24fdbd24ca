//! Fills a store with made-up histories that are whole: plans, events and rows as an orchestrator would have written
//! them. For measuring lists and retention; knows no service, and nobody runs what it made.

use super::entity::{attention, event, global_transaction, plan, shape};
use super::event::{Cause, Event, Fact, FlatFact};
use super::fold::State;
use super::marks::Marks;
use super::shapes::shape_of;
use crate::plan::{Mode, OpRef, Plan, PlanError};
use amends_dtm::{BranchId, Op};
use amends_proto::amends::v1 as pb;
use amends_serve::store::Store;
use sea_orm::sea_query::OnConflict;
use sea_orm::{DatabaseTransaction, DbErr, EntityTrait as _, IntoActiveModel as _};

/// Histories in one commit.
const AT_ONCE: usize = 1_000;
/// Rows in one statement: below the values that SQLite takes.
const ROWS: usize = 1_000;
/// Between two starts, microseconds: a million make a good three weeks.
const BETWEEN_US: i64 = 2_000_000;

/// How many of which.
#[derive(Debug, Clone, Copy)]
pub struct Amount {
    /// That have ended.
    pub finished: u64,
    /// That have not; they are the newest.
    pub open: u64,
}

/// Why nothing more was made.
#[derive(Debug, thiserror::Error)]
pub enum GenerateError {
    /// The store is away.
    #[error("the history store cannot be written")]
    Store(#[from] DbErr),
    /// A made-up plan is none.
    #[error("a made-up plan is none")]
    Plan(#[from] PlanError),
}

/// Everything of one made-up global transaction.
struct Made {
    row: global_transaction::Model,
    plan: Plan,
    shape: shape::Model,
    events: Vec<event::Model>,
    needs: Vec<attention::Model>,
}

/// Makes so many, the newest now; tells after each commit how many there are.
///
/// # Errors
/// What was committed before stays.
pub async fn generate(
    store: &Store,
    amount: Amount,
    now_us: i64,
    mut told: impl FnMut(u64) + Send,
) -> Result<(), GenerateError> {
    let all = amount.finished + amount.open;
    let mut next = 0;
    while next < all {
        let until = all.min(next + AT_ONCE as u64);
        let made: Result<Vec<Made>, PlanError> = (next..until)
            .map(|n| {
                let ago = i64::try_from(all - n).unwrap_or(i64::MAX).saturating_mul(BETWEEN_US);
                make(n, now_us.saturating_sub(ago), n >= amount.finished)
            })
            .collect();
        write(store, made?).await?;
        next = until;
        told(next);
    }
    Ok(())
}

/// Numbers that look like chance and are the same each time.
fn chance(n: u64) -> u64 {
    let mut x = n.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ (x >> 31)
}

fn make(n: u64, started_us: i64, open: bool) -> Result<Made, PlanError> {
    let luck = chance(n);
    let (definition, participants): (&str, &[&str]) = match luck % 1_000 {
        0 => ("legacy", &["ledger"]),
        1..=90 => ("refund", &["order", "account"]),
        _ => ("checkout", &["order", "gateway"]),
    };
    let mode = if luck.is_multiple_of(5) { Mode::Tcc } else { Mode::Saga };
    let plan = plan_of(gid(luck, started_us), definition, mode, participants, n, started_us)?;
    let facts = story(&plan, luck / 1_000, open);
    let mut state = State::empty(&plan);
    let mut events = Vec::new();
    for (seq, fact) in (1..).zip(facts) {
        let event = Event { seq, time_us: started_us + (seq - 1) * 5_000, fact };
        state.apply(&event);
        if let (None, Some(end)) = (state.end, state.reached_end(&plan)) {
            events.push(event);
            let end = Event { seq: seq + 1, time_us: started_us + seq * 5_000, fact: Fact::Finished(end) };
            state.apply(&end);
            events.push(end);
            break;
        }
        events.push(event);
    }
    let unlucky = luck / 1_000 % 50_000 == 7;
    if unlucky && state.end.is_some() {
        let fact =
            Fact::AttentionOpened { cause: "disagreement".into(), at: None, text: "books differ".into() };
        let event = Event { seq: state.last_seq + 1, time_us: state.finished_us + 1, fact };
        state.apply(&event);
        events.push(event);
    }
    Ok(assemble(luck, plan, &state, &events, started_us))
}

fn gid(luck: u64, started_us: i64) -> String {
    let ms = u64::try_from(started_us / 1_000).unwrap_or(0);
    let mut random = [0; 10];
    random[..8].copy_from_slice(&luck.to_be_bytes());
    uuid::Builder::from_unix_timestamp_millis(ms, &random).into_uuid().to_string()
}

fn plan_of(
    gid: String,
    definition: &str,
    mode: Mode,
    participants: &[&str],
    n: u64,
    started_us: i64,
) -> Result<Plan, PlanError> {
    let steps = participants.iter().enumerate().map(|(index, participant)| pb::PlanStep {
        branch_id: BranchId::of_index(index).as_str().to_owned(),
        participant: (*participant).to_owned(),
        forward: format!("demo.{participant}/Do"),
        confirm: format!("demo.{participant}/Confirm"),
        undo: format!("demo.{participant}/Undo"),
        payload: vec![7; 100].into(),
        policy: Some(pb::StepPolicy {
            attempt_timeout_ms: 3_000,
            initial_interval_ms: 100,
            ..pb::StepPolicy::default()
        }),
        ..pb::PlanStep::default()
    });
    Plan::new(pb::Plan {
        gid,
        definition: definition.to_owned(),
        definition_version: 1,
        mode: mode.into(),
        business_key: format!("shop/{n}"),
        created_at_us: started_us,
        steps: steps.collect(),
        ..pb::Plan::default()
    })
}

/// What happened, up to where it reaches its end, or stands.
fn story(plan: &Plan, luck: u64, open: bool) -> Vec<Fact> {
    let (forward, undo) = (plan.forward_op(), plan.undo_op());
    let last = plan.steps().len() - 1;
    let at = |step, op| OpRef { step, op };
    let ok = |at, attempt| [Fact::AttemptStarted { at, attempt }, Fact::AttemptSucceeded { at, attempt }];
    let lost = |at, attempt, code: &str| {
        let unknown = Fact::AttemptUnknown { at, attempt, code: code.into(), reason: "no answer".into() };
        [Fact::AttemptStarted { at, attempt }, unknown]
    };
    let mut facts = vec![Fact::Started, Fact::Registered("127.0.0.1:7401".into())];
    (0..last).for_each(|step| facts.extend(ok(at(step, forward), 1)));
    let end = at(last, forward);
    let undone = |facts: &mut Vec<Fact>, cause: Cause| {
        facts.push(match plan.mode() {
            Mode::Tcc => Fact::AbortDecided(cause),
            Mode::Saga | Mode::Unspecified => Fact::UndoDecided(cause),
        });
        (0..=last).rev().for_each(|step| facts.extend(ok(at(step, undo), 1)));
    };
    match luck % 10_000 {
        _ if open && !luck.is_multiple_of(20) => {}
        _ if open => {
            (1..4).for_each(|attempt| facts.extend(lost(end, attempt, "UNAVAILABLE")));
            let text = "it has been tried for long".into();
            facts.push(Fact::AttentionOpened { cause: "retries_exhausted".into(), at: Some(end), text });
        }
        0 => {
            facts.extend(lost(end, 1, "DEADLINE_EXCEEDED"));
            undone(&mut facts, Cause::Deadline("no answer in time".into()));
        }
        1..=50 => undone(&mut facts, Cause::Cancelled("changed my mind".into())),
        51..=550 => {
            let reason = "CARD_DECLINED|declined".to_owned();
            facts.push(Fact::AttemptStarted { at: end, attempt: 1 });
            facts.push(Fact::AttemptRefused { at: end, attempt: 1, reason: reason.clone() });
            undone(&mut facts, Cause::Refused(reason));
        }
        551..=600 => {
            (1..4).for_each(|attempt| facts.extend(lost(end, attempt, "UNAVAILABLE")));
            facts.extend(ok(end, 4));
        }
        _ => facts.extend(ok(end, 1)),
    }
    if plan.mode() == Mode::Tcc && !open && facts.last().is_some_and(is_done(end)) {
        facts.extend([Fact::SubmitDecided, Fact::Committed]);
        (0..=last).rev().for_each(|step| facts.extend(ok(at(step, Op::Confirm), 1)));
    }
    facts
}

fn is_done(op: OpRef) -> impl Fn(&Fact) -> bool {
    move |fact| matches!(fact, Fact::AttemptSucceeded { at, .. } if *at == op)
}

fn assemble(luck: u64, plan: Plan, state: &State, events: &[Event], started_us: i64) -> Made {
    let gid = plan.gid().as_str().to_owned();
    let shape = shape_of(&plan, "embedded");
    let row = global_transaction::Model {
        gid: gid.clone(),
        caller: if luck.is_multiple_of(100_000) { "auditor" } else { "anonymous" }.into(),
        request_id: gid.clone(),
        request_digest: vec![0; 32],
        definition: plan.body().definition.clone(),
        definition_version: 1,
        mode: shape.mode.clone(),
        business_key: plan.body().business_key.clone(),
        status: state.status().name().to_owned(),
        reason: state.cause().map(|cause| cause.text().to_owned()).unwrap_or_default(),
        is_open: state.end.is_none(),
        needs_attention: !state.attention.is_empty(),
        coordinator: shape.coordinator.clone(),
        created_at_us: started_us,
        finished_at_us: state.finished_us,
        shape: shape.id,
        ..global_transaction::Model::default()
    };
    let flat = |event: &Event| {
        let FlatFact { kind, branch_id, op, attempt, code, reason, detail } = FlatFact::from(&event.fact);
        let build_id = env!("CARGO_PKG_VERSION").to_owned();
        let (gid, seq, time_us) = (gid.clone(), event.seq, event.time_us);
        event::Model { gid, seq, time_us, kind, branch_id, op, attempt, code, reason, build_id, detail }
    };
    let need = |open: &super::Attention| attention::Model {
        gid: gid.clone(),
        cause: open.cause.clone(),
        opened_seq: open.opened_seq,
        since_us: open.since_us,
        branch_id: open.at.map(|at| plan.branch_id(at.step).as_str().to_owned()).unwrap_or_default(),
        op: open.at.map(|at| at.op.as_str().to_owned()).unwrap_or_default(),
        reason: open.text.clone(),
        owner: String::new(),
        acknowledged_by: String::new(),
        acknowledged_at_us: 0,
        note: String::new(),
    };
    Made {
        row: Marks::of(&plan, state).onto(row),
        shape,
        events: events.iter().map(flat).collect(),
        needs: state.attention.iter().map(need).collect(),
        plan,
    }
}

async fn write(store: &Store, made: Vec<Made>) -> Result<(), DbErr> {
    let transaction = store.begin().await?;
    write_shapes(&transaction, &made).await?;
    let (mut rows, mut plans, mut events, mut needs) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for one in made {
        plans.push(plan::Model { gid: one.row.gid.clone(), body: one.plan.encode() }.into_active_model());
        rows.push(one.row.into_active_model());
        events.extend(one.events.into_iter().map(event::Model::into_active_model));
        needs.extend(one.needs.into_iter().map(attention::Model::into_active_model));
    }
    global_transaction::Entity::insert_many(rows).exec_without_returning(&transaction).await?;
    plan::Entity::insert_many(plans).exec_without_returning(&transaction).await?;
    for some in events.chunks(ROWS) {
        event::Entity::insert_many(some.iter().cloned()).exec_without_returning(&transaction).await?;
    }
    if !needs.is_empty() {
        attention::Entity::insert_many(needs).exec_without_returning(&transaction).await?;
    }
    transaction.commit().await
}

async fn write_shapes(transaction: &DatabaseTransaction, made: &[Made]) -> Result<(), DbErr> {
    let mut shapes: Vec<shape::Model> = made.iter().map(|one| one.shape.clone()).collect();
    shapes.sort_by_key(|shape| shape.id);
    shapes.dedup();
    let shapes = shapes.into_iter().map(shape::Model::into_active_model);
    let known = OnConflict::column(shape::Column::Id).do_nothing().to_owned();
    let insert = shape::Entity::insert_many(shapes).on_conflict(known);
    insert.exec_without_returning(transaction).await.map(|_| ())
}
