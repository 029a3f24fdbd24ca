//! How one process is started: its command, its log, and what makes it end when the stack is killed.
use crate::{Role, StackError};
use rustix::process::Pid;
use std::fs::{File, OpenOptions};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use tokio::process::{Child, Command};

/// How a process learns that its stack is gone, however it went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Lifeline {
    /// It reads its standard input and ends when that closes.
    OwnStdin,
    /// It knows nothing of stacks: a shell beside it watches and kills it.
    Watcher,
}

/// How to start one process, as often as needed.
pub(crate) struct Launch {
    pub(crate) role: Role,
    pub(crate) command: Box<dyn Fn() -> std::io::Result<Command> + Send + Sync>,
    pub(crate) log: PathBuf,
    pub(crate) lifeline: Lifeline,
}

impl Launch {
    pub(crate) fn spawn(&self) -> std::io::Result<Child> {
        let log = open_log(&self.log)?;
        let mut command = (self.command)()?;
        command.stdout(log.try_clone()?).stderr(log).process_group(0).kill_on_drop(true);
        match self.lifeline {
            Lifeline::OwnStdin => command.stdin(Stdio::piped()),
            Lifeline::Watcher => command.stdin(Stdio::null()),
        };
        command.spawn()
    }

    /// The shell beside a process that cannot watch by itself. It is dropped, and so killed, with the process.
    pub(crate) fn spawn_watcher(&self, pid: Pid) -> std::io::Result<Option<Child>> {
        match self.lifeline {
            Lifeline::OwnStdin => Ok(None),
            Lifeline::Watcher => crate::tether::watcher(pid).map(Some),
        }
    }
}

fn open_log(path: &Path) -> std::io::Result<File> {
    OpenOptions::new().create(true).append(true).mode(0o600).open(path)
}

/// The last lines of a log, for an error message.
pub(crate) fn tail(log: &Path) -> String {
    const LINES: usize = 12;
    let text = std::fs::read(log).unwrap_or_default();
    let text = String::from_utf8_lossy(&text);
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(LINES)..].join("\n")
}

/// Makes a folder that only its owner can enter.
pub(crate) fn private_folder(path: &Path) -> Result<(), StackError> {
    use std::os::unix::fs::DirBuilderExt as _;
    std::fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(path)
        .map_err(StackError::file("create", path))
}
