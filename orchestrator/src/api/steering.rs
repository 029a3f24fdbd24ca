//! What people do to global transactions: checks limits, translates, and hands over to the engine; decides nothing.

use super::error::ApiError;
use super::start::text;
use super::view;
use crate::definitions;
use crate::engine::{Approval, Denied, Engine, Live, Statement};
use crate::history::{Act, Deadlines, Held, Hold, Resolution};
use crate::plan::OpRef;
use amends_dtm::{BranchId, Gid, Op};
use amends_proto::amends::v1 as pb;
use std::sync::Arc;

/// Longest reason, as of a cancel.
const MAX_REASON: usize = 200;
/// Longest evidence: what an event keeps beside its reason is at most 4 KiB, and each character may take two bytes there.
const MAX_EVIDENCE: usize = 1_500;
/// Longest reference to a proof.
const MAX_REFERENCE: usize = 200;
/// Longest name of a definition or a participant.
const MAX_NAME: usize = 64;

/// Who acts, on which engine.
pub struct Helm {
    /// It.
    pub engine: Arc<Engine>,
    /// Who calls.
    pub subject: String,
    /// Above so many minor units a second person has to approve.
    pub approve_above_minor: i64,
}

/// What a pause or a resume is about.
enum Target {
    Gid(String),
    Held(Held),
}

impl Helm {
    /// The next attempt is made now. Must run, as all acts, in a task that nobody drops half-way.
    pub async fn retry(&self, request: pb::RetryRequest) -> Result<pb::GlobalTransaction, ApiError> {
        let act = self.act(&request.reason)?;
        let seen = seen(request.expected_last_seq)?;
        let live = self.live(&request.gid).await?;
        let at = match (request.branch_id.as_str(), request.op.as_str()) {
            ("", "") => None,
            (branch_id, op) => Some(op_of(&live, branch_id, op)?),
        };
        self.engine.retry_now(&live, seen, at, &act).await.map_err(|error| denied(error, &live))?;
        Ok(view::transaction(&live))
    }

    /// Another run goes on from where this one failed.
    pub async fn redrive(&self, request: pb::RedriveRequest) -> Result<pb::GlobalTransaction, ApiError> {
        let act = self.act(&request.reason)?;
        let seen = seen(request.expected_last_seq)?;
        let live = self.live(&request.gid).await?;
        self.engine.redrive(&live, seen, &act).await.map_err(|error| denied(error, &live))?;
        Ok(view::transaction(&live))
    }

    /// No new attempt from now on.
    pub async fn pause(&self, request: pb::PauseRequest) -> Result<pb::PauseResponse, ApiError> {
        let deadlines = match request.deadlines() {
            pb::Deadlines::Unspecified | pb::Deadlines::Stop => Deadlines::Stop,
            pb::Deadlines::Run => Deadlines::Run,
        };
        let act = self.act(&request.reason)?;
        let seen = seen(request.expected_last_seq)?;
        match self.target(request.scope)? {
            Target::Gid(gid) => {
                let live = self.live(&gid).await?;
                let paused = self.engine.pause(&live, seen, deadlines, &act).await;
                paused.map_err(|error| denied(error, &live))?;
                Ok(of_transaction(&live))
            }
            Target::Held(on) => {
                self.is_known(&on).await?;
                let since_us = self.engine.now_us();
                let hold = Hold { on: on.clone(), since_us, deadlines, act, ended: None };
                if !self.engine.begin_hold(&hold).await? {
                    self.is_held_so(&on, deadlines)?;
                }
                Ok(self.of_hold(&on))
            }
        }
    }

    /// Attempts go on.
    pub async fn resume(&self, request: pb::ResumeRequest) -> Result<pb::PauseResponse, ApiError> {
        let act = self.act(&request.reason)?;
        let seen = seen(request.expected_last_seq)?;
        match self.target(request.scope)? {
            Target::Gid(gid) => {
                let live = self.live(&gid).await?;
                let resumed = self.engine.resume(&live, seen, &act).await;
                resumed.map_err(|error| denied(error, &live))?;
                Ok(of_transaction(&live))
            }
            Target::Held(on) => {
                self.engine.end_hold(&on, &act).await?;
                Ok(self.of_hold(&on))
            }
        }
    }

