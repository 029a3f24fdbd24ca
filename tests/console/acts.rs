//! What people do in the console is done, recorded with their name and reason, and shown.
use crate::site::{Site, escaped, world};
use amends_testkit::{Coordinator, Fault, Mode, Status, until};

const FORM: [&str; 2] = ["token", "seq"];

#[tokio::test(flavor = "multi_thread")]
async fn one_is_paused_resumed_retried_resolved_with_evidence_and_ends_live() {
    let (world, _folder) = world(Coordinator::Embedded).await;
    let shop = world.shop().await;
    let story =
        shop.checkout(Mode::Saga).each("Deduct", Fault::Answer(tonic::Code::Unavailable)).start().await;
    story
        .becomes("an attempt in vain", |seen| seen.steps[1].ops.iter().any(|op| !op.last_code.is_empty()))
        .await;
    let site = Site::of(&world);
    let own = format!("/t/{}", story.gid);
    // Attempts go on meanwhile: a form that is older than the newest event is refused, and opened again.
    let act = async |act: &str, fields: &[(&str, &str)]| {
        let path = format!("{own}/{act}");
        until(act, async || {
            let sent = site.fill(&path, &FORM, fields).await;
            let newer = sent.status == 409 && sent.text.contains("CHANGED_MEANWHILE");
            assert!(newer || sent.status == 303, "{act}: {} {}", sent.status, sent.text);
            (!newer).then(|| sent.location().to_owned())
        })
        .await
    };
    let told = act("pause", &[("name", "ann"), ("reason", "look first"), ("deadlines", "stop")]).await;
    let page = site.get(&told).await;
    assert!(page.text.contains("It is paused.") && page.text.contains("paused</span>"), "{}", page.text);
    assert!(story.get().await.paused);
    act("resume", &[("name", "ann"), ("reason", "looked")]).await;
    act("retry", &[("name", "ann"), ("reason", "now"), ("op", "")]).await;
    let evidence = "the warehouse says <b>nothing</b> left its shelves";
    let fields = [
        ("name", "ann"),
        ("op", "02 action"),
        ("outcome", "refused"),
        ("evidence", evidence),
        ("reference", "T-1"),
    ];
    act("resolve", &fields).await;
    story.ends(Status::Failed).await;
    let page = site.get(&own).await;
    for text in ["failed", "ann", "look first", "T-1", "the warehouse says &lt;b&gt;nothing"] {
        assert!(page.text.contains(text), "{text} is not in {}", page.text);
    }
    let events = story.events().await;
    let acts = events.iter().filter(|event| event.act.as_ref().is_some_and(|act| act.subject == "ann"));
    assert_eq!(acts.count(), 4);
    shop.holds_after(0).await;
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn many_are_previewed_and_cancelled() {
    let (world, _folder) = world(Coordinator::Embedded).await;
    let shop = world.shop().await;
    let mut stories = Vec::new();
    for _ in 0..3 {
        let checkout = shop.checkout(Mode::Saga).each("Deduct", Fault::Answer(tonic::Code::Unavailable));
        stories.push(checkout.start().await);
    }
    let site = Site::of(&world);
    let filter = "open and participant = inventory";
    let path = format!("/bulk?q={}", escaped(filter));
    let preview = site.get(&path).await;
    assert!(
        preview.text.contains("Do it to 3") && preview.text.contains("minor units of USD"),
        "{}",
        preview.text
    );
    let fields = [("name", "ann"), ("act", "cancel"), ("reason", "no stock"), ("per_second", "50")];
    let hidden = ["token", "filter", "expected"];
    let begun = site.fill(&path, &hidden, &fields).await;
    assert_eq!(begun.status, 303, "{}", begun.text);
    for story in &stories {
        story.ends(Status::Cancelled).await;
    }
    let shown = async || Some(site.get(begun.location()).await).filter(|page| page.text.contains("3 done"));
    let page = until("all are done", shown).await;
    assert!(page.text.contains("no stock") && page.text.contains("0 refused"), "{}", page.text);
    // The filter fits none of them any more: what was previewed is no longer what would be done.
    let late =
        site.fill(&path, &["token", "filter"], &[("expected", "3"), fields[0], fields[1], fields[2]]).await;
    assert_eq!(late.status, 409, "{}", late.text);
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_participant_is_paused_and_resumed() {
    let (world, _folder) = world(Coordinator::Embedded).await;
    let site = Site::of(&world);
    let turn = async |act: &str| {
        let path = format!("/hold/participant/inventory/{act}");
        let sent = site.fill(&path, &["token"], &[("name", "ann"), ("reason", "stocktaking")]).await;
        assert_eq!((sent.status, sent.location()), (303, "/participants"), "{}", sent.text);
    };
    turn("pause").await;
    until("the pause is shown", async || {
        site.get("/participants").await.text.contains("stocktaking").then_some(())
    })
    .await;
    turn("resume").await;
    until("its end is shown", async || {
        (!site.get("/participants").await.text.contains("stocktaking")).then_some(())
    })
    .await;
    world.stop().await;
}
