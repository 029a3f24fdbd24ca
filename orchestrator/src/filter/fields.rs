//! The fields that a filter may name, and the words that some of them take. Knows names only.

/// The six statuses.
pub const STATUSES: &[&str] = &["accepted", "running", "compensating", "succeeded", "failed", "cancelled"];
/// The two modes.
pub const MODES: &[&str] = &["saga", "tcc"];
/// The codes that an answer other than OK may have.
pub const CODES: &[&str] = &[
    "CANCELLED",
    "UNKNOWN",
    "INVALID_ARGUMENT",
    "DEADLINE_EXCEEDED",
    "NOT_FOUND",
    "ALREADY_EXISTS",
    "PERMISSION_DENIED",
    "RESOURCE_EXHAUSTED",
    "FAILED_PRECONDITION",
    "ABORTED",
    "OUT_OF_RANGE",
    "UNIMPLEMENTED",
    "INTERNAL",
    "UNAVAILABLE",
    "DATA_LOSS",
    "UNAUTHENTICATED",
];

/// What is true or not, without a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flag {
    /// It has not ended.
    Open,
    /// It needs a person.
    Attention,
    /// It is paused by itself.
    Paused,
}

/// What is a text, or a set of texts of which one must fit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TextField {
    /// Where it stands.
    Status,
    /// Which deed.
    Definition,
    /// `saga` or `tcc`.
    Mode,
    /// The caller's name for the deed.
    BusinessKey,
    /// Its id.
    Gid,
    /// Who asked.
    Caller,
    /// The caller's id of the request.
    RequestId,
    /// `dtm` or `embedded`.
    Coordinator,
    /// Why it did not, or will not, succeed.
    Reason,
    /// Participants of its plan.
    Participant,
    /// Steps of its plan: name, method, branch id.
    Step,
    /// Last codes of ops, other than OK.
    Code,
    /// Participants whose last answer to an op that has not ended was not OK.
    WaitingFor,
    /// Causes of its open needs for a person.
    Attention,
    /// Who looks after one of these needs.
    Owner,
}

/// What is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Quantity {
    /// Attempts of the op with the most.
    Attempts,
}

/// What is a moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TimeField {
    /// When it was accepted.
    Started,
    /// When it ended; who has not ended fits no comparison.
    Finished,
}

/// Whatever a name in a filter may mean.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Named {
    Flag(Flag),
    Text(TextField),
    Quantity(Quantity),
    Time(TimeField),
    Age,
}

/// All names, as the error lists them.
pub(super) const NAMES: &[(&str, Named)] = &[
    ("status", Named::Text(TextField::Status)),
    ("attention", Named::Flag(Flag::Attention)),
    ("paused", Named::Flag(Flag::Paused)),
    ("open", Named::Flag(Flag::Open)),
    ("definition", Named::Text(TextField::Definition)),
    ("mode", Named::Text(TextField::Mode)),
    ("business_key", Named::Text(TextField::BusinessKey)),
    ("gid", Named::Text(TextField::Gid)),
    ("caller", Named::Text(TextField::Caller)),
    ("request_id", Named::Text(TextField::RequestId)),
    ("participant", Named::Text(TextField::Participant)),
    ("step", Named::Text(TextField::Step)),
    ("code", Named::Text(TextField::Code)),
    ("waiting_for", Named::Text(TextField::WaitingFor)),
    ("attempts", Named::Quantity(Quantity::Attempts)),
    ("age", Named::Age),
    ("started", Named::Time(TimeField::Started)),
    ("finished", Named::Time(TimeField::Finished)),
    ("coordinator", Named::Text(TextField::Coordinator)),
    ("reason", Named::Text(TextField::Reason)),
    ("owner", Named::Text(TextField::Owner)),
];

impl TextField {
    /// As a filter names it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Status => "status",
            Self::Definition => "definition",
            Self::Mode => "mode",
            Self::BusinessKey => "business_key",
            Self::Gid => "gid",
            Self::Caller => "caller",
            Self::RequestId => "request_id",
            Self::Coordinator => "coordinator",
            Self::Reason => "reason",
            Self::Participant => "participant",
            Self::Step => "step",
            Self::Code => "code",
            Self::WaitingFor => "waiting_for",
            Self::Attention => "attention",
            Self::Owner => "owner",
        }
    }

    /// The only words that it takes; empty = any text.
    #[must_use]
    pub fn words(self) -> &'static [&'static str] {
        match self {
            Self::Status => STATUSES,
            Self::Mode => MODES,
            Self::Code => CODES,
            Self::Definition
            | Self::BusinessKey
            | Self::Gid
            | Self::Caller
            | Self::RequestId
            | Self::Coordinator
            | Self::Reason
            | Self::Participant
            | Self::Step
            | Self::WaitingFor
            | Self::Attention
            | Self::Owner => &[],
        }
    }
}

impl Flag {
    /// As a filter names it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Attention => "attention",
            Self::Paused => "paused",
        }
    }
}

impl TimeField {
    /// As a filter names it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Started => "started",
            Self::Finished => "finished",
        }
    }
}

impl Quantity {
    /// As a filter names it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Attempts => "attempts",
        }
    }
}
