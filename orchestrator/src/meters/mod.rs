//! What the orchestrator counts and measures: the table of its metrics, the handles that are kept where it is busy, and
//! the reading of what is only looked at when somebody asks. No label holds a gid, a business key or a caller's words:
//! definitions are those that a start accepted, participants those on the allow-list.

mod commits;
mod coordinator;
mod deeds;
mod lanes;
mod reading;
mod table;

pub(crate) use commits::committed;
pub(crate) use coordinator::{CoordinatorCall, CoordinatorMeters, Said};
pub(crate) use deeds::{ended, started};
pub(crate) use lanes::LaneMeters;
pub(crate) use reading::Reading;
pub use table::METRICS;
