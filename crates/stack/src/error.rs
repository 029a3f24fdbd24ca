//! Why a stack could not do what was asked.
use crate::Role;
use std::path::PathBuf;

/// Why a stack could not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum StackError {
    /// A file or folder of the data folder.
    #[error("{doing} {}", path.display())]
    File {
        /// What was being done, e.g. `create`.
        doing: &'static str,
        /// To which file.
        path: PathBuf,
        /// Why it failed.
        #[source]
        source: std::io::Error,
    },
    /// `ports.json` is not what this program writes.
    #[error("{} is not a list of ports; remove it to choose new ones (DTM forgets nothing: finish all work first)", path.display())]
    PortsFile {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        #[source]
        source: serde_json::Error,
    },
    /// Another process listens there.
    #[error(
        "port {port} for {name} is taken; stop what listens there, or choose --free-ports with a new --data-dir"
    )]
    PortTaken {
        /// What the port is for.
        name: &'static str,
        /// The port.
        port: u16,
    },
    /// So many tries, and no free ports.
    #[error("no block of free ports below the ephemeral range")]
    NoFreePorts,
    /// Two stacks on one folder.
    #[error("{} is in use by another running stack", path.display())]
    InUse {
        /// The data folder.
        path: PathBuf,
    },
    /// The DTM binary cannot be had.
    #[error("the DTM server")]
    Dtm(#[from] amends_dtm::binary::LocateError),
    /// The key of the plan MAC.
    #[error("the plan MAC key: {0}")]
    Key(String),
    /// A process could not be started.
    #[error("start {role}")]
    Spawn {
        /// Which.
        role: Role,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// A process did not become ready.
    #[error("{role} {what}; end of {}:\n{tail}", log.display())]
    NotReady {
        /// Which.
        role: Role,
        /// `ended with …` or `was not SERVING after …`.
        what: String,
        /// Its log.
        log: PathBuf,
        /// The last lines of it.
        tail: String,
    },
    /// A signal to a process that is not there.
    #[error("{role} is not running")]
    NotRunning {
        /// Which.
        role: Role,
    },
    /// The operating system refused a signal.
    #[error("signal {role}")]
    Signal {
        /// To which.
        role: Role,
        /// Why.
        #[source]
        source: rustix::io::Errno,
    },
}

impl StackError {
    pub(crate) fn file(doing: &'static str, path: impl Into<PathBuf>) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.into();
        move |source| StackError::File { doing, path, source }
    }
}
