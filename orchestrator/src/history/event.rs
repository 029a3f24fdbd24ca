//! The events of a history: what happened to one global transaction, and how each is written down.
//! Knows words and texts only; must not know the store, the clock or what an event leads to.

use super::act::{Act, Deadlines, Resolution};
use super::redrive::RunDetail;
use crate::plan::{OpRef, Plan};
use amends_dtm::{BranchId, Op};

/// Longest reason that is kept (dtm.md D17: DTM's own columns end at 1,024 characters).
pub const MAX_REASON_BYTES: usize = 256;

/// Why a global transaction is taken back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Cause {
    /// A participant refused; the text is its reason.
    Refused(String),
    /// Somebody asked for it; the text is theirs.
    Cancelled(String),
    /// The pivot, or a try, was still unknown at its deadline; the text says which.
    Deadline(String),
    /// The coordinator's own timeout came first.
    Timeout(String),
    /// A TCC's tries were under way when the orchestrator died.
    Crash(String),
    /// A step that is safe to give up was tried as often as its policy allows; the text says which.
    GivenUp(String),
}

impl Cause {
    /// The names of all of them.
    pub const NAMES: [&'static str; 6] = ["refused", "cancelled", "deadline", "timeout", "crash", "given_up"];

    /// Short lower-case name, as shown and stored.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Refused(_) => "refused",
            Self::Cancelled(_) => "cancelled",
            Self::Deadline(_) => "deadline",
            Self::Timeout(_) => "timeout",
            Self::Crash(_) => "crash",
            Self::GivenUp(_) => "given_up",
        }
    }

    /// The text that goes with it.
    #[must_use]
    pub fn text(&self) -> &str {
        match self {
            Self::Refused(text)
            | Self::Cancelled(text)
            | Self::Deadline(text)
            | Self::Timeout(text)
            | Self::Crash(text)
            | Self::GivenUp(text) => text,
        }
    }

    fn parse(stored: &str) -> Option<Self> {
        let (name, text) = stored.split_once(':')?;
        let text = text.to_owned();
        Some(match name {
            "refused" => Self::Refused(text),
            "cancelled" => Self::Cancelled(text),
            "deadline" => Self::Deadline(text),
            "timeout" => Self::Timeout(text),
            "crash" => Self::Crash(text),
            "given_up" => Self::GivenUp(text),
            _ => return None,
        })
    }
}

/// How a global transaction ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// Every step applied.
    Succeeded,
    /// All undone.
    Failed,
    /// All undone, on request.
    Cancelled,
}

/// What happened. `at` is the op, `attempt` its number from 1, `code` a gRPC code name, `reason` the other side's text.
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(missing_docs)] // the fields mean the same in every variant, see above
pub enum Fact {
    /// The request was accepted; the plan is stored with it.
    Started,
    /// The coordinator has the plan's branches; the text is the relay's address that it was given. That and the plan are
    /// all that the request was made of.
    Registered(String),
    /// TCC: every try succeeded, and it shall be committed.
    SubmitDecided,
    /// TCC: the coordinator agreed to commit.
    Committed,
    /// TCC: it shall be taken back.
    AbortDecided(Cause),
    /// SAGA: it shall be taken back.
    UndoDecided(Cause),
    /// A participant is being called.
    AttemptStarted { at: OpRef, attempt: u32 },
    /// It answered OK.
    AttemptSucceeded { at: OpRef, attempt: u32 },
    /// It refused.
    AttemptRefused { at: OpRef, attempt: u32, reason: String },
    /// Nobody knows what came of it.
    AttemptUnknown { at: OpRef, attempt: u32, code: String, reason: String },
    /// It is still at it; recorded when its reason changes, not at each poll.
    Parked { at: OpRef, attempt: u32, reason: String },
    /// Nothing to undo there.
    Skipped { at: OpRef },
    /// Somebody asked for the end.
    CancelRequested(Act),
    /// No new attempt, until it is resumed or cancelled.
    Paused { deadlines: Deadlines, act: Act },
    /// Attempts go on.
    Resumed(Act),
    /// The wait for the next attempt was ended; of this op, or of all that waited.
    OperatorRetry { at: Option<OpRef>, act: Act },
    /// An outcome is stated that a second person has to approve.
    OperatorProposed { at: OpRef, outcome: Resolution, act: Act },
    /// An outcome is stated by somebody who knows it from elsewhere.
    OperatorResolved { at: OpRef, outcome: Resolution, act: Act },
    /// Another run goes on from these ops, with earlier results kept; `run` is its number.
    OperatorRedriven { run: u32, from: Vec<OpRef>, act: Act },
    /// Somebody has seen a need for a person, and looks after it.
    OperatorAcknowledged { cause: String, act: Act },
    /// TCC: it was to be committed, and shall be taken back all the same: an operator stated that its first confirm was
    /// refused for good.
    UndoAfterCommit(Cause),
    /// A person is needed.
    AttentionOpened { cause: String, at: Option<OpRef>, text: String },
    /// The need is over.
    AttentionClosed { cause: String },
    /// The last op is recorded.
    Finished(End),
}