    /// States the outcome of an op.
    pub async fn resolve(&self, request: pb::ResolveRequest) -> Result<pb::ResolveResponse, ApiError> {
        let outcome = match request.outcome() {
            pb::Resolution::Succeeded => Resolution::Succeeded,
            pb::Resolution::Refused => Resolution::Refused,
            pb::Resolution::Compensated => Resolution::Compensated,
            pb::Resolution::Unspecified => {
                return Err(invalid("outcome", "must be succeeded, refused or compensated"));
            }
        };
        plain("evidence", &request.evidence, 1, MAX_EVIDENCE)?;
        plain("reference", &request.reference, 0, MAX_REFERENCE)?;
        let (evidence, reference) = (request.evidence, request.reference);
        let act = Act { evidence: evidence.clone(), reference, ..Act::of(&self.subject, &evidence) };
        let seen = seen(request.expected_last_seq)?;
        let live = self.live(&request.gid).await?;
        let at = op_of(&live, &request.branch_id, &request.op)?;
        let approval = match live.plan.body().amount_minor > self.approve_above_minor {
            true => Approval::Two,
            false => Approval::One,
        };
        let said = Statement { at, outcome, act, approval };
        let counts = self.engine.resolve(&live, seen, &said).await.map_err(|error| denied(error, &live))?;
        let proposal = live.state().proposal.clone().filter(|_| !counts);
        Ok(pb::ResolveResponse {
            transaction: Some(view::transaction(&live)),
            awaiting_approval: !counts,
            proposed_by: proposal.map(|proposal| proposal.act.subject).unwrap_or_default(),
        })
    }

    fn act(&self, reason: &str) -> Result<Act, ApiError> {
        plain("reason", reason, 0, MAX_REASON)?;
        Ok(Act::of(&self.subject, reason))
    }

    async fn live(&self, gid: &str) -> Result<Arc<Live>, ApiError> {
        let known =
            Gid::parse(gid).map_err(|_| invalid("gid", "must be a lower-case UUIDv7 with hyphens"))?;
        self.engine.find(known.as_str()).await?.ok_or_else(|| ApiError::NotFound(gid.to_owned()))
    }

    fn target(&self, scope: Option<pb::Scope>) -> Result<Target, ApiError> {
        use pb::scope::What;
        Ok(match scope.and_then(|scope| scope.what) {
            Some(What::Gid(gid)) => Target::Gid(gid),
            Some(What::Definition(name)) => {
                plain("definition", &name, 1, MAX_NAME)?;
                Target::Held(Held::Definition(name))
            }
            Some(What::Participant(name)) if self.engine.lanes().get(&name).is_some() => {
                Target::Held(Held::Participant(name))
            }
            Some(What::Participant(_)) => {
                let names = self.participants().join(", ");
                return Err(invalid("participant", &format!("is not on the allow-list: {names}")));
            }
            None => return Err(invalid("scope", "must name a gid, a definition or a participant")),
        })
    }

    fn participants(&self) -> Vec<&str> {
        self.engine.lanes().addresses().map(|(name, _)| name).collect()
    }

    /// A definition is known that can be started, and one that history has anything of: another version's, say.
    async fn is_known(&self, on: &Held) -> Result<(), ApiError> {
        let Held::Definition(name) = on else { return Ok(()) };
        let mut known: Vec<String> =
            definitions::names(&self.participants()).into_iter().map(ToOwned::to_owned).collect();
        if known.contains(name) {
            return Ok(());
        }
        known.extend(self.engine.history().reader.definition_names().await?);
        if known.contains(name) {
            return Ok(());
        }
        known.sort_unstable();
        known.dedup();
        Err(ApiError::UnknownDefinition { name: name.clone(), known: known.join(", ") })
    }

