//! The processor over the wire: every behaviour, and what its books say afterwards. Real server, real store.

#![expect(clippy::unwrap_used, reason = "a test ends where something unexpected happens")]

use std::time::Duration;

use amends_migrations::psp::Migrator;
use amends_proto::pay::money::v1::Money;
use amends_proto::pay::psp::v1::psp_service_client::PspServiceClient;
use amends_proto::pay::psp::v1::{
    CloseRequest, Fact, FactsRequest, PspRequest, PspResult, PspStatus, QueryRequest, ResetRequest,
    ScriptRequest,
};
use amends_psp::Processor;
use amends_serve::grpc::GrpcOptions;
use amends_serve::store::Store;
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tonic::transport::{Channel, Endpoint};
use tonic::{Code, Request, Status};

struct World {
    dir: TempDir,
    profile: &'static str,
    server: JoinHandle<()>,
    address: std::net::SocketAddr,
    client: PspServiceClient<Channel>,
}

impl World {
    async fn new() -> World {
        World::with_profile("").await
    }

    async fn with_profile(profile: &'static str) -> World {
        World::over(tempfile::tempdir().unwrap(), profile).await
    }

    async fn over(dir: TempDir, profile: &'static str) -> World {
        let store = Store::open(&format!("sqlite://{}/psp.db", dir.path().display())).await.unwrap();
        store.migrate::<Migrator>().await.unwrap();
        let processor = Processor::open(store, 7, profile.parse().unwrap()).await.unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let server = tokio::spawn(async move {
            processor.listen(listener, GrpcOptions::default(), std::future::pending()).await.unwrap();
        });
        let channel = Endpoint::from_shared(format!("http://{address}")).unwrap().connect_lazy();
        World { dir, profile, server, address, client: PspServiceClient::new(channel) }
    }

    /// Ends the server without any goodbye and starts another on the same store.
    async fn restart(self) -> World {
        self.server.abort();
        let _ = self.server.await;
        World::over(self.dir, self.profile).await
    }

    async fn sale(&self, id: &str, token: &str) -> Result<PspResult, Status> {
        Ok(self.client.clone().sale(brief(request(id, token))).await?.into_inner())
    }

    async fn authorize(&self, id: &str, token: &str) -> Result<PspResult, Status> {
        Ok(self.client.clone().authorize(brief(request(id, token))).await?.into_inner())
    }

    async fn capture(&self, id: &str, original: &str) -> Result<PspResult, Status> {
        Ok(self.client.clone().capture(about(id, original)).await?.into_inner())
    }

    async fn void(&self, id: &str, original: &str) -> Result<PspResult, Status> {
        Ok(self.client.clone().void(about(id, original)).await?.into_inner())
    }

    async fn refund(&self, id: &str, original: &str) -> Result<PspResult, Status> {
        Ok(self.client.clone().refund(about(id, original)).await?.into_inner())
    }

    async fn query(&self, id: &str) -> Result<PspResult, Status> {
        Ok(self.client.clone().query(QueryRequest { psp_request_id: id.into() }).await?.into_inner())
    }

    async fn close(&self, id: &str) -> Result<PspResult, Status> {
        Ok(self.client.clone().close(CloseRequest { psp_request_id: id.into() }).await?.into_inner())
    }

    async fn script(&self, order_id: &str, op: &str, nth: i32, behaviour: &str) {
        let script = ScriptRequest {
            order_id: order_id.into(),
            op: op.into(),
            nth,
            behaviour: behaviour.into(),
            ..ScriptRequest::default()
        };
        self.client.clone().script(script).await.unwrap();
    }

    async fn facts(&self) -> Vec<Fact> {
        self.client.clone().facts(FactsRequest::default()).await.unwrap().into_inner().facts
    }

    async fn money(&self, id: &str) -> (i64, i64) {
        let facts = self.facts().await;
        let fact = facts.iter().find(|fact| fact.psp_request_id == id).expect("a fact of that id");
        (fact.authorized_now, fact.kept_now)
    }

