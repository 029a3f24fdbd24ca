//! Starts and stops the whole system as processes on one machine: for `dev`, `demo`, `replay`, `bench` and tests.
//! Knows the roles' command lines; knows nothing of what the processes say to each other.
//!
//! Everything lives below one data folder: `ports.json`, `keys/plan-mac`, `logs/<role>.log`, the databases,
//! `dtm/` (DTM's store and its log).
//! However the owner of a [`Stack`] ends, even by SIGKILL, its processes end too.
mod commands;
mod config;
mod coordinator;
mod database;
mod error;
mod keeper;
mod launch;
mod ports;
mod postgres;
mod readiness;
mod redis;
mod role;
mod tether;

pub use config::{PortChoice, Restarts, StackConfig};
pub use coordinator::{Coordinator, CoordinatorChoice};
pub use database::DatabaseError;
pub use error::StackError;
pub use ports::Ports;
pub use postgres::Postgres;
pub use redis::Redis;
pub use role::Role;
pub use tether::Tethered;

use coordinator::Chosen;
use keeper::{Keeper, Presence};
use rustix::process::Signal;
use std::collections::BTreeMap;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// How long a process may drain before it is killed.
const GRACE: Duration = Duration::from_secs(10);

/// A running system. Dropping it kills every process of it; `stop` lets them drain.
pub struct Stack {
    layout: Layout,
    chosen: Chosen,
    keepers: BTreeMap<Role, Keeper>,
    start_timeout: Duration,
    _ports: ports::Reserved,
    _lock: File,
}

/// Where everything of one stack is.
#[derive(Debug, Clone)]
pub(crate) struct Layout {
    pub(crate) data_dir: PathBuf,
    pub(crate) ports: Ports,
}

impl Layout {
    pub(crate) fn log(&self, role: Role) -> PathBuf {
        let folder = if role == Role::Dtm { self.dtm_folder() } else { self.data_dir.join("logs") };
        folder.join(format!("{role}.log"))
    }

    pub(crate) fn dtm_folder(&self) -> PathBuf {
        self.data_dir.join("dtm")
    }

    /// Where DTM keeps what it was given.
    fn dtm_store(&self) -> PathBuf {
        self.dtm_folder().join("dtm.bolt")
    }

    pub(crate) fn key_file(&self) -> PathBuf {
        self.data_dir.join("keys").join("plan-mac")
    }

    fn port(&self, role: Role) -> u16 {
        match role {
            Role::Dtm => self.ports.dtm_grpc,
            Role::Psp => self.ports.psp,
            Role::Order => self.ports.order,
            Role::Account => self.ports.account,
            Role::Inventory => self.ports.inventory,
            Role::Points => self.ports.points,
            Role::Gateway => self.ports.gateway,
            Role::Orchestrator => self.ports.orchestrator,
        }
    }

    pub(crate) fn address(&self, role: Role) -> String {
        format!("127.0.0.1:{}", self.port(role))
    }
}

impl Stack {
    /// Starts everything and waits until all of it serves.
    pub async fn start(config: StackConfig) -> Result<Stack, StackError> {
        let data_dir = prepare_data_dir(&config.data_dir)?;
        let lock = lock(&data_dir)?;
        let reserved = ports::of_data_dir(&data_dir, config.ports)?;
        let layout = Layout { data_dir, ports: reserved.ports };
        make_key(&layout.key_file())?;
        let chosen = coordinator::choose(config.coordinator, &layout.dtm_store()).await?;
        let mut stack = Stack {
            layout,
            chosen,
            keepers: BTreeMap::new(),
            start_timeout: config.start_timeout,
            _ports: reserved,
            _lock: lock,
        };
        for launch in commands::launches(&stack.layout, &config, &stack.chosen) {
            stack.keepers.insert(launch.role, Keeper::start(launch, config.restarts).await?);
        }
        futures::future::try_join_all(stack.roles().map(|role| stack.ready(role))).await?;
        Ok(stack)
    }

    /// host:port of a role; of DTM its gRPC interface.
    #[must_use]
    pub fn address(&self, role: Role) -> String {
        self.layout.address(role)
    }

    /// Who drives new global transactions.
    #[must_use]
    pub fn coordinator(&self) -> Coordinator {
        self.chosen.coordinator
    }

    /// What people should know of the coordinator, because they did not choose it.
    #[must_use]
    pub fn notice(&self) -> Option<&str> {
        self.chosen.notice.as_deref()
    }

    /// The roles that have a process, in the order of [`Role::ALL`]: all of them, or all but DTM.
    pub fn roles(&self) -> impl Iterator<Item = Role> {
        self.keepers.keys().copied()
    }

    /// DTM's HTTP interface, as `http://host:port`, if a DTM server runs.
    #[must_use]
    pub fn dtm_http(&self) -> Option<String> {
        let port = self.layout.ports.dtm_http;
        self.chosen.dtm.as_ref().map(|_| format!("http://127.0.0.1:{port}"))
    }

    /// The web console, as `http://host:port`.
    #[must_use]
    pub fn console(&self) -> String {
        format!("http://127.0.0.1:{}", self.layout.ports.console)
    }

