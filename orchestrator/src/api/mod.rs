//! What clients and operators call. Translates, checks limits, and answers from the committed fold; decides nothing.

mod archived;
mod attention;
mod branch_rows;
mod bulk;
mod error;
mod explain;
mod lanes;
mod operations;
mod payloads;
mod start;
mod start_own;
mod stats;
mod steering;
mod transactions;
mod view;
mod watch;

pub use crate::definitions::StepTimes;
pub use archived::archived;
pub use attention::Desk;
pub use explain::answer as explain;
pub use operations::{Addresses, OperationsService};
pub use payloads::answer as payloads;
pub use transactions::TransactionsService;
pub use watch::{MAX_WATCHERS, Watchers};
