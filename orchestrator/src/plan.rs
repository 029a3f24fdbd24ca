//! A plan: the fixed steps of one global transaction, with policies and a hash. Never changes after start.
//! Knows the shape of a plan and its limits; must not know any service, nor how a plan is driven.

mod order;
mod policy;

pub use order::StepSet;
pub use policy::{MAX_ATTEMPT_MS, MAX_ATTEMPTS, MAX_FACTOR_PERCENT, MAX_JITTER_PERCENT, MAX_WAIT_MS};

use amends_dtm::{BranchId, Gid, Op};
use amends_proto::amends::v1 as pb;
use order::Order;
use prost::Message as _;
use sha2::{Digest as _, Sha256};

pub use pb::Mode;

/// Steps of one plan: DTM's BoltDB and SQL columns bound what a saga may carry (reliability.md §5, Input).
pub const MAX_STEPS: usize = 50;
/// Bytes of one step's payload: the request limit of every server (design.md §5) less room for framing.
pub const MAX_PAYLOAD_BYTES: usize = 1_000_000;

/// Place of a step in its plan, from 0.
pub type StepIndex = usize;

/// One op of one step.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct OpRef {
    /// Which step.
    pub step: StepIndex,
    /// Which op of it.
    pub op: Op,
}

/// A checked plan. Its hash is SHA-256 of the deterministic encoding (design.md §5).
#[derive(Debug, Clone, PartialEq)]
pub struct Plan {
    body: pb::Plan,
    gid: Gid,
    hash: [u8; 32],
    order: Order,
}

/// Why a plan is not one.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PlanError {
    /// No steps, or too many.
    #[error("a plan has 1 to {MAX_STEPS} steps, this one has {0}")]
    StepCount(usize),
    /// Something of one step is missing or too large.
    #[error("step {branch_id}: {what}")]
    Step {
        /// The step's branch id.
        branch_id: String,
        /// What is wrong.
        what: &'static str,
    },
    /// The gid is not one.
    #[error("the plan's gid is malformed")]
    Gid,
    /// Its time is negative.
    #[error("the plan's timeout_ms is negative")]
    Timeout,
    /// Neither SAGA nor TCC.
    #[error("the plan's mode is neither SAGA nor TCC")]
    Mode,
    /// The bytes are not a plan.
    #[error("the stored plan does not decode")]
    Decode(#[from] prost::DecodeError),
}

impl Plan {
    /// Checks `body` and hashes it.
    ///
    /// # Errors
    /// Names what is wrong with it.
    pub fn new(body: pb::Plan) -> Result<Self, PlanError> {
        let gid = Gid::parse(&body.gid).map_err(|_| PlanError::Gid)?;
        if body.mode() == Mode::Unspecified {
            return Err(PlanError::Mode);
        }
        if body.timeout_ms < 0 {
            return Err(PlanError::Timeout);
        }
        if body.steps.is_empty() || body.steps.len() > MAX_STEPS {
            return Err(PlanError::StepCount(body.steps.len()));
        }
        for (index, step) in body.steps.iter().enumerate() {
            check_step(index, step, body.mode())?;
        }
        let order = Order::of(&body)?;
        policy::check_giving_up(&body, &order)?;
        let hash = Sha256::digest(body.encode_to_vec()).into();
        Ok(Self { body, gid, hash, order })
    }

    /// Reads a plan back from its stored encoding.
    ///
    /// # Errors
    /// As [`Plan::new`], and where the bytes do not decode.
    pub fn decode(bytes: &[u8]) -> Result<Self, PlanError> {
        Self::new(pb::Plan::decode(bytes)?)
    }