    /// Asks until the answer has this status; the test's own time limit is the bound.
    async fn settles(&self, id: &str, wanted: PspStatus) {
        let ask = async {
            while self.query(id).await.unwrap().status() != wanted {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(10), ask).await.expect("settles in time");
    }
}

fn brief<T>(message: T) -> Request<T> {
    let mut request = Request::new(message);
    request.set_timeout(Duration::from_millis(250));
    request
}

fn request(id: &str, token: &str) -> PspRequest {
    PspRequest {
        psp_request_id: id.into(),
        merchant_id: "m".into(),
        order_id: "o".into(),
        amount: Some(Money { minor_units: 1000, currency: "USD".into() }),
        card_token: token.into(),
        original_request_id: String::new(),
    }
}

fn about(id: &str, original: &str) -> PspRequest {
    PspRequest { card_token: String::new(), original_request_id: original.into(), ..request(id, "") }
}

fn gave_up(answer: Result<PspResult, Status>) -> bool {
    matches!(answer, Err(status) if matches!(status.code(), Code::Cancelled | Code::DeadlineExceeded))
}

#[tokio::test]
async fn an_authorization_is_captured_and_given_back() {
    let psp = World::new().await;
    let first = psp.authorize("a", "tok_ok").await.unwrap();
    assert_eq!(first.status(), PspStatus::Success);
    assert_eq!(first.auth_code.len(), 6);
    assert_eq!(psp.money("a").await, (1000, 0));
    assert_eq!(psp.capture("c", "a").await.unwrap().status(), PspStatus::Success);
    assert_eq!(psp.money("a").await, (0, 1000));
    let void = psp.void("v", "a").await.unwrap();
    assert_eq!((void.status(), void.code.as_str()), (PspStatus::Refused, "captured"));
    assert_eq!(psp.refund("r", "a").await.unwrap().status(), PspStatus::Success);
    assert_eq!(psp.money("a").await, (0, 0));
    let again = psp.refund("r2", "a").await.unwrap();
    assert_eq!((again.status(), again.code.as_str()), (PspStatus::Refused, "nothing_kept"));
}

#[tokio::test]
async fn an_authorization_is_voided() {
    let psp = World::new().await;
    psp.authorize("a", "tok_abc").await.unwrap();
    assert_eq!(psp.void("v", "a").await.unwrap().status(), PspStatus::Success);
    assert_eq!(psp.money("a").await, (0, 0));
    let capture = psp.capture("c", "a").await.unwrap();
    assert_eq!((capture.status(), capture.code.as_str()), (PspStatus::Refused, "nothing_kept"));
}

#[tokio::test]
async fn the_same_request_is_charged_once_and_another_under_its_id_not_at_all() {
    let psp = World::new().await;
    let answers = futures::future::join_all((0..50).map(|_| sale_once(psp.client.clone()))).await;
    let firsts = answers.iter().filter(|answer| !answer.duplicate).count();
    assert_eq!(firsts, 1);
    assert!(answers.iter().all(|answer| answer.auth_code == answers[0].auth_code));
    let mut other = request("s", "tok_ok");
    other.amount = Some(Money { minor_units: 999, currency: "USD".into() });
    let answer = psp.client.clone().sale(other).await.unwrap().into_inner();
    assert_eq!((answer.status(), answer.code.as_str()), (PspStatus::Refused, "DUPLICATE_MISMATCH"));
    let facts = psp.facts().await;
    assert_eq!(facts.len(), 1);
    assert_eq!((facts[0].kept_now, facts[0].repeats), (1000, 49));
}

async fn sale_once(mut client: PspServiceClient<Channel>) -> PspResult {
    client.sale(request("s", "tok_ok")).await.unwrap().into_inner()
}

#[tokio::test]
async fn a_decline_names_its_code_and_keeps_nothing() {
    let psp = World::new().await;
    let answer = psp.sale("s", "tok_decline:stolen_card").await.unwrap();
    assert_eq!((answer.status(), answer.code.as_str()), (PspStatus::Declined, "stolen_card"));
    assert_eq!(psp.money("s").await, (0, 0));
    assert_eq!(psp.query("s").await.unwrap().status(), PspStatus::Declined);
    assert_eq!(psp.close("s").await.unwrap().status(), PspStatus::Declined);
}

#[tokio::test]
async fn what_never_took_money_keeps_nothing_and_a_turned_down_refund_says_something_else() {
    let psp = World::new().await;
    psp.sale("declined", "tok_decline").await.unwrap();
    psp.close("closed").await.unwrap();
    for original in ["declined", "closed"] {
        let refund = psp.refund(&format!("r-{original}"), original).await.unwrap();
        assert_eq!((refund.status(), refund.code.as_str()), (PspStatus::Refused, "nothing_kept"));
        let void = psp.void(&format!("v-{original}"), original).await.unwrap();
        assert_eq!((void.status(), void.code.as_str()), (PspStatus::Refused, "nothing_kept"));
        let capture = psp.capture(&format!("c-{original}"), original).await.unwrap();
        assert_eq!((capture.status(), capture.code.as_str()), (PspStatus::Refused, "nothing_kept"));
    }
    psp.sale("paid", "tok_ok").await.unwrap();
    psp.script("o", "refund", 0, "decline").await;
    let refund = psp.refund("r", "paid").await.unwrap();
    assert_eq!((refund.status(), refund.code.as_str()), (PspStatus::Refused, "declined"));
    assert_eq!(psp.query("r").await.unwrap().code, "declined");
    assert_eq!(psp.money("paid").await, (0, 1000));
    let lie = ScriptRequest { behaviour: "decline:nothing_kept".into(), ..ScriptRequest::default() };
    assert_eq!(psp.client.clone().script(lie).await.unwrap_err().code(), Code::InvalidArgument);
}

#[tokio::test]
async fn a_query_that_is_turned_down_says_nothing_about_the_request() {
    let psp = World::new().await;
    psp.sale("s", "tok_ok").await.unwrap();
    psp.script("o", "query", 1, "decline").await;
    assert_eq!(psp.query("s").await.unwrap_err().code(), Code::Internal);
    assert_eq!(psp.query("s").await.unwrap().status(), PspStatus::Success);
}

#[tokio::test]
async fn charged_without_an_answer_is_found_by_query_and_cannot_be_closed() {
    let psp = World::new().await;
    assert!(gave_up(psp.sale("s", "tok_charge_then_timeout").await));
    assert_eq!(psp.query("s").await.unwrap().status(), PspStatus::Success);
    let closed = psp.close("s").await.unwrap();
    assert_eq!((closed.status(), closed.code.as_str()), (PspStatus::Refused, "paid"));
    assert_eq!(psp.money("s").await, (0, 1000));
    let again = psp.sale("s", "tok_charge_then_timeout").await.unwrap();
    assert!(again.duplicate && again.status() == PspStatus::Success);
}

#[tokio::test]
async fn a_lost_request_is_closed_for_ever() {
    let psp = World::new().await;
    assert!(gave_up(psp.sale("s", "tok_timeout_not_charged").await));
    assert_eq!(psp.query("s").await.unwrap().status(), PspStatus::NotFound);
    assert_eq!(psp.close("s").await.unwrap().status(), PspStatus::Closed);
    assert_eq!(psp.close("s").await.unwrap().status(), PspStatus::Closed);
    psp.script("o", "sale", 0, "ok").await;
    assert_eq!(psp.sale("s", "tok_timeout_not_charged").await.unwrap().status(), PspStatus::Closed);
    assert_eq!(psp.money("s").await, (0, 0));
}

#[tokio::test]
async fn a_slow_charge_is_made_although_the_caller_left() {
    let psp = World::new().await;
    assert!(gave_up(psp.sale("s", "tok_slow_400ms").await));
    assert_eq!(psp.query("s").await.unwrap().status(), PspStatus::NotFound);
    psp.settles("s", PspStatus::Success).await;
    assert_eq!(psp.money("s").await, (0, 1000));
}

#[tokio::test]
async fn a_late_charge_comes_unless_it_was_closed() {
    let psp = World::new().await;
    assert!(gave_up(psp.sale("late", "tok_late_charge_600ms").await));
    assert!(gave_up(psp.sale("shut", "tok_late_charge_600ms").await));
    assert_eq!(psp.query("shut").await.unwrap().status(), PspStatus::NotFound);
    assert_eq!(psp.close("shut").await.unwrap().status(), PspStatus::Closed);
    psp.settles("late", PspStatus::Success).await;
    assert_eq!(psp.query("shut").await.unwrap().status(), PspStatus::Closed);
    assert_eq!(psp.money("shut").await, (0, 0));
}

#[tokio::test]
async fn an_error_may_come_before_or_after_the_charge() {
    let psp = World::new().await;
    assert_eq!(psp.sale("b", "tok_5xx_before").await.unwrap_err().code(), Code::Internal);
    assert_eq!(psp.query("b").await.unwrap().status(), PspStatus::NotFound);
    assert_eq!(psp.sale("a", "tok_5xx_after_charge").await.unwrap_err().code(), Code::Internal);
    assert_eq!(psp.query("a").await.unwrap().status(), PspStatus::Success);
}

#[tokio::test]
async fn what_is_being_processed_ends_on_time_even_over_a_restart() {
    let psp = World::new().await;
    assert_eq!(psp.sale("s", "tok_processing_700ms").await.unwrap().status(), PspStatus::Processing);
    let closed = psp.close("s").await.unwrap();
    assert_eq!((closed.status(), closed.code.as_str()), (PspStatus::Refused, "processing"));
    assert_eq!(psp.money("s").await, (0, 0));
    let psp = psp.restart().await;
    psp.settles("s", PspStatus::Success).await;
    assert_eq!(psp.money("s").await, (0, 1000));
}

#[tokio::test]
async fn an_outage_refuses_connections_and_ends() {
    let psp = World::new().await;
    psp.sale("before", "tok_ok").await.unwrap();
    psp.script("", "", 0, "outage(700ms)").await;
    assert_eq!(psp.sale("during", "tok_ok").await.unwrap_err().code(), Code::Unavailable);
    let refused = async { while tokio::net::TcpStream::connect(psp.address).await.is_ok() {} };
    tokio::time::timeout(Duration::from_millis(600), refused).await.expect("the doors close");
    let back = async {
        while psp.sale("after", "tok_ok").await.is_err() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), back).await.expect("the doors open again");
    assert_eq!(psp.query("during").await.unwrap().status(), PspStatus::NotFound);
    assert_eq!(psp.query("before").await.unwrap().status(), PspStatus::Success);
}

