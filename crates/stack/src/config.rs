//! What the caller decides about a stack. Knows no process and no file.
use crate::{CoordinatorChoice, Role};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

/// How long everything may take to become ready.
const START_TIMEOUT: Duration = Duration::from_secs(60);

/// Which ports a data folder gets when it is first used; later its `ports.json` counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PortChoice {
    /// The documented ones, 7400 and so on.
    Default,
    /// Any that are free.
    Free,
}

/// What happens when a process ends that nobody asked to end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Restarts {
    /// It is started again, after a pause that grows while it keeps dying.
    Automatic,
    /// It stays down until `restart`: for tests that kill by hand.
    ByHand,
}

/// How to start a stack.
#[derive(Debug, Clone)]
pub struct StackConfig {
    /// The `amends` binary whose `serve` roles are started.
    pub program: PathBuf,
    /// Where everything is kept.
    pub data_dir: PathBuf,
    /// Ports of a new data folder.
    pub ports: PortChoice,
    /// Supervision.
    pub restarts: Restarts,
    /// Who drives new global transactions.
    pub coordinator: CoordinatorChoice,
    /// Arguments beyond those that the stack gives, by role.
    pub extra_args: BTreeMap<Role, Vec<String>>,
    /// Environment beyond that of the caller, by role; for DTM it wins over the launcher's own.
    pub extra_env: BTreeMap<Role, Vec<(String, String)>>,
    /// Arguments that every role's `serve` command gets beyond those: where traces go, and whether reflection is offered.
    pub common_args: Vec<String>,
    /// Where a role is found by whom it serves, if not where it listens: for those who stand between the two.
    pub detours: BTreeMap<Role, String>,
    /// How long everything may take to become ready.
    pub start_timeout: Duration,
}

impl StackConfig {
    /// Free ports, automatic restarts, DTM if it can be had, 60 s to become ready.
    pub fn new(program: impl Into<PathBuf>, data_dir: impl Into<PathBuf>) -> Self {
        Self {
            program: program.into(),
            data_dir: data_dir.into(),
            ports: PortChoice::Free,
            restarts: Restarts::Automatic,
            coordinator: CoordinatorChoice::Auto,
            extra_args: BTreeMap::new(),
            extra_env: BTreeMap::new(),
            common_args: Vec::new(),
            detours: BTreeMap::new(),
            start_timeout: START_TIMEOUT,
        }
    }

    /// Sets which ports a new data folder gets.
    #[must_use]
    pub fn ports(mut self, ports: PortChoice) -> Self {
        self.ports = ports;
        self
    }

    /// Sets what happens when a process dies.
    #[must_use]
    pub fn restarts(mut self, restarts: Restarts) -> Self {
        self.restarts = restarts;
        self
    }

    /// Sets who drives new global transactions.
    #[must_use]
    pub fn coordinator(mut self, coordinator: CoordinatorChoice) -> Self {
        self.coordinator = coordinator;
        self
    }

    /// Adds arguments of one role's `serve` command, e.g. shorter timeouts.
    #[must_use]
    pub fn args<I: IntoIterator<Item = S>, S: Into<String>>(mut self, role: Role, args: I) -> Self {
        self.extra_args.entry(role).or_default().extend(args.into_iter().map(Into::into));
        self
    }

    /// Makes every process send its spans to this collector, if there is one, and of the traces that begin there this
    /// share.
    #[must_use]
    pub fn traces(mut self, collector: Option<&str>, share: f64) -> Self {
        let args =
            |url: &str| ["--otlp-endpoint", url, "--trace-sample", &share.to_string()].map(ToOwned::to_owned);
        self.common_args.extend(collector.map(args).into_iter().flatten());
        self
    }

    /// Makes every process of ours offer gRPC reflection.
    #[must_use]
    pub fn reflection(mut self) -> Self {
        self.common_args.push("--reflection".to_owned());
        self
    }

    /// Makes a role be called at `address` (host:port), behind which the caller stands: a participant or DTM by the
    /// orchestrator, the PSP by the gateway.
    #[must_use]
    pub fn detour(mut self, role: Role, address: impl Into<String>) -> Self {
        self.detours.insert(role, address.into());
        self
    }

    /// Sets one environment variable of one role, e.g. `REQUEST_TIMEOUT` of DTM.
    #[must_use]
    pub fn env(mut self, role: Role, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.extra_env.entry(role).or_default().push((name.into(), value.into()));
        self
    }
}
