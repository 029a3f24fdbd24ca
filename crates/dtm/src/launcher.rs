//! A DTM server as our own child: on ports of our choice, private to its owner, with its log beside its data.

use std::fs::{DirBuilder, OpenOptions};
use std::io::{Read, Seek, SeekFrom};
use std::net::TcpListener;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::PathBuf;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use backon::{ExponentialBuilder, Retryable};
use tokio::process::{Child, Command};

use crate::binary::DtmBinary;
use crate::client::{DtmClient, DtmEndpoints, DtmError};

/// Settings of every DTM server we start. The branch call's timeout must stay above the relay's hold by a second.
const SETTINGS: [(&str, &str); 7] = [
    ("TRANS_CRON_INTERVAL", "1"),
    ("RETRY_INTERVAL", "10"),
    ("REQUEST_TIMEOUT", "5"),
    ("TIMEOUT_TO_FAIL", "600"),
    ("UPDATE_BRANCH_SYNC", "1"),
    ("STORE_DATA_EXPIRE", "31536000"),
    ("LOG_LEVEL", "error"),
];
/// What else of our own environment the server sees; above all none of our caller's STORE_*.
const KEPT: [&str; 2] = ["PATH", "HOME"];
const LOG_TAIL_BYTES: u64 = 2048;
const PING_DEADLINE: Duration = Duration::from_millis(500);
const PING_PAUSE: [Duration; 2] = [Duration::from_millis(5), Duration::from_millis(200)];

/// The ports of a DTM server. It listens on all interfaces and has no setting for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct DtmPorts {
    /// For initiators.
    pub grpc: u16,
    /// For operators.
    pub http: u16,
    /// Not used by us, but it cannot be turned off.
    pub json_rpc: u16,
}

impl DtmPorts {
    /// Three ports that are free at this moment.
    pub fn free() -> std::io::Result<DtmPorts> {
        let listeners = [free()?, free()?, free()?];
        let [grpc, http, json_rpc] = listeners.each_ref().map(TcpListener::local_addr);
        Ok(DtmPorts { grpc: grpc?.port(), http: http?.port(), json_rpc: json_rpc?.port() })
    }
}

fn free() -> std::io::Result<TcpListener> {
    TcpListener::bind("0.0.0.0:0")
}

/// How to start one DTM server.
#[derive(Debug, Clone)]
pub struct LocalDtm {
    /// The program.
    pub binary: DtmBinary,
    /// Its working folder: `dtm.bolt` and `dtm.log` lie there. Made with mode 0700 if it is not there.
    pub folder: PathBuf,
    /// Where it listens.
    pub ports: DtmPorts,
    /// Further STORE_* settings, for a store other than BoltDB.
    pub store: Vec<(String, String)>,
}

/// The DTM server did not start.
#[derive(Debug, thiserror::Error)]
pub enum LaunchError {
    /// Its folder, its log or its program cannot be used.
    #[error("the DTM server in {folder} cannot be started")]
    Start {
        /// Its working folder.
        folder: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// It ended before it was ready.
    #[error("the DTM server ended with {status}; end of its log:\n{log}")]
    Ended {
        /// How.
        status: ExitStatus,
        /// The end of its log.
        log: String,
    },
    /// It runs but does not answer.
    #[error("the DTM server did not answer within {waited:?}; end of its log:\n{log}")]
    NotReady {
        /// How long we waited.
        waited: Duration,
        /// The end of its log.
        log: String,
    },
    /// No client for its address can be made.
    #[error("no client for the DTM server")]
    Client(#[from] DtmError),
}

impl LocalDtm {
    /// A server on BoltDB.
    pub fn new(binary: DtmBinary, folder: PathBuf, ports: DtmPorts) -> LocalDtm {
        LocalDtm { binary, folder, ports, store: Vec::new() }
    }

    /// Where clients of this machine reach it.
    pub fn endpoints(&self) -> DtmEndpoints {
        DtmEndpoints {
            grpc: format!("127.0.0.1:{}", self.ports.grpc),
            http: format!("127.0.0.1:{}", self.ports.http),
        }
    }

    /// The file that its output goes to.
    pub fn log_path(&self) -> PathBuf {
        self.folder.join("dtm.log")
    }

    /// The command that starts it: own process group, umask 077, settings of ours only, log appended. The child is
    /// killed when its handle is dropped; SIGTERM lets it end by itself.
    pub fn command(&self) -> Result<Command, LaunchError> {
        let log = self.open_log().map_err(|source| self.failed(source))?;
        let errors = log.try_clone().map_err(|source| self.failed(source))?;
        let mut command = Command::new("/bin/sh");
        command
            .args(["-c", "umask 077; exec \"$0\""])
            .arg(&self.binary.path)
            .env_clear()
            .envs(KEPT.iter().filter_map(|name| Some((name, std::env::var_os(name)?))))
            .envs(SETTINGS)
            .env("HTTP_PORT", self.ports.http.to_string())
            .env("GRPC_PORT", self.ports.grpc.to_string())
            .env("JSON_RPC_PORT", self.ports.json_rpc.to_string())
            .envs(self.store.iter().filter(|(name, _)| name.starts_with("STORE_")).cloned())
            .current_dir(&self.folder)
            .process_group(0)
            .stdin(Stdio::null())
            .stdout(log)
            .stderr(errors)
            .kill_on_drop(true);
        Ok(command)
    }

    /// Starts it; it is of use after [`wait_ready`](Self::wait_ready).
    pub fn spawn(&self) -> Result<Child, LaunchError> {
        self.command()?.spawn().map_err(|source| self.failed(source))
    }

    /// Ends when the server answers on both interfaces, when `child` has ended, or after `timeout`.
    pub async fn wait_ready(&self, child: &mut Child, timeout: Duration) -> Result<DtmClient, LaunchError> {
        let client = DtmClient::new(&self.endpoints())?;
        let pinging = client.clone().with_deadline(PING_DEADLINE);
        let [first, longest] = PING_PAUSE;
        let pauses =
            ExponentialBuilder::default().with_min_delay(first).with_max_delay(longest).without_max_times();
        let answered = (|| pinging.ping()).retry(pauses);
        tokio::select! {
            ready = answered => Ok(ready.map(|()| client)?),
            ended = child.wait() => {
                let status = ended.map_err(|source| self.failed(source))?;
                Err(LaunchError::Ended { status, log: self.log_tail() })
            }
            () = tokio::time::sleep(timeout) => {
                Err(LaunchError::NotReady { waited: timeout, log: self.log_tail() })
            }
        }
    }

    /// The end of its log, as far as it can be read.
    pub fn log_tail(&self) -> String {
        let read = || {
            let mut file = std::fs::File::open(self.log_path())?;
            let length = file.metadata()?.len();
            file.seek(SeekFrom::Start(length.saturating_sub(LOG_TAIL_BYTES)))?;
            let mut bytes = Vec::new();
            file.read_to_end(&mut bytes)?;
            Ok::<_, std::io::Error>(String::from_utf8_lossy(&bytes).into_owned())
        };
        read().unwrap_or_else(|error| format!("(the log cannot be read: {error})"))
    }

    fn open_log(&self) -> std::io::Result<std::fs::File> {
        DirBuilder::new().recursive(true).mode(0o700).create(&self.folder)?;
        OpenOptions::new().create(true).append(true).mode(0o600).open(self.log_path())
    }

    fn failed(&self, source: std::io::Error) -> LaunchError {
        LaunchError::Start { folder: self.folder.clone(), source }
    }
}
