//! History: append-only events of each global transaction, their fold, and the store that makes them durable.
//! Must not know the coordinator, participants or any definition.

mod act;
mod bulk;
mod commit;
mod conflicts;
pub mod entity;
mod event;
mod fold;
mod marks;
mod reader;
mod scope;
mod shapes;
mod sqlite;
mod writer;

pub use act::{Act, Deadlines, Resolution};
pub use bulk::AT_ONCE as READ_AT_ONCE;
pub use event::{Cause, End, Event, Fact, FlatFact, MAX_REASON_BYTES, UnreadableEvent, bounded};
pub use fold::{
    Acknowledged, Attention, OpState, Paused, Proposal, Standing, State, Status, StepState, Verdict,
};
pub use marks::Marks;
pub use reader::{HistoryReader, ListFilter, Loaded, ReadError, Row};
pub use scope::Scope;
pub use shapes::shape_of;
pub use writer::{Append, AppendError, Conflict, HistoryWriter, Needs, NewTransaction, Reuse};

/// Both ways to the store.
#[derive(Debug, Clone)]
pub struct History {
    /// Makes events durable.
    pub writer: HistoryWriter,
    /// Reads them back.
    pub reader: HistoryReader,
}

impl Status {
    /// Short lower-case name, as stored and shown.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Accepted => "accepted",
            Self::Running => "running",
            Self::Compensating => "compensating",
            Self::Succeeded => "succeeded",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
        }
    }

    /// Whether it will change no more.
    #[must_use]
    pub fn is_final(self) -> bool {
        match self {
            Self::Succeeded | Self::Failed | Self::Cancelled => true,
            Self::Accepted | Self::Running | Self::Compensating => false,
        }
    }
}
