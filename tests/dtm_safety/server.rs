//! A DTM server of one test alone, without Amends, and the branches that it calls.
use crate::engine::branches::Branches;
use crate::wire::Wire;
use amends_dtm::binary::locate;
use amends_dtm::launcher::{DtmPorts, LocalDtm};
use amends_testkit::SOON;
use tokio::process::Child;

/// How to start a server: settings over ours, as name and value.
pub type Settings<'a> = &'a [(&'a str, &'a str)];

/// The server. Dropping it kills it.
pub struct Server {
    pub wire: Wire,
    pub branches: Branches,
    pub local: LocalDtm,
    pub child: Child,
    _folder: tempfile::TempDir,
}

impl Server {
    /// On BoltDB, set as Amends sets its own.
    pub async fn start() -> Server {
        Server::start_with(&[], &[]).await
    }

    /// With other settings, and the store that `store` names.
    pub async fn start_with(settings: Settings<'_>, store: &[(String, String)]) -> Server {
        let folder = tempfile::tempdir().unwrap();
        let binary = tokio::task::spawn_blocking(locate).await.unwrap().unwrap();
        let mut local = LocalDtm::new(binary, folder.path().join("dtm"), DtmPorts::free().unwrap());
        local.store = store.to_vec();
        let child = run(&local, settings).await;
        let wire = Wire::to(&local.endpoints());
        Server { wire, branches: Branches::start().await, local, child, _folder: folder }
    }

    /// Kills it and starts it again on the same data.
    pub async fn restart(&mut self, settings: Settings<'_>) {
        self.child.kill().await.unwrap();
        self.child = run(&self.local, settings).await;
    }

    /// Where the branches are: `host:port/service`.
    pub fn url(&self) -> String {
        let url = self.branches.url("");
        url.trim_end_matches('/').to_owned()
    }

    /// Calls of one gid so far, like `action 01`.
    pub fn calls_of(&self, gid: &str) -> usize {
        self.branches.calls().iter().filter(|call| call.gid == gid).count()
    }

    /// Waits until one gid had so many calls.
    pub async fn called(&self, gid: &str, count: usize) {
        let what = format!("{count} calls of {gid}");
        amends_testkit::until(&what, async || (self.calls_of(gid) >= count).then_some(())).await;
    }

    /// What the server wrote of itself.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.local.log_path()).unwrap()
    }
}

/// Starts a server with settings over ours, and waits until it answers.
pub async fn run(local: &LocalDtm, settings: Settings<'_>) -> Child {
    let mut command = local.command().unwrap();
    let mut child = command.envs(settings.iter().copied()).spawn().unwrap();
    local.wait_ready(&mut child, SOON).await.unwrap();
    child
}
