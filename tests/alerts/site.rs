//! The system whose alerts are waited for: each process tells its figures at an address that it keeps, DTM is reached
//! through a link that can be made slow, and the webhook's receiver is away. Knows how it is set up, not what happens to it.
use crate::AMENDS;
use amends_chaos::{Proxy, Reading};
use amends_stack::Role;
use amends_testkit::{Coordinator, World, WorldConfig};
use sea_orm::{ConnectOptions, ConnectionTrait as _, Database, DatabaseConnection};
use std::collections::BTreeMap;
use std::net::{Ipv4Addr, TcpListener};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

/// Ports for figures: below those of a stack, and below those that the kernel gives away while a process is down.
const PORTS: std::ops::Range<u16> = 7_600..10_240;
/// Everybody who is read.
pub const ROLES: [Role; 7] =
    [Role::Orchestrator, Role::Order, Role::Account, Role::Inventory, Role::Points, Role::Gateway, Role::Psp];
/// Between two passes of the auditor, in milliseconds.
const AUDIT_MS: u32 = 500;

/// A running system, and where its figures are.
pub struct Site {
    pub world: World,
    /// The link between the orchestrator and DTM.
    pub link: Proxy,
    /// Addresses by role.
    pub figures: BTreeMap<String, String>,
}

impl Site {
    pub async fn start(folder: &Path) -> Site {
        let key = folder.join("webhook-key");
        std::fs::write(&key, "5a".repeat(32)).unwrap();
        std::fs::set_permissions(&key, std::fs::Permissions::from_mode(0o600)).unwrap();
        let link = Proxy::open(Reading::Bytes, 1).await.unwrap();
        let data = folder.join("stack");
        let figures = free();
        let mut config = WorldConfig::new(AMENDS, data, Coordinator::Dtm)
            .audited(AUDIT_MS)
            .detour(Role::Dtm, link.address())
            .env(Role::Orchestrator, receiver(key.display().to_string()));
        for (role, address) in ROLES.into_iter().map(|role| (role, &figures[role.as_str()])) {
            config = config.env(role, [("AMENDS_METRICS".to_owned(), address.clone())]);
        }
        let world = World::start(&config).await;
        link.lead_to(&world.stack().address(Role::Dtm)).unwrap();
        Site { world, link, figures }
    }

    /// The store of a role, to be changed behind its back.
    async fn store(&self, role: Role) -> DatabaseConnection {
        let path = self.world.stack().data_dir().join(format!("{role}.db"));
        let mut options = ConnectOptions::new(format!("sqlite://{}?mode=rw", path.display()));
        options.max_connections(1).min_connections(1).sqlx_logging(false);
        Database::connect(options).await.unwrap()
    }

    /// Runs one statement in the store of a role; says how many rows it changed.
    pub async fn change(&self, role: Role, statement: &str) -> u64 {
        self.store(role).await.execute_unprepared(statement).await.unwrap().rows_affected()
    }
}

/// A receiver of notices that is not there.
fn receiver(key_file: String) -> [(String, String); 2] {
    [
        // Port of the discard service, which nobody has run for decades.
        ("AMENDS_ATTENTION_WEBHOOK".to_owned(), "http://127.0.0.1:9/".to_owned()),
        ("AMENDS_ATTENTION_WEBHOOK_KEY_FILE".to_owned(), key_file),
    ]
}

/// One address for each role that nobody listens on now.
fn free() -> BTreeMap<String, String> {
    let first = u16::try_from(std::process::id() % u32::from(PORTS.end - PORTS.start)).unwrap();
    let tried =
        (0..PORTS.end - PORTS.start).map(|step| PORTS.start + (first + step) % (PORTS.end - PORTS.start));
    let bound = tried.filter_map(|port| TcpListener::bind((Ipv4Addr::LOCALHOST, port)).ok());
    // All are held until the last is found: no port twice.
    let held: Vec<TcpListener> = bound.take(ROLES.len()).collect();
    let addresses = held.iter().map(|listener| listener.local_addr().unwrap().to_string());
    let found: BTreeMap<String, String> =
        ROLES.map(|role| role.to_string()).into_iter().zip(addresses).collect();
    assert_eq!(found.len(), ROLES.len(), "there are not enough free ports");
    found
}
