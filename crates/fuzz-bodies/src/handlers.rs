//! Handlers of participants and of the simulated provider, each over a store of its own. What a participant refuses as
//! wrong has changed nothing, not even what the guard remembers.
use crate::host::{Fault, Host, Started};
use crate::judge::{Rules, a_participants_reason};
use amends_participant::{BranchAuth, Guard, SystemClock};
use amends_serve::store::Store;
use std::sync::{Arc, LazyLock};
use tonic::service::Routes;
use tonic::{Code, Status};

/// Tells a commit of anybody else's connection from none.
pub const ANY_COMMIT: &str = "PRAGMA data_version";
/// What is said of a request that is wrong whatever there is.
pub const WRONG: &[Code] = &[
    Code::InvalidArgument,
    Code::NotFound,
    Code::AlreadyExists,
    Code::PermissionDenied,
    Code::Unauthenticated,
    Code::OutOfRange,
    Code::Unimplemented,
];
/// Of every participant.
pub const PARTICIPANT: Rules = Rules {
    waits: &[],
    says_internal: a_participants_reason,
    changed_nothing: WRONG,
    book: ANY_COMMIT,
    newest: None,
};
/// The provider is silent and broken where it is asked to be, for as long as it is asked to.
const PROVIDER: Rules = Rules {
    waits: &["Authorize", "Capture", "Sale", "Void", "Refund", "Query", "Close"],
    says_internal: |status: &Status| status.message() == "processor error",
    ..PARTICIPANT
};

/// Calls what runs, or would.
pub fn call(host: &Started, data: &[u8]) -> Option<Code> {
    match &**host {
        Ok(host) => host.call(data),
        Err(error) => panic!("a server cannot be started: {error}"),
    }
}

/// What holds effects and memory together. Whoever calls is believed: there is a target of its own for plan MACs.
pub fn guard(store: Store) -> Guard {
    Guard::new(store, BranchAuth::Off, Arc::new(SystemClock))
}

macro_rules! participant {
    ($name:ident, $service:literal, $migrator:ty, $routes:path) => {
        #[doc = concat!("Methods of `", $service, "`.")]
        pub fn $name(data: &[u8]) -> Option<Code> {
            static HOST: Started = LazyLock::new(|| {
                Host::start($service, PARTICIPANT, async |store| {
                    store.migrate::<$migrator>().await?;
                    Ok($routes(store.clone(), guard(store)))
                })
            });
            call(&HOST, data)
        }
    };
}

participant!(order, "pay.order.v1.OrderService", amends_migrations::order::Migrator, amends_order::routes);
participant!(
    account,
    "pay.account.v1.AccountService",
    amends_migrations::account::Migrator,
    amends_account::routes
);
participant!(
    inventory,
    "pay.inventory.v1.InventoryService",
    amends_migrations::inventory::Migrator,
    amends_inventory::routes
);
participant!(
    points,
    "pay.points.v1.PointsService",
    amends_migrations::points::Migrator,
    amends_points::routes
);

/// Methods of `pay.psp.v1.PspService`.
pub fn psp(data: &[u8]) -> Option<Code> {
    static HOST: Started = LazyLock::new(|| Host::start("pay.psp.v1.PspService", PROVIDER, provider));
    call(&HOST, data)
}

async fn provider(store: Store) -> Result<Routes, Fault> {
    store.migrate::<amends_migrations::psp::Migrator>().await?;
    Ok(amends_psp::Processor::open(store, 1, "".parse()?).await?.routes())
}
