//! The processes under load: DTM servers, and orchestrators that know no participant but a no-op one.
//! Dropping one kills it. Knows how they are started, nothing of what they are asked.
use super::crew::{Crew, Part};
use super::noop::Participant;
use super::store::{Backing, Store};
use super::witness::Witness;
use crate::connect::Target;
use amends_dtm::binary::DtmBinary;
use amends_dtm::client::DtmClient;
use amends_dtm::launcher::{DtmPorts, LocalDtm};
use amends_dtm::plan_mac::PlanMacKey;
use amends_stack::Tethered;
use anyhow::{Context as _, bail};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::Path;
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;
use tokio::process::{Child, ChildStdin, Command};

/// How long one may take to serve.
const START_LIMIT: Duration = Duration::from_secs(30);
/// Between two looks whether it listens.
const LOOK: Duration = Duration::from_millis(20);

/// Who drives an orchestrator's global transactions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Driver {
    /// A DTM server with this store.
    Dtm(Store),
    /// The orchestrator's own engine.
    Embedded,
}

impl Driver {
    /// The coordinator, as rows name it.
    pub fn coordinator(self) -> &'static str {
        match self {
            Driver::Dtm(_) => "dtm",
            Driver::Embedded => "embedded",
        }
    }

    /// What the coordinator keeps its state on, as rows name it.
    pub fn store(self) -> &'static str {
        match self {
            Driver::Dtm(store) => store.name(),
            // History is all the state that it has.
            Driver::Embedded => "sqlite",
        }
    }
}

/// A running DTM server with a store of its own.
pub struct Dtm {
    pub client: DtmClient,
    local: LocalDtm,
    process: Tethered,
    backing: Backing,
}

impl Dtm {
    /// Starts one.
    pub async fn start(binary: &DtmBinary, folder: &Path, store: Store) -> anyhow::Result<Dtm> {
        let backing = store.start().await?;
        let mut local = LocalDtm::new(binary.clone(), folder.to_owned(), DtmPorts::free()?);
        local.store.clone_from(&backing.settings);
        let mut process = Tethered::spawn(local.command()?)?;
        let client = local.wait_ready(process.child(), START_LIMIT).await?;
        Ok(Dtm { client, local, process, backing })
    }

    /// Its process, and those of its store.
    pub fn members(&self) -> impl Iterator<Item = (Part, u32)> {
        let store = self.backing.pid().map(|pid| (Part::Store, pid));
        self.process.pid().map(|pid| (Part::Dtm, pid)).into_iter().chain(store)
    }
}

/// A running orchestrator, and the DTM server behind it, if there is one.
pub struct Orchestrator {
    pub address: String,
    pub driver: Driver,
    pub dtm: Option<Dtm>,
    pub witness: Arc<Witness>,
    child: Child,
    /// The process ends when this closes, however we end.
    _lifeline: Option<ChildStdin>,
    _participant: Option<Participant>,
}

impl Orchestrator {
    /// Starts one with a no-op participant of its own; stores and logs are in `folder`.
    pub async fn start(binary: &DtmBinary, folder: &Path, driver: Driver) -> anyhow::Result<Orchestrator> {
        let witness = Witness::new(folder);
        let participant = Participant::start(Some(Arc::clone(&witness))).await?;
        let mut started = Self::beside(binary, folder, driver, participant.address, &[]).await?;
        (started.witness, started._participant) = (witness, Some(participant));
        Ok(started)
    }

    /// Starts one with the participant `noop` at this address, and with these arguments besides.
    pub async fn beside(
        binary: &DtmBinary,
        folder: &Path,
        driver: Driver,
        noop: SocketAddr,
        args: &[String],
    ) -> anyhow::Result<Orchestrator> {
        std::fs::create_dir_all(folder).context("make a folder")?;
        let witness = Witness::new(folder);
        let dtm = match driver {
            Driver::Dtm(store) => Some(Dtm::start(binary, &folder.join("dtm"), store).await?),
            Driver::Embedded => None,
        };
        let [address, relay] = free_addresses()?;
        let mut command = command(folder, noop)?;
        command.args(args);
        command.args(["--listen", &address, "--relay-listen", &relay]);
        command.args(["--coordinator", driver.coordinator()]);
        if let Some(dtm) = &dtm {
            let endpoints = dtm.local.endpoints();
            command.args(["--dtm", &format!("grpc://{}", endpoints.grpc)]);
            command.args(["--dtm-http", &format!("http://{}", endpoints.http)]);
        }
        let mut child = command.spawn().context("start an orchestrator")?;
        // Waiting for a child closes its standard input.
        let lifeline = child.stdin.take();
        tokio::select! {
            () = listening(&address) => {}
            ended = child.wait() => bail!("the orchestrator ended with {}", ended?),
            () = tokio::time::sleep(START_LIMIT) => bail!("the orchestrator does not listen"),
        }
        let (_lifeline, _participant) = (lifeline, None);
        Ok(Orchestrator { address, driver, dtm, witness, child, _lifeline, _participant })
    }

    /// Everybody who works for it.
    pub fn crew(&self) -> Crew {
        let own = self.child.id().map(|pid| (Part::Orchestrator, pid));
        Crew::new(own.into_iter().chain(self.dtm.iter().flat_map(Dtm::members)))
    }
}

/// An orchestrator that knows no participant but this one, and no setting but those it is given.
pub fn command(folder: &Path, participant: SocketAddr) -> anyhow::Result<Command> {
    let mut command = bare_command(folder)?;
    command.args(["--participant", &format!("noop={participant}")]).args(["--console-listen", "127.0.0.1:0"]);
    Ok(command)
}

/// An orchestrator that knows nobody, and no setting of those that stand around.
pub fn bare_command(folder: &Path) -> anyhow::Result<Command> {
    let key = folder.join("plan-mac");
    if !key.exists() {
        PlanMacKey::generate()?.write_file(&key)?;
    }
    let log = std::fs::File::create(folder.join("orchestrator.log")).context("make a log")?;
    let mut command = Command::new(std::env::current_exe().context("find this program")?);
    let settings = std::env::vars_os().map(|(name, _)| name);
    for foreign in settings.filter(|name| name.to_string_lossy().starts_with("AMENDS_")) {
        command.env_remove(foreign);
    }
    command
        .args(["serve", "--exit-on-stdin-eof", "orchestrator", "--data-dir"])
        .arg(folder)
        .env("AMENDS_PLAN_MAC_KEY_FILE", &key)
        .stdin(Stdio::piped())
        .stdout(log.try_clone()?)
        .stderr(log)
        .process_group(0)
        .kill_on_drop(true);
    Ok(command)
}

/// Ends when somebody accepts connections there.
pub async fn listening(address: &str) {
    let target = Target { target: address.to_owned(), caller: "bench".to_owned() };
    while target.connect().await.is_err() {
        tokio::time::sleep(LOOK).await;
    }
}

/// Addresses that are free at this moment.
pub fn free_addresses() -> anyhow::Result<[String; 2]> {
    let bind = || TcpListener::bind((Ipv4Addr::LOCALHOST, 0));
    let listeners = [bind()?, bind()?];
    let [first, second] = listeners.each_ref().map(TcpListener::local_addr);
    Ok([first?.to_string(), second?.to_string()])
}