/// One event of one history.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// From 1, no gaps.
    pub seq: i64,
    /// Unix microseconds.
    pub time_us: i64,
    /// What happened.
    pub fact: Fact,
}

/// An event as the store keeps it: flat texts.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FlatFact {
    /// Name of the kind.
    pub kind: String,
    /// Branch id, or empty.
    pub branch_id: String,
    /// Op, or empty.
    pub op: String,
    /// Number of the attempt, or 0.
    pub attempt: i32,
    /// gRPC code name, end or attention cause; or empty.
    pub code: String,
    /// Reason, cause or text; or empty.
    pub reason: String,
    /// What else is known of an act of a person, as a JSON object; or empty.
    pub detail: String,
}

/// A stored event that this version cannot read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("event `{kind}` cannot be read: {what}")]
pub struct UnreadableEvent {
    kind: String,
    what: &'static str,
}

impl FlatFact {
    fn at(kind: &str, at: OpRef, attempt: u32) -> Self {
        Self {
            kind: kind.to_owned(),
            branch_id: BranchId::of_index(at.step).as_str().to_owned(),
            op: at.op.as_str().to_owned(),
            attempt: i32::try_from(attempt).unwrap_or(i32::MAX),
            ..Self::default()
        }
    }

    fn at_or_none(kind: &str, at: Option<OpRef>) -> Self {
        at.map_or_else(|| Self::kind(kind), |at| Self::at(kind, at, 0))
    }

    fn kind(kind: &str) -> Self {
        Self { kind: kind.to_owned(), ..Self::default() }
    }

    fn reason(self, reason: &str) -> Self {
        Self { reason: bounded(reason), ..self }
    }

    fn code(self, code: &str) -> Self {
        Self { code: code.to_owned(), ..self }
    }

    fn act(self, act: &Act) -> Self {
        Self { detail: act.detail(), ..self }.reason(&act.reason)
    }
}

/// Cuts a text to [`MAX_REASON_BYTES`] at a character's border. Control characters become blanks: participants say what they
/// like, terminals do what such characters say, and no text of PostgreSQL can hold a NUL.
#[must_use]
pub fn bounded(text: &str) -> String {
    text[..text.floor_char_boundary(MAX_REASON_BYTES)].replace(char::is_control, " ")
}

impl From<&Fact> for FlatFact {
    fn from(fact: &Fact) -> Self {
        let cause =
            |kind, cause: &Cause| Self::kind(kind).reason(&format!("{}:{}", cause.name(), cause.text()));
        match fact {
            Fact::Started => Self::kind("started"),
            Fact::Registered(relay) => Self::kind("registered").reason(relay),
            Fact::SubmitDecided => Self::kind("submit_decided"),
            Fact::Committed => Self::kind("committed"),
            Fact::AbortDecided(why) => cause("abort_decided", why),
            Fact::UndoDecided(why) => cause("undo_decided", why),
            Fact::AttemptStarted { at, attempt } => Self::at("attempt_started", *at, *attempt),
            Fact::AttemptSucceeded { at, attempt } => Self::at("attempt_succeeded", *at, *attempt).code("OK"),
            Fact::AttemptRefused { at, attempt, reason } => {
                Self::at("attempt_refused", *at, *attempt).code("ABORTED").reason(reason)
            }
            Fact::AttemptUnknown { at, attempt, code, reason } => {
                Self::at("attempt_unknown", *at, *attempt).code(code).reason(reason)
            }
            Fact::Parked { at, attempt, reason } => {
                Self::at("parked", *at, *attempt).code("FAILED_PRECONDITION").reason(reason)
            }
            Fact::Skipped { at } => Self::at("skipped", *at, 0),
            Fact::UndoAfterCommit(why) => cause("undo_after_commit", why),
            Fact::CancelRequested(act) => Self::kind("cancel_requested").act(act),
            Fact::Paused { deadlines, act } => Self::kind("paused").code(deadlines.name()).act(act),
            Fact::Resumed(act) => Self::kind("resumed").act(act),
            Fact::OperatorRetry { at, act } => Self::at_or_none("operator_retry", *at).act(act),
            Fact::OperatorProposed { at, outcome, act } => {
                Self::at("operator_proposed", *at, 0).code(outcome.name()).act(act)
            }
            Fact::OperatorResolved { at, outcome, act } => {
                Self::at("operator_resolved", *at, 0).code(outcome.name()).act(act)
            }
            Fact::OperatorRedriven { run, from, act } => Self {
                detail: RunDetail::of(*run, from, act).text(),
                ..Self::kind("operator_redriven").reason(&act.reason)
            },
            Fact::OperatorAcknowledged { cause, act } => {
                Self::kind("operator_acknowledged").code(cause).act(act)
            }
            Fact::AttentionOpened { cause, at, text } => {
                Self::at_or_none("attention_opened", *at).code(cause).reason(text)
            }
            Fact::AttentionClosed { cause } => Self::kind("attention_closed").code(cause),
            Fact::Finished(end) => Self::kind("finished").code(match end {
                End::Succeeded => "succeeded",
                End::Failed => "failed",
                End::Cancelled => "cancelled",
            }),
        }
    }
}

