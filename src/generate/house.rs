//! An orchestrator of its own over a filled store, of whose participants nobody answers: all that is open waits for them,
//! as it does on a bad night. Dropping it kills it. Knows how it is started, nothing of what it is asked.
use crate::bench::{bare_command, free_addresses, listening};
use crate::connect::{Connection, Target};
use anyhow::{Context as _, bail};
use std::time::Duration;
use tempfile::TempDir;
use tokio::process::{Child, ChildStdin};

/// How long it may take to serve: it reads first what is open.
const START_LIMIT: Duration = Duration::from_secs(120);
/// Those that made-up plans name, and those that the checkout needs.
const PARTICIPANTS: [&str; 6] = ["order", "account", "inventory", "points", "gateway", "ledger"];

/// A running orchestrator with its console.
pub struct House {
    /// Of the console: `http://127.0.0.1:port`.
    pub base: String,
    api: String,
    _lifeline: Option<ChildStdin>,
    _child: Child,
    folder: TempDir,
}

impl House {
    /// Starts one over the store at `url`, and waits until it serves.
    pub async fn start(url: &str) -> anyhow::Result<House> {
        let folder = tempfile::tempdir().context("make a folder")?;
        let ([api, relay], [console, nobody]) = (free_addresses()?, free_addresses()?);
        let mut command = bare_command(folder.path())?;
        command.args(["--database-url", url, "--coordinator", "embedded"]);
        command.args(["--listen", &api, "--relay-listen", &relay, "--console-listen", &console]);
        for name in PARTICIPANTS {
            command.args(["--participant", &format!("{name}={nobody}")]);
        }
        let mut child = command.spawn().context("start an orchestrator")?;
        // Waiting for a child closes its standard input.
        let lifeline = child.stdin.take();
        let ended = tokio::select! {
            () = listening(&api) => None,
            ended = child.wait() => Some(format!("ended with {}", ended?)),
            () = tokio::time::sleep(START_LIMIT) => Some("does not listen".to_owned()),
        };
        let house =
            House { base: format!("http://{console}"), api, _lifeline: lifeline, _child: child, folder };
        match ended {
            None => Ok(house),
            Some(what) => bail!("the orchestrator {what}: {}", house.log()),
        }
    }

    /// Its API.
    pub async fn connect(&self) -> anyhow::Result<Connection> {
        Target { target: self.api.clone(), caller: "generate".to_owned() }.connect().await
    }

    fn log(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("orchestrator.log")).unwrap_or_default()
    }
}