#[tokio::test]
async fn the_token_of_the_payment_decides_later_calls_about_it() {
    let psp = World::new().await;
    psp.authorize("a", "tok_query_unknown_2").await.unwrap();
    assert!(psp.query("a").await.is_err());
    assert!(psp.query("a").await.is_err());
    assert_eq!(psp.query("a").await.unwrap().status(), PspStatus::Success);
    psp.authorize("e", "tok_capture_refused:expired").await.unwrap();
    let capture = psp.capture("c", "e").await.unwrap();
    assert_eq!((capture.status(), capture.code.as_str()), (PspStatus::Refused, "expired"));
    assert_eq!(psp.void("v", "e").await.unwrap().status(), PspStatus::Success);
}

#[tokio::test]
async fn scripts_beat_tokens_and_count_their_calls_over_a_restart() {
    let psp = World::new().await;
    psp.script("o", "sale", 2, "decline:second").await;
    assert_eq!(psp.sale("1", "tok_ok").await.unwrap().status(), PspStatus::Success);
    let psp = psp.restart().await;
    assert_eq!(psp.sale("2", "tok_ok").await.unwrap().code, "second");
    assert_eq!(psp.sale("3", "tok_ok").await.unwrap().status(), PspStatus::Success);
    psp.script("o", "", 0, "decline:any").await;
    let exact =
        ScriptRequest { psp_request_id: "4".into(), behaviour: "ok".into(), ..ScriptRequest::default() };
    psp.client.clone().script(exact).await.unwrap();
    assert_eq!(psp.sale("4", "tok_decline").await.unwrap().status(), PspStatus::Success);
    assert_eq!(psp.sale("5", "tok_ok").await.unwrap().code, "any");
    psp.client.clone().reset(ResetRequest {}).await.unwrap();
    assert_eq!(psp.sale("6", "tok_ok").await.unwrap().status(), PspStatus::Success);
    assert_eq!(psp.facts().await.len(), 6);
}

