//! Many small global transactions at once, of steps that do nothing: a system whose orchestrator also knows the
//! participant `noop`, which this process plays. Starts them, waits for their ends, and judges each by what the
//! participant did. Kills nobody.
use crate::AMENDS;
use crate::noop::{BranchOp, Participant};
use amends_proto::amends::v1::transactions_client::TransactionsClient;
use amends_proto::amends::v1::{BenchInput, GetRequest, ListRequest, Mode, StartRequest, Status};
use amends_stack::{CoordinatorChoice, Restarts, Role, Stack, StackConfig};
use amends_testkit::{Must as _, SOON};
use futures::{StreamExt as _, TryStreamExt as _};
use prost::Message as _;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::time::Duration;
use tonic::transport::{Channel, Endpoint};

/// Steps of each.
const STEPS: i32 = 3;
/// Starts at one time.
const AT_ONCE: usize = 32;
/// Between two looks at who is open; nobody announces that all have ended.
const LOOK: Duration = Duration::from_millis(5);

/// What one of them is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Deed {
    /// SAGA or TCC.
    pub mode: Mode,
    /// Number of the step that refuses, from 1; 0 = none.
    pub refuse: i32,
}

/// Both modes, with and without a last step that refuses.
pub const MIXED: [Deed; 4] = [
    Deed { mode: Mode::Saga, refuse: 0 },
    Deed { mode: Mode::Tcc, refuse: 0 },
    Deed { mode: Mode::Saga, refuse: STEPS },
    Deed { mode: Mode::Tcc, refuse: STEPS },
];

/// The system and what was started on it.
pub struct Herd {
    pub stack: Stack,
    pub noop: Participant,
    client: TransactionsClient<Channel>,
    started: BTreeMap<String, Deed>,
}

impl Herd {
    /// A system on this coordinator; processes stay down until they are restarted by hand.
    pub async fn gather(folder: &Path, coordinator: CoordinatorChoice) -> Herd {
        let noop = Participant::start().await;
        let config = StackConfig::new(AMENDS, folder)
            .restarts(Restarts::ByHand)
            .coordinator(coordinator)
            .args(Role::Orchestrator, ["--participant", &format!("noop={}", noop.address())])
            // It hangs on purpose: a breaker would keep most of the herd away from it.
            .args(Role::Orchestrator, ["--lane", "noop:failures=0"]);
        let stack = Stack::start(config).await.must("start the system");
        let address = format!("http://{}", stack.address(Role::Orchestrator));
        let endpoint = Endpoint::from_shared(address).must("an address");
        let client = TransactionsClient::new(endpoint.tcp_nodelay(true).connect_lazy());
        Herd { stack, noop, client, started: BTreeMap::new() }
    }

    /// Starts so many, deed after deed in turn.
    pub async fn start(&mut self, count: usize, deeds: &[Deed]) {
        let client = self.client.clone();
        let starts = deeds.iter().copied().cycle().take(count).map(|deed| {
            let mut client = client.clone();
            async move {
                let started = client.start(request(deed)).await?.into_inner();
                Ok::<_, tonic::Status>((started.gid, deed))
            }
        });
        let started: Vec<_> =
            futures::stream::iter(starts).buffer_unordered(AT_ONCE).try_collect().await.must("start them");
        self.started.extend(started);
    }

    /// Waits until no global transaction is open, whatever becomes of the orchestrator meanwhile.
    pub async fn all_end(&self) {
        let ended = async {
            while self.open().await != Some(0) {
                tokio::time::sleep(LOOK).await;
            }
        };
        if tokio::time::timeout(SOON, ended).await.is_err() {
            panic!("{:?} are still open after {SOON:?}", self.open().await);
        }
    }

    /// How many are open; `None` = nobody answers.
    pub async fn open(&self) -> Option<usize> {
        let statuses = [Status::Accepted, Status::Running, Status::Compensating].map(i32::from).to_vec();
        let mut list = ListRequest { statuses, page_size: 1_000, ..ListRequest::default() };
        let mut open = 0;
        loop {
            let page = self.client.clone().list(list.clone()).await.ok()?.into_inner();
            open += page.transactions.len();
            list.page_token = page.next_page_token;
            if list.page_token.is_empty() {
                return Some(open);
            }
        }
    }

