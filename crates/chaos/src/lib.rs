//! Chaos by a seed: a whole system under load, faults of processes and of the network between them, and a verdict. Whatever
//! was acknowledged must be there afterwards, everything must end, and no invariant may be broken.
//!
//! Which faults strike is a pure function of seed and settings ([`plan()`]); what they strike is real: processes of
//! the stack, sockets, stores. Knows no service's inside, and no test.
mod chart;
mod draw;
mod dump;
mod error;
mod fault;
mod html;
mod judge;
mod links;
mod load;
mod market;
mod plan;
mod proxy;
mod report;
mod run;
mod settings;
mod strike;
mod witness;

pub use draw::{Draw, fresh_seed};
pub use error::ChaosError;
pub use fault::{Direction, Kind, Link, UnknownKind, Weather};
pub use html::page;
pub use judge::{Findings, all_end, comes_to_rest, judge, targets};
pub use load::{Ended, Load, Progress};
pub use market::{open as open_market, order};
pub use plan::{Fault, Row, Strike, plan, rows, victims};
pub use proxy::{Proxy, Reading};
pub use report::{Doubt, Report, Struck};
pub use run::{IMPATIENT_GATEWAY, Now, Place, run};
pub use settings::Settings;
