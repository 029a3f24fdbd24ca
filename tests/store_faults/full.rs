//! A disk that is full under load and then is not: stores, logs, DTM, all on it. While it is full, callers are told to come
//! again; afterwards everything goes on with the same processes, and nothing is missing.
use crate::bodies::usd;
use crate::disk::{self, Disk, Wish};
use crate::{AMENDS, seed, tell, thorough};
use amends_chaos::{Load, Settings};
use amends_checkers::{Quiet, Targets};
use amends_proto::pay::account::v1::account_service_client::AccountServiceClient;
use amends_proto::pay::account::v1::{AccountType, DepositRequest, GetRequest, OpenRequest};
use amends_stack::{CoordinatorChoice, Restarts, Role, Stack, StackConfig};
use amends_testkit::{Must as _, SOON};
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::{Instant, timeout};
use tonic::Code;
use tonic::transport::{Channel, Endpoint};

/// Checkouts in flight.
const CLIENTS: usize = 16;
/// Checkouts that end before the disk is filled, and after it was freed.
const ENDS: u64 = 20;
/// How long the disk is full, and how often.
const FULL: [Duration; 2] = [Duration::from_secs(6), Duration::from_secs(3)];
/// The same when everything is tried.
const FULL_THOROUGH: [Duration; 20] = [Duration::from_secs(60); 20];
/// Between two deposits of the prober.
const PROBE: Duration = Duration::from_millis(20);
const WALLET: &str = "USER_WALLET:prober:USD";

