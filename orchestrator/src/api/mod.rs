//! What clients and operators call. Translates, checks limits, and answers from the committed fold; decides nothing.

mod error;
mod explain;
mod operations;
mod start;
mod start_own;
mod transactions;
mod view;
mod watch;

pub use crate::definitions::StepTimes;
pub use operations::{Addresses, OperationsService};
pub use transactions::TransactionsService;
pub use watch::{MAX_WATCHERS, Watchers};
