//! Two orchestrators on one PostgreSQL, each a process that can be killed, suspended and started again.
use crate::AMENDS;
use crate::participant::Participant;
use crate::splitter::Splitter;
use amends_dtm::binary::locate;
use amends_dtm::client::DtmClient;
use amends_dtm::launcher::{DtmPorts, LocalDtm};
use amends_proto::amends::v1::ListRequest;
use amends_proto::amends::v1::transactions_client::TransactionsClient;
use amends_testkit::{Coordinator, OwnDatabase, until};
use std::fs::OpenOptions;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::Duration;
use tokio::process::{Child, Command};
use tonic::transport::{Channel, Endpoint};

/// A call whose answer got lost together with its connection is given up after this.
const CALL_TIMEOUT: Duration = Duration::from_secs(10);
const DTM_START: Duration = Duration::from_secs(20);

pub type Client = TransactionsClient<Channel>;

/// Two replicas, their database, their participant, and the DTM server if there is one.
pub struct Pair {
    pub replicas: [Replica; 2],
    pub participant: Participant,
    pub database: OwnDatabase,
    pub dtm: Option<Dtm>,
    _folder: tempfile::TempDir,
}

/// The DTM server, and the address that it knows the relays by.
pub struct Dtm {
    local: LocalDtm,
    child: Child,
    splitter: Splitter,
}

/// One orchestrator.
pub struct Replica {
    pub api: SocketAddr,
    relay: SocketAddr,
    arguments: Vec<String>,
    log: std::path::PathBuf,
    child: Option<Child>,
}

impl Pair {
    /// Starts both; `None` = this machine has no PostgreSQL.
    pub async fn start(coordinator: Coordinator) -> Option<Pair> {
        Pair::start_with(coordinator, &[]).await
    }

    /// The same, with further flags for both.
    pub async fn start_with(coordinator: Coordinator, flags: &[(&str, String)]) -> Option<Pair> {
        let database = OwnDatabase::make().await?;
        let folder = tempfile::tempdir().unwrap();
        let participant = Participant::start().await;
        let key = key_of(folder.path());
        let mut replicas = [0, 1].map(|n| Replica::planned(&folder.path().join(format!("{n}.log"))));
        let dtm = match coordinator {
            Coordinator::Embedded => None,
            Coordinator::Dtm => Some(Dtm::start(folder.path(), &replicas).await),
        };
        for replica in &mut replicas {
            replica.tell("--database-url", &database.url());
            replica.tell("--plan-mac-key-file", key.to_str().unwrap());
            replica.tell("--participant", &format!("noop={}", participant.address));
            if let Some(Dtm { local, splitter, .. }) = &dtm {
                let endpoints = local.endpoints();
                replica.tell("--dtm", &format!("grpc://{}", endpoints.grpc));
                replica.tell("--dtm-http", &format!("http://{}", endpoints.http));
                replica.tell("--relay-url", &splitter.address.to_string());
            }
            for (flag, value) in flags {
                replica.tell(flag, value);
            }
            replica.start();
        }
        let pair = Pair { replicas, participant, database, dtm, _folder: folder };
        for replica in &pair.replicas {
            replica.serves().await;
        }
        Some(pair)
    }

    /// A client of each.
    pub fn clients(&self) -> [Client; 2] {
        [self.replicas[0].client(), self.replicas[1].client()]
    }
}

/// A new key of plan MACs in this folder.
pub fn key_of(folder: &Path) -> PathBuf {
    let key = folder.join("plan-mac");
    std::fs::write(&key, "11".repeat(32)).unwrap();
    key
}

impl Dtm {
    async fn start(folder: &Path, replicas: &[Replica; 2]) -> Dtm {
        let binary = tokio::task::spawn_blocking(locate).await.unwrap().unwrap();
        let local = LocalDtm::new(binary, folder.join("dtm"), DtmPorts::free().unwrap());
        let mut child = local.spawn().unwrap();
        local.wait_ready(&mut child, DTM_START).await.unwrap();
        let splitter = Splitter::start([replicas[0].relay, replicas[1].relay]).await;
        Dtm { local, child, splitter }
    }

    /// Ends it at once; its store stays.
    pub async fn kill(&mut self) {
        self.child.kill().await.unwrap();
    }

    /// Starts it again, on the same ports and its store.
    pub async fn start_again(&mut self) {
        self.child = self.local.spawn().unwrap();
        self.local.wait_ready(&mut self.child, DTM_START).await.unwrap();
    }

    /// A client of it.
    pub fn client(&self) -> DtmClient {
        DtmClient::new(&self.local.endpoints()).unwrap()
    }
}

/// What the processes said last, for the message of a failed test.
impl Drop for Pair {
    fn drop(&mut self) {
        const LINES: usize = 30;
        for replica in self.replicas.iter().filter(|_| std::thread::panicking()) {
            let said = replica.said();
            let lines: Vec<&str> = said.lines().collect();
            let last = lines[lines.len().saturating_sub(LINES)..].join("\n");
            crate::tell(&format!("{} said at last:\n{last}", replica.api));
        }
    }
}

impl Replica {
    /// One that has not been started, on free addresses.
    pub fn planned(log: &Path) -> Replica {
        let (api, relay) = (free(), free());
        let mut replica = Replica { api, relay, arguments: Vec::new(), log: log.to_owned(), child: None };
        replica.tell("--listen", &api.to_string());
        replica.tell("--relay-listen", &relay.to_string());
        replica.tell("--console-listen", "127.0.0.1:0");
        replica
    }

    /// Gives it a flag.
    pub fn tell(&mut self, flag: &str, value: &str) {
        self.arguments.extend([flag.to_owned(), value.to_owned()]);
    }

    /// Starts it, on the same addresses each time.
    pub fn start(&mut self) {
        let log = OpenOptions::new().create(true).append(true).open(&self.log).unwrap();
        let mut command = Command::new(AMENDS);
        command.args(["serve", "--exit-on-stdin-eof", "orchestrator"]).args(&self.arguments);
        command.stdin(Stdio::piped()).stdout(log.try_clone().unwrap()).stderr(log);
        self.child = Some(command.kill_on_drop(true).spawn().unwrap());
    }

    /// Returns when it answers.
    pub async fn serves(&self) {
        let client = self.client();
        until("a replica serves", async || {
            let list = ListRequest { page_size: 1, ..ListRequest::default() };
            client.clone().list(list).await.ok()
        })
        .await;
    }

    /// A client of its API.
    pub fn client(&self) -> Client {
        let endpoint = Endpoint::from_shared(format!("http://{}", self.api)).unwrap();
        TransactionsClient::new(endpoint.tcp_nodelay(true).timeout(CALL_TIMEOUT).connect_lazy())
    }

    /// Sends it a signal by name.
    pub async fn signal(&self, name: &str) {
        let pid = self.child.as_ref().unwrap().id().unwrap().to_string();
        assert!(Command::new("kill").args([name, &pid]).status().await.unwrap().success());
    }

    /// Returns when it has ended.
    pub async fn ended(&mut self) -> ExitStatus {
        self.child.take().unwrap().wait().await.unwrap()
    }

    /// What it has said.
    pub fn said(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }
}

/// A free address below the ephemeral ports: in between its owner's lives nobody else may be given it.
fn free() -> SocketAddr {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let spread = u16::try_from(std::process::id() % 900).unwrap() * 16;
    loop {
        let port = 10_500 + spread + NEXT.fetch_add(1, Ordering::SeqCst);
        if TcpListener::bind((Ipv4Addr::UNSPECIFIED, port)).is_ok() {
            return SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        }
    }
}