    /// Demands that each ended as its deed says, and that the participant has done exactly what that end means. A TCC
    /// whose tries or whose Submit a death met may be taken back instead (design.md §2).
    pub async fn judge(&self) {
        for (gid, deed) in &self.started {
            let get = GetRequest { gid: gid.clone() };
            let end = self.client.clone().get(get).await.must("get").into_inner();
            let taken_back =
                deed.mode == Mode::Tcc && ["crash", "timeout", "deadline"].contains(&end.undo_cause.as_str());
            let expected = if deed.refuse == 0 && !taken_back { Status::Succeeded } else { Status::Failed };
            assert_eq!(end.status(), expected, "{gid} {deed:?}: {}", end.reason);
            let done = self.noop.done(gid);
            deed.judge(end.status(), &done)
                .unwrap_or_else(|wrong| panic!("{gid} {deed:?}: {wrong}, done: {done:?}"));
        }
    }
}

impl Deed {
    /// Succeeded: every step forward, and confirmed, and none undone. Failed: what went forward was undone.
    fn judge(self, end: Status, done: &BTreeSet<BranchOp>) -> Result<(), &'static str> {
        let (forward, confirm, undo) = match self.mode {
            Mode::Tcc => ("try", Some("confirm"), "cancel"),
            Mode::Saga | Mode::Unspecified => ("action", None, "compensate"),
        };
        let of = |op: &str| -> BTreeSet<&str> {
            done.iter().filter(|(_, done)| done == op).map(|(branch, _)| branch.as_str()).collect()
        };
        let all = usize::try_from(STEPS).unwrap();
        let wrong = match end == Status::Succeeded {
            true => [
                (of(forward).len() != all, "a step is missing"),
                (confirm.is_some_and(|confirm| of(confirm).len() != all), "a confirm is missing"),
                (!of(undo).is_empty(), "a step was undone"),
            ],
            false => [
                (!of(forward).is_subset(&of(undo)), "a step was not undone"),
                (confirm.is_some_and(|confirm| !of(confirm).is_empty()), "a step was confirmed"),
                (self.mode == Mode::Saga && of(forward).len() == all, "the last step was not to be done"),
            ],
        };
        wrong.into_iter().find(|(seen, _)| *seen).map_or(Ok(()), |(_, what)| Err(what))
    }
}

fn request(deed: Deed) -> StartRequest {
    let input = BenchInput { steps: STEPS, refuse_branch: deed.refuse };
    StartRequest {
        request_id: uuid::Uuid::now_v7().to_string(),
        business_key: String::new(),
        definition: "bench".to_owned(),
        mode: deed.mode.into(),
        input: Some(prost_types::Any {
            type_url: "type.googleapis.com/amends.v1.BenchInput".to_owned(),
            value: input.encode_to_vec(),
        }),
        wait_ms: 0,
    }
}

#[test]
fn what_a_participant_must_not_have_done_is_seen() {
    use Status::{Failed, Succeeded};
    let done = |ops: &[(&str, &str)]| -> BTreeSet<BranchOp> {
        ops.iter().map(|(branch, op)| ((*branch).to_owned(), (*op).to_owned())).collect()
    };
    let [saga, tcc, ..] = MIXED;
    let actions = [("01", "action"), ("02", "action"), ("03", "action")];
    assert_eq!(saga.judge(Succeeded, &done(&actions)), Ok(()));
    assert!(saga.judge(Succeeded, &done(&actions[1..])).is_err());
    assert!(saga.judge(Succeeded, &done(&[&actions[..], &[("03", "compensate")]].concat())).is_err());
    assert_eq!(saga.judge(Failed, &done(&[("01", "action"), ("01", "compensate")])), Ok(()));
    assert!(saga.judge(Failed, &done(&actions[..2])).is_err());
    let tries = [("01", "try"), ("02", "try"), ("03", "try")];
    let confirms = [("01", "confirm"), ("02", "confirm"), ("03", "confirm")];
    assert_eq!(tcc.judge(Succeeded, &done(&[tries, confirms].concat())), Ok(()));
    assert!(tcc.judge(Succeeded, &done(&[&tries[..], &confirms[1..]].concat())).is_err());
    assert!(tcc.judge(Failed, &done(&[("01", "try"), ("01", "cancel"), ("01", "confirm")])).is_err());
}