#[tokio::test(flavor = "multi_thread")]
async fn a_disk_that_was_full_under_load_loses_nothing_on_dtm() {
    fill_and_free("full::a_disk_that_was_full_under_load_loses_nothing_on_dtm", CoordinatorChoice::Dtm).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_disk_that_was_full_under_load_loses_nothing_on_the_embedded_coordinator() {
    let name = "full::a_disk_that_was_full_under_load_loses_nothing_on_the_embedded_coordinator";
    fill_and_free(name, CoordinatorChoice::Embedded).await;
}

async fn fill_and_free(name: &str, coordinator: CoordinatorChoice) {
    let _alone = crate::LOADED.lock().await;
    let folder = tempfile::tempdir().unwrap();
    let mut disk = match disk::wish(name, folder.path()) {
        Wish::Granted(disk) => disk,
        Wish::Done => return,
    };
    let (stack, load) = system(&mut disk, folder.path(), coordinator).await;
    let before = pids(&stack);
    let clients = load.run(CLIENTS);
    let mut prober = Prober::open(&stack).await;
    ends(&load, ENDS).await;
    let rounds = if thorough() { FULL_THOROUGH.to_vec() } else { FULL.to_vec() };
    for span in rounds {
        suffer(&mut disk, span, &load, &mut prober).await;
        ends(&load, ENDS).await;
    }
    load.stop();
    let ended = timeout(SOON, clients.join_all()).await;
    assert!(ended.is_ok(), "{}", load.stuck().await);
    assert_eq!(load.complaints(), Vec::<String>::new(), "what clients were told");
    prober.settle().await;
    let targets =
        Targets::from_topology(&stack.address(Role::Orchestrator)).await.must("ask for the topology");
    let quiet = amends_checkers::wait_quiet(&targets, SOON).await.must("wait for quiet");
    assert_eq!(quiet, Quiet::Reached);
    assert_eq!(pids(&stack), before, "nobody had to be restarted");
    for role in stack.roles() {
        stack.kill9(role).await.must("kill a process");
    }
    for role in stack.roles() {
        stack.launch(role).await.must("start a process");
    }
    for role in stack.roles() {
        stack.ready(role).await.must("wait for a process");
    }
    everything_is_there(&load).await;
    prober.settle().await;
    let report = amends_checkers::run(&targets).await.must("run the checkers");
    assert!(report.violations().is_empty(), "{:#?}", report.violations());
    stack.stop().await;
}

/// A system on the disk with its clients, whose witness is elsewhere.
async fn system(disk: &mut Disk, elsewhere: &Path, coordinator: CoordinatorChoice) -> (Stack, Arc<Load>) {
    let seed = seed();
    tell(&format!("seed {seed} (AMENDS_TEST_SEED), {coordinator:?}"));
    let data = disk.folder().join("stack");
    std::fs::create_dir(&data).unwrap();
    let config = StackConfig::new(AMENDS, &data).restarts(Restarts::ByHand).coordinator(coordinator);
    let config = disk.below(config.args(Role::Gateway, amends_chaos::IMPATIENT_GATEWAY), &data, elsewhere);
    let stack = Stack::start(config).await.must("start the system");
    amends_chaos::open_market(&stack).await.must("open the market");
    let witness = elsewhere.join(format!("witness-{}", std::process::id()));
    let load = Load::new(&stack.address(Role::Orchestrator), &Settings::new(seed), &witness);
    (stack, load.must("begin a load"))
}

/// Fills the disk, keeps it full for so long, and frees it.
async fn suffer(disk: &mut Disk, span: Duration, load: &Load, prober: &mut Prober) {
    let (began, before, refused) = (Instant::now(), *load.progress().borrow(), prober.refused);
    while began.elapsed() < span {
        disk.fill();
        prober.deposit().await;
        tokio::time::sleep(PROBE).await;
    }
    let now = *load.progress().borrow();
    disk.free();
    tell(&format!(
        "full for {span:?}: {} starts acknowledged, {} checkouts ended, {} deposits turned away",
        now.acknowledged - before.acknowledged,
        now.ended - before.ended,
        prober.refused - refused
    ));
    assert!(prober.refused > refused, "nobody felt the full disk");
}

fn pids(stack: &Stack) -> BTreeMap<Role, Option<u32>> {
    stack.roles().map(|role| (role, stack.pid(role))).collect()
}

/// Waits until so many more checkouts have ended.
async fn ends(load: &Load, more: u64) {
    let mut progress = load.progress();
    let enough = progress.borrow().ended + more;
    let ended = progress.wait_for(|now| now.ended >= enough);
    assert!(timeout(SOON, ended).await.is_ok(), "{}", load.stuck().await);
}

/// Every gid that was acknowledged is there and final, and its request names it again.
async fn everything_is_there(load: &Load) {
    for (number, gid) in load.witness().all() {
        let now = load.get(&gid).await.must("an answer");
        assert!(now.finished_at.is_some(), "order {number}, {gid}: {:?} {:?}", now.status(), now.attention);
        let again = load.start(number).await.must("an answer");
        assert_eq!((again.gid, again.existing), (gid, true), "order {number} was started again");
    }
}

/// Who deposits a little into a wallet of its own, again and again, and remembers what it was told.
struct Prober {
    accounts: AccountServiceClient<Channel>,
    deposits: u32,
    unsettled: Vec<DepositRequest>,
    done: i64,
    refused: u32,
}

impl Prober {
    async fn open(stack: &Stack) -> Prober {
        let endpoint = Endpoint::from_shared(format!("http://{}", stack.address(Role::Account))).unwrap();
        let mut accounts = AccountServiceClient::new(endpoint.connect_lazy());
        let (owner, currency) = ("prober".to_owned(), "USD".to_owned());
        let r#type = AccountType::UserWallet.into();
        let open = OpenRequest { account_id: WALLET.to_owned(), owner, r#type, currency, floor: 0 };
        accounts.open(open).await.must("open a wallet");
        Prober { accounts, deposits: 0, unsettled: Vec::new(), done: 0, refused: 0 }
    }

    /// One deposit: done, or to be tried again.
    async fn deposit(&mut self) {
        self.deposits += 1;
        let idempotency_key = format!("probe-{}", self.deposits);
        let deposit = DepositRequest { account_id: WALLET.to_owned(), amount: usd(1), idempotency_key };
        match self.accounts.deposit(deposit.clone()).await {
            Ok(_) => self.done += 1,
            Err(status) => {
                let word = status.message().split('|').next().unwrap_or_default();
                let again =
                    [(Code::Unavailable, "STORAGE_UNAVAILABLE"), (Code::FailedPrecondition, "LOCKED")];
                assert!(again.contains(&(status.code(), word)), "{status}");
                self.refused += 1;
                self.unsettled.push(deposit);
            }
        }
    }

    /// What was done is there and what was turned away is not; then it is tried again, and done.
    async fn settle(&mut self) {
        assert_eq!(self.balance().await, self.done, "{} deposits were turned away", self.unsettled.len());
        for deposit in std::mem::take(&mut self.unsettled) {
            self.accounts.deposit(deposit).await.must("a deposit that was turned away");
            self.done += 1;
        }
        assert_eq!(self.balance().await, i64::from(self.deposits));
    }

    async fn balance(&mut self) -> i64 {
        let get = GetRequest { account_id: WALLET.to_owned() };
        self.accounts.get(get).await.must("get a wallet").into_inner().available
    }
}
