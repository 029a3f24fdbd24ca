//! What history says of one op, and how each of its events changes that. Pure: a part of the fold. Must not know what was
//! decided about the whole.

use amends_dtm::Op;

/// Where one op stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Standing {
    /// No attempt is recorded, which proves nothing about the participant.
    #[default]
    Untouched,
    /// An attempt began and its outcome is not recorded.
    Attempted,
    /// The last attempt is unknown, or the participant is still at it.
    Waiting,
    /// It is done.
    Succeeded,
    /// A forward op succeeded after undo was decided: it is undone like one that may have run.
    SucceededLate,
    /// The participant refused: nothing happened there.
    Refused,
    /// There was nothing to undo.
    Skipped,
}

/// One op with its attempts. What limits are counted by (`failures`, `since_us`) begins anew with each run that continues
/// from it; everything else is told of all runs.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct OpState {
    /// Where it stands.
    pub standing: Standing,
    /// Number of the newest attempt, over all runs.
    pub attempts: u32,
    /// Attempts of this run whose outcome is unknown, of those that are recorded.
    pub failures: u32,
    /// Number of the newest of them: a repeated fact counts once.
    failed_attempt: u32,
    /// gRPC code name and text of the newest finished attempt.
    pub last_code: String,
    /// See `last_code`.
    pub last_reason: String,
    /// First attempt, unix microseconds; 0 = none.
    pub started_us: i64,
    /// First attempt of this run, unix microseconds; 0 = none.
    pub since_us: i64,
    /// When it was done, refused or skipped; 0 = not yet.
    pub ended_us: i64,
    /// Its outcome is somebody's word: nobody calls it again.
    pub stated: bool,
    /// An attempt of this run ended without an outcome.
    pub in_vain: bool,
    /// The run that began its limits anew; `None` = they count from its very first attempt.
    pub renewed: Option<Renewed>,
}

/// Limits of an op that began anew.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Renewed {
    /// By which run.
    pub run: u32,
    /// When, unix microseconds.
    pub at_us: i64,
    /// Number of its newest attempt at that time.
    pub attempts: u32,
}

impl OpState {
    /// Attempts of this run that are recorded.
    #[must_use]
    pub fn attempts_in_run(&self) -> u32 {
        let before = self.renewed.map_or(0, |renewed| renewed.attempts);
        // What began before the run and ends in it is the first of it.
        if self.since_us > 0 { self.attempts.saturating_sub(before).max(1) } else { 0 }
    }

    pub(super) fn begin(&mut self, attempt: u32, time_us: i64) {
        self.attempts = self.attempts.max(attempt);
        if self.started_us == 0 {
            self.started_us = time_us;
        }
        if self.since_us == 0 {
            // A call that was under way when the run began has had no time of it before.
            self.since_us = self.renewed.map_or(time_us, |renewed| renewed.at_us.max(time_us));
        }
        if matches!(self.standing, Standing::Untouched | Standing::Waiting) {
            self.standing = Standing::Attempted;
        }
    }

    pub(super) fn close(&mut self, standing: Standing, time_us: i64) -> bool {
        let open = self.ended_us == 0;
        if open {
            self.standing = standing;
            self.ended_us = time_us;
        }
        open
    }

    pub(super) fn wait(&mut self) {
        if self.ended_us == 0 {
            self.standing = Standing::Waiting;
        }
    }

    pub(super) fn park(&mut self) {
        self.wait();
        self.in_vain |= self.ended_us == 0;
    }

    pub(super) fn fail(&mut self, attempt: u32) {
        self.park();
        if attempt > self.failed_attempt {
            (self.failures, self.failed_attempt) = (self.failures + 1, attempt);
        }
    }

    pub(super) fn note(&mut self, code: &str, reason: &str) {
        code.clone_into(&mut self.last_code);
        reason.clone_into(&mut self.last_reason);
    }

    /// Another run continues from it: its limits begin anew, its attempts are numbered on.
    pub(super) fn renew(&mut self, run: u32, at_us: i64) {
        if self.ended_us > 0 {
            return;
        }
        // What is known to be under way is the first attempt of the run.
        self.since_us = if self.standing == Standing::Attempted { at_us } else { 0 };
        self.failures = 0;
        self.in_vain = false;
        self.renewed = Some(Renewed { run, at_us, attempts: self.attempts });
    }
}

/// The ops of one step.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct StepState {
    /// `action` or `try`.
    pub forward: OpState,
    /// `confirm`.
    pub confirm: OpState,
    /// `compensate` or `cancel`.
    pub undo: OpState,
}

impl StepState {
    /// The state of one op.
    #[must_use]
    pub fn op(&self, op: Op) -> &OpState {
        match op {
            Op::Action | Op::Try => &self.forward,
            Op::Confirm => &self.confirm,
            Op::Compensate | Op::Cancel => &self.undo,
        }
    }

    pub(super) fn op_mut(&mut self, op: Op) -> &mut OpState {
        match op {
            Op::Action | Op::Try => &mut self.forward,
            Op::Confirm => &mut self.confirm,
            Op::Compensate | Op::Cancel => &mut self.undo,
        }
    }
}