    /// All ports.
    #[must_use]
    pub fn ports(&self) -> Ports {
        self.layout.ports
    }

    /// Version of the DTM server, if one runs.
    #[must_use]
    pub fn dtm_version(&self) -> Option<&str> {
        self.chosen.dtm.as_ref().map(|dtm| dtm.version.as_str())
    }

    /// Where everything is kept.
    #[must_use]
    pub fn data_dir(&self) -> &Path {
        &self.layout.data_dir
    }

    /// The key with which plan MACs are made.
    #[must_use]
    pub fn key_file(&self) -> PathBuf {
        self.layout.key_file()
    }

    /// The log of a role.
    #[must_use]
    pub fn log(&self, role: Role) -> PathBuf {
        self.layout.log(role)
    }

    /// Process id of a role, while it runs.
    #[must_use]
    pub fn pid(&self, role: Role) -> Option<u32> {
        self.keepers.get(&role)?.pid().and_then(|pid| u32::try_from(pid.as_raw_nonzero().get()).ok())
    }

    /// Kills a role with SIGKILL and waits until it is gone. Without automatic restarts it stays down.
    pub async fn kill9(&self, role: Role) -> Result<(), StackError> {
        let keeper = self.keeper(role)?;
        let mut presence = keeper.presence();
        let victim = keeper.pid();
        keeper.signal(Signal::KILL)?;
        let gone = |now: &Presence| !matches!(now, Presence::Up { pid, .. } if Some(*pid) == victim);
        presence.wait_for(gone).await.map(|_| ()).map_err(|_| StackError::NotRunning { role })
    }

    /// Freezes a role: its connections stay, its answers do not come.
    pub fn sigstop(&self, role: Role) -> Result<(), StackError> {
        self.keeper(role)?.signal(Signal::STOP)
    }

    /// Thaws a frozen role.
    pub fn sigcont(&self, role: Role) -> Result<(), StackError> {
        self.keeper(role)?.signal(Signal::CONT)
    }

    /// Ends a role, letting it drain, and keeps it down until `restart`.
    pub async fn halt(&self, role: Role) -> Result<(), StackError> {
        self.keeper(role)?.stop(GRACE).await;
        Ok(())
    }

    /// Starts a role that is down, and does not wait until it serves.
    pub async fn launch(&self, role: Role) -> Result<(), StackError> {
        self.keeper(role)?.launch().await
    }

    /// Starts a role, ending it first if it runs, and waits until it serves.
    pub async fn restart(&self, role: Role) -> Result<(), StackError> {
        self.halt(role).await?;
        self.launch(role).await?;
        self.ready(role).await
    }

    /// Waits until a role that died was started again by itself, and serves.
    pub async fn returned(&self, role: Role) -> Result<(), StackError> {
        let mut presence = self.keeper(role)?.presence();
        let up = presence.wait_for(|now| matches!(now, Presence::Up { .. }));
        let up = tokio::time::timeout(self.start_timeout, up).await;
        up.map_err(|_| StackError::NotRunning { role })?.map_err(|_| StackError::NotRunning { role })?;
        self.ready(role).await
    }

    /// Waits until a running role serves.
    pub async fn ready(&self, role: Role) -> Result<(), StackError> {
        let presence = self.keeper(role)?.presence();
        let address = self.address(role);
        readiness::wait(role, &address, presence, &self.log(role), self.start_timeout).await
    }

    /// Ends everything in the order in which it can drain: who starts work first, who carries it out last.
    pub async fn stop(self) {
        for role in [Role::Orchestrator, Role::Dtm, Role::Gateway] {
            if let Some(keeper) = self.keepers.get(&role) {
                keeper.stop(GRACE).await;
            }
        }
        futures::future::join_all(self.keepers.values().map(|keeper| keeper.stop(GRACE))).await;
    }

    fn keeper(&self, role: Role) -> Result<&Keeper, StackError> {
        self.keepers.get(&role).ok_or(StackError::NotRunning { role })
    }
}

/// Makes the folders and gives back an absolute path: the processes must not depend on our working folder.
fn prepare_data_dir(data_dir: &Path) -> Result<PathBuf, StackError> {
    launch::private_folder(data_dir)?;
    let data_dir = data_dir.canonicalize().map_err(StackError::file("open", data_dir))?;
    for folder in ["logs", "keys", "dtm"] {
        launch::private_folder(&data_dir.join(folder))?;
    }
    Ok(data_dir)
}

fn lock(data_dir: &Path) -> Result<File, StackError> {
    let path = data_dir.join("lock");
    let file =
        File::options().create(true).append(true).open(&path).map_err(StackError::file("open", &path))?;
    file.try_lock().map_err(|_| StackError::InUse { path: data_dir.to_owned() })?;
    Ok(file)
}

fn make_key(path: &Path) -> Result<(), StackError> {
    if path.exists() {
        return Ok(());
    }
    let failed = |error: &dyn std::fmt::Display| StackError::Key(error.to_string());
    let key = amends_dtm::plan_mac::PlanMacKey::generate().map_err(|error| failed(&error))?;
    key.write_file(path).map_err(|error| failed(&error))
}