impl Fact {
    /// Reads a stored event back; `plan` says which steps there are.
    ///
    /// # Errors
    /// Where a newer version wrote it, or the row was tampered with.
    pub fn read(flat: &FlatFact, plan: &Plan) -> Result<Self, UnreadableEvent> {
        let fail = |what| UnreadableEvent { kind: flat.kind.clone(), what };
        let at = || read_op(flat, plan).ok_or_else(|| fail("unknown branch or op"));
        let attempt = u32::try_from(flat.attempt).map_err(|_| fail("negative attempt"))?;
        let reason = flat.reason.clone();
        let cause = || Cause::parse(&flat.reason).ok_or_else(|| fail("unknown cause"));
        Ok(match flat.kind.as_str() {
            "started" => Self::Started,
            "registered" => Self::Registered(reason),
            "submit_decided" => Self::SubmitDecided,
            "committed" => Self::Committed,
            "abort_decided" => Self::AbortDecided(cause()?),
            "undo_decided" => Self::UndoDecided(cause()?),
            "attempt_started" => Self::AttemptStarted { at: at()?, attempt },
            "attempt_succeeded" => Self::AttemptSucceeded { at: at()?, attempt },
            "attempt_refused" => Self::AttemptRefused { at: at()?, attempt, reason },
            "attempt_unknown" => Self::AttemptUnknown { at: at()?, attempt, code: flat.code.clone(), reason },
            "parked" => Self::Parked { at: at()?, attempt, reason },
            "skipped" => Self::Skipped { at: at()? },
            "undo_after_commit" => Self::UndoAfterCommit(cause()?),
            "attention_opened" => {
                Self::AttentionOpened { cause: flat.code.clone(), at: read_op(flat, plan), text: reason }
            }
            "attention_closed" => Self::AttentionClosed { cause: flat.code.clone() },
            "finished" => Self::Finished(match flat.code.as_str() {
                "succeeded" => End::Succeeded,
                "failed" => End::Failed,
                "cancelled" => End::Cancelled,
                _ => return Err(fail("unknown end")),
            }),
            _ => return Self::read_act(flat, plan)?.ok_or_else(|| fail("unknown kind")),
        })
    }

    /// `None` = it is no act of a person.
    fn read_act(flat: &FlatFact, plan: &Plan) -> Result<Option<Self>, UnreadableEvent> {
        let fail = |what| UnreadableEvent { kind: flat.kind.clone(), what };
        let act = || Act::read(&flat.detail, &flat.reason).ok_or_else(|| fail("unreadable detail"));
        let at = || read_op(flat, plan).ok_or_else(|| fail("unknown branch or op"));
        let outcome = || Resolution::named(&flat.code).ok_or_else(|| fail("unknown outcome"));
        let deadlines = || Deadlines::named(&flat.code).ok_or_else(|| fail("unknown rule of deadlines"));
        Ok(Some(match flat.kind.as_str() {
            "cancel_requested" => Self::CancelRequested(act()?),
            "paused" => Self::Paused { deadlines: deadlines()?, act: act()? },
            "resumed" => Self::Resumed(act()?),
            "operator_retry" => Self::OperatorRetry { at: read_op(flat, plan), act: act()? },
            "operator_proposed" => Self::OperatorProposed { at: at()?, outcome: outcome()?, act: act()? },
            "operator_resolved" => Self::OperatorResolved { at: at()?, outcome: outcome()?, act: act()? },
            "operator_redriven" => {
                let read = RunDetail::stored(&flat.detail).ok_or_else(|| fail("unreadable detail"))?;
                let from = read.ops(plan).ok_or_else(|| fail("unknown branch or op"))?;
                Self::OperatorRedriven { run: read.run, from, act: act()? }
            }
            "operator_acknowledged" => Self::OperatorAcknowledged { cause: flat.code.clone(), act: act()? },
            _ => return Ok(None),
        }))
    }
}

