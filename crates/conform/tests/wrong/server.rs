//! The participant's server: started, killed in the middle of whatever it does, and started again on its port.
use crate::participant::{Flaw, Participant};
use amends_conform::{Config, Form, Hook, Hooks, Report, Rule, Template, Verdict};
use amends_dtm::plan_mac::PlanMacKey;
use amends_proto::pay::inventory::v1::inventory_service_server::InventoryServiceServer;
use futures::FutureExt as _;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::runtime::Runtime;
use tonic::service::Routes;
use tonic::transport::Server as Grpc;
use tonic::transport::server::TcpIncoming;
use tonic_reflection::server::Builder;

pub const SERVICE: &str = "pay.inventory.v1.InventoryService";
pub const PAYLOAD: &str = r#"{"reservation_id": "${uuid}", "order_id": "${uuid:order}",
    "lines": [{"sku": "tea-${gid}", "quantity": 3}]}"#;

/// How the server tells what its methods look like.
#[derive(Debug, Clone, Copy)]
pub enum Reflection {
    V1,
    V1Alpha,
    None,
}

/// A running participant.
#[derive(Clone)]
pub struct Server {
    pub participant: Participant,
    pub address: SocketAddr,
    pub key: PlanMacKey,
    reflection: Reflection,
    /// All tasks of an incarnation die with its runtime, as those of a process do.
    runtime: Arc<Mutex<Option<Runtime>>>,
}

pub fn tcc() -> Form {
    let [r#try, confirm, cancel] = ["TryReserve", "ConfirmReserve", "CancelReserve"].map(ToOwned::to_owned);
    Form::Tcc { r#try, confirm, cancel }
}

pub fn saga() -> Form {
    Form::Saga { action: "Deduct".to_owned(), compensate: "ReturnStock".to_owned() }
}

impl Server {
    /// Starts a participant with a flaw.
    pub async fn start(flaw: Flaw, reflection: Reflection) -> Server {
        let key = PlanMacKey::from_hex(&"0b".repeat(32)).unwrap();
        let participant = Participant::new(flaw, Some(key.clone()));
        let anywhere = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        let mut server = Server { participant, address: anywhere, key, reflection, runtime: Arc::default() };
        server.address = server.serve(anywhere).await;
        server
    }

    /// Serves in a runtime of its own.
    async fn serve(&self, address: SocketAddr) -> SocketAddr {
        let runtime = Runtime::new().unwrap();
        let (participant, reflection) = (self.participant.clone(), self.reflection);
        let listening = runtime.spawn(async move {
            // The port of a server that was killed is free when its last task is gone.
            let listener = loop {
                match TcpListener::bind(address).await {
                    Ok(listener) => break listener,
                    Err(_) => tokio::time::sleep(Duration::from_millis(5)).await,
                }
            };
            let address = listener.local_addr().unwrap();
            tokio::spawn(
                Grpc::builder()
                    .add_routes(routes(participant, reflection))
                    .serve_with_incoming(TcpIncoming::from(listener)),
            );
            address
        });
        let address = listening.await.unwrap();
        *self.runtime.lock().unwrap() = Some(runtime);
        address
    }

    /// Ends the server at once, and starts it again with what it remembers.
    async fn crash(self) -> Result<String, String> {
        let runtime = self.runtime.lock().unwrap().take();
        runtime.unwrap().shutdown_background();
        self.participant.crash();
        self.serve(self.address).await;
        Ok(String::new())
    }

    pub fn crashing(&self) -> Hook {
        let server = self.clone();
        Arc::new(move |_| server.clone().crash().boxed())
    }

    fn probing(&self) -> Hook {
        let participant = self.participant.clone();
        Arc::new(move |branch| std::future::ready(Ok(participant.effect(&branch.gid))).boxed())
    }

    /// A run of all rules but the crash.
    pub fn config(&self, form: Form) -> Config {
        let payload = Template::parse(PAYLOAD).unwrap();
        Config {
            target: self.address.to_string(),
            service: SERVICE.to_owned(),
            form,
            descriptors: None,
            other_payload: Some(payload.with("lines.0.quantity=4").unwrap()),
            refused_payload: Some(payload.with("lines.0.quantity=101").unwrap()),
            payload,
            mac_key: Some(self.key.clone()),
            hooks: Hooks { prepare: None, probe: Some(self.probing()), crash: None },
            seed: amends_conform::fresh_seed(),
            timeout: Duration::from_secs(20),
            patience: Duration::from_secs(20),
            concurrency: 8,
            rules: Vec::new(),
        }
    }
}

impl Drop for Server {
    /// The last of all clones ends the server; a runtime cannot be dropped where tasks are awaited.
    fn drop(&mut self) {
        if Arc::strong_count(&self.runtime) == 1
            && let Some(runtime) = self.runtime.lock().unwrap().take()
        {
            runtime.shutdown_background();
        }
    }
}

fn routes(participant: Participant, reflection: Reflection) -> Routes {
    let routes = Routes::new(InventoryServiceServer::new(participant));
    let builder = || Builder::configure().register_encoded_file_descriptor_set(amends_proto::DESCRIPTORS);
    match reflection {
        Reflection::V1 => routes.add_service(builder().build_v1().unwrap()),
        Reflection::V1Alpha => routes.add_service(builder().build_v1alpha().unwrap()),
        Reflection::None => routes,
    }
}

/// The rules that came to a verdict.
pub fn rules(report: &Report, verdict: Verdict) -> Vec<Rule> {
    Rule::ALL.into_iter().filter(|rule| report.verdict(*rule) == Some(verdict)).collect()
}
