//! Preflight: whether plans can be carried out by the services that they call, before any of them is started
//! (orchestration.md item 18). Looks at plans and descriptors only; calls nobody.

mod calls;
mod policies;
mod services;
mod shape;
mod startup;

pub use services::{DescriptorError, Services};
pub use startup::{Refused, at_start};

pub use crate::definitions::StepTimes;
use crate::definitions::own::{self, OwnStep, Terms};

use crate::definitions::{self, DefinitionError, Order, Planned, samples};
use crate::history::Reuse;
use crate::plan::{Mode, OpRef, Plan, StepIndex};
use amends_dtm::Gid;
use amends_proto::amends::v1::{StartSagaRequest, StartTccRequest};
use prost_types::Any;

/// How bad a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Weight {
    /// It cannot be carried out, or not be taken back.
    Refusal,
    /// It can, but perhaps not as it was meant.
    Warning,
}

/// What a finding is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// No plan can be made.
    Plan,
    /// A method that is not there, or cannot be called so.
    Method,
    /// A request of another type.
    Request,
    /// An undo that is missing, or never called.
    Undo,
    /// Something is too large.
    Size,
    /// Times that do not fit each other.
    Time,
    /// A participant that is not on the allow-list.
    Participant,
}

/// Something that is not as it should be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// How bad it is.
    pub weight: Weight,
    /// What it is about.
    pub kind: Kind,
    /// The step: its branch id, its own name if it has one, and its method; empty = the plan as a whole.
    pub step: String,
    /// For people.
    pub what: String,
}

/// What was looked at, and what was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// Name of the definition.
    pub definition: String,
    /// SAGA or TCC.
    pub mode: Mode,
    /// Steps of the plan; 0 = there is none.
    pub steps: usize,
    /// In the order of the steps.
    pub findings: Vec<Finding>,
}

impl Report {
    /// Whether it must not be started.
    #[must_use]
    pub fn is_refused(&self) -> bool {
        self.findings.iter().any(|finding| finding.weight == Weight::Refusal)
    }
}

/// What is checked against.
#[derive(Debug, Clone, Copy)]
pub struct Grounds<'a> {
    /// The descriptors.
    pub services: &'a Services,
    /// Names on the allow-list; `None` = not known here.
    pub participants: Option<&'a [&'a str]>,
    /// Times that the operator has set.
    pub times: StepTimes,
}

/// Checks every definition in both modes, by a sample that has every step. One whose participants are not on the
/// allow-list is left out: it is not what this orchestrator is for.
#[must_use]
pub fn definitions(grounds: &Grounds<'_>) -> Vec<Report> {
    let mut reports = Vec::new();
    for sample in samples::all() {
        for mode in [Mode::Saga, Mode::Tcc] {
            let names = sample.participants;
            let order = order(grounds, mode, &sample.input, names);
            let served = |allowed: &[&str]| names.iter().all(|name| allowed.contains(name));
            if grounds.participants.is_none_or(served) {
                let planned = definitions::plan(sample.definition, &order);
                reports.push(report(grounds, sample.definition, mode, planned));
            }
        }
    }
    reports
}

/// Checks a SAGA of the caller's own.
#[must_use]
pub fn saga(grounds: &Grounds<'_>, request: &StartSagaRequest) -> Report {
    let steps: Vec<OwnStep<'_>> = request.steps.iter().map(OwnStep::from).collect();
    let named: Vec<&str> = request.steps.iter().map(|step| step.participant.as_str()).collect();
    let size = prost::Message::encoded_len(request);
    own(grounds, Mode::Saga, (&steps, request.timeout_ms), &named, size)
}

/// Checks a TCC of the caller's own.
#[must_use]
pub fn tcc(grounds: &Grounds<'_>, request: &StartTccRequest) -> Report {
    let steps: Vec<OwnStep<'_>> = request.steps.iter().map(OwnStep::from).collect();
    let named: Vec<&str> = request.steps.iter().map(|step| step.participant.as_str()).collect();
    let size = prost::Message::encoded_len(request);
    own(grounds, Mode::Tcc, (&steps, request.timeout_ms), &named, size)
}

fn own(
    grounds: &Grounds<'_>,
    mode: Mode,
    (steps, timeout_ms): (&[OwnStep<'_>], i32),
    named: &[&str],
    size: usize,
) -> Report {
    let none = Any::default();
    let order = order(grounds, mode, &none, grounds.participants.unwrap_or(named));
    let planned = own::plan(&order, steps, Terms { reuse: Reuse::Always, timeout_ms });
    let mut report = report(grounds, own::NAME, mode, planned);
    report.findings.extend(shape::request(size));
    report
}

fn order<'a>(grounds: &Grounds<'_>, mode: Mode, input: &'a Any, participants: &'a [&'a str]) -> Order<'a> {
    Order {
        gid: Gid::generate(),
        mode,
        input,
        business_key: "preflight",
        traceparent: "",
        now_us: 1,
        times: grounds.times,
        participants,
    }
}

fn report(
    grounds: &Grounds<'_>,
    definition: &str,
    mode: Mode,
    planned: Result<Planned, DefinitionError>,
) -> Report {
    let (steps, findings) = match planned {
        Ok(planned) => (planned.plan.steps().len(), plan(grounds.services, &planned.plan)),
        Err(error) => (0, vec![no_plan(&error)]),
    };
    Report { definition: definition.to_owned(), mode, steps, findings }
}

/// Why there is no plan: the error names the step.
fn no_plan(error: &DefinitionError) -> Finding {
    let kind = match error {
        DefinitionError::Own(own::OwnError::Field { field: "participant", .. }) => Kind::Participant,
        DefinitionError::Own(_)
        | DefinitionError::Unknown(_)
        | DefinitionError::Mode
        | DefinitionError::Input { .. }
        | DefinitionError::Field { .. }
        | DefinitionError::CardNumber(_)
        | DefinitionError::Plan(_) => Kind::Plan,
    };
    Finding { weight: Weight::Refusal, kind, step: String::new(), what: error.to_string() }
}

/// Checks a plan.
fn plan(services: &Services, plan: &Plan) -> Vec<Finding> {
    let steps = 0..plan.steps().len();
    let of_step = |step: StepIndex| {
        let calls = calls::check(services, plan, step);
        calls.into_iter().chain(shape::check(plan, step)).chain(policies::check(plan, step))
    };
    steps.flat_map(of_step).collect()
}

/// A step as findings name it.
fn label(plan: &Plan, step: StepIndex) -> String {
    let at = OpRef { step, op: plan.forward_op() };
    let (branch_id, name) = (plan.branch_id(step), &plan.steps()[step].name);
    let name = if name.is_empty() { String::new() } else { format!(" (`{name}`)") };
    format!("{}{name} {}", branch_id.as_str(), plan.method(at))
}

/// Whether the plan's steps are the caller's own: nobody here answers for the services that they call.
fn is_own(plan: &Plan) -> bool {
    plan.body().definition == own::NAME
}

#[cfg(test)]
#[path = "preflight_tests.rs"]
mod tests;
