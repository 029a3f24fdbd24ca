//! One running system with the layer below each store of ours. Knows processes and stores; knows no message.
use crate::bodies::Seeded;
use crate::digest::Store;
use crate::layer::Orders;
use crate::wire::{self, Reply};
use amends_dtm::Gid;
use amends_dtm::plan_mac::PlanMacKey;
use amends_stack::{CoordinatorChoice, Restarts, Role, Stack, StackConfig};
use prost::Message;
use std::collections::BTreeMap;
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};
use tonic::metadata::{MetadataMap, MetadataValue};
use tonic::transport::{Channel, Endpoint};

/// Plan hash of calls that no orchestrator planned.
const PLAN_HASH: [u8; 32] = [7; 32];
/// Everything that has a store of ours.
pub const STORES: [Role; 7] =
    [Role::Order, Role::Account, Role::Inventory, Role::Points, Role::Gateway, Role::Psp, Role::Orchestrator];
/// The PSP and the gateway lose patience sooner than in earnest.
const GATEWAY: [&str; 6] = [
    "--query-schedule",
    "100ms,200ms,500ms,1s,1s,1s,1s,1s,1s",
    "--psp-queries-per-s",
    "100",
    "--psp-timeout-ms",
    "1000",
];

/// A running system.
pub struct World {
    pub stack: Stack,
    key: PlanMacKey,
    channels: BTreeMap<Role, Channel>,
    stores: BTreeMap<Role, Store>,
    orders: BTreeMap<Role, Orders>,
}

impl World {
    /// Starts it in an empty folder, without a DTM: nobody is there whom a coordinator would ask.
    pub async fn start(folder: &Path) -> World {
        let data = folder.join("stack");
        std::fs::create_dir(&data).unwrap();
        let mut config = StackConfig::new(crate::AMENDS, &data)
            .restarts(Restarts::ByHand)
            .coordinator(CoordinatorChoice::Embedded)
            .args(Role::Gateway, GATEWAY);
        let mut orders = BTreeMap::new();
        for role in STORES {
            let (its, environment) = Orders::of(role, &data, &folder.join(format!("{role}.orders")));
            config =
                environment.into_iter().fold(config, |config, (name, value)| config.env(role, name, value));
            orders.insert(role, its);
        }
        let stack = Stack::start(config).await.unwrap();
        let (mut channels, mut stores) = (BTreeMap::new(), BTreeMap::new());
        for role in STORES {
            let endpoint = Endpoint::from_shared(format!("http://{}", stack.address(role))).unwrap();
            channels.insert(role, endpoint.connect_lazy());
            stores.insert(role, Store::open(&stack.data_dir().join(format!("{role}.db"))).await);
        }
        let key = PlanMacKey::from_file(&stack.key_file()).unwrap();
        let world = World { stack, key, channels, stores, orders };
        Seeded::new().seed(&world).await;
        world
    }

    pub fn channel(&self, role: Role) -> &Channel {
        &self.channels[&role]
    }

    pub fn store(&self, role: Role) -> &Store {
        &self.stores[&role]
    }

    pub fn orders(&self, role: Role) -> &Orders {
        &self.orders[&role]
    }

    /// A MAC that is valid for the gid for an hour.
    pub fn mac(&self, gid: &Gid) -> Option<String> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
        Some(self.key.mint(gid, &PLAN_HASH, i64::try_from(now).unwrap() + 3_600))
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
        metadata.insert("amends-caller", MetadataValue::from_static("store-faults"));
        wire::call(self.channel(role), path, body, metadata).await
    }
}
