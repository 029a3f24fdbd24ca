//! A client whose deeds need a person for a while, and the receiver that is told of each need: a participant of its own does
//! not answer until the need is open. Knows no fault.
use crate::patience::{PAUSE, connection, patiently};
use crate::receiver::{Answer, KEY, Receiver};
use crate::tell;
use amends_chaos::Load;
use amends_proto::amends::v1::noop_server::{Noop, NoopServer};
use amends_proto::amends::v1::transactions_client::TransactionsClient;
use amends_proto::amends::v1::{RetryPolicy, SagaStep, StartSagaRequest};
use amends_serve::{grpc, listener};
use amends_testkit::until;
use std::io::Write as _;
use std::net::{Ipv4Addr, SocketAddr};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use tokio::task::JoinHandle;
use tonic::service::Routes;
use tonic::transport::Channel;
use tonic::{Request, Response, Status};

/// Its participant's name.
const NAME: &str = "noop";

/// Participant and receiver, before there is an orchestrator.
pub struct Scene {
    participant: SocketAddr,
    answers: Arc<AtomicBool>,
    receiver: Receiver,
}

/// The client at work.
pub struct Grumbler {
    stopped: Arc<AtomicBool>,
    work: JoinHandle<Vec<String>>,
    receiver: Arc<Receiver>,
}

impl Scene {
    pub async fn set() -> Scene {
        let listener = listener::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, 0))).await.unwrap();
        let (participant, answers) = (listener.local_addr().unwrap(), Arc::<AtomicBool>::default());
        let routes = Routes::new(NoopServer::new(Mute(Arc::clone(&answers))));
        let never = std::future::pending();
        tokio::spawn(grpc::serve(listener, routes, grpc::GrpcOptions::default(), never));
        Scene { participant, answers, receiver: Receiver::start().await }
    }

    /// What tells an orchestrator of both.
    pub fn flags(&self, folder: &Path) -> Vec<String> {
        let key = folder.join("webhook-key");
        let file = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&key);
        file.unwrap().write_all(hex::encode(KEY).as_bytes()).unwrap();
        let flags = [
            ("--participant", format!("{NAME}={}", self.participant)),
            ("--attention-webhook", self.receiver.url.clone()),
            ("--attention-webhook-key-file", key.to_str().unwrap().to_owned()),
            ("--attention-webhook-timeout-ms", "700".to_owned()),
            ("--attention-webhook-retry-ms", "20".to_owned()),
            ("--attention-webhook-retry-cap-ms", "100".to_owned()),
        ];
        flags.into_iter().flat_map(|(flag, value)| [flag.to_owned(), value]).collect()
    }
}

impl Grumbler {
    /// Begins to grumble.
    pub fn begin(scene: Scene, address: &str, load: &Arc<Load>) -> Grumbler {
        let Scene { answers, receiver, .. } = scene;
        let (stopped, receiver) = (Arc::<AtomicBool>::default(), Arc::new(receiver));
        let (stop, told, load) = (Arc::clone(&stopped), Arc::clone(&receiver), Arc::clone(load));
        let client = TransactionsClient::new(connection(address));
        let work = tokio::spawn(async move {
            let mut gids = Vec::new();
            while !stop.load(Ordering::SeqCst) {
                // Each need is refused once, so that it is told again.
                told.will([Answer::Refuse(503)]);
                answers.store(false, Ordering::SeqCst);
                let gid = start(&client, gids.len()).await;
                load.witness().saw_other(&gid);
                while load.get(&gid).await.unwrap().attention.is_none() {
                    tokio::time::sleep(PAUSE).await;
                }
                answers.store(true, Ordering::SeqCst);
                while load.get(&gid).await.unwrap().finished_at.is_none() {
                    tokio::time::sleep(PAUSE).await;
                }
                gids.push(gid);
            }
            gids
        });
        Grumbler { stopped, work, receiver }
    }

    /// Stops when what is begun has ended, and the receiver was told of each opening and each closing.
    pub async fn end(self) {
        self.stopped.store(true, Ordering::SeqCst);
        let gids = self.work.await.unwrap();
        until("the receiver has all notices", async || {
            let taken = self.receiver.taken();
            let of = |gid: &String| taken.iter().filter(|id| id.starts_with(gid)).count();
            gids.iter().all(|gid| of(gid) == 2).then_some(())
        })
        .await;
        // One content under each id, or it panics.
        let told = self.receiver.contents().len();
        tell(&format!("{} needs, {told} notices, sent {} times", gids.len(), self.receiver.sent().len()));
    }
}

async fn start(client: &TransactionsClient<Channel>, number: usize) -> String {
    let step = SagaStep {
        participant: NAME.to_owned(),
        action: "amends.v1.Noop/Do".to_owned(),
        compensate: "amends.v1.Noop/Undo".to_owned(),
        timeout_ms: 1_000,
        retry: Some(RetryPolicy { max_attempts: 1, max_interval_ms: 300, ..RetryPolicy::default() }),
        ..SagaStep::default()
    };
    let request = StartSagaRequest {
        request_id: format!("grumble-{number}"),
        steps: vec![step],
        ..StartSagaRequest::default()
    };
    let start = || {
        let (mut client, request) = (client.clone(), request.clone());
        async move { client.start_saga(request).await }
    };
    patiently("a start", start).await.gid
}

/// The participant: does nothing, and says so only while it answers at all.
struct Mute(Arc<AtomicBool>);

impl Mute {
    fn answer(&self) -> Result<Response<()>, Status> {
        match self.0.load(Ordering::SeqCst) {
            true => Ok(Response::new(())),
            false => Err(Status::internal("not in the mood")),
        }
    }
}

#[tonic::async_trait]
impl Noop for Mute {
    async fn r#do(&self, _: Request<()>) -> Result<Response<()>, Status> {
        self.answer()
    }

    async fn confirm(&self, _: Request<()>) -> Result<Response<()>, Status> {
        self.answer()
    }

    async fn undo(&self, _: Request<()>) -> Result<Response<()>, Status> {
        self.answer()
    }

    async fn refuse(&self, _: Request<()>) -> Result<Response<()>, Status> {
        self.answer()
    }
}
