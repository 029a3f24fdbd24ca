//! Brings about what no checkout does: acts of operators, words to the provider, histories to be archived. Knows who comes by
//! which place; not who dies.
use crate::patience::{PAUSE, connection, patiently};
use amends_crash_points::Place;
use amends_migrations::history::Migrator;
use amends_orchestrator::history::{Amount, generate};
use amends_orchestrator::retention::Archive;
use amends_proto::amends::v1::operations_client::OperationsClient;
use amends_proto::amends::v1::scope::What;
use amends_proto::amends::v1::{
    BulkAct, LaneSettings, PauseRequest, ResumeRequest, Scope, SetLaneRequest, StartBulkRequest,
};
use amends_proto::pay::gateway::v1::gateway_service_client::GatewayServiceClient;
use amends_proto::pay::gateway::v1::{GetPaymentRequest, ListRequest};
use amends_proto::pay::psp::v1::psp_service_client::PspServiceClient;
use amends_proto::pay::psp::v1::{FactsRequest, QueryRequest, ResetRequest, ScriptRequest};
use amends_serve::store::Store;
use amends_stack::{Role, Stack};
use amends_testkit::Must as _;
use std::collections::BTreeSet;
use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tonic::transport::Channel;

/// How long the provider is away where requests must not get through to it.
const AWAY: Duration = Duration::from_millis(800);
/// The provider's facts in one page.
const FACTS: i32 = 1_000;
/// Histories of one archived file; they ended two hours ago.
const MADE_UP: usize = 20;
const AGO: Duration = Duration::from_secs(7_200);

/// What is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Deed {
    /// The provider's facts are read.
    ReadFacts,
    /// The provider is asked about each of its requests.
    AskAboutAll,
    /// The provider is told how to behave at queries: well.
    SetRule,
    /// The provider is given another seed.
    SetProfile,
    /// The provider is told to forget what it was told.
    Reset,
    /// The provider never hears of a request that is sent, so that it is forbidden.
    LoseRequests,
    /// Nobody answers where the provider was, for a moment.
    LoseProvider,
    /// Payments are asked for, the provider first.
    ForceQuery,
    /// A participant is paused, and resumed at once.
    Hold,
    /// Everything that is open is retried.
    Errand,
    /// A lane is set, and set back.
    Lane,
    /// Before the orchestrator starts, there are histories to be archived.
    MakeUpHistories,
}

/// Which places need one.
const PROVOKED: [(Place, Deed); 18] = [
    (Place::Facts, Deed::ReadFacts),
    (Place::KeptCount, Deed::AskAboutAll),
    (Place::Rule, Deed::SetRule),
    (Place::RuleChoice, Deed::SetRule),
    (Place::Setting, Deed::SetProfile),
    (Place::Reset, Deed::Reset),
    (Place::Resend, Deed::LoseProvider),
    (Place::ProviderClose, Deed::LoseRequests),
    (Place::BooksClose, Deed::LoseRequests),
    (Place::ForcedQuery, Deed::ForceQuery),
    (Place::HoldBegin, Deed::Hold),
    (Place::HoldEnd, Deed::Hold),
    (Place::Errand, Deed::Errand),
    (Place::ErrandItem, Deed::Errand),
    (Place::LaneSetting, Deed::Lane),
    (Place::ArchiveFile, Deed::MakeUpHistories),
    (Place::Purge, Deed::MakeUpHistories),
    (Place::ArchiveName, Deed::MakeUpHistories),
];

/// What is to be done for a place; `None` = checkouts come by.
pub fn deed(place: Place) -> Option<Deed> {
    PROVOKED.iter().find(|(provoked, _)| *provoked == place).map(|(_, deed)| *deed)
}

/// The ways to whoever is told something.
#[derive(Clone)]
pub struct Desk {
    psp: PspServiceClient<Channel>,
    gateway: GatewayServiceClient<Channel>,
    operations: OperationsClient<Channel>,
}

impl Desk {
    pub fn at(stack: &Stack) -> Desk {
        let to = |role| connection(&stack.address(role));
        Desk {
            psp: PspServiceClient::new(to(Role::Psp)),
            gateway: GatewayServiceClient::new(to(Role::Gateway)),
            operations: OperationsClient::new(to(Role::Orchestrator)),
        }
    }

    /// Does it, until whoever is told has acknowledged it.
    pub async fn does(&self, deed: Deed, stack: &Stack) {
        match deed {
            Deed::ReadFacts => drop(self.facts().await),
            Deed::AskAboutAll => self.ask_about_all().await,
            Deed::SetRule => self.tell("ok", "query").await,
            Deed::SetProfile => self.tell("profile:7", "").await,
            Deed::Reset => self.reset().await,
            Deed::LoseRequests => {
                self.tell("timeout_not_charged", "sale").await;
                self.tell("timeout_not_charged", "authorize").await;
            }
            Deed::LoseProvider => {
                stack.kill9(Role::Psp).await.must("kill the provider");
                tokio::time::sleep(AWAY).await;
                stack.restart(Role::Psp).await.must("start the provider");
            }
            Deed::ForceQuery => self.force_query().await,
            Deed::Hold => self.hold().await,
            Deed::Errand => self.errand().await,
            Deed::Lane => self.lane().await,
            // Done before the orchestrator started.
            Deed::MakeUpHistories => {}
        }
    }

