//! Somebody in DTM's network who is not us: sends DTM what it takes from anybody, straight over its two interfaces
//! (dtm.md §3). Knows DTM's defects; knows no outcome.
use amends_proto::dtm::dtm_client::DtmClient;
use amends_proto::dtm::{DtmBranchRequest, DtmRequest, DtmTransOptions};
use amends_stack::Role;
use amends_testkit::{Mode, Must as _, Story, World};
use prost::bytes::Bytes;
use std::collections::HashMap;
use std::time::Duration;
use tonic::transport::Channel;

/// Sagas of others that hang, at one time.
const HANGING: usize = 20;

/// How long a blow may take.
const PATIENCE: Duration = Duration::from_secs(2);

/// One thing that is done to a global transaction, or to DTM while it runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Blow {
    /// Another gid that begins with ours: DTM's BoltDB mixes up the branches of both (D1).
    LongerGid,
    /// A second Submit, with fewer steps (D2).
    OtherSteps,
    /// A Submit as workflow, which overwrites the status (D4).
    AsWorkflow(&'static str),
    /// PrepareWorkflow for our gid.
    PrepareWorkflow,
    /// Requests that make DTM panic, for our gid (D8, D9).
    Poison,
    /// Failed, without compensation (D10).
    ForceStop,
    /// A second Submit of what is prepared, twice at the same moment (D20).
    TwoSubmits,
    /// A branch more, which nobody planned.
    ForeignBranch,
    /// Abort.
    Abort,
    /// Both wake-up calls, one of them with SQL in it (D6).
    ResetTimes,
    /// A Submit that waits for a result that DTM makes up (D15).
    WaitResult,
}

/// The attacker.
pub struct Foe {
    dtm: DtmClient<Channel>,
    http: reqwest::Client,
    base: String,
    relay: String,
    inventory: String,
}

impl Foe {
    /// Reaches the DTM of this world.
    pub async fn of(world: &World) -> Foe {
        let stack = world.stack();
        let dtm = DtmClient::connect(format!("http://{}", stack.address(Role::Dtm))).await.must("reach DTM");
        Foe {
            dtm,
            http: reqwest::Client::new(),
            base: format!("{}/api/dtmsvr", stack.dtm_http().unwrap()),
            relay: format!("127.0.0.1:{}/amends.v1.Relay/Run", stack.ports().relay),
            inventory: format!("{}/pay.inventory.v1.InventoryService", stack.address(Role::Inventory)),
        }
    }

    /// Strikes. What DTM answers does not matter: it may take it, refuse it, die of it, or never answer.
    pub async fn strike(&self, blow: Blow, story: &Story<'_, '_>) {
        tokio::time::timeout(PATIENCE, self.deal(blow, story)).await.ok();
    }

    async fn deal(&self, blow: Blow, story: &Story<'_, '_>) {
        let (gid, mode) = (story.gid.as_str(), story.get().await.mode());
        match blow {
            Blow::LongerGid => self.longer_gid(gid, mode).await,
            Blow::OtherSteps => self.submit(self.saga(gid, &self.relay)).await,
            Blow::AsWorkflow(status) => self.submit(as_workflow(gid, status)).await,
            Blow::PrepareWorkflow => {
                let request = DtmRequest { query_prepared: self.relay.clone(), ..named(gid, "workflow") };
                self.dtm.clone().prepare_workflow(request).await.ok();
            }
            Blow::Poison => self.poison(gid).await,
            Blow::ForceStop => self.post("forceStop", gid).await,
            Blow::TwoSubmits => {
                tokio::join!(self.submit(named(gid, word(mode))), self.submit(named(gid, word(mode))));
            }
            Blow::ForeignBranch => self.branch(gid, "99", &self.inventory).await,
            Blow::Abort => drop(self.dtm.clone().abort(named(gid, word(mode))).await.ok()),
            Blow::ResetTimes => self.reset_times(gid).await,
            Blow::WaitResult => {
                let options = DtmTransOptions { wait_result: true, ..DtmTransOptions::default() };
                self.submit(DtmRequest { trans_options: Some(options), ..self.saga(gid, &self.relay) }).await;
            }
        }
    }

