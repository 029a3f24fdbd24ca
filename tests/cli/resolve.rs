//! `amends resolve` of an op whose payment nobody can prove: it is done, and says that there is a better way.
use crate::verbs::amends_at;
use amends_stack::Role;
use amends_testkit::{Coordinator, Mode, World, WorldConfig, until};
use serde_json::json;

#[tokio::test(flavor = "multi_thread")]
async fn whoever_states_the_outcome_of_a_payment_in_doubt_is_told_of_its_item() {
    let folder = tempfile::tempdir().unwrap();
    let config = WorldConfig::new(env!("CARGO_BIN_EXE_amends"), folder.path(), Coordinator::Dtm);
    let two_people = ("AMENDS_APPROVE_ABOVE".to_owned(), "0".to_owned());
    let config = config.env(Role::Gateway, [two_people]);
    let world = World::start(&config).await;
    let target = world.stack().address(Role::Orchestrator);
    let shop = world.shop().await;
    let checkout = shop.checkout(Mode::Saga).psp("sale", "late_charge(10m)").await;
    let checkout = checkout.psp("query", "query_unknown(100000)").await.psp("close", "5xx_before").await;
    let story = checkout.start().await;
    let seen = story.becomes("attention payment_in_doubt", |seen| seen.attention.is_some()).await;
    let step = seen.attention.unwrap().branch_id;
    let item = until("the gateway has an item of it", async || {
        let listed = amends_at(&target, &["in-doubt", "list", "--output", "json"], "").json();
        let of_it = listed["items"].as_array()?.iter().find(|item| item["gid"] == story.gid.as_str())?;
        of_it["item_id"].as_str().map(ToOwned::to_owned)
    })
    .await;
    two_people_state_it(&target, &item);
    let resolve = |more: &[&str]| {
        let words =
            ["resolve", &story.gid, "--step", &step, "--op", "compensate", "--outcome", "compensated"];
        let words = [&words[..], &["--evidence", "the bank says so", "--caller", "ann"], more].concat();
        amends_at(&target, &words, "")
    };
    let better = format!("`amends in-doubt propose {item} ");
    let told = resolve(&[]);
    assert!(told.stderr.starts_with("warning: the payment of step "), "{} {}", told.code, told.stderr);
    assert!(
        told.stderr.contains(&better) && told.stderr.contains(&format!("item {item}")),
        "{}",
        told.stderr
    );
    let releases =
        if told.stdout.starts_with("proposed by ") { "it would release what" } else { "it releases what" };
    assert!(told.stderr.contains(releases), "{} {}", told.stdout, told.stderr);
    world.stop().await;
}

/// Whoever proposed is refused the approval, and keeps nobody else from it.
fn two_people_state_it(target: &str, item: &str) {
    let act = |words: &[&str], caller: &str| {
        amends_at(
            target,
            &[&["in-doubt"], words, &[item, "--caller", caller, "--output", "json"]].concat(),
            "",
        )
    };
    let again = ["propose", "--outcome", "query-again", "--evidence", "nobody answers the phone"];
    assert_eq!(act(&again, "ann").code, 0);
    let alone = act(&["approve"], "ann");
    assert_eq!(
        (alone.code, &alone.error()["reason"]),
        (1, &json!("APPROVER_IS_PROPOSER")),
        "{}",
        alone.stderr
    );
    let acts = act(&["show"], "ann").json()["acts"].as_array().unwrap().len();
    let other = act(&["approve"], "ben");
    assert_eq!(other.code, 0, "{}", other.stderr);
    assert!(act(&["show"], "ann").json()["acts"].as_array().unwrap().len() > acts);
}
