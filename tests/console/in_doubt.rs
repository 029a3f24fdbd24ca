//! A payment that nobody can prove is on the page of those in doubt, with what the provider said and when it is asked again;
//! one person states what is the case, another approves it, and what waited for it ends.
use crate::site::{Site, world};
use amends_stack::Role;
use amends_testkit::{Coordinator, Mode, Status, until};

#[tokio::test(flavor = "multi_thread")]
async fn a_payment_in_doubt_is_found_stated_approved_and_over() {
    let (world, _folder) = world(Coordinator::Embedded).await;
    let shop = world.shop().await;
    let site = Site::of(&world);
    assert!(site.get("/in-doubt").await.text.contains("No payment is in doubt"));
    let checkout = shop.checkout(Mode::Saga).psp("sale", "late_charge(10m)").await;
    let checkout = checkout.psp("query", "query_unknown(100000)").await.psp("close", "5xx_before").await;
    let story = checkout.start().await;
    story.becomes("attention payment_in_doubt", |seen| seen.attention.is_some()).await;

    let of_it = format!("/in-doubt?gid={}", story.gid);
    let list = until("it is in the queue", async || {
        let list = site.get(&of_it).await.text;
        list.contains("href=\"/in-doubt/").then_some(list)
    })
    .await;
    assert!(list.contains(" USD") && list.contains("payment unknown") && list.contains("nobody"), "{list}");
    let item = list.split("href=\"/in-doubt/").nth(1).and_then(|rest| rest.split('"').next()).unwrap();
    let others = site.get("/in-doubt?gid=018f0000-0000-7000-8000-000000000000").await.text;
    assert!(others.contains("No payment is in doubt"), "{others}");

    let own = format!("/in-doubt/{item}");
    // The tests' visitor sends hidden fields as they stand in the page: nothing in it needs an escape.
    let evidence = "the provider says that nothing was taken";
    let fields =
        [("name", "ann"), ("outcome", "not_charged"), ("evidence", evidence), ("reference", "CASE-7")];
    let propose = format!("{own}/propose");
    let stated = site.fill(&propose, &["token"], &fields).await;
    assert_eq!((stated.status, stated.location()), (303, own.as_str()), "{}", stated.text);
    let page = site.get(&own).await.text;
    for text in ["proposed", "ann", "that nothing was taken", "CASE-7", "/approve\""] {
        assert!(page.contains(text), "{text} is not in {page}");
    }
    let approve = format!("{own}/approve");
    let read = ["token", "outcome", "evidence", "reference", "psp_txn_id"];
    let stale = site.get(&approve).await;
    assert!(stale.text.contains(" USD"), "nobody approves what they do not see: {}", stale.text);
    let other =
        [("name", "bob"), ("token", &stale.hidden("token")), ("outcome", "charged"), ("evidence", evidence)];
    let other = site.post(&approve, &other, &site.base).await;
    assert_eq!(other.status, 409, "what was not read is not approved: {}", other.text);
    let done = site.fill(&approve, &read, &[("name", "bob")]).await;
    assert_eq!(done.status, 303, "{}", done.text);
    story.ends(Status::Failed).await;
    shop.holds_after(0).await;
    assert!(site.get(&of_it).await.text.contains("No payment is in doubt"));
    assert!(site.get(&own).await.text.contains("bob"), "who approved it stays on record");

    world.stack().kill9(Role::Gateway).await.unwrap();
    let away = site.get("/in-doubt").await;
    assert!(away.status == 200 && away.text.contains("the gateway does not answer"), "{}", away.text);
    world.stack().restart(Role::Gateway).await.unwrap();
    world.stop().await;
}
