//! Whole checkouts of which the n-th call on the history's files fails, for n = 1, 2, 3 … until none is left: a Start is
//! acknowledged and kept, or it is not and has changed nothing; either way the same request makes one checkout, which ends
//! as it would have ended.
use crate::layer::{Orders, Span, Way, ways};
use crate::{AMENDS, seed, tell, thorough};
use amends_proto::amends::v1::{GetRequest, StartResponse};
use amends_stack::Role;
use amends_testkit::{Coordinator, Mode, Must as _, Status, World, WorldConfig, reason_of, until};
use std::fmt::{Display, Formatter};
use std::path::Path;
use std::time::Duration;
use tonic::Code;

/// A checkout takes fewer calls on files.
const MOST: u32 = 2_000;
/// The first calls belong to the Start, and each of them is tried; of the others one in so many.
const EACH: u32 = 9;
const STRIDE: u32 = 17;
/// How long a disk that fails stays like that.
const FAILING: Duration = Duration::from_millis(600);

/// How a checkout ends: its mode, its card.
type End = (Mode, &'static str, Status);
const ENDS: [End; 4] = [
    (Mode::Saga, "tok_ok", Status::Succeeded),
    (Mode::Tcc, "tok_ok", Status::Succeeded),
    (Mode::Saga, "tok_decline", Status::Failed),
    (Mode::Tcc, "tok_decline", Status::Failed),
];

#[tokio::test(flavor = "multi_thread")]
async fn a_checkout_on_a_failing_history_ends_as_it_must_on_dtm() {
    suffer(Coordinator::Dtm).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_checkout_on_a_failing_history_ends_as_it_must_on_the_embedded_coordinator() {
    suffer(Coordinator::Embedded).await;
}

async fn suffer(coordinator: Coordinator) {
    let _alone = crate::LOADED.lock().await;
    let seed = seed();
    tell(&format!("seed {seed} (AMENDS_TEST_SEED), {coordinator:?}"));
    let folder = tempfile::tempdir().unwrap();
    let (world, orders) = failing(folder.path(), coordinator).await;
    let before = world.stack().pid(Role::Orchestrator);
    let mut kept = Vec::new();
    for end in ENDS {
        let tally = until_none_fails(&world, &orders, end, seed).await;
        tell(&format!("{coordinator:?}, {end:?}: {tally}"));
        assert!(tally.points > 0, "{end:?}: the history never felt it");
        kept.extend(tally.kept);
    }
    assert_eq!(world.stack().pid(Role::Orchestrator), before, "nobody had to be restarted");
    world.stack().kill9(Role::Orchestrator).await.must("kill the orchestrator");
    world.stack().restart(Role::Orchestrator).await.must("start it again");
    for (gid, status) in kept {
        let now = world.clients().transactions.get(GetRequest { gid: gid.clone() }).await.must("get");
        assert_eq!(now.into_inner().status(), status, "{gid} after a kill");
    }
    world.check().await;
    world.stop().await;
}

async fn failing(folder: &Path, coordinator: Coordinator) -> (World, Orders) {
    let data = folder.join("stack");
    std::fs::create_dir(&data).unwrap();
    let orders = folder.join("orders");
    let (orders, environment) = Orders::of(Role::Orchestrator, &data, &orders);
    let config = WorldConfig::new(AMENDS, &data, coordinator).env(Role::Orchestrator, environment);
    (World::start(&config).await, orders)
}

/// What came of one kind of checkout.
#[derive(Default)]
struct Tally {
    points: usize,
    /// Of them, so many whose Start was not acknowledged at first.
    refused: usize,
    last: u32,
    kept: Vec<(String, Status)>,
}

impl Display for Tally {
    fn fmt(&self, out: &mut Formatter<'_>) -> std::fmt::Result {
        let Tally { points, refused, last, .. } = self;
        write!(out, "{points} points up to call {last}, {refused} starts not acknowledged at first")
    }
}

async fn until_none_fails(world: &World, orders: &Orders, end: End, seed: u64) -> Tally {
    let mut tally = Tally { last: 1, ..Tally::default() };
    loop {
        let nth = tally.last;
        assert!(nth < MOST, "{end:?} does not come to an end");
        let mut struck = false;
        for way in ways(nth, seed) {
            struck |= point(world, orders, end, (nth, way), &mut tally).await;
        }
        if !struck {
            return tally;
        }
        tally.last += if thorough() || nth < EACH { 1 } else { STRIDE };
    }
}

/// One checkout with one failure; says whether anything failed.
async fn point(world: &World, orders: &Orders, end: End, at: (u32, Way), tally: &mut Tally) -> bool {
    let ((mode, card, status), (nth, way)) = (end, at);
    let what = format!("{mode:?} {card} with {way:?} at {nth}");
    let shop = world.shop().await;
    let checkout = shop.checkout(mode).card(card);
    orders.arm(nth, way);
    let first = checkout.try_start().await;
    if let Err(refused) = &first {
        let told = (refused.code(), reason_of(refused));
        assert_eq!(told, (Code::Unavailable, "STORAGE_UNAVAILABLE".to_owned()), "{what}: {refused}");
        tally.refused += 1;
    }
    if way.1 == Span::FromThenOn {
        lasts(orders, &first, world).await;
        orders.disarm();
    }
    let gid = until(&what, async || checkout.try_start().await.ok()).await.gid;
    if let Ok(first) = &first {
        assert_eq!(gid, first.gid, "{what}: the same request");
    }
    let story = checkout.story(gid.clone());
    story.ends(status).await;
    let struck = orders.disarm() > 0;
    shop.holds_after(i64::from(status == Status::Succeeded)).await;
    tally.points += usize::from(struck);
    tally.kept.push((gid, status));
    struck
}

/// A disk that fails for a while: until the checkout is over without it, or for so long after the first failure.
async fn lasts(orders: &Orders, first: &Result<StartResponse, tonic::Status>, world: &World) {
    until("the disk fails, or the checkout is over", async || {
        let over = match first {
            Ok(started) => {
                let got = world.clients().transactions.get(GetRequest { gid: started.gid.clone() }).await;
                got.is_ok_and(|now| now.into_inner().finished_at.is_some())
            }
            Err(_) => false,
        };
        (over || orders.failed() > 0).then_some(())
    })
    .await;
    if orders.failed() > 0 {
        // Not a wait for anything: it is how long the disk is like that.
        tokio::time::sleep(FAILING).await;
    }
}
