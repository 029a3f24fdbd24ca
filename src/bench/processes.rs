//! The processes under load: DTM servers, and an orchestrator that knows no participant but the no-op one.
//! Dropping one kills it. Knows how they are started, nothing of what they are asked.
use super::noop::Participant;
use crate::connect::Target;
use amends_dtm::binary::DtmBinary;
use amends_dtm::client::DtmClient;
use amends_dtm::launcher::{DtmPorts, LocalDtm};
use amends_dtm::plan_mac::PlanMacKey;
use anyhow::{Context as _, bail};
use std::net::{Ipv4Addr, TcpListener};
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;
use tokio::process::{Child, ChildStdin, Command};

/// How long one may take to serve.
const START_LIMIT: Duration = Duration::from_secs(30);
/// Between two looks whether it listens.
const LOOK: Duration = Duration::from_millis(20);

/// A running DTM server.
pub struct Dtm {
    pub client: DtmClient,
    local: LocalDtm,
    _child: Child,
}

impl Dtm {
    /// Starts one with a store of its own.
    pub async fn start(binary: &DtmBinary, folder: &Path) -> anyhow::Result<Dtm> {
        let local = LocalDtm::new(binary.clone(), folder.to_owned(), DtmPorts::free()?);
        let mut child = local.spawn()?;
        let client = local.wait_ready(&mut child, START_LIMIT).await?;
        Ok(Dtm { client, local, _child: child })
    }
}

/// A running orchestrator, and the DTM server behind it.
pub struct Orchestrator {
    pub address: String,
    pub dtm: Dtm,
    _child: Child,
    /// The process ends when this closes, however we end.
    _lifeline: Option<ChildStdin>,
}

impl Orchestrator {
    /// Starts one on `dtm`; its store and its log are in `folder`.
    pub async fn start(folder: &Path, dtm: Dtm, participant: &Participant) -> anyhow::Result<Orchestrator> {
        std::fs::create_dir_all(folder).context("make a folder")?;
        let key = folder.join("plan-mac");
        PlanMacKey::generate()?.write_file(&key)?;
        let log = std::fs::File::create(folder.join("orchestrator.log")).context("make a log")?;
        let [address, relay] = free_addresses()?;
        let endpoints = dtm.local.endpoints();
        let mut child = Command::new(std::env::current_exe().context("find this program")?)
            .args(["serve", "--exit-on-stdin-eof", "orchestrator", "--data-dir"])
            .arg(folder)
            .args(["--listen", &address, "--relay-listen", &relay])
            .args(["--dtm", &format!("grpc://{}", endpoints.grpc)])
            .args(["--dtm-http", &format!("http://{}", endpoints.http)])
            .args(["--participant", &format!("noop={}", participant.address)])
            .env("AMENDS_PLAN_MAC_KEY_FILE", &key)
            .stdin(Stdio::piped())
            .stdout(log.try_clone()?)
            .stderr(log)
            .process_group(0)
            .kill_on_drop(true)
            .spawn()
            .context("start an orchestrator")?;
        // Waiting for a child closes its standard input.
        let lifeline = child.stdin.take();
        tokio::select! {
            () = listening(&address) => {}
            ended = child.wait() => bail!("the orchestrator ended with {}", ended?),
            () = tokio::time::sleep(START_LIMIT) => bail!("the orchestrator does not listen"),
        }
        Ok(Orchestrator { address, dtm, _child: child, _lifeline: lifeline })
    }
}

/// Ends when somebody accepts connections there.
async fn listening(address: &str) {
    let target = Target { target: address.to_owned(), caller: "bench".to_owned() };
    while target.connect().await.is_err() {
        tokio::time::sleep(LOOK).await;
    }
}

/// Addresses that are free at this moment.
fn free_addresses() -> anyhow::Result<[String; 2]> {
    let bind = || TcpListener::bind((Ipv4Addr::LOCALHOST, 0));
    let listeners = [bind()?, bind()?];
    let [first, second] = listeners.each_ref().map(TcpListener::local_addr);
    Ok([first?.to_string(), second?.to_string()])
}
