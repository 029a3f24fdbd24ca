//! One orchestrator that drives by itself, started and killed again and again on one store. Knows how long it took to
//! answer and how much memory it uses.
use super::processes::command;
use super::usage::{self, Extent};
use crate::connect::Target;
use amends_proto::amends::v1::ListRequest;
use anyhow::{Context as _, bail};
use std::net::SocketAddr;
use std::path::Path;
use std::time::{Duration, Instant};
use tokio::process::{Child, ChildStdin};

/// How long one may take to serve.
const START_LIMIT: Duration = Duration::from_secs(60);
/// Between two looks whether it listens: what is measured is not more exact.
const LOOK: Duration = Duration::from_millis(2);

/// A running orchestrator; dropping it kills it.
pub struct Alone {
    /// From the start of the process to its first answer.
    pub started_in: Duration,
    child: Child,
    _lifeline: Option<ChildStdin>,
}

impl Alone {
    /// Starts one on the store in `folder`, listening at the first address, with its relay at the second.
    pub async fn start(folder: &Path, addresses: &[String; 2], noop: SocketAddr) -> anyhow::Result<Alone> {
        std::fs::create_dir_all(folder).context("make a folder")?;
        let mut command = command(folder, noop)?;
        command.args(["--listen", &addresses[0], "--relay-listen", &addresses[1]]);
        command.args(["--coordinator", "embedded"]);
        let began = Instant::now();
        let mut child = command.spawn().context("start an orchestrator")?;
        // Waiting for a child closes its standard input.
        let lifeline = child.stdin.take();
        tokio::select! {
            () = answering(&addresses[0]) => {}
            ended = child.wait() => bail!("the orchestrator ended with {}", ended?),
            () = tokio::time::sleep(START_LIMIT) => bail!("the orchestrator does not answer"),
        }
        Ok(Alone { started_in: began.elapsed(), child, _lifeline: lifeline })
    }

    /// Its resident memory.
    pub fn resident_mib(&self) -> anyhow::Result<f64> {
        let pid = self.child.id().context("the orchestrator has ended")?;
        Ok(usage::memory(pid, Extent::Alone)?.resident_mib)
    }

    /// Ends it without a word.
    pub async fn kill(mut self) -> anyhow::Result<()> {
        self.child.kill().await.context("kill the orchestrator")
    }
}

/// A listener takes connections before anybody serves them: only an answer is one.
async fn answering(address: &str) {
    let target = Target { target: address.to_owned(), caller: "bench".to_owned() };
    loop {
        if let Ok(mut client) = target.transactions().await
            && client.list(ListRequest { page_size: 1, ..ListRequest::default() }).await.is_ok()
        {
            return;
        }
        tokio::time::sleep(LOOK).await;
    }
}
