//! A whole running system with a proxy before each participant. Knows processes; knows no story.
use crate::clients::Clients;
use crate::patience::Must as _;
use crate::proxy::{Proxy, Script};
use crate::shop::Shop;
use amends_checkers::{Report, Targets, Violation};
use amends_dtm::client::DtmClient;
use amends_stack::{Coordinator, CoordinatorChoice, Restarts, Role, Stack, StackConfig};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// How the gateways of all worlds are set up: they ask about an unknown outcome much earlier than in earnest.
const GATEWAY: [&str; 8] = [
    "--query-schedule",
    "150ms,300ms,600ms,1s,1s,1s,1s,1s,1s,1s",
    "--in-doubt-query-ms",
    "1000",
    "--psp-queries-per-s",
    "500",
    // Every payment of a story is resolved by two people.
    "--approve-above",
    "10",
];

/// How to start a world.
#[derive(Debug, Clone)]
pub struct WorldConfig {
    program: PathBuf,
    folder: PathBuf,
    coordinator: Coordinator,
    pivot_timeout_ms: u32,
    psp_timeout_ms: u32,
    audit: Vec<String>,
    env: Vec<(Role, String, String)>,
    detours: Vec<(Role, String)>,
}

impl WorldConfig {
    /// A world of `program` (the `amends` binary) on this coordinator, which keeps everything in `folder`.
    #[must_use]
    pub fn new(program: impl AsRef<Path>, folder: impl AsRef<Path>, coordinator: Coordinator) -> WorldConfig {
        WorldConfig {
            program: program.as_ref().to_owned(),
            folder: folder.as_ref().to_owned(),
            coordinator,
            pivot_timeout_ms: 5_000,
            psp_timeout_ms: 500,
            audit: Vec::new(),
            env: Vec::new(),
            detours: Vec::new(),
        }
    }

    /// An auditor that looks every so many milliseconds, and takes for a disagreement what lasts twice as long.
    #[must_use]
    pub fn audited(self, interval_ms: u32) -> WorldConfig {
        let flag = |name: &str, value: u32| [format!("--audit-{name}"), value.to_string()];
        let flags = [
            flag("interval-ms", interval_ms),
            flag("patience-ms", interval_ms * 2),
            flag("calls-per-second", 400),
        ];
        WorldConfig { audit: flags.concat(), ..self }
    }

    /// Sets environment variables of one role.
    #[must_use]
    pub fn env(mut self, role: Role, variables: impl IntoIterator<Item = (String, String)>) -> WorldConfig {
        self.env.extend(variables.into_iter().map(|(name, value)| (role, name, value)));
        self
    }

    /// Makes a role that is no participant be called at `address` (host:port), behind which the caller stands.
    #[must_use]
    pub fn detour(mut self, role: Role, address: String) -> WorldConfig {
        self.detours.push((role, address));
        self
    }

    /// Makes every process send its spans to this collector.
    #[must_use]
    pub fn traced(mut self, collector: &str) -> WorldConfig {
        for role in Role::ALL.into_iter().filter(|role| *role != Role::Dtm) {
            self = self.env(role, [("AMENDS_OTLP_ENDPOINT".to_owned(), collector.to_owned())]);
        }
        self
    }

    /// Gives charges and the PSP the time that a killed process needs to come back.
    #[must_use]
    pub fn patient(self) -> WorldConfig {
        WorldConfig { pivot_timeout_ms: 30_000, psp_timeout_ms: 2_000, ..self }
    }
}

/// A running system. Dropping it kills its processes.
pub struct World {
    stack: Stack,
    clients: Clients,
    script: Arc<Script>,
    _proxies: Vec<Proxy>,
    shops: AtomicUsize,
    excused: Mutex<BTreeSet<String>>,
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
            .coordinator(match config.coordinator {
                Coordinator::Dtm => CoordinatorChoice::Dtm,
                Coordinator::Embedded => CoordinatorChoice::Embedded,
            })
            .args(Role::Orchestrator, ["--pivot-timeout-ms", &config.pivot_timeout_ms.to_string()])
            .args(Role::Orchestrator, ["--try-timeout-ms", "1500"])
            .args(Role::Orchestrator, &config.audit)
            .args(Role::Gateway, ["--psp-timeout-ms", &config.psp_timeout_ms.to_string()])
            .args(Role::Gateway, GATEWAY);
        for (role, name, value) in &config.env {
            stack = stack.env(*role, name, value);
        }
        for (role, address) in &config.detours {
            stack = stack.detour(*role, address);
        }
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
        let (shops, excused) = (AtomicUsize::new(0), Mutex::default());
        World { stack, clients, script, _proxies: proxies, shops, excused }
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

    /// The DTM server itself, for stories about it.
    ///
    /// # Panics
    /// In a world without one.
    #[must_use]
    pub fn dtm(&self) -> DtmClient {
        self.clients.dtm.clone().unwrap_or_else(|| panic!("this world has no DTM"))
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

    /// DTM was made to lie about this gid: that it disagrees with history is no violation any more.
    pub fn excuse(&self, gid: &str) {
        self.excused.lock().unwrap_or_else(PoisonError::into_inner).insert(gid.to_owned());
    }

    /// Demands that no invariant is violated.
    ///
    /// # Panics
    /// Naming what is.
    pub async fn check(&self) {
        let report = self.verdict().await;
        let excused = self.excused.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let lied = |it: &Violation| excused.contains(&it.subject) && it.text.contains("the coordinator says");
        let violations = report.violations().into_iter().filter(|it| !lied(it));
        let told = violations.map(|it| format!("{} {}: {}", it.checker.id(), it.subject, it.text));
        let told: Vec<String> = told.collect();
        assert!(told.is_empty(), "{}", told.join("\n"));
    }

    /// Ends everything, letting it drain.
    pub async fn stop(self) {
        self.stack.stop().await;
    }
}