    /// What is held already is held by one rule: nobody must believe that theirs is kept.
    fn is_held_so(&self, on: &Held, deadlines: Deadlines) -> Result<(), ApiError> {
        let holds = self.engine.holds().all();
        match holds.iter().find(|hold| hold.on == *on && hold.ended.is_none()) {
            Some(other) if other.deadlines != deadlines => Err(ApiError::HeldOtherwise {
                what: format!("{} {}", on.kind(), on.name()),
                why: Denied::PausedOtherwise { deadlines: other.deadlines },
            }),
            Some(_) | None => Ok(()),
        }
    }

    fn of_hold(&self, on: &Held) -> pb::PauseResponse {
        let holds = self.engine.holds().all();
        let hold = holds.iter().find(|hold| hold.on == *on).map(shown);
        pb::PauseResponse { transaction: None, hold }
    }
}

/// Pauses of definitions and participants.
pub fn holds(engine: &Engine, request: &pb::ListHoldsRequest) -> pb::ListHoldsResponse {
    let holds = engine.holds().all();
    let wanted = holds.iter().filter(|hold| request.ended || hold.ended.is_none());
    pb::ListHoldsResponse { holds: wanted.map(shown).collect() }
}

fn of_transaction(live: &Live) -> pb::PauseResponse {
    pb::PauseResponse { transaction: Some(view::transaction(live)), hold: None }
}

fn shown(hold: &Hold) -> pb::Hold {
    use pb::scope::What;
    let what = match &hold.on {
        Held::Definition(name) => What::Definition(name.clone()),
        Held::Participant(name) => What::Participant(name.clone()),
    };
    let deadlines = match hold.deadlines {
        Deadlines::Stop => pb::Deadlines::Stop,
        Deadlines::Run => pb::Deadlines::Run,
    };
    let (ended_us, ended) = hold.ended.clone().unwrap_or_default();
    pb::Hold {
        scope: Some(pb::Scope { what: Some(what) }),
        since: view::time(hold.since_us),
        deadlines: deadlines.into(),
        subject: hold.act.subject.clone(),
        reason: hold.act.reason.clone(),
        ended_at: view::time(ended_us),
        ended_by: ended.subject,
        ended_reason: ended.reason,
    }
}

fn op_of(live: &Live, branch_id: &str, op: &str) -> Result<OpRef, ApiError> {
    let branch = BranchId::parse(branch_id).ok();
    let step = branch.and_then(|branch| live.plan.step_of(&branch));
    let steps = live.plan.body().steps.len();
    let step = step.ok_or_else(|| invalid("branch_id", &format!("is none of the steps 01 to {steps:02}")))?;
    let op: Op =
        op.parse().map_err(|_| invalid("op", "must be action, compensate, try, confirm or cancel"))?;
    let of_mode = [live.plan.forward_op(), live.plan.undo_op()].contains(&op)
        || (op == Op::Confirm && live.plan.forward_op() == Op::Try);
    if of_mode { Ok(OpRef { step, op }) } else { Err(invalid("op", "does not belong to this mode")) }
}

fn seen(expected: i64) -> Result<i64, ApiError> {
    let fits = expected >= 0;
    fits.then_some(expected).ok_or_else(|| invalid("expected_last_seq", "must not be negative"))
}

/// A text of at most so many bytes.
fn plain(field: &'static str, value: &str, least: usize, most: usize) -> Result<(), ApiError> {
    text(field, value, least, most)?;
    if value.len() > most {
        return Err(ApiError::Invalid { field, what: format!("must have at most {most} bytes") });
    }
    Ok(())
}

fn invalid(field: &'static str, what: &str) -> ApiError {
    ApiError::Invalid { field, what: what.to_owned() }
}

fn denied(error: crate::engine::ActError, live: &Live) -> ApiError {
    use crate::engine::ActError;
    match error {
        ActError::Denied(why) => ApiError::Denied { gid: live.base().gid.clone(), why },
        ActError::Append(error) => error.into(),
    }
}
