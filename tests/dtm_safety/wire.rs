//! DTM's two interfaces as anybody in its network has them: requests that our own client refuses to build go through here.
//! Knows no defect and no outcome.
use amends_dtm::Gid;
use amends_dtm::client::{DtmClient, DtmEndpoints, DtmStatus, DtmView};
use amends_proto::dtm::dtm_client::DtmClient as Stub;
use amends_proto::dtm::{DtmBranchRequest, DtmRequest, DtmTransOptions};
use amends_testkit::{SOON, until};
use prost::bytes::Bytes;
use serde_json::{Value, json};
use std::collections::HashMap;
use tonic::Status;
use tonic::transport::{Channel, Endpoint};

/// Anybody's way to one DTM server. A clone shares the connections.
#[derive(Clone)]
pub struct Wire {
    stub: Stub<Channel>,
    http: reqwest::Client,
    base: String,
    /// Our own client, for what it does build.
    pub client: DtmClient,
}

impl Wire {
    /// To the server at these addresses. Connects when it is first used.
    pub fn to(endpoints: &DtmEndpoints) -> Wire {
        let endpoint = Endpoint::from_shared(format!("http://{}", endpoints.grpc)).unwrap();
        Wire {
            stub: Stub::new(endpoint.tcp_nodelay(true).connect_lazy()),
            http: reqwest::Client::new(),
            base: format!("http://{}/api/dtmsvr", endpoints.http),
            client: DtmClient::new(endpoints).unwrap().with_deadline(SOON),
        }
    }

    pub async fn submit(&self, request: DtmRequest) -> Result<(), Status> {
        self.stub.clone().submit(request).await.map(drop)
    }

    pub async fn prepare(&self, request: DtmRequest) -> Result<(), Status> {
        self.stub.clone().prepare(request).await.map(drop)
    }

    pub async fn abort(&self, request: DtmRequest) -> Result<(), Status> {
        self.stub.clone().abort(request).await.map(drop)
    }

    pub async fn prepare_workflow(&self, request: DtmRequest) -> Result<(), Status> {
        self.stub.clone().prepare_workflow(request).await.map(drop)
    }

    /// Registers a branch of a TCC whose confirm and cancel are at `url`.
    pub async fn register(&self, gid: &str, branch_id: &str, url: &str) -> Result<(), Status> {
        let request = DtmBranchRequest {
            gid: gid.to_owned(),
            trans_type: "tcc".to_owned(),
            branch_id: branch_id.to_owned(),
            op: "try".to_owned(),
            data: HashMap::from(["confirm", "cancel"].map(|op| (op.to_owned(), format!("{url}/{op}")))),
            busi_payload: Bytes::new(),
        };
        self.stub.clone().register_branch(request).await.map(drop)
    }

    /// Prepares a TCC with so many branches.
    pub async fn prepare_tcc(&self, gid: &str, branches: usize, url: &str) {
        self.prepare(named(gid, "tcc")).await.unwrap();
        for branch in 1..=branches {
            self.register(gid, &format!("{branch:02}"), url).await.unwrap();
        }
    }

    /// An operator's call; gives its HTTP status.
    pub async fn post(&self, what: &str, body: &Value) -> u16 {
        let sent = self.http.post(format!("{}/{what}", self.base)).json(body).send().await;
        sent.unwrap().status().as_u16()
    }

    /// An operator's call that a browser can make.
    pub async fn get(&self, what: &str) -> u16 {
        self.http.get(format!("{}/{what}", self.base)).send().await.unwrap().status().as_u16()
    }

    pub async fn force_stop(&self, gid: &str) -> u16 {
        self.post("forceStop", &json!({"gid": gid})).await
    }

    /// What DTM says of it.
    pub async fn view(&self, gid: &str) -> DtmView {
        self.client.query(&Gid::parse(gid).unwrap()).await.unwrap().unwrap()
    }

    /// Waits until DTM says so. It announces nothing.
    pub async fn becomes(&self, gid: &str, status: DtmStatus) -> DtmView {
        let what = format!("DTM says {} of {gid}", status.as_str());
        until(&what, async || Some(self.view(gid).await).filter(|view| view.status == status)).await
    }
}

/// A gid of ours, as text.
pub fn fresh() -> String {
    Gid::generate().to_string()
}

/// A request with nothing in it but its name and its kind.
pub fn named(gid: &str, trans_type: &str) -> DtmRequest {
    DtmRequest { gid: gid.to_owned(), trans_type: trans_type.to_owned(), ..DtmRequest::default() }
}

/// A saga of so many steps, whose calls go to `url/Do` and `url/Undo`; polled each second.
pub fn saga(gid: &str, steps: usize, url: &str) -> DtmRequest {
    let step = json!({"action": format!("{url}/Do"), "compensate": format!("{url}/Undo")});
    DtmRequest {
        steps: Value::from(vec![step; steps]).to_string(),
        bin_payloads: vec![Bytes::new(); steps],
        ..polled(named(gid, "saga"), 1)
    }
}

/// The same request, polled every so many seconds.
pub fn polled(request: DtmRequest, retry_interval: i64) -> DtmRequest {
    let options = request.trans_options.clone().unwrap_or_default();
    DtmRequest { trans_options: Some(DtmTransOptions { retry_interval, ..options }), ..request }
}

/// The same request, whose calls may last a minute each.
pub fn patient(request: DtmRequest) -> DtmRequest {
    let options = request.trans_options.clone().unwrap_or_default();
    DtmRequest { trans_options: Some(DtmTransOptions { request_timeout: 60, ..options }), ..request }
}

/// Overwrites the status, as a workflow's own end would.
pub fn as_workflow(gid: &str, status: &str) -> DtmRequest {
    let req_extra = HashMap::from([("status".to_owned(), status.to_owned())]);
    DtmRequest { req_extra, ..named(gid, "workflow") }
}
