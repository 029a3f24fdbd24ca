//! Global transactions that are there before the first input, under gids that inputs can name: one that goes well, one
//! that is refused, a TCC, one that waits for a participant that is away, one behind its pivot, one of much money.
use super::AWAY;
use crate::host::{Fault, gid};
use amends_dtm::BranchId;
use amends_orchestrator::engine::Engine;
use amends_orchestrator::history::{NewTransaction, Reuse, Row, Status};
use amends_orchestrator::plan::{Mode, Plan};
use amends_proto::amends::v1 as pb;
use std::sync::Arc;

/// What is at stake where it is much: two people have to state the same.
pub const STAKE: i64 = 1_000;
/// Always the same, so that plans are, and hashes of plans.
const MADE_US: i64 = 1_760_000_000_000_000;
const POINTS: &str = "pay.points.v1.PointsService";
const GATEWAY: &str = "pay.gateway.v1.GatewayService";

/// Starts them.
///
/// # Errors
/// A plan is none, or the store is away.
pub async fn sow(engine: &Arc<Engine>) -> Result<(), Fault> {
    let (points, away) = (("points", POINTS), (AWAY, POINTS));
    let seeds = [
        (Mode::Saga, vec![points, points], None, 0),
        (Mode::Saga, vec![points, ("gateway", GATEWAY)], Some(1), 0),
        (Mode::Tcc, vec![points, points], None, 0),
        (Mode::Saga, vec![points, away, points], None, 0),
        (Mode::Saga, vec![points, away], Some(0), 0),
        (Mode::Tcc, vec![away], None, 0),
        (Mode::Saga, vec![away], None, STAKE),
    ];
    for (number, (mode, steps, pivot, stake)) in (0..).zip(seeds) {
        let steps = steps.into_iter().enumerate().map(|(index, at)| step(index, at, pivot)).collect();
        let plan = Plan::new(pb::Plan {
            gid: gid(number),
            definition: "seed".to_owned(),
            definition_version: 1,
            mode: mode.into(),
            business_key: format!("seed/{number}"),
            steps,
            created_at_us: MADE_US,
            amount_minor: stake,
            currency: "USD".to_owned(),
            ..pb::Plan::default()
        })?;
        let new = NewTransaction { plan: plan.encode(), reuse: Reuse::Always };
        let own = engine.coordinators().own();
        let live = engine.start(row(&plan, own.name()), plan, new).await?;
        if !own.calls() {
            // Nobody who begins with it need wait for it.
            live.until(|state| state.end.is_some() || !state.attention.is_empty()).await;
        }
    }
    Ok(())
}

fn step(index: usize, (participant, service): (&str, &str), pivot: Option<usize>) -> pb::PlanStep {
    let behind = pivot.is_some_and(|pivot| index > pivot);
    let method = |name: &str| format!("{service}/{name}");
    pb::PlanStep {
        branch_id: BranchId::of_index(index).as_str().to_owned(),
        participant: participant.to_owned(),
        forward: method("Burn"),
        confirm: method("ConfirmBurn"),
        undo: if behind { String::new() } else { method("ReturnBurn") },
        payload: vec![10, 1, 120].into(),
        pivot: pivot == Some(index),
        // A participant that is away is tried once; then a person is needed.
        policy: Some(pb::StepPolicy {
            attempt_timeout_ms: 500,
            initial_interval_ms: 3_600_000,
            max_interval_ms: 3_600_000,
            max_attempts: 1,
            ..pb::StepPolicy::default()
        }),
        ..pb::PlanStep::default()
    }
}

fn row(plan: &Plan, coordinator: &str) -> Row {
    let body = plan.body();
    Row {
        gid: body.gid.clone(),
        caller: "seed".to_owned(),
        request_id: body.gid.clone(),
        request_digest: vec![1],
        definition: body.definition.clone(),
        definition_version: body.definition_version,
        mode: if plan.mode() == Mode::Tcc { "tcc" } else { "saga" }.to_owned(),
        business_key: body.business_key.clone(),
        status: Status::Accepted.name().to_owned(),
        is_open: true,
        coordinator: coordinator.to_owned(),
        created_at_us: body.created_at_us,
        ..Row::default()
    }
}
