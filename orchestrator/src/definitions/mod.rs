//! Definitions: named, versioned business deeds. The only place that knows the services.

mod bench;
mod checkout;
pub mod own;
pub mod samples;

use crate::history::Reuse;
use crate::plan::{Mode, Plan, PlanError};
use amends_dtm::Gid;
use amends_proto::amends::v1::{self as pb, PlanStep, StepPolicy};
use prost::Message;
use prost_types::Any;

/// What a definition makes a plan from.
#[derive(Debug, Clone)]
pub struct Order<'a> {
    /// Names the global transaction.
    pub gid: Gid,
    /// SAGA or TCC.
    pub mode: Mode,
    /// The caller's input.
    pub input: &'a Any,
    /// The caller's name for the deed; empty = the definition makes it.
    pub business_key: &'a str,
    /// Trace context of the caller; empty = none.
    pub traceparent: &'a str,
    /// Unix microseconds.
    pub now_us: i64,
    /// Times that the operator may set.
    pub times: StepTimes,
    /// Names on the allow-list of this orchestrator.
    pub participants: &'a [&'a str],
}

/// Times of steps that the operator may set (payments-domain.md §3, Times).
#[derive(Debug, Clone, Copy)]
pub struct StepTimes {
    /// Until a pivot with unknown outcome is taken back, and for the gateway's try.
    pub pivot_timeout_ms: i32,
    /// For any other try.
    pub try_timeout_ms: i32,
    /// For a definition's global transaction as a whole; 0 = none.
    pub transaction_timeout_ms: i32,
}

/// Why no plan came of it. The client's fault, nothing was changed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DefinitionError {
    /// No such definition.
    #[error("there is no definition `{0}`; this orchestrator has: checkout")]
    Unknown(String),
    /// The definition cannot run in this mode.
    #[error("mode must be SAGA or TCC")]
    Mode,
    /// The input is of another type, or does not decode.
    #[error("input must be a {wanted}: {what}")]
    Input {
        /// Full name of the wanted message.
        wanted: &'static str,
        /// What is wrong with the given one.
        what: String,
    },
    /// A field is missing or wrong.
    #[error("{field}: {what}")]
    Field {
        /// Name of the field.
        field: &'static str,
        /// What is wrong with it.
        what: String,
    },
    /// A field holds a card number: it must not get into a plan, and is not repeated here.
    #[error("{0}: looks like a card number")]
    CardNumber(&'static str),
    /// The caller's own steps are not a plan.
    #[error(transparent)]
    Own(#[from] own::OwnError),
    /// The finished plan is not one.
    #[error("the plan is not valid: {0}")]
    Plan(#[from] PlanError),
}

/// A definition applied to one input.
#[derive(Debug, Clone)]
pub struct Planned {
    /// The plan.
    pub plan: Plan,
    /// When its business key may be used again.
    pub reuse: Reuse,
}

/// Names of the definitions that an orchestrator with these participants has, and the one that all steps of callers' own
/// go by.
#[must_use]
pub fn names(participants: &[&str]) -> Vec<&'static str> {
    let has_bench = participants.contains(&bench::PARTICIPANT);
    [Some(checkout::NAME), has_bench.then_some(bench::NAME), Some(own::NAME)].into_iter().flatten().collect()
}

/// Makes the plan of a named definition.
///
/// # Errors
/// Says what of the order is wrong.
pub fn plan(definition: &str, order: &Order<'_>) -> Result<Planned, DefinitionError> {
    match definition {
        checkout::NAME => checkout::plan(order),
        bench::NAME if order.participants.contains(&bench::PARTICIPANT) => bench::plan(order),
        other => Err(DefinitionError::Unknown(other.to_owned())),
    }
}

/// Decodes the input of a definition.
fn decode<M: Message + Default>(input: &Any, wanted: &'static str) -> Result<M, DefinitionError> {
    let fail = |what: String| DefinitionError::Input { wanted, what };
    let name = input.type_url.rsplit('/').next().unwrap_or_default();
    if name != wanted {
        return Err(fail(format!("got `{name}`")));
    }
    M::decode(input.value.as_ref()).map_err(|error| fail(error.to_string()))
}

/// A step as a definition writes it down: full method names of one service.
struct StepSketch {
    participant: &'static str,
    service: &'static str,
    forward: &'static str,
    confirm: &'static str,
    undo: &'static str,
    pivot: bool,
    payload: bytes::Bytes,
    policy: StepPolicy,
}

/// Numbers the sketched steps from 01 and makes them a plan, of what is at stake.
fn assemble(
    order: &Order<'_>,
    name: &str,
    version: i32,
    key: &str,
    (amount_minor, currency): (i64, &str),
    steps: Vec<StepSketch>,
) -> Result<Plan, PlanError> {
    let full = |service: &str, method: &str| match method {
        "" => String::new(),
        method => format!("{service}/{method}"),
    };
    let steps = steps.into_iter().enumerate().map(|(index, step)| PlanStep {
        branch_id: amends_dtm::BranchId::of_index(index).as_str().to_owned(),
        participant: step.participant.to_owned(),
        forward: full(step.service, step.forward),
        confirm: full(step.service, step.confirm),
        undo: full(step.service, step.undo),
        payload: step.payload,
        pivot: step.pivot,
        policy: Some(step.policy),
        ..PlanStep::default()
    });
    Plan::new(pb::Plan {
        gid: order.gid.as_str().to_owned(),
        definition: name.to_owned(),
        definition_version: version,
        mode: order.mode.into(),
        business_key: key.to_owned(),
        steps: steps.collect(),
        traceparent: order.traceparent.to_owned(),
        created_at_us: order.now_us,
        timeout_ms: order.times.transaction_timeout_ms,
        amount_minor,
        currency: currency.to_owned(),
        ..pb::Plan::default()
    })
}
