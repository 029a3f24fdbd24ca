//! One tree for a checkout, from the client's call to every participant's statements.
use crate::tree::{Tree, attempts};
use amends_stack::Role;
use amends_testkit::{Checkout, Collector, Coordinator, Fault, Mode, Status, World, WorldConfig};
use serde_json::json;
use std::process::Stdio;
use tokio::io::AsyncWriteExt as _;
use tokio::process::Command;

const AMENDS: &str = env!("CARGO_BIN_EXE_amends");

#[tokio::test(flavor = "multi_thread")]
async fn a_compensated_checkout_is_one_tree_on_dtm() {
    compensated(Coordinator::Dtm).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_compensated_checkout_is_one_tree_on_the_embedded_coordinator() {
    compensated(Coordinator::Embedded).await;
}

/// The input of a checkout as `amends start` takes it.
fn input(checkout: &Checkout<'_, '_>) -> String {
    let input = &checkout.input;
    let money = |money: &Option<amends_proto::pay::money::v1::Money>| {
        let money = money.clone().unwrap();
        json!({"minor_units": money.minor_units, "currency": money.currency})
    };
    let lines = input.lines.iter().map(
        |line| json!({"sku": line.sku, "quantity": line.quantity, "unit_price": money(&line.unit_price)}),
    );
    let card = input.card.clone().unwrap();
    json!({
        "order_id": input.order_id, "merchant_id": input.merchant_id, "out_trade_no": input.out_trade_no,
        "user_id": input.user_id, "lines": lines.collect::<Vec<_>>(), "total": money(&input.total),
        "wallet": money(&input.wallet), "points": input.points, "points_value": money(&input.points_value),
        "card": {"psp": card.psp, "method": card.method, "card_token": card.card_token,
            "card_fingerprint": card.card_fingerprint},
        "earn_bp": input.earn_bp,
    })
    .to_string()
}

/// Starts it by the command line, and gives the gid when it has ended.
async fn by_command(world: &World, collector: &Collector, checkout: &Checkout<'_, '_>, mode: &str) -> String {
    let target = world.stack().address(Role::Orchestrator);
    let mut verb = Command::new(AMENDS);
    verb.args(["start", "checkout", "--mode", mode, "--input", "-", "--wait", "60", "--output", "json"]);
    verb.args(["--target", &target, "--otlp-endpoint", &collector.url()]);
    let mut verb = verb.stdin(Stdio::piped()).stdout(Stdio::piped()).kill_on_drop(true).spawn().unwrap();
    verb.stdin.take().unwrap().write_all(input(checkout).as_bytes()).await.unwrap();
    let output = verb.wait_with_output().await.unwrap();
    assert_eq!(output.status.code(), Some(3), "{}", String::from_utf8_lossy(&output.stderr));
    let told: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    told["gid"].as_str().unwrap().to_owned()
}

async fn compensated(coordinator: Coordinator) {
    let folder = tempfile::tempdir().unwrap();
    let collector = Collector::open().await;
    let config = WorldConfig::new(AMENDS, folder.path(), coordinator).traced(&collector.url());
    let world = World::start(&config).await;
    let shop = world.shop().await;
    for (mode, word) in [(Mode::Saga, "saga"), (Mode::Tcc, "tcc")] {
        // One attempt of which the answer is lost, and a card that is declined: attempts of every outcome.
        let method = if mode == Mode::Saga { "Deduct" } else { "TryReserve" };
        let checkout = shop.checkout(mode).card("tok_decline").first(method, Fault::LoseReply);
        let gid = by_command(&world, &collector, &checkout, word).await;
        let story = checkout.story(gid.clone());
        story.ends(Status::Failed).await;
        let events = story.events().await;
        assert!(attempts(&events).iter().any(|(.., outcome)| *outcome == Some("refused")));
        assert!(attempts(&events).iter().any(|(.., outcome)| *outcome == Some("unknown")));
        let drawn = collector
            .until("the tree is whole", |seen| {
                let tree = Tree::of(seen, &gid)?;
                tree.joined()?;
                tree.tells(&events, coordinator)?;
                let root = tree.root();
                assert_eq!((root.service.as_str(), root.name.as_str()), ("amends-cli", "amends start"));
                assert_eq!(tree.parent(tree.transaction()?), Some(root));
                let start = tree.named("amends.v1.Transactions/Start");
                assert_eq!(tree.parent(start.first().ok_or("no span of the call")?), Some(root));
                Ok(tree.drawn())
            })
            .await;
        println!("{drawn}");
    }
    world.stop().await;
}