    /// The deterministic encoding that is stored and hashed.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        self.body.encode_to_vec()
    }

    /// Names the global transaction.
    #[must_use]
    pub fn gid(&self) -> &Gid {
        &self.gid
    }

    /// SHA-256 of the encoding: the only thing of the plan that DTM ever sees.
    #[must_use]
    pub fn hash(&self) -> &[u8; 32] {
        &self.hash
    }

    /// SAGA or TCC.
    #[must_use]
    pub fn mode(&self) -> Mode {
        self.body.mode()
    }

    /// All steps, in order.
    #[must_use]
    pub fn steps(&self) -> &[pb::PlanStep] {
        &self.body.steps
    }

    /// Everything else that the plan carries.
    #[must_use]
    pub fn body(&self) -> &pb::Plan {
        &self.body
    }

    /// DTM's name of a step.
    #[must_use]
    pub fn branch_id(&self, step: StepIndex) -> BranchId {
        BranchId::of_index(step)
    }

    /// The step that DTM calls by this branch id.
    #[must_use]
    pub fn step_of(&self, branch_id: &BranchId) -> Option<StepIndex> {
        branch_id.index().filter(|index| *index < self.body.steps.len())
    }

    /// The point of no return of a SAGA; a plan without one can be undone until its last step succeeded.
    #[must_use]
    pub fn pivot(&self) -> Option<StepIndex> {
        self.body.steps.iter().position(|step| step.pivot)
    }

    /// Whether a step lies behind the pivot: it may not refuse and is never undone.
    #[must_use]
    pub fn behind_pivot(&self, step: StepIndex) -> bool {
        self.pivot().is_some_and(|pivot| self.behind(pivot).contains(step))
    }

    /// The steps that a step itself waits for: they must have succeeded before it begins.
    #[must_use]
    pub fn just_before(&self, step: StepIndex) -> StepSet {
        self.order.just_before(step)
    }

    /// Every step that must have succeeded before this one begins, near or far.
    #[must_use]
    pub fn before(&self, step: StepIndex) -> StepSet {
        self.order.before(step)
    }

    /// Every step that begins only after this one succeeded, near or far: undone and confirmed before it.
    #[must_use]
    pub fn behind(&self, step: StepIndex) -> StepSet {
        self.order.behind(step)
    }

    /// Whether steps may run beside each other.
    #[must_use]
    pub fn is_graph(&self) -> bool {
        self.body.graph
    }

    /// The op that a step does first.
    #[must_use]
    pub fn forward_op(&self) -> Op {
        match self.mode() {
            Mode::Tcc => Op::Try,
            Mode::Saga | Mode::Unspecified => Op::Action,
        }
    }

    /// The op that takes a step back.
    #[must_use]
    pub fn undo_op(&self) -> Op {
        match self.mode() {
            Mode::Tcc => Op::Cancel,
            Mode::Saga | Mode::Unspecified => Op::Compensate,
        }
    }

    /// Full name of the method that an op calls; empty = nothing to call.
    #[must_use]
    pub fn method(&self, at: OpRef) -> &str {
        let step = &self.body.steps[at.step];
        match at.op {
            Op::Action | Op::Try => &step.forward,
            Op::Confirm => &step.confirm,
            Op::Compensate | Op::Cancel => &step.undo,
        }
    }

    /// The step's policy.
    #[must_use]
    pub fn policy(&self, step: StepIndex) -> pb::StepPolicy {
        self.body.steps[step].policy.unwrap_or_default()
    }
}

fn check_step(index: StepIndex, step: &pb::PlanStep, mode: Mode) -> Result<(), PlanError> {
    let fail = |what| Err(PlanError::Step { branch_id: step.branch_id.clone(), what });
    if step.branch_id != BranchId::of_index(index).as_str() {
        return fail("branch ids count up from 01");
    }
    if step.participant.is_empty() || step.forward.is_empty() {
        return fail("participant or forward method is missing");
    }
    if mode == Mode::Tcc && (step.confirm.is_empty() || step.undo.is_empty()) {
        return fail("a TCC step has confirm and cancel");
    }
    if step.payload.len() > MAX_PAYLOAD_BYTES {
        return fail("the payload is too large");
    }
    match &step.policy {
        Some(policy) => policy::check(step, policy).or_else(fail),
        None => fail("the policy lacks an attempt timeout or an interval"),
    }
}

