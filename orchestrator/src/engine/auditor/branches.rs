//! What a participant's guard rows must say, given a history. Pure: reads no clock, asks nobody.
//!
//! Only what is certain is a difference. An op that history has not recorded may have run or not: nothing is said of
//! it. What the guard makes of an undo that had nothing to undo (a tombstone) is as good as the undo of an effect.

use super::difference::{Difference, Remedy};
use crate::history::{Standing, State, Verdict};
use crate::plan::{Mode, OpRef, Plan, StepIndex};
use amends_dtm::Op;
use sha2::{Digest as _, Sha256};

/// State of a guard row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RowStatus {
    /// Outside, outcome open.
    Running,
    /// It succeeded.
    Done,
    /// It was refused.
    Refused,
    /// The undo came first.
    Tombstone,
}

/// What a guard remembers of one op of one branch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// `01`, `02`, …
    pub branch_id: String,
    /// Which op.
    pub op: Op,
    /// Its state.
    pub status: RowStatus,
    /// `package.Service/Method` that made the row.
    pub method: String,
    /// Hex of SHA-256 of the request.
    pub request_hash: String,
}

/// What must be found at a step's participant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Expected {
    /// The forward op is done and stays; so is the confirm, if it is recorded.
    Applied,
    /// It is taken back.
    Undone,
    /// It cannot have run and never will: undo is decided.
    Nothing,
    /// It cannot have run yet.
    NotYet,
    /// It refused behind the pivot, where nothing is taken back.
    Refused,
    /// It may have run or not.
    Unknown,
}

/// Compares one step with the rows of its participant. `rows` are of this gid; those of other branches do not matter.
#[must_use]
pub fn compare(plan: &Plan, state: &State, step: StepIndex, rows: &[Row]) -> Vec<Difference> {
    let branch_id = plan.branch_id(step);
    let row = |op: Op| rows.iter().find(|row| row.branch_id == branch_id.as_str() && row.op == op);
    let branch = Branch {
        plan,
        state,
        step,
        forward: row(plan.forward_op()),
        confirm: row(Op::Confirm),
        undo: row(plan.undo_op()),
    };
    let mut found = match branch.expected() {
        Expected::Applied => branch.applied(),
        Expected::Undone => branch.undone(),
        Expected::Nothing => branch.nothing(),
        Expected::NotYet => branch.not_yet(),
        Expected::Refused => branch.refused(),
        Expected::Unknown => Vec::new(),
    };
    found.extend(branch.against_the_decision());
    found.extend(branch.foreign_requests());
    found
}

/// Rows of this gid at `participant` that the plan does not have there.
#[must_use]
pub fn outside_plan(plan: &Plan, participant: &str, rows: &[Row]) -> Vec<Difference> {
    let planned = |row: &&Row| {
        let steps = plan.steps().iter();
        !steps.filter(|step| step.participant == participant).any(|step| step.branch_id == row.branch_id)
    };
    let tell = |row: &Row| Difference {
        at: None,
        text: format!("{participant} has {} {}, which is not in the plan", row.op, row.branch_id),
        remedy: Remedy::Person,
    };
    rows.iter().filter(planned).map(tell).collect()
}

/// Whether a step may have an effect outside the participant, of which a participant that lost its rows knows nothing:
/// it is not called forward again. A SAGA's pivot; in a TCC the last try, which is the payment by the order of steps.
fn is_outside(plan: &Plan, step: StepIndex) -> bool {
    match plan.mode() {
        Mode::Tcc => step + 1 == plan.steps().len(),
        Mode::Saga | Mode::Unspecified => plan.pivot() == Some(step),
    }
}

/// One step, and the rows of its branch.
struct Branch<'a> {
    plan: &'a Plan,
    state: &'a State,
    step: StepIndex,
    forward: Option<&'a Row>,
    confirm: Option<&'a Row>,
    undo: Option<&'a Row>,
}

