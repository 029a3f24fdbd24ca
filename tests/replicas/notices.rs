//! A need for a person before a real receiver, with kill -9 of the orchestrator while the receiver has the notice and has
//! not answered: one on its SQLite file that comes back, and one of two on PostgreSQL, whose work the other takes over.
use crate::pair::{Pair, Replica, key_of};
use crate::participant::Participant;
use crate::receiver::{Answer, KEY, Receiver, Sent};
use amends_proto::amends::v1::operations_client::OperationsClient;
use amends_proto::amends::v1::{
    AcknowledgeRequest, GetHistoryRequest, GetRequest, ListAttentionRequest, ListAttentionResponse,
    RetryPolicy, SagaStep, StartSagaRequest, Status,
};
use amends_testkit::{Coordinator, until};
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use tonic::transport::{Channel, Endpoint};
use tonic::{Code, Request};

const CAUSE: &str = "retries_exhausted";

/// What tells an orchestrator of the receiver.
fn webhook(receiver: &Receiver, folder: &Path) -> Vec<(&'static str, String)> {
    let key = folder.join("webhook-key");
    let file = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&key);
    file.unwrap().write_all(hex::encode(KEY).as_bytes()).unwrap();
    vec![
        ("--attention-webhook", receiver.url.clone()),
        ("--attention-webhook-key-file", key.to_str().unwrap().to_owned()),
        ("--attention-webhook-timeout-ms", "700".to_owned()),
        ("--attention-webhook-retry-ms", "20".to_owned()),
        ("--attention-webhook-retry-cap-ms", "100".to_owned()),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn on_an_sqlite_file() {
    let (folder, participant) = (tempfile::tempdir().unwrap(), Participant::start().await);
    let receiver = Receiver::start().await;
    let mut replica = Replica::planned(&folder.path().join("0.log"));
    let database = format!("sqlite://{}", folder.path().join("history.db").display());
    replica.tell("--database-url", &database);
    replica.tell("--plan-mac-key-file", key_of(folder.path()).to_str().unwrap());
    replica.tell("--participant", &format!("noop={}", participant.address));
    for (flag, value) in webhook(&receiver, folder.path()) {
        replica.tell(flag, &value);
    }
    replica.start();
    replica.serves().await;
    let gid = needs_a_person(&replica, &participant, &receiver).await;
    replica.signal("-KILL").await;
    assert!(!replica.ended().await.success());
    replica.start();
    replica.serves().await;
    is_told(&replica, &participant, &receiver, &gid).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn on_postgres_the_other_replica_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let receiver = Receiver::start().await;
    let Some(mut pair) = Pair::start_with(Coordinator::Embedded, &webhook(&receiver, folder.path())).await
    else {
        return;
    };
    let gid = needs_a_person(&pair.replicas[0], &pair.participant, &receiver).await;
    pair.replicas[0].signal("-KILL").await;
    assert!(!pair.replicas[0].ended().await.success());
    is_told(&pair.replicas[1], &pair.participant, &receiver, &gid).await;
}

fn operations(replica: &Replica) -> OperationsClient<Channel> {
    OperationsClient::new(Endpoint::from_shared(format!("http://{}", replica.api)).unwrap().connect_lazy())
}

async fn listed(replica: &Replica) -> ListAttentionResponse {
    operations(replica).list_attention(ListAttentionRequest::default()).await.unwrap().into_inner()
}

/// One whose participant does not answer, so that it needs a person; the receiver has the notice and is silent.
async fn needs_a_person(replica: &Replica, participant: &Participant, receiver: &Receiver) -> String {
    receiver.will([Answer::TakeAndHang]);
    participant.log.shut();
    let step = SagaStep {
        participant: "noop".into(),
        action: "amends.v1.Noop/Do".into(),
        compensate: "amends.v1.Noop/Undo".into(),
        timeout_ms: 200,
        retry: Some(RetryPolicy { max_attempts: 2, max_interval_ms: 300, ..RetryPolicy::default() }),
        ..SagaStep::default()
    };
    let request =
        StartSagaRequest { request_id: "r".into(), steps: vec![step], ..StartSagaRequest::default() };
    let gid = replica.client().start_saga(request).await.unwrap().into_inner().gid;
    receiver.was_sent(1).await;
    let told = &receiver.sent()[0];
    assert!(told.event_id.starts_with(&gid) && told.event_id.ends_with(CAUSE), "{told:?}");
    gid
}

/// The same notice comes again, somebody acknowledges the need, and its end is told when it is there.
async fn is_told(replica: &Replica, participant: &Participant, receiver: &Receiver, gid: &str) {
    receiver.has_taken(1).await;
    let open = until("it is listed with its next attempt", async || {
        let listed = listed(replica).await;
        let exact = listed.open.first().is_some_and(|open| open.next_action_at.is_some());
        exact.then_some(listed)
    })
    .await;
    assert_eq!((open.open[0].gid.as_str(), open.open[0].cause.as_str()), (gid, CAUSE));
    assert!(open.open[0].next_action.contains("action of step 01 (noop)"), "{:?}", open.open[0]);
    assert_eq!((open.counts[0].open, open.counts[0].unacknowledged), (1, 1));
    acknowledge(replica, gid).await;
    participant.log.open();
    receiver.has_taken(2).await;
    let nothing_left = until("nothing is open and nothing is left to tell", async || {
        let listed = listed(replica).await;
        let pending = listed.notices.as_ref().map(|notices| notices.pending);
        (listed.open.is_empty() && pending == Some(0)).then_some(listed)
    });
    assert!(nothing_left.await.notices.unwrap().webhook);
    let end = replica.client().get(GetRequest { gid: gid.to_owned() }).await.unwrap().into_inner();
    assert_eq!(end.status(), Status::Succeeded);
    judge(receiver, gid);
}

async fn acknowledge(replica: &Replica, gid: &str) {
    let say = async |cause: &str, caller: &str, note: &str| {
        let (cause, note) = (cause.to_owned(), note.to_owned());
        let request = AcknowledgeRequest { gid: gid.to_owned(), cause, owner: "ann".into(), note };
        let mut request = Request::new(request);
        request.metadata_mut().insert("amends-caller", caller.parse().unwrap());
        operations(replica).acknowledge(request).await
    };
    let other = say("disagreement", "bob", "").await.unwrap_err();
    assert_eq!(other.code(), Code::FailedPrecondition, "{other:?}");
    assert_eq!(say("", "bob", &"x".repeat(201)).await.unwrap_err().code(), Code::InvalidArgument);
    for _ in 0..2 {
        let open = say(CAUSE, "bob", "asked noop's owner").await.unwrap().into_inner().open;
        let said = (open[0].owner.as_str(), open[0].acknowledged_by.as_str(), open[0].note.as_str());
        assert_eq!(said, ("ann", "bob", "asked noop's owner"));
    }
    let listed = listed(replica).await;
    assert_eq!((listed.open[0].owner.as_str(), listed.counts[0].unacknowledged), ("ann", 0));
    let all = GetHistoryRequest { gid: gid.to_owned(), ..GetHistoryRequest::default() };
    let events = replica.client().get_history(all).await.unwrap().into_inner().events;
    let acts = events.iter().filter(|event| event.kind == "operator_acknowledged").count();
    assert_eq!(acts, 1, "the same word again changes nothing");
}

/// Each under one id with one content, the closing after the opening, and the opening twice.
fn judge(receiver: &Receiver, gid: &str) {
    let (sent, contents) = (receiver.sent(), receiver.contents());
    assert_eq!(contents.len(), 2, "{sent:?}");
    let body = |sent: &Sent| serde_json::from_str::<serde_json::Value>(&sent.body).unwrap();
    let (first, last) = (body(&sent[0]), body(&sent[sent.len() - 1]));
    assert_eq!((&first["kind"], &last["kind"]), (&"attention_opened".into(), &"attention_closed".into()));
    assert!(sent.iter().filter(|sent| body(sent)["kind"] == "attention_opened").count() >= 2);
    assert_eq!(last["opened_event_id"], first["event_id"]);
    assert_eq!((&last["owner"], &last["acknowledged_by"]), (&"ann".into(), &"bob".into()));
    assert_eq!(
        (&first["gid"], &first["participant"], &first["op"]),
        (&gid.into(), &"noop".into(), &"action".into())
    );
}