    /// What is no affair of ours but keeps DTM busy: poison under gids of its own, an interval below zero, which is a hot
    /// loop (D7), and sagas that hang in DTM's one serial loop (D13).
    pub async fn make_trouble(&self) {
        tokio::time::timeout(PATIENCE * 5, self.trouble()).await.ok();
    }

    async fn trouble(&self) {
        let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let nobody = format!("{}/nobody.Home/Call", silent.local_addr().unwrap());
        // Whoever connects is never answered, as long as this process lives.
        std::mem::forget(silent);
        for _ in 0..HANGING {
            self.submit(self.saga(&fresh(), &nobody)).await;
        }
        let options = DtmTransOptions { retry_interval: -1, ..DtmTransOptions::default() };
        let hot = self.saga(&fresh(), "127.0.0.1:1/nobody.Home/Call");
        self.submit(DtmRequest { trans_options: Some(options), ..hot }).await;
        self.poison(&fresh()).await;
    }

    async fn longer_gid(&self, gid: &str, mode: Mode) {
        let longer = format!("{gid}-0");
        if mode == Mode::Saga {
            return self.submit(self.saga(&longer, &self.relay)).await;
        }
        self.dtm.clone().prepare(named(&longer, "tcc")).await.ok();
        for branch_id in ["01", "02"] {
            self.branch(&longer, branch_id, &self.relay).await;
        }
        self.submit(named(&longer, "tcc")).await;
    }

    async fn poison(&self, gid: &str) {
        let broken = |customed_data: &str| DtmRequest {
            customed_data: customed_data.to_owned(),
            ..self.saga(gid, &self.relay)
        };
        self.submit(broken("{")).await;
        self.submit(broken(r#"{"concurrent":true,"orders":{"9":[8]}}"#)).await;
        self.submit(DtmRequest { bin_payloads: Vec::new(), ..self.saga(gid, &self.relay) }).await;
        self.submit(named(gid, "nonsense")).await;
        self.submit(DtmRequest { steps: "[".to_owned(), ..self.saga(gid, &self.relay) }).await;
    }

    async fn reset_times(&self, gid: &str) {
        self.post("resetNextCronTime", gid).await;
        self.post("resetNextCronTime", &format!("{gid}' or '1'='1")).await;
        let url = format!("{}/resetCronTime?timeout=0&limit=100000", self.base);
        self.http.get(url).send().await.ok();
    }

    async fn post(&self, what: &str, gid: &str) {
        let body = serde_json::json!({ "gid": gid });
        self.http.post(format!("{}/{what}", self.base)).json(&body).send().await.ok();
    }

    async fn submit(&self, request: DtmRequest) {
        self.dtm.clone().submit(request).await.ok();
    }

    async fn branch(&self, gid: &str, branch_id: &str, url: &str) {
        let request = DtmBranchRequest {
            gid: gid.to_owned(),
            trans_type: "tcc".to_owned(),
            branch_id: branch_id.to_owned(),
            op: "try".to_owned(),
            data: HashMap::from(["confirm", "cancel"].map(|op| (op.to_owned(), url.to_owned()))),
            busi_payload: Bytes::new(),
        };
        self.dtm.clone().register_branch(request).await.ok();
    }

    /// A saga of two steps, with nothing in them.
    fn saga(&self, gid: &str, url: &str) -> DtmRequest {
        let step = serde_json::json!({"action": url, "compensate": url});
        DtmRequest {
            steps: serde_json::json!([step, step]).to_string(),
            bin_payloads: vec![Bytes::new(); 2],
            ..named(gid, "saga")
        }
    }
}

fn named(gid: &str, trans_type: &str) -> DtmRequest {
    DtmRequest { gid: gid.to_owned(), trans_type: trans_type.to_owned(), ..DtmRequest::default() }
}

fn as_workflow(gid: &str, status: &str) -> DtmRequest {
    let req_extra = HashMap::from([("status".to_owned(), status.to_owned())]);
    DtmRequest { req_extra, ..named(gid, "workflow") }
}

fn word(mode: Mode) -> &'static str {
    match mode {
        Mode::Tcc => "tcc",
        Mode::Saga | Mode::Unspecified => "saga",
    }
}

fn fresh() -> String {
    uuid::Uuid::now_v7().to_string()
}
