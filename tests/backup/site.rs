//! A system on a data folder with clients that keep ordering, until all of it is killed at once. Knows no backup.
use crate::amends::AMENDS;
use crate::{seed, tell};
use amends_chaos::{Load, Settings};
use amends_checkers::{Report, Targets};
use amends_dtm::client::{DtmClient, DtmEndpoints, DtmStatus};
use amends_proto::amends::v1::operations_client::OperationsClient;
use amends_proto::amends::v1::transactions_client::TransactionsClient;
use amends_proto::amends::v1::{ExplainRequest, GetHistoryRequest, GetRequest, ListRequest, Status};
use amends_stack::{CoordinatorChoice, Restarts, Role, Stack, StackConfig};
use amends_testkit::{Must as _, SOON, until};
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout};
use tonic::transport::Channel;

/// Checkouts in flight.
const CLIENTS: usize = 56;
/// The longest that all that is open may take to end.
const PATIENCE: Duration = Duration::from_secs(50);
/// A DTM that is told nothing and changes nothing for so long has no answer left to store.
const SETTLED: Duration = Duration::from_secs(1);

/// A running system and its clients.
pub struct Site {
    pub stack: Stack,
    pub load: Arc<Load>,
    pub seed: u64,
    clients: JoinSet<()>,
}

impl Site {
    /// A new one, under load.
    pub async fn open(folder: &Path, coordinator: CoordinatorChoice) -> Site {
        let seed = seed();
        tell(&format!("seed {seed} (AMENDS_TEST_SEED), {coordinator:?}"));
        let mut site = Site::start(&folder.join("stack"), coordinator, seed, &folder.join("witness")).await;
        amends_chaos::open_market(&site.stack).await.must("open the market");
        site.clients = site.load.run(CLIENTS);
        site
    }

    /// A system on a data folder that is there already, whose clients know their orders by the seed.
    pub async fn start(data: &Path, coordinator: CoordinatorChoice, seed: u64, witness: &Path) -> Site {
        let config = StackConfig::new(AMENDS, data).restarts(Restarts::ByHand).coordinator(coordinator);
        let stack = Stack::start(config.args(Role::Gateway, amends_chaos::IMPATIENT_GATEWAY))
            .await
            .must("start the system");
        let load =
            Load::new(&stack.address(Role::Orchestrator), &Settings::new(seed), witness).must("begin a load");
        Site { stack, load, seed, clients: JoinSet::new() }
    }

    /// Waits until so many more checkouts have ended.
    pub async fn ends(&self, more: u64) {
        let mut progress = self.load.progress();
        let enough = progress.borrow().ended + more;
        let ended = progress.wait_for(|now| now.ended >= enough);
        assert!(timeout(SOON, ended).await.is_ok(), "{}", self.load.stuck().await);
    }

    /// Waits until so many are open at once.
    pub async fn opens(&self, count: usize) {
        let mut progress = self.load.progress();
        let open = progress.wait_for(|now| now.open >= count);
        assert!(timeout(SOON, open).await.is_ok(), "{}", self.load.stuck().await);
    }

    /// Waits until nothing is open.
    pub async fn all_end(&self) {
        let ended = until("nothing is open", async || self.list(&OPEN).await.is_empty().then_some(()));
        if timeout(PATIENCE, ended).await.is_err() {
            panic!("not final after {PATIENCE:?}: {}", self.stuck().await);
        }
    }

    /// What is known of those that do not end.
    async fn stuck(&self) -> String {
        let (mut text, dtm) = (String::new(), self.dtm_says().await);
        for gid in self.list(&OPEN).await {
            let request = GetHistoryRequest { gid: gid.clone(), from_seq: 1, ..Default::default() };
            let events =
                self.client().await.get_history(request).await.must("get the history").into_inner().events;
            let words = events
                .iter()
                .map(|event| format!("{}{}{}{}", event.kind, event.branch_id, event.op, event.code));
            let words = words.collect::<Vec<_>>().join(" ");
            let why = self.explained(&gid).await;
            text.push_str(&format!("\n{gid}, DTM {:?}: {words}; {why}", dtm.get(&gid)));
        }
        text
    }

