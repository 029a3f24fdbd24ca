//! Kit for service teams: everything between a branch call on the wire and the business change in the local
//! transaction. Owns the branch guard, its tables' rows, the reasons and their codes, and the checked types of
//! the edge. Knows no business entity, no orchestrator and no other service.
#![doc = include_str!("../README.md")]

mod guard;
mod verdict;

mod answer;
mod branch;
mod external;
mod hash;
mod layer;
mod rows;

mod reason;
mod refusal;

mod args;
mod clock;

pub mod bootstrap;
pub mod branch_ops;
pub mod fields;
pub mod idempotency;
pub mod money;
pub mod paging;

pub use args::{BranchArgs, BranchArgsError, BranchAuthMode};
pub use bootstrap::{Args, Participant};
pub use branch::{Branch, BranchAuth, Call};
pub use clock::{Clock, SystemClock};
pub use external::{Begun, ForwardState, Progress, Settled, Settlement};
pub use guard::{Guard, outlive};
pub use layer::{GuardLayer, GuardService, MethodPath, REPLAYED};
pub use paging::Page;
pub use reason::Reason;
pub use refusal::{Fault, Refusal, direct_answer};
pub use verdict::Phase;

/// What an effect gives back: a future that borrows the guard's local transaction.
pub type EffectFuture<'t, T> = futures::future::BoxFuture<'t, Result<T, Fault>>;