#[tokio::test]
async fn the_profile_strikes_only_where_nothing_else_is_said() {
    let psp = World::with_profile("decline:drawn=1").await;
    assert_eq!(psp.sale("1", "tok_abc").await.unwrap().code, "drawn");
    assert_eq!(psp.sale("2", "tok_ok").await.unwrap().status(), PspStatus::Success);
    psp.script("", "", 0, "profile:9:decline:other=1").await;
    assert_eq!(psp.sale("3", "visa").await.unwrap().code, "other");
}

#[tokio::test]
async fn facts_come_in_pages_and_a_wrong_request_changes_nothing() {
    let psp = World::new().await;
    for id in ["1", "2", "3"] {
        psp.sale(id, "tok_ok").await.unwrap();
    }
    let first = facts_page(&psp, String::new(), 2).await;
    let second = facts_page(&psp, first.1, 2).await;
    assert_eq!((first.0, second.0), (vec!["1".to_owned(), "2".to_owned()], vec!["3".to_owned()]));
    for wrong in [
        PspRequest { amount: None, ..request("w", "tok_ok") },
        PspRequest {
            amount: Some(Money { minor_units: 0, currency: "USD".into() }),
            ..request("w", "tok_ok")
        },
        PspRequest {
            amount: Some(Money { minor_units: 1, currency: "usd".into() }),
            ..request("w", "tok_ok")
        },
        PspRequest { order_id: String::new(), ..request("w", "tok_ok") },
        request("w", ""),
        request("", "tok_ok"),
    ] {
        assert_eq!(psp.client.clone().sale(wrong).await.unwrap_err().code(), Code::InvalidArgument);
    }
    assert_eq!(psp.facts().await.len(), 3);
}

async fn facts_page(psp: &World, cursor: String, limit: i32) -> (Vec<String>, String) {
    let page = psp.client.clone().facts(FactsRequest { cursor, limit }).await.unwrap().into_inner();
    (page.facts.into_iter().map(|fact| fact.psp_request_id).collect(), page.next_cursor)
}