    /// Takes back what would change what follows.
    pub async fn undoes(&self, deed: Deed) {
        if matches!(deed, Deed::SetRule | Deed::SetProfile | Deed::LoseRequests) {
            self.reset().await;
        }
    }

    async fn facts(&self) -> Vec<String> {
        let request = FactsRequest { cursor: String::new(), limit: FACTS };
        let facts = || {
            let (mut psp, request) = (self.psp.clone(), request.clone());
            async move { psp.facts(request).await }
        };
        patiently("facts", facts).await.facts.into_iter().map(|fact| fact.psp_request_id).collect()
    }

    /// Some of them behave so that queries fail.
    async fn ask_about_all(&self) {
        for psp_request_id in self.facts().await {
            let _ = self.psp.clone().query(QueryRequest { psp_request_id }).await;
        }
    }

    async fn tell(&self, behaviour: &str, op: &str) {
        let (behaviour, op) = (behaviour.to_owned(), op.to_owned());
        let request = ScriptRequest { behaviour, op, ..ScriptRequest::default() };
        let tell = || {
            let (mut psp, request) = (self.psp.clone(), request.clone());
            async move { psp.script(request).await }
        };
        patiently("a rule", tell).await;
    }

    async fn reset(&self) {
        let reset = || {
            let mut psp = self.psp.clone();
            async move { psp.reset(ResetRequest {}).await }
        };
        patiently("a reset", reset).await;
    }

    async fn force_query(&self) {
        let list = || {
            let mut gateway = self.gateway.clone();
            async move { gateway.list_payments(ListRequest::default()).await }
        };
        for payment in patiently("payments", list).await.payments {
            let request = GetPaymentRequest { payment_id: payment.payment_id, force_query: true };
            let get = || {
                let (mut gateway, request) = (self.gateway.clone(), request.clone());
                async move { gateway.get_payment(request).await }
            };
            patiently("a payment", get).await;
        }
    }

    async fn hold(&self) {
        let scope = Some(Scope { what: Some(What::Participant(Role::Points.to_string())) });
        let reason = "a look".to_owned();
        let request =
            PauseRequest { scope: scope.clone(), reason: reason.clone(), ..PauseRequest::default() };
        let pause = || {
            let (mut operations, request) = (self.operations.clone(), request.clone());
            async move { operations.pause(request).await }
        };
        patiently("a pause", pause).await;
        let request = ResumeRequest { scope, reason, ..ResumeRequest::default() };
        let resume = || {
            let (mut operations, request) = (self.operations.clone(), request.clone());
            async move { operations.resume(request).await }
        };
        patiently("a resume", resume).await;
    }

    async fn errand(&self) {
        let request = StartBulkRequest {
            filter: "open".to_owned(),
            act: BulkAct::Retry.into(),
            reason: "a look".to_owned(),
            ..StartBulkRequest::default()
        };
        let start = || {
            let (mut operations, request) = (self.operations.clone(), request.clone());
            async move { operations.start_bulk(request).await }
        };
        patiently("an act in bulk", start).await;
    }

    async fn lane(&self) {
        let wide = LaneSettings { concurrency: Some(64), ..LaneSettings::default() };
        for (settings, reset) in [(Some(wide), false), (None, true)] {
            let participant = Role::Order.to_string();
            let request = SetLaneRequest { participant, settings, reset };
            let set = || {
                let (mut operations, request) = (self.operations.clone(), request.clone());
                async move { operations.set_lane(request).await }
            };
            patiently("a lane", set).await;
        }
    }
}

/// Makes up histories in the store of an orchestrator that is down.
pub async fn make_up_histories(stack: &Stack) {
    let file = stack.data_dir().join("orchestrator.db");
    let store = Store::open(&format!("sqlite://{}", file.display())).await.must("open the history");
    store.migrate::<Migrator>().await.must("migrate the history");
    let ago = SystemTime::now().duration_since(UNIX_EPOCH).unwrap() - AGO;
    let amount = Amount { finished: MADE_UP as u64, open: 0 };
    let ago_us = i64::try_from(ago.as_micros()).unwrap();
    generate(&store, amount, ago_us, |_| {}).await.must("make up histories");
    store.close().await.must("close the history");
    // Two lots must not be of one instant: gids are made of it.
    tokio::time::sleep(PAUSE).await;
}

/// What of the made-up histories is not in the archive, or is there twice.
pub async fn not_archived_once(folder: &Path) -> Vec<String> {
    let made_up = PROVOKED.iter().filter(|(_, deed)| *deed == Deed::MakeUpHistories).count() * 2 * MADE_UP;
    let gids = Archive::at(folder.to_owned()).gids().await.must("read the archive");
    let once: BTreeSet<&String> = gids.iter().collect();
    let wrong = (gids.len(), once.len()) != (made_up, made_up);
    wrong
        .then(|| format!("{made_up} made up, {} archived, {} of them once", gids.len(), once.len()))
        .into_iter()
        .collect()
}
