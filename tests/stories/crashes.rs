//! Processes that are away at the worst moment: DTM at Start, the gateway and its store between its two
//! transactions (payments-domain §14, examples 17 and 18). Killing at random is the recovery tests' affair.
use crate::stage::{alone, alone_with_dtm};
use amends_proto::pay::gateway::v1::{AttemptState, ListRequest};
use amends_stack::Role;
use amends_testkit::{MODES, Mode, Shop, Status, Story, World, until};
use sea_orm::{ConnectOptions, ConnectionTrait as _, Database, DatabaseConnection};
use tonic::Code;

#[test]
fn what_starts_without_dtm_runs_when_it_is_back() {
    alone_with_dtm(async |world| {
        let shop = world.shop().await;
        world.stack().kill9(Role::Dtm).await.expect("kill DTM");
        let mut stories = Vec::new();
        for mode in MODES {
            let checkout = shop.checkout(mode).wait_ms(700);
            let started = checkout.try_start().await.expect("our own store is there");
            assert_eq!(started.status(), Status::Accepted, "durable, not running");
            assert_eq!(checkout.try_start().await.expect("again").gid, started.gid);
            stories.push(checkout.story(started.gid));
        }
        shop.holds_after(0).await;
        world.stack().restart(Role::Dtm).await.expect("restart DTM");
        for story in stories {
            story.ends(Status::Succeeded).await;
            story.dtm_says("succeed").await;
        }
        shop.holds_after(2).await;
        world.check().await;
    });
}

#[test]
fn what_starts_without_dtm_can_be_cancelled() {
    alone_with_dtm(async |world| {
        let shop = world.shop().await;
        world.stack().kill9(Role::Dtm).await.expect("kill DTM");
        let mut stories = Vec::new();
        for mode in MODES {
            let story = shop.checkout(mode).start().await;
            story.cancel("never mind").await.expect("nothing was attempted");
            stories.push(story);
        }
        world.stack().restart(Role::Dtm).await.expect("restart DTM");
        for story in stories {
            story.ends(Status::Cancelled).await;
            assert!(story.journal().iter().all(|entry| entry.call.op != "action" && entry.call.op != "try"));
        }
        shop.holds_after(0).await;
        world.check().await;
    });
}

/// Op of the PSP, and method of the gateway, with which a mode pays.
fn payment(mode: Mode) -> (&'static str, &'static str) {
    if mode == Mode::Saga { ("sale", "Charge") } else { ("authorize", "TryPay") }
}

async fn paid_once(story: &Story<'_, '_>, shop: &Shop<'_>, op: &str) {
    story.ends(Status::Succeeded).await;
    shop.holds_after(1).await;
    let facts = story.facts().await;
    let charges: Vec<_> = facts.iter().filter(|fact| fact.op == op).collect();
    assert_eq!(charges.len(), 1, "{facts:?}");
}

/// Example 17: the gateway dies after the request was sent and before its answer was recorded.
#[test]
fn a_gateway_that_dies_during_a_charge_asks_before_anything_else() {
    alone(async |world| {
        for mode in MODES {
            let (op, _) = payment(mode);
            let shop = world.shop().await;
            let story = shop.checkout(mode).psp(op, "charge_then_timeout").await.start().await;
            until("the PSP has charged", async || story.facts().await.into_iter().find(|fact| fact.op == op))
                .await;
            world.stack().kill9(Role::Gateway).await.expect("kill the gateway");
            world.stack().restart(Role::Gateway).await.expect("restart the gateway");
            paid_once(&story, &shop, op).await;
        }
        world.check().await;
    });
}

/// Example 18: the gateway's store is away when the PSP has answered.
#[test]
fn a_charge_is_found_again_when_the_store_was_away() {
    alone(async |world| {
        for mode in MODES {
            let (op, method) = payment(mode);
            let shop = world.shop().await;
            let story = shop.checkout(mode).psp(op, "slow(1500ms)").await.start().await;
            until("the attempt is recorded", async || initiated(world).await.then_some(())).await;
            let store = lock_store(world).await;
            let answered = story.called(method, 1).await;
            assert_eq!(answered[0].told.code, Code::Unavailable, "{:?}", answered[0].told);
            store.execute_unprepared("ROLLBACK").await.expect("unlock the store");
            paid_once(&story, &shop, op).await;
        }
        world.check().await;
    });
}

/// Whether the gateway has sent something whose answer it does not know.
async fn initiated(world: &World) -> bool {
    let (mut gateway, mut cursor) = (world.clients().gateway, String::new());
    loop {
        let list = ListRequest { cursor, limit: 1_000 };
        let page = gateway.list_attempts(list).await.expect("list attempts").into_inner();
        if page.attempts.iter().any(|attempt| attempt.state() == AttemptState::Initiated) {
            return true;
        }
        if page.next_cursor.is_empty() {
            return false;
        }
        cursor = page.next_cursor;
    }
}

/// Takes the gateway's store away from it: nobody else can write until the connection lets go.
async fn lock_store(world: &World) -> DatabaseConnection {
    let file = world.stack().data_dir().join("gateway.db");
    let mut options = ConnectOptions::new(format!("sqlite://{}", file.display()));
    options.max_connections(1);
    let store = Database::connect(options).await.expect("open the gateway's store");
    store.execute_unprepared("BEGIN IMMEDIATE").await.expect("lock the gateway's store");
    store
}
