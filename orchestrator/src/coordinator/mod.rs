//! The coordinator behind one small trait: what the engine needs of whoever decides order, retry and rollback.
//! Must not know participants, history's store or the API.

mod dtm;
mod embedded;
mod nudges;

pub use dtm::DtmCoordinator;
pub use embedded::{AbsentDtm, Embedded};

use crate::plan::Plan;
use futures::future::BoxFuture;
use std::sync::Arc;

/// Stored name of the DTM server as a coordinator.
pub const DTM: &str = "dtm";
/// Stored name of the coordinator inside the engine.
pub const EMBEDDED: &str = "embedded";

/// What the coordinator says of a whole global transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CoordinatorStatus {
    /// Branches are registered, nothing is decided.
    Prepared,
    /// Forward, or confirming.
    Submitted,
    /// Rolling back.
    Aborting,
    /// Over, and believed to be applied.
    Succeed,
    /// Over, and believed to be undone.
    Failed,
}

impl CoordinatorStatus {
    /// DTM's own word.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Prepared => "prepared",
            Self::Submitted => "submitted",
            Self::Aborting => "aborting",
            Self::Succeed => "succeed",
            Self::Failed => "failed",
        }
    }
}

/// One branch op as the coordinator has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BranchView {
    /// `01`, `02`, …
    pub branch_id: String,
    /// `action`, `compensate`, `confirm`, `cancel`.
    pub op: String,
    /// DTM's word.
    pub status: String,
}

/// The coordinator's own view of one gid.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct View {
    /// The whole.
    pub status: CoordinatorStatus,
    /// Its parts.
    pub branches: Vec<BranchView>,
    /// Why it rolled back, in the coordinator's words.
    pub rollback_reason: String,
}

/// Why the coordinator did not do as asked.
#[derive(Debug, Clone, thiserror::Error)]
pub enum CoordinatorError {
    /// It said no; the text is its own.
    #[error("the coordinator refused: {0}")]
    Refused(String),
    /// Nobody knows whether it did.
    #[error("the coordinator did not answer: {0}")]
    Unknown(String),
}

/// Answer of a call to the coordinator.
pub type Reply<'a, T> = BoxFuture<'a, Result<T, CoordinatorError>>;

/// Decides order, retry and rollback of global transactions, and survives our crash.
pub trait Coordinator: Send + Sync + 'static {
    /// Short name, as stored with each global transaction and shown.
    fn name(&self) -> &'static str;

    /// Whether it calls the relay for each branch op. False: the engine drives by itself, and asks it nothing.
    fn calls(&self) -> bool;

    /// The relay's address that it is given with each branch; empty where it calls nobody.
    fn relay(&self) -> &str {
        ""
    }

    /// Makes the plan's branches known. SAGA: this also starts it; repeating it continues it at once (dtm.md D6).
    /// TCC: registered and prepared, not submitted; repeating it changes nothing.
    fn register<'a>(&'a self, plan: &'a Plan) -> Reply<'a, ()>;

    /// TCC: commits. To be sent at most once (dtm.md D20).
    fn submit<'a>(&'a self, plan: &'a Plan) -> Reply<'a, ()>;

    /// TCC: rolls back; repeating it continues the rollback at once (dtm.md D6).
    fn abort<'a>(&'a self, plan: &'a Plan, reason: &'a str) -> Reply<'a, ()>;

    /// Makes the coordinator look at every waiting global transaction soon. Coalesced: at most one a second.
    fn nudge_all(&self) -> Reply<'_, ()>;

    /// What it says of a gid; `None` = it does not know it.
    fn view<'a>(&'a self, gid: &'a str) -> Reply<'a, Option<View>>;

    /// Its version, as proof that it can be reached.
    fn version(&self) -> Reply<'_, String>;
}

/// The coordinators of one process. A global transaction stays with the one that it was started on.
#[derive(Clone)]
pub struct Coordinators {
    /// For new ones.
    own: Arc<dyn Coordinator>,
    dtm: Arc<dyn Coordinator>,
    embedded: Arc<dyn Coordinator>,
}

impl Coordinators {
    /// New ones go to DTM.
    #[must_use]
    pub fn dtm(dtm: Arc<dyn Coordinator>) -> Self {
        Self { own: Arc::clone(&dtm), dtm, embedded: Arc::new(Embedded) }
    }

    /// New ones are driven by the engine; those of an earlier time that began on DTM stay there.
    #[must_use]
    pub fn embedded(dtm: Arc<dyn Coordinator>) -> Self {
        let embedded: Arc<dyn Coordinator> = Arc::new(Embedded);
        Self { own: Arc::clone(&embedded), dtm, embedded }
    }

    /// The one for new global transactions.
    #[must_use]
    pub fn own(&self) -> &Arc<dyn Coordinator> {
        &self.own
    }

    /// DTM, whoever takes the new ones.
    #[must_use]
    pub fn remote(&self) -> &Arc<dyn Coordinator> {
        &self.dtm
    }

    /// The one that a stored name stands for.
    #[must_use]
    pub fn named(&self, name: &str) -> &Arc<dyn Coordinator> {
        if name == EMBEDDED { &self.embedded } else { &self.dtm }
    }
}