fn read_op(flat: &FlatFact, plan: &Plan) -> Option<OpRef> {
    let step = plan.step_of(&BranchId::parse(&flat.branch_id).ok()?)?;
    let op: Op = flat.op.parse().ok()?;
    Some(OpRef { step, op })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::{Mode, samples};

    #[test]
    fn every_fact_reads_back_as_written() {
        let plan = samples::plan(Mode::Saga, 3, None);
        let at = OpRef { step: 1, op: Op::Action };
        let facts = [
            Fact::Started,
            Fact::Registered("127.0.0.1:7401".into()),
            Fact::SubmitDecided,
            Fact::Committed,
            Fact::AbortDecided(Cause::Crash("tries".into())),
            Fact::UndoDecided(Cause::Refused("A|b: c".into())),
            Fact::UndoDecided(Cause::Deadline(String::new())),
            Fact::UndoDecided(Cause::Timeout("t".into())),
            Fact::UndoDecided(Cause::GivenUp("g".into())),
            Fact::AttemptStarted { at, attempt: 2 },
            Fact::AttemptSucceeded { at, attempt: 2 },
            Fact::AttemptRefused { at, attempt: 1, reason: "R|x".into() },
            Fact::AttemptUnknown { at, attempt: 3, code: "UNAVAILABLE".into(), reason: "gone".into() },
            Fact::Parked { at, attempt: 4, reason: "IN_PROGRESS|x".into() },
            Fact::Skipped { at: OpRef { step: 2, op: Op::Compensate } },
            Fact::CancelRequested(Act::of("", "please")),
            Fact::Paused { deadlines: Deadlines::Stop, act: Act::of("ann", "x") },
            Fact::Paused { deadlines: Deadlines::Run, act: Act::default() },
            Fact::Resumed(Act::of("ann", "")),
            Fact::OperatorRetry { at: None, act: Act::of("ann", "") },
            Fact::OperatorRetry { at: Some(at), act: Act::of("ann", "") },
            Fact::OperatorProposed { at, outcome: Resolution::Refused, act: Act::of("ann", "") },
            Fact::OperatorResolved {
                at,
                outcome: Resolution::Succeeded,
                act: Act { approved_by: "bob".into(), evidence: "e".into(), ..Act::of("ann", "r") },
            },
            Fact::OperatorRedriven { run: 2, from: vec![at], act: Act::of("ann", "r") },
            Fact::OperatorRedriven { run: 3, from: vec![at, OpRef { step: 2, ..at }], act: Act::default() },
            Fact::OperatorAcknowledged {
                cause: "under_review".into(),
                act: Act { owner: "bob".into(), ..Act::of("ann", "r") },
            },
            Fact::UndoAfterCommit(Cause::Refused("r".into())),
            Fact::AttentionOpened { cause: "disagreement".into(), at: None, text: "x".into() },
            Fact::AttentionOpened { cause: "payment_in_doubt".into(), at: Some(at), text: "x".into() },
            Fact::AttentionClosed { cause: "disagreement".into() },
            Fact::Finished(End::Cancelled),
        ];
        for fact in facts {
            assert_eq!(Fact::read(&FlatFact::from(&fact), &plan).unwrap(), fact);
        }
    }

    #[test]
    fn a_foreign_event_is_an_error_not_a_guess() {
        let plan = samples::plan(Mode::Saga, 1, None);
        let flat = FlatFact { kind: "attempt_started".into(), branch_id: "09".into(), ..FlatFact::default() };
        assert!(Fact::read(&flat, &plan).is_err());
        assert!(Fact::read(&FlatFact { kind: "of_tomorrow".into(), ..FlatFact::default() }, &plan).is_err());
    }

    #[test]
    fn reasons_are_cut_at_a_characters_border() {
        let long = "é".repeat(200);
        assert_eq!(bounded(&long).len(), 256);
        assert!(bounded(&format!("x{long}")).len() <= 256);
    }

    #[test]
    fn reasons_steer_no_terminal() {
        let said = "GONE|\u{1b}]52;c;cm0gLXJm\u{7}\u{1b}[2J a\0b\r\n\u{9b}31m\u{7f} é✓";
        assert_eq!(bounded(said), "GONE| ]52;c;cm0gLXJm  [2J a b   31m  é✓");
        let flat = FlatFact::from(&Fact::UndoDecided(Cause::Refused(said.to_owned())));
        assert_eq!(flat.reason, format!("refused:{}", bounded(said)));
    }
}
