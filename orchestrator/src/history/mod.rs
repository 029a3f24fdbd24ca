//! History: append-only events of each global transaction, their fold, and the store that makes them durable.
//! Must not know the coordinator, participants or any definition.

mod act;
mod bulk;
mod commit;
mod conflicts;
mod end;
pub mod entity;
mod errands;
mod event;
mod fold;
mod generate;
mod holds;
mod marks;
mod op_state;
mod pulse;
mod purge;
mod reader;
mod redrive;
mod scope;
mod search;
mod shapes;
mod sqlite;
mod writer;

pub use act::{Act, Deadlines, Resolution};
pub use bulk::AT_ONCE as READ_AT_ONCE;
pub use end::Status;
pub use errands::{Errand, ErrandBook, ErrandItem, PENDING};
pub use event::{Cause, End, Event, Fact, FlatFact, MAX_REASON_BYTES, UnreadableEvent, bounded};
pub use fold::{Acknowledged, Attention, Paused, Proposal, State, Verdict};
pub use generate::{Amount, GenerateError, generate};
pub use holds::{Held, Hold, HoldTable};
pub use marks::Marks;
pub use op_state::{OpState, Renewed, Standing, StepState};
pub use pulse::{Counted, Pulse};
pub use purge::{PurgeTurn, Purger, Whole};
pub use reader::{HistoryReader, Loaded, ReadError, Row};
pub use redrive::{Redrive, RunDetail, op_name};
pub use scope::Scope;
pub use search::{CauseCount, Counts, ListFilter, Page, StatusCount};
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