impl Branch<'_> {
    fn expected(&self) -> Expected {
        let ops = &self.state.steps[self.step];
        let impossible = self.state.cannot_have_run(self.plan, self.step);
        match (&self.state.verdict, ops.forward.standing) {
            (Verdict::Undo(_), _) if ops.undo.standing == Standing::Succeeded && !impossible => {
                Expected::Undone
            }
            (Verdict::Undo(_), _) if impossible => Expected::Nothing,
            (Verdict::Undo(_), _) => Expected::Unknown,
            (_, Standing::Succeeded) => Expected::Applied,
            (_, Standing::Refused) => Expected::Refused,
            (_, Standing::Untouched | Standing::Attempted | Standing::Waiting) if impossible => {
                Expected::NotYet
            }
            (
                _,
                Standing::Untouched
                | Standing::Attempted
                | Standing::Waiting
                | Standing::SucceededLate
                | Standing::Skipped,
            ) => Expected::Unknown,
        }
    }

    fn applied(&self) -> Vec<Difference> {
        let forward = self.forward_at();
        let again = if is_outside(self.plan, self.step) { Remedy::Person } else { Remedy::Call(forward) };
        let mut found = Vec::new();
        match status(self.forward) {
            Some(RowStatus::Done) => {}
            None => found.push(self.says(forward, "has no row of", "done in history", again)),
            Some(RowStatus::Running) => {
                found.push(self.says(forward, "is still at", "done in history", Remedy::Person));
            }
            Some(RowStatus::Refused | RowStatus::Tombstone) => {
                found.push(self.says(forward, "refused", "done in history", Remedy::Person));
            }
        }
        let confirm = OpRef { step: self.step, op: Op::Confirm };
        if self.state.op(confirm).standing == Standing::Succeeded
            && status(self.confirm) != Some(RowStatus::Done)
        {
            // Its guard refuses a confirm without a try: what cannot be tried again cannot be confirmed again.
            let tried = found.is_empty() || found.iter().all(|it| matches!(it.remedy, Remedy::Call(_)));
            let again = if tried { Remedy::Call(confirm) } else { Remedy::Person };
            found.push(self.says(confirm, "has no row of", "done in history", again));
        }
        found
    }

    fn undone(&self) -> Vec<Difference> {
        let (forward, undo) = (self.forward_at(), self.undo_at());
        let mut found = Vec::new();
        if status(self.undo) != Some(RowStatus::Done) {
            found.push(self.says(undo, "has no row of", "done in history", Remedy::Call(undo)));
            return found;
        }
        match status(self.forward) {
            Some(RowStatus::Done | RowStatus::Refused | RowStatus::Tombstone) => {}
            // It would run anew if it were called: nobody who reads history does.
            None => found.push(self.says(forward, "has no row of", "undone in history", Remedy::Person)),
            Some(RowStatus::Running) => {
                found.push(self.says(forward, "is still at", "undone in history", Remedy::Person));
            }
        }
        found
    }

    fn nothing(&self) -> Vec<Difference> {
        let (forward, undo) = (self.forward_at(), self.undo_at());
        let applied = matches!(status(self.forward), Some(RowStatus::Done | RowStatus::Running));
        if !applied || status(self.undo) == Some(RowStatus::Done) {
            return Vec::new();
        }
        let has_undo = !self.plan.method(undo).is_empty();
        let remedy = if has_undo { Remedy::Call(undo) } else { Remedy::Person };
        vec![self.says(forward, "did", "which cannot have run by history", remedy)]
    }

    fn not_yet(&self) -> Vec<Difference> {
        match status(self.forward) {
            // An undo now would be followed by the stored answer of a success: it is left alone.
            Some(RowStatus::Done | RowStatus::Running) => {
                vec![self.says(self.forward_at(), "did", "not yet wanted by history", Remedy::Person)]
            }
            Some(RowStatus::Refused | RowStatus::Tombstone) | None => Vec::new(),
        }
    }

    fn refused(&self) -> Vec<Difference> {
        match status(self.forward) {
            Some(RowStatus::Done) => {
                vec![self.says(self.forward_at(), "did", "refused in history", Remedy::Person)]
            }
            Some(RowStatus::Running | RowStatus::Refused | RowStatus::Tombstone) | None => Vec::new(),
        }
    }

    /// A second phase that nobody decided.
    fn against_the_decision(&self) -> Vec<Difference> {
        let confirm = OpRef { step: self.step, op: Op::Confirm };
        let undo = self.undo_at();
        match &self.state.verdict {
            Verdict::Open if self.confirm.is_some() => {
                vec![self.says(confirm, "did", "which history has not decided", Remedy::Person)]
            }
            Verdict::Undo(_) if self.confirm.is_some() => {
                vec![self.says(confirm, "did", "history takes it back", Remedy::Person)]
            }
            Verdict::Open | Verdict::Submitting | Verdict::Committed if self.undo.is_some() => {
                vec![self.says(undo, "did", "which history has not decided", Remedy::Person)]
            }
            Verdict::Open | Verdict::Submitting | Verdict::Committed | Verdict::Undo(_) => Vec::new(),
        }
    }

    /// Rows that were made by another method or another request than the plan's.
    fn foreign_requests(&self) -> Vec<Difference> {
        let rows = [self.forward, self.confirm, self.undo].into_iter().flatten();
        let tell = |row: &Row| {
            let at = OpRef { step: self.step, op: row.op };
            if row.status == RowStatus::Tombstone {
                return None;
            }
            if !row.method.is_empty() && row.method != self.plan.method(at) {
                let text = format!("by method {}", row.method);
                return Some(self.says(at, "did", &text, Remedy::Person));
            }
            let foreign = !row.request_hash.is_empty() && row.request_hash != self.own_hash()?;
            foreign.then(|| self.says(at, "did", "by another request than the plan's", Remedy::Person))
        };
        rows.filter_map(tell).collect()
    }

    /// `None` where the participant may have encoded the request anew in its own way before hashing it.
    fn own_hash(&self) -> Option<String> {
        let step = &self.plan.steps()[self.step];
        (!step.durable_start).then(|| hex::encode(Sha256::digest(&step.payload)))
    }

    fn forward_at(&self) -> OpRef {
        OpRef { step: self.step, op: self.plan.forward_op() }
    }

    fn undo_at(&self) -> OpRef {
        OpRef { step: self.step, op: self.plan.undo_op() }
    }

    fn says(&self, at: OpRef, what: &str, history: &str, remedy: Remedy) -> Difference {
        let step = &self.plan.steps()[self.step];
        let text = format!("{} {what} {} {}, {history}", step.participant, at.op, step.branch_id);
        let remedy = match remedy {
            // Somebody has seen to it outside: a call would do it a second time.
            Remedy::Call(called) if self.state.op(called).stated => Remedy::Person,
            Remedy::Call(_) | Remedy::Remind | Remedy::Person => remedy,
        };
        Difference::of(at, text, remedy)
    }
}

fn status(row: Option<&Row>) -> Option<RowStatus> {
    row.map(|row| row.status)
}

#[cfg(test)]
#[path = "branches_tests.rs"]
mod tests;