#[cfg(test)]
pub(crate) mod samples {
    //! Small plans that tests of other modules start from.
    use super::*;

    /// A policy that is quick enough for tests.
    pub(crate) fn policy() -> pb::StepPolicy {
        pb::StepPolicy {
            attempt_timeout_ms: 1_000,
            step_timeout_ms: 0,
            initial_interval_ms: 10,
            max_interval_ms: 50,
            attention_after_ms: 0,
            ..pb::StepPolicy::default()
        }
    }

    /// A plan of `count` steps; `pivot` names the point of no return, steps behind it have no undo.
    pub(crate) fn plan(mode: Mode, count: usize, pivot: Option<usize>) -> Plan {
        let steps = (0..count).map(|index| pb::PlanStep {
            branch_id: BranchId::of_index(index).as_str().to_owned(),
            participant: format!("p{index}"),
            forward: "pay.test.v1.T/Do".to_owned(),
            confirm: if mode == Mode::Tcc { "pay.test.v1.T/Confirm".to_owned() } else { String::new() },
            undo: match pivot {
                Some(pivot) if index > pivot => String::new(),
                Some(_) | None => "pay.test.v1.T/Undo".to_owned(),
            },
            payload: vec![u8::try_from(index).unwrap()].into(),
            pivot: Some(index) == pivot,
            policy: Some(policy()),
            ..pb::PlanStep::default()
        });
        Plan::new(pb::Plan {
            gid: Gid::generate().as_str().to_owned(),
            definition: "test".to_owned(),
            definition_version: 1,
            mode: mode.into(),
            business_key: "k".to_owned(),
            steps: steps.collect(),
            created_at_us: 1,
            ..pb::Plan::default()
        })
        .unwrap()
    }

    /// A plan whose steps wait for those that `after` names for each.
    pub(crate) fn graph(mode: Mode, after: &[&[usize]], pivot: Option<usize>) -> Plan {
        let mut body = plan(mode, after.len(), pivot).body().clone();
        body.graph = true;
        for (step, after) in body.steps.iter_mut().zip(after) {
            step.after = after.iter().map(|index| BranchId::of_index(*index).as_str().to_owned()).collect();
        }
        Plan::new(body).unwrap()
    }

    /// 0, then 1 and 2 beside each other, then 3.
    pub(crate) fn diamond(mode: Mode) -> Plan {
        graph(mode, &[&[], &[0], &[0], &[1, 2]], None)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hash_survives_storing() {
        let plan = samples::plan(Mode::Saga, 3, Some(1));
        let back = Plan::decode(&plan.encode()).unwrap();
        assert_eq!(back.hash(), plan.hash());
        assert_eq!(back, plan);
    }

    #[test]
    fn another_payload_is_another_plan() {
        let plan = samples::plan(Mode::Saga, 2, None);
        let mut body = plan.body().clone();
        body.steps[1].payload = vec![9].into();
        assert_ne!(Plan::new(body).unwrap().hash(), plan.hash());
    }

    #[test]
    fn malformed_plans_are_named() {
        let good = samples::plan(Mode::Tcc, 2, None).body().clone();
        let broken = |change: fn(&mut pb::Plan)| {
            let mut body = good.clone();
            change(&mut body);
            Plan::new(body).unwrap_err()
        };
        assert_eq!(broken(|p| p.steps.clear()), PlanError::StepCount(0));
        assert_eq!(broken(|p| p.gid = "x".into()), PlanError::Gid);
        assert_eq!(broken(|p| p.mode = 0), PlanError::Mode);
        assert!(matches!(broken(|p| p.steps[1].branch_id = "07".into()), PlanError::Step { .. }));
        assert!(matches!(broken(|p| p.steps[0].undo.clear()), PlanError::Step { .. }));
        assert!(matches!(broken(|p| p.steps[0].policy = None), PlanError::Step { .. }));
    }
}