    /// Why each op of it waits that does.
    async fn explained(&self, gid: &str) -> String {
        let address = format!("http://{}", self.stack.address(Role::Orchestrator));
        let mut client = OperationsClient::connect(address).await.must("reach the orchestrator");
        let request = ExplainRequest { gid: gid.to_owned() };
        let told = client.explain(request).await.must("explain").into_inner();
        told.ops
            .iter()
            .map(|op| op.why.as_str())
            .chain([told.summary.as_str()])
            .collect::<Vec<_>>()
            .join("; ")
    }

    /// Gids of these statuses, all if none is named.
    pub async fn list(&self, statuses: &[Status]) -> Vec<String> {
        let mut client = self.client().await;
        let statuses: Vec<i32> = statuses.iter().map(|status| (*status).into()).collect();
        let (mut gids, mut page_token) = (Vec::new(), String::new());
        loop {
            let request = ListRequest {
                statuses: statuses.clone(),
                page_size: 1_000,
                page_token,
                ..Default::default()
            };
            let page = client.list(request).await.must("list").into_inner();
            gids.extend(page.transactions.into_iter().map(|one| one.gid));
            page_token = page.next_page_token;
            if page_token.is_empty() {
                return gids;
            }
        }
    }

    /// Whether history knows it.
    pub async fn knows(&self, gid: &str) -> bool {
        let got = self.client().await.get(GetRequest { gid: gid.to_owned() }).await;
        match got {
            Ok(_) => true,
            Err(status) if status.code() == tonic::Code::NotFound => false,
            Err(status) => panic!("get {gid}: {status}"),
        }
    }

    async fn client(&self) -> TransactionsClient<Channel> {
        let address = format!("http://{}", self.stack.address(Role::Orchestrator));
        TransactionsClient::connect(address).await.must("reach the orchestrator")
    }

    /// What the checkers say of everything.
    pub async fn verdict(&self) -> Report {
        amends_checkers::run(&self.targets().await).await.must("run the checkers")
    }

    pub async fn targets(&self) -> Targets {
        Targets::from_topology(&self.stack.address(Role::Orchestrator)).await.must("ask for the topology")
    }

    /// What DTM says of each gid that it knows; nothing where there is no DTM.
    pub async fn dtm_says(&self) -> BTreeMap<String, DtmStatus> {
        let Some(dtm) = self.dtm() else { return BTreeMap::new() };
        let (mut seen, mut position) = (BTreeMap::new(), String::new());
        loop {
            let page = dtm.list(&position, 1_000).await.must("list what DTM knows");
            seen.extend(page.transactions.into_iter().map(|row| (row.gid, row.status)));
            match page.next_position {
                None => return seen,
                Some(next) => position = next,
            }
        }
    }

    /// What DTM says once it has written down what it was told last: what it hears and what it stores are not one moment.
    async fn dtm_settles(&self) -> BTreeMap<String, DtmStatus> {
        let (mut seen, mut since) = (self.dtm_says().await, Instant::now());
        until("DTM stores what it heard", async || {
            let now = self.dtm_says().await;
            if now != seen {
                (seen, since) = (now, Instant::now());
            }
            (since.elapsed() >= SETTLED).then_some(())
        })
        .await;
        seen
    }

    /// A client of the DTM server itself.
    pub fn dtm(&self) -> Option<DtmClient> {
        let http = self.stack.dtm_http()?;
        let grpc = format!("grpc://{}", self.stack.address(Role::Dtm));
        Some(DtmClient::new(&DtmEndpoints::parse(&grpc, Some(&http)).unwrap()).unwrap())
    }

    /// Kills everything, clients too. Gives what DTM had at that moment: the frozen orchestrator tells it nothing more.
    pub async fn kill(self) -> BTreeMap<String, DtmStatus> {
        self.load.stop();
        assert_eq!(self.load.complaints(), Vec::<String>::new(), "what clients were told");
        self.stack.sigstop(Role::Orchestrator).unwrap();
        let seen = self.dtm_settles().await;
        for role in self.stack.roles() {
            self.stack.kill9(role).await.unwrap();
        }
        seen
    }
}

/// The statuses that are not final.
const OPEN: [Status; 3] = [Status::Accepted, Status::Running, Status::Compensating];
