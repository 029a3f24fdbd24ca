//! The running systems that the tests of this binary share: one whose services want a plan MAC, one whose do not.
//! Knows processes and stores; knows no message.
use crate::bodies::Seeded;
use crate::digest::Store;
use crate::wire::{self, Reply};
use amends_dtm::Gid;
use amends_dtm::client::{DtmClient, DtmEndpoints};
use amends_dtm::plan_mac::PlanMacKey;
use amends_stack::{Role, Stack, StackConfig};
use prost::Message;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tokio::runtime::Runtime;
use tokio::sync::{Mutex, MutexGuard, OnceCell};
use tonic::metadata::{MetadataMap, MetadataValue};
use tonic::transport::{Channel, Endpoint};

/// Plan hash of calls that no orchestrator planned.
pub const PLAN_HASH: [u8; 32] = [7; 32];
/// Everything whose store is read.
const STORES: [Role; 7] =
    [Role::Order, Role::Account, Role::Inventory, Role::Points, Role::Gateway, Role::Psp, Role::Orchestrator];

static RUNTIME: LazyLock<Runtime> = LazyLock::new(|| Runtime::new().unwrap());
static GUARDED: OnceCell<World> = OnceCell::const_new();
static OPEN: OnceCell<World> = OnceCell::const_new();

/// Whether the services of a world want a plan MAC.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Auth {
    Required,
    Off,
}

/// One running system.
pub struct World {
    stack: Stack,
    auth: Auth,
    pub key: PlanMacKey,
    pub dtm: DtmClient,
    pub seeded: Seeded,
    channels: BTreeMap<Role, Channel>,
    stores: BTreeMap<Role, Store>,
    turn: Mutex<()>,
}

/// A system that nobody else uses now.
pub struct Turn {
    pub world: &'static World,
    _turn: MutexGuard<'static, ()>,
}

/// Runs a test on the runtime that the shared systems live on.
pub fn run<T>(test: impl Future<Output = T>) -> T {
    RUNTIME.block_on(test)
}

/// Waits for the turn on the shared system.
pub async fn alone(auth: Auth) -> Turn {
    let cell = match auth {
        Auth::Required => &GUARDED,
        Auth::Off => &OPEN,
    };
    let world = cell.get_or_init(|| World::start(auth)).await;
    Turn { world, _turn: world.turn.lock().await }
}

impl World {
    async fn start(auth: Auth) -> World {
        let folder = data_folder(auth);
        let mut config = StackConfig::new(env!("CARGO_BIN_EXE_amends"), &folder)
            .args(Role::Gateway, ["--query-schedule", "100ms,200ms,500ms,1s"])
            .args(Role::Gateway, ["--psp-queries-per-s", "50"]);
        if auth == Auth::Off {
            for role in Role::PARTICIPANTS {
                config = config.args(role, ["--branch-auth", "off"]);
            }
        }
        let stack = Stack::start(config).await.unwrap();
        let mut channels = BTreeMap::new();
        let mut stores = BTreeMap::new();
        for role in STORES {
            let endpoint = Endpoint::from_shared(format!("http://{}", stack.address(role))).unwrap();
            channels.insert(role, endpoint.connect().await.unwrap());
            stores.insert(role, Store::open(&stack.data_dir().join(format!("{role}.db"))).await);
        }
        let key = PlanMacKey::from_file(&stack.key_file()).unwrap();
        let grpc = stack.address(Role::Dtm);
        let endpoints = DtmEndpoints::parse(&grpc, stack.dtm_http().as_deref()).unwrap();
        let dtm = DtmClient::new(&endpoints).unwrap();
        let turn = Mutex::new(());
        let seeded = Seeded::new();
        let world = World { stack, auth, key, dtm, seeded, channels, stores, turn };
        world.seeded.seed(&world).await;
        world
    }

    /// host:port of a role.
    pub fn address(&self, role: Role) -> String {
        self.stack.address(role)
    }

    pub fn channel(&self, role: Role) -> &Channel {
        &self.channels[&role]
    }

    pub fn store(&self, role: Role) -> &Store {
        &self.stores[&role]
    }

    /// A MAC that is valid for the gid for an hour; none where none is wanted.
    pub fn mac(&self, gid: &Gid) -> Option<String> {
        (self.auth == Auth::Required).then(|| self.key.mint(gid, &PLAN_HASH, unix_now_s() + 3_600))
    }

    /// A direct call with a message that has the right type.
    pub async fn ask<Req: Message, Resp: Message + Default>(
        &self,
        role: Role,
        path: &str,
        request: Req,
    ) -> Resp {
        self.direct(role, path, request.encode_to_vec()).await.decoded()
    }

    /// A direct call, of a caller who says who he is.
    pub async fn direct(&self, role: Role, path: &str, body: Vec<u8>) -> Reply {
        let mut metadata = MetadataMap::new();
        metadata.insert("amends-caller", MetadataValue::from_static("conformance"));
        wire::call(self.channel(role), path, body, metadata).await
    }
}

/// Seconds since 1970.
pub fn unix_now_s() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    i64::try_from(since.as_secs()).unwrap()
}

/// How long anything may take that a test waits for.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// A folder of this process. Those of earlier processes are removed: statics are never dropped.
fn data_folder(auth: Auth) -> PathBuf {
    let parent = Path::new(env!("CARGO_TARGET_TMPDIR")).join("conformance");
    std::fs::create_dir_all(&parent).unwrap();
    for left in std::fs::read_dir(&parent).unwrap() {
        let left = left.unwrap().path();
        if let Ok(lock) = std::fs::File::open(left.join("lock"))
            && lock.try_lock().is_ok()
        {
            std::fs::remove_dir_all(&left).unwrap();
        }
    }
    parent.join(format!("{auth:?}-{}", std::process::id()).to_lowercase())
}
