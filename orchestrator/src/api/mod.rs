//! What clients and operators call. Translates, checks limits, and answers from the committed fold; decides nothing.

mod attention;
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
pub use attention::Desk;
pub use operations::{Addresses, OperationsService};
pub use transactions::TransactionsService;
pub use watch::{MAX_WATCHERS, Watchers};
