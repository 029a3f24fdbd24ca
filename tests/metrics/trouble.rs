//! What goes wrong shows: each figure that an alert goes by moves when its cause is real, and moves back.
use crate::page::Page;
use crate::world;
use amends_proto::amends::v1::operations_client::OperationsClient;
use amends_proto::amends::v1::scope::What;
use amends_proto::amends::v1::{PauseRequest, ResumeRequest, Scope};
use amends_stack::Role;
use amends_testkit::{Coordinator, Mode, Status, World, until};

/// Global transactions in a row without a proper answer that open a breaker, and one more.
const MANY: usize = 6;

#[tokio::test(flavor = "multi_thread")]
async fn what_is_away_shows_and_so_does_its_return() {
    let folder = tempfile::tempdir().unwrap();
    let world = world(folder.path(), Coordinator::Dtm).await;
    dtm(&world).await;
    participant(&world).await;
    holds(&world).await;
    doubt(&world).await;
    world.stop().await;
}

async fn told(world: &World, role: Role, what: &str, wanted: impl Fn(&Page) -> bool) -> Page {
    until(what, async || Some(Page::of(world.stack(), role).await).filter(&wanted)).await
}

async fn dtm(world: &World) {
    let reachable = |figure: f64| move |page: &Page| page.one("amends_dtm_reachable", &[]) == Some(figure);
    told(world, Role::Orchestrator, "DTM is there", reachable(1.0)).await;
    world.stack().kill9(Role::Dtm).await.unwrap();
    told(world, Role::Orchestrator, "DTM is away", reachable(0.0)).await;
    world.stack().restart(Role::Dtm).await.unwrap();
    told(world, Role::Orchestrator, "DTM is back", reachable(1.0)).await;
}

async fn participant(world: &World) {
    let closed = |figure: f64| {
        move |page: &Page| {
            let labels = [("participant", "points"), ("state", "closed")];
            page.one("amends_lane_breaker_state", &labels) == Some(figure)
        }
    };
    let shop = world.shop().await;
    world.stack().kill9(Role::Points).await.unwrap();
    let mut stories = Vec::new();
    for _ in 0..MANY {
        stories.push(shop.checkout(Mode::Saga).start().await);
    }
    let page = told(world, Role::Orchestrator, "the breaker opens", closed(0.0)).await;
    let unknown = [("participant", "points"), ("op", "action"), ("outcome", "unknown")];
    assert!(page.sum("amends_attempts_total", &unknown) >= 5.0, "{}", page.text);
    let open = told(world, Role::Orchestrator, "they are open", |page| {
        page.sum("amends_transactions_open", &[("definition", "checkout")]) >= 6.0
    });
    open.await;
    world.stack().restart(Role::Points).await.unwrap();
    for story in &stories {
        story.ends(Status::Succeeded).await;
    }
    told(world, Role::Orchestrator, "the breaker closes", closed(1.0)).await;
    told(world, Role::Orchestrator, "nothing is open", |page| {
        page.sum("amends_transactions_open", &[]) == 0.0
    })
    .await;
}

async fn holds(world: &World) {
    let told_of = |kind: &'static str, figure: f64| {
        told(world, Role::Orchestrator, "what is held is counted", move |page: &Page| {
            page.one("amends_holds", &[("kind", kind)]) == Some(figure)
        })
    };
    told_of("participant", 0.0).await;
    let address = format!("http://{}", world.stack().address(Role::Orchestrator));
    let mut operations = OperationsClient::connect(address).await.unwrap();
    for (kind, what) in [
        ("participant", What::Participant("points".into())),
        ("definition", What::Definition("checkout".into())),
    ] {
        let scope = Some(Scope { what: Some(what) });
        operations.pause(PauseRequest { scope: scope.clone(), ..PauseRequest::default() }).await.unwrap();
        told_of(kind, 1.0).await;
        operations.resume(ResumeRequest { scope, ..ResumeRequest::default() }).await.unwrap();
        told_of(kind, 0.0).await;
    }
}

async fn doubt(world: &World) {
    let shop = world.shop().await;
    let checkout = shop.checkout(Mode::Saga).psp("sale", "charge_then_timeout").await;
    let checkout = checkout.psp("query", "query_unknown(100000)").await.psp("close", "5xx_before").await;
    let story = checkout.start().await;
    let cause = [("cause", "payment_in_doubt")];
    let in_doubt = |figure: f64| {
        move |page: &Page| {
            page.one("amends_attention_open", &cause) == Some(figure)
                && page.one("amends_attention_unacknowledged", &cause) == Some(figure)
        }
    };
    told(world, Role::Orchestrator, "somebody is needed", in_doubt(1.0)).await;
    let items = |figure: f64| {
        move |page: &Page| page.one("amends_in_doubt_items", &[("kind", "payment_unknown")]) == Some(figure)
    };
    let page = told(world, Role::Gateway, "an item is in doubt", items(1.0)).await;
    let silent = [("call", "sale"), ("answer", "silence")];
    assert!(page.sum("amends_psp_calls_total", &silent) >= 1.0, "{}", page.text);
    story.psp("query", "ok").await;
    story.psp("close", "ok").await;
    story.ends(Status::Failed).await;
    told(world, Role::Orchestrator, "nobody is needed", in_doubt(0.0)).await;
    told(world, Role::Gateway, "nothing is in doubt", items(0.0)).await;
}
