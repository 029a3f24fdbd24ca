//! What is asked of, and done to, many global transactions at once: filters, stats, acts in bulk.
use crate::verbs::{Ended, amends_at, order};
use amends_proto::pay::inventory::v1::RestockRequest;
use amends_proto::pay::inventory::v1::inventory_service_client::InventoryServiceClient;
use amends_stack::{Restarts, Role, Stack, StackConfig};
use amends_testkit::until;
use serde_json::{Value, json};
use std::path::Path;

/// Checkouts that wait for a service that is down.
const MANY: [&str; 3] = ["many-1", "many-2", "many-3"];
const WAITING: &str = "waiting_for = inventory";

/// A system that has tea, and of which nothing is started again but by hand.
struct Shop {
    stack: Stack,
    target: String,
}

impl Shop {
    async fn open(folder: &Path) -> Shop {
        let config = StackConfig::new(env!("CARGO_BIN_EXE_amends"), folder).restarts(Restarts::ByHand);
        let stack = Stack::start(config).await.unwrap();
        let address = format!("http://{}", stack.address(Role::Inventory));
        let mut inventory = InventoryServiceClient::connect(address).await.unwrap();
        let tea = RestockRequest { sku: "tea".into(), quantity: 100, idempotency_key: "seed-tea".into() };
        inventory.restock(tea).await.unwrap();
        let target = stack.address(Role::Orchestrator);
        Shop { stack, target }
    }

    fn amends(&self, words: &[&str]) -> Ended {
        amends_at(&self.target, &[words, &["--output", "json"]].concat(), "")
    }

    /// Starts a checkout and does not wait for its end.
    fn start(&self, number: &str) -> String {
        let words = ["start", "checkout", "--mode", "saga", "--input", "-", "--output", "json"];
        let started = amends_at(&self.target, &words, &order(number, "tok_ok"));
        assert_eq!(started.code, 0, "{}", started.stderr);
        started.json()["gid"].as_str().unwrap().to_owned()
    }

    fn fit(&self, filter: &str) -> usize {
        let listed = self.amends(&["list", "--filter", filter]);
        assert_eq!(listed.code, 0, "{filter}: {}", listed.stderr);
        listed.json()["transactions"].as_array().map_or(0, Vec::len)
    }

    fn bulk(&self, words: &[&str]) -> Ended {
        self.amends(&[&["bulk"], words].concat())
    }
}

/// State and message of each item of an act.
fn items(done: &Ended) -> Vec<(String, String)> {
    let text = |item: &Value, field: &str| item[field].as_str().unwrap_or_default().to_owned();
    let items = done.json()["items"].as_array().unwrap().clone();
    items.iter().map(|item| (text(item, "state"), text(item, "message"))).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn many_are_found_counted_and_acted_on() {
    let folder = tempfile::tempdir().unwrap();
    let shop = Shop::open(folder.path()).await;
    shop.stack.kill9(Role::Inventory).await.unwrap();
    let gids = MANY.map(|number| shop.start(number));
    until("all wait for the inventory", async || (shop.fit(WAITING) == MANY.len()).then_some(())).await;
    assert_eq!(shop.fit(&format!("{WAITING} and business_key = \"cli/many-2\"")), 1);
    assert_eq!(shop.fit(&format!("{WAITING} and participant = account")), 0);

    preview_tells_what_is_at_stake(&shop);
    acts_in_bulk_tell_of_each(&shop);
    let cancelled = shop.bulk(&[
        "cancel",
        "--filter",
        "business_key in (\"cli/many-1\", \"cli/many-2\")",
        "--reason",
        "the shop is closed",
    ]);
    assert_eq!((cancelled.code, items(&cancelled).len()), (0, 2), "{}", cancelled.stderr);
    let id = cancelled.json()["bulk_id"].as_str().unwrap().to_owned();
    said_again_it_begins_nothing(&shop);
    assert_eq!(shop.bulk(&["show", &id]).json(), cancelled.json(), "asked again");

    shop.stack.restart(Role::Inventory).await.unwrap();
    for (gid, (code, status)) in gids.iter().zip([(3, "cancelled"), (3, "cancelled"), (0, "succeeded")]) {
        let ended = shop.amends(&["wait", gid]);
        assert_eq!((ended.code, &ended.json()["status"]), (code, &json!(status)), "{gid}");
    }
    // The figures are up to some seconds old.
    until("the figures tell the ends", async || {
        let told = shop.amends(&["stats"]).json();
        let figure = |figure: &Value| (figure["status"].clone(), figure["count"].clone());
        let figures: Vec<(Value, Value)> =
            told["statuses"].as_array().into_iter().flatten().map(figure).collect();
        let ended = [(json!("succeeded"), json!(1)), (json!("cancelled"), json!(2))];
        (figures.len() == 2 && ended.iter().all(|one| figures.contains(one))).then_some(())
    })
    .await;
    shop.stack.stop().await;
}

fn said_again_it_begins_nothing(shop: &Shop) {
    let id = "018f0000-0000-7000-8000-0000000000aa";
    let words = ["resume", "--filter", "paused", "--reason", "it is enough", "--request-id", id];
    let (first, second) = (shop.bulk(&words), shop.bulk(&words));
    assert_eq!((first.code, second.code), (0, 0), "{} {}", first.stderr, second.stderr);
    assert_eq!((&first.json()["bulk_id"], first.json()), (&json!(id), second.json()));
    let other = shop.bulk(&["pause", "--filter", "paused", "--request-id", id]);
    assert!(other.code != 0 && other.stderr.contains("another act, reason"), "{}", other.stderr);
}

fn preview_tells_what_is_at_stake(shop: &Shop) {
    let preview = shop.bulk(&["retry", "--filter", WAITING, "--preview"]);
    let told = preview.json();
    assert_eq!((preview.code, &told["count"]), (0, &json!(MANY.len())), "{told}");
    let stake = &told["stakes"][0];
    assert_eq!((&stake["currency"], &stake["minor_units"]), (&json!("USD"), &json!(1_500)), "{told}");
    let participants = told["participants"].as_array().unwrap();
    let inventory = participants.iter().find(|figure| figure["participant"] == "inventory").unwrap();
    assert_eq!(inventory["count"], json!(MANY.len()));
    let mistaken = shop.bulk(&["retry", "--filter", "waiting_for == inventory"]);
    assert_eq!(mistaken.code, 1);
    let message = mistaken.error()["message"].as_str().unwrap().to_owned();
    assert!(message.lines().last().unwrap().trim_end().ends_with('^'), "{message}");
    let others = shop.bulk(&["retry", "--filter", WAITING, "--expect", "2"]);
    assert_eq!(others.code, 1, "there are three: {}", others.stdout);
}

fn acts_in_bulk_tell_of_each(shop: &Shop) {
    let paused = shop.bulk(&["pause", "--filter", WAITING, "--reason", "the bank said so"]);
    assert_eq!(paused.code, 0, "{}", paused.stderr);
    assert!(items(&paused).iter().all(|(state, _)| state == "done"), "{}", paused.stdout);
    assert_eq!(shop.fit("paused"), MANY.len());
    let retried = shop.bulk(&["retry", "--filter", WAITING]);
    assert_eq!((retried.code, &retried.json()["refused"]), (1, &json!(MANY.len())), "{}", retried.stdout);
    assert!(items(&retried).iter().all(|(_, why)| why.contains("PAUSED")), "{}", retried.stdout);
    assert_eq!(shop.bulk(&["resume", "--filter", "paused"]).code, 0);
    assert_eq!(shop.fit("paused"), 0);
}
