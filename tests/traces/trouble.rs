//! Traces across crashes, without a client's, and with collectors that are no good.
use crate::tree::{Tree, attempts};
use amends_stack::Role;
use amends_testkit::{Collector, Coordinator, Mode, Seen, Status, World, WorldConfig, until, within};
use std::collections::BTreeSet;
use std::path::Path;
use tokio::net::TcpListener;

/// A collector where nobody listens: port 9 is that of a protocol which takes everything and is served nowhere.
const NOWHERE: &str = "http://127.0.0.1:9";
/// What a process says, once, of a collector that is no good.
const COMPLAINT: &str = "the collector does not take spans";

fn config(folder: &Path, coordinator: Coordinator) -> WorldConfig {
    WorldConfig::new(env!("CARGO_BIN_EXE_amends"), folder, coordinator)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_trace_outlives_a_killed_orchestrator_on_dtm() {
    outlives(Coordinator::Dtm).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_trace_outlives_a_killed_orchestrator_on_the_embedded_coordinator() {
    outlives(Coordinator::Embedded).await;
}

/// The client says nothing of a trace: it is begun by the orchestrator, and the next one goes on with it.
async fn outlives(coordinator: Coordinator) {
    let folder = tempfile::tempdir().unwrap();
    let collector = Collector::open().await;
    let world = World::start(&config(folder.path(), coordinator).traced(&collector.url())).await;
    let shop = world.shop().await;
    world.stack().kill9(Role::Account).await.unwrap();
    let story = shop.checkout(Mode::Saga).start().await;
    let failed = |span: &Seen| {
        let op = [span.says("amends.gid"), span.says("amends.participant"), span.says("amends.outcome")];
        op == [story.gid.as_str(), "account", "unknown"]
    };
    let heard = |seen: &[Seen]| seen.iter().any(failed).then_some(()).ok_or("nothing failed".to_owned());
    collector.until("an attempt at the account that is away was sent", heard).await;
    world.stack().kill9(Role::Orchestrator).await.unwrap();
    world.stack().restart(Role::Account).await.unwrap();
    world.stack().restart(Role::Orchestrator).await.unwrap();
    story.ends(Status::Succeeded).await;
    let events = story.events().await;
    let whole = |seen: &[Seen]| {
        let tree = Tree::of(seen, &story.gid)?;
        let own = tree.transaction()?;
        assert_eq!(own.trace_id, story.gid.replace('-', ""));
        assert_eq!((own.parent.as_deref(), own.says("amends.status")), (None, "succeeded"));
        // With a process die the calls that it was answering; what was done below them is without a parent.
        if coordinator == Coordinator::Embedded {
            tree.joined()?;
        }
        let (first, last) =
            (tree.named("pay.order.v1.OrderService/Place"), tree.named("pay.points.v1.PointsService/Earn"));
        if first.is_empty() || last.is_empty() {
            return Err("not all steps are told of".to_owned());
        }
        Ok(())
    };
    assert!(attempts(&events).len() >= 7);
    collector.until("both processes' spans are in one trace", whole).await;
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_collector_that_is_away_or_silent_holds_nothing_up() {
    let folder = tempfile::tempdir().unwrap();
    // It takes connections and says nothing on them.
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let silent = format!("http://{}", silent.local_addr().unwrap());
    let silent = ("AMENDS_OTLP_ENDPOINT".to_owned(), silent);
    let config = config(folder.path(), Coordinator::Embedded).traced(NOWHERE).env(Role::Order, [silent]);
    let world = World::start(&config).await;
    let shop = world.shop().await;
    let complaints = |role| {
        let log = std::fs::read_to_string(world.stack().log(role)).unwrap();
        log.lines().filter(|line| line.contains(COMPLAINT)).count()
    };
    for orders in 1..=3 {
        for mode in amends_testkit::MODES {
            shop.checkout(mode).start().await.ends(Status::Succeeded).await;
        }
        for role in [Role::Orchestrator, Role::Order] {
            let told = async || (complaints(role) == 1).then_some(());
            until("the collector is complained of, once", told).await;
        }
        shop.holds_after(2 * orders).await;
    }
    within("everything drains", world.stop()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_to_be_recorded_is_not_sent() {
    let folder = tempfile::tempdir().unwrap();
    let collector = Collector::open().await;
    let mut config = config(folder.path(), Coordinator::Embedded).traced(&collector.url());
    for role in Role::ALL.into_iter().filter(|role| *role != Role::Dtm) {
        config = config.env(role, [("AMENDS_TRACE_SAMPLE".to_owned(), "0".to_owned())]);
    }
    let world = World::start(&config).await;
    let shop = world.shop().await;
    let client = "0af7651916cd43dd8448eb211c80319c";
    for traceparent in [
        String::new(),
        format!("00-{client}-b7ad6b7169203331-00"),
        format!("00-{client}-b7ad6b7169203331"),
        "nonsense".to_owned(),
        format!("00-{client}-b7ad6b7169203331-01"),
    ] {
        let checkout = shop.checkout(Mode::Saga).traceparent(&traceparent);
        checkout.start().await.ends(Status::Succeeded).await;
    }
    // Whoever ends sends what it has.
    world.stop().await;
    let seen = collector.seen();
    let traces: BTreeSet<&str> = seen.iter().map(|span| span.trace_id.as_str()).collect();
    assert_eq!(traces, BTreeSet::from([client]));
    let own = seen.iter().filter(|span| span.name == "global transaction checkout").collect::<Vec<_>>();
    assert_eq!(own.len(), 1, "the client wanted one to be recorded");
    assert_eq!(own[0].parent.as_deref(), Some("b7ad6b7169203331"));
}
