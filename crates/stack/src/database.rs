//! What throwaway database servers have in common: a free port, a password, a folder that goes with them, and an end
//! to waiting. Knows no kind of server.
use crate::Tethered;
use rustix::process::{Pid, Signal, kill_process};
use std::io;
use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::ExitStatus;
use std::time::Duration;
use tempfile::TempDir;
use tokio::process::Command;

/// How long a server may take to answer.
const START_LIMIT: Duration = Duration::from_secs(60);
/// Between two looks whether it answers.
const LOOK: Duration = Duration::from_millis(10);

/// A throwaway database server did not start.
#[derive(Debug, thiserror::Error)]
pub enum DatabaseError {
    /// Not installed.
    #[error("{program} is not installed; on Debian: apt-get install {package}")]
    Missing {
        /// The program that was looked for.
        program: &'static str,
        /// The package that brings it.
        package: &'static str,
    },
    /// A folder, a port or a program cannot be used.
    #[error("start {program}")]
    Start {
        /// Which program.
        program: &'static str,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// A program that prepares the server, or the server itself, ended.
    #[error("{program} ended with {status}:\n{output}")]
    Ended {
        /// Which program.
        program: &'static str,
        /// How.
        status: ExitStatus,
        /// The last it said.
        output: String,
    },
    /// The server runs but does not answer.
    #[error("{program} did not answer within {START_LIMIT:?}; end of its log:\n{output}")]
    NotReady {
        /// Which program.
        program: &'static str,
        /// The last it said.
        output: String,
    },
}

/// Says which program it was that could not be started.
pub(crate) fn start_failed(program: &'static str) -> impl Fn(io::Error) -> DatabaseError {
    move |source| DatabaseError::Start { program, source }
}

/// A server that runs in a folder of its own. Its process ends before the folder goes.
pub(crate) struct Server {
    program: &'static str,
    process: Tethered,
    folder: TempDir,
}

impl Server {
    /// Starts `command`, which is `program`, with its output in a log in `folder`.
    pub(crate) fn start(
        program: &'static str,
        command: Command,
        folder: TempDir,
    ) -> Result<Server, DatabaseError> {
        Ok(Server {
            program,
            process: logged(command, folder.path()).map_err(start_failed(program))?,
            folder,
        })
    }

    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    pub(crate) fn pid(&self) -> Option<u32> {
        self.process.pid()
    }

    /// Ends the process as `signal` does; the folder stays.
    pub(crate) async fn end(&mut self, signal: Signal) -> Result<(), DatabaseError> {
        let pid = self.pid().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw);
        if let Some(pid) = pid {
            kill_process(pid, signal).map_err(|errno| start_failed(self.program)(errno.into()))?;
        }
        self.process.wait().await.map(drop).map_err(start_failed(self.program))
    }

    /// Starts `command` in the place of a process that has ended.
    pub(crate) fn start_again(&mut self, command: Command) -> Result<(), DatabaseError> {
        self.process = logged(command, self.folder.path()).map_err(start_failed(self.program))?;
        Ok(())
    }

    /// Ends when `answers` says so, or with an error when the server has ended or takes too long.
    pub(crate) async fn wait_ready(&mut self, answers: impl AsyncFn() -> bool) -> Result<(), DatabaseError> {
        let ready = async {
            while !answers().await {
                tokio::time::sleep(LOOK).await;
            }
        };
        let program = self.program;
        let log = log_of(self.folder.path());
        tokio::select! {
            () = ready => Ok(()),
            ended = self.process.wait() => {
                let status = ended.map_err(start_failed(program))?;
                Err(DatabaseError::Ended { program, status, output: crate::launch::tail(&log) })
            }
            () = tokio::time::sleep(START_LIMIT) => {
                Err(DatabaseError::NotReady { program, output: crate::launch::tail(&log) })
            }
        }
    }
}

fn logged(mut command: Command, folder: &Path) -> io::Result<Tethered> {
    let log = std::fs::OpenOptions::new().create(true).append(true).open(log_of(folder))?;
    command.stdin(std::process::Stdio::null()).stdout(log.try_clone()?).stderr(log);
    Tethered::spawn(command)
}

fn log_of(folder: &Path) -> PathBuf {
    folder.join("server.log")
}

/// A port of the loopback address that is free at this moment.
pub(crate) fn free_port() -> io::Result<u16> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port())
}

/// Nobody else on this machine shall use the server while it is there.
pub(crate) fn password() -> io::Result<String> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).map_err(|error| io::Error::other(error.to_string()))?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}
