//! A whole running system with a proxy before each participant. Knows processes; knows no story.
use crate::clients::Clients;
use crate::patience::Must as _;
use crate::proxy::{Proxy, Script};
use crate::shop::Shop;
use amends_checkers::{Report, Targets};
use amends_stack::{Restarts, Role, Stack, StackConfig};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Times of a world, much shorter than in earnest.
const ORCHESTRATOR: [&str; 4] = ["--pivot-timeout-ms", "5000", "--try-timeout-ms", "1500"];
const GATEWAY: [&str; 8] = [
    "--psp-timeout-ms",
    "500",
    "--query-schedule",
    "150ms,300ms,600ms,1s,1s,1s,1s,1s,1s,1s",
    "--in-doubt-query-ms",
    "1000",
    "--psp-queries-per-s",
    "500",
];

/// How to start a world.
#[derive(Debug, Clone)]
pub struct WorldConfig {
    program: PathBuf,
    folder: PathBuf,
}

impl WorldConfig {
    /// A world of `program` (the `amends` binary) that keeps everything in `folder`.
    #[must_use]
    pub fn new(program: impl AsRef<Path>, folder: impl AsRef<Path>) -> WorldConfig {
        WorldConfig { program: program.as_ref().to_owned(), folder: folder.as_ref().to_owned() }
    }
}

/// A running system. Dropping it kills its processes.
pub struct World {
    stack: Stack,
    clients: Clients,
    script: Arc<Script>,
    _proxies: Vec<Proxy>,
    shops: AtomicUsize,
}

impl World {
    /// Starts everything and waits until all of it serves.
    ///
    /// # Panics
    /// If it does not.
    pub async fn start(config: &WorldConfig) -> World {
        let script = Arc::new(Script::default());
        let mut stack = StackConfig::new(&config.program, &config.folder)
            .restarts(Restarts::ByHand)
            .args(Role::Orchestrator, ORCHESTRATOR)
            .args(Role::Gateway, GATEWAY);
        let mut proxies = Vec::new();
        for participant in Role::PARTICIPANTS {
            let proxy = Proxy::open(participant.as_str(), Arc::clone(&script)).await;
            stack = stack.detour(participant, proxy.address());
            proxies.push(proxy);
        }
        let stack = Stack::start(stack).await.unwrap_or_else(|error| panic!("start the system: {error}"));
        for (participant, proxy) in Role::PARTICIPANTS.into_iter().zip(&proxies) {
            proxy.lead_to(&stack.address(participant));
        }
        let clients = Clients::of(&stack);
        World { stack, clients, script, _proxies: proxies, shops: AtomicUsize::new(0) }
    }

    /// Its processes.
    #[must_use]
    pub fn stack(&self) -> &Stack {
        &self.stack
    }

    /// Straight ways to all of them.
    #[must_use]
    pub fn clients(&self) -> Clients {
        self.clients.clone()
    }

    /// What breaks calls to participants, and knows what became of them.
    #[must_use]
    pub fn script(&self) -> &Script {
        &self.script
    }

    /// A new shop with a customer who has money, points and something to buy.
    ///
    /// # Panics
    /// If it cannot be furnished.
    pub async fn shop(&self) -> Shop<'_> {
        let number = self.shops.fetch_add(1, Ordering::SeqCst);
        Shop::furnish(self, number).await
    }

    /// What the checkers say of everything, now.
    ///
    /// # Panics
    /// If something does not answer.
    pub async fn verdict(&self) -> Report {
        let orchestrator = self.stack.address(Role::Orchestrator);
        let targets = Targets::from_topology(&orchestrator).await.must("ask for the topology");
        amends_checkers::run(&targets).await.must("run the checkers")
    }

    /// Demands that no invariant is violated.
    ///
    /// # Panics
    /// Naming what is.
    pub async fn check(&self) {
        let report = self.verdict().await;
        let violations = report.violations();
        let told = violations.iter().map(|it| format!("{} {}: {}", it.checker.id(), it.subject, it.text));
        assert!(violations.is_empty(), "{}", told.collect::<Vec<_>>().join("\n"));
    }

    /// Ends everything, letting it drain.
    pub async fn stop(self) {
        self.stack.stop().await;
    }
}
