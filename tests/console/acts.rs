//! What people do in the console is done, recorded with their name and reason, and shown.
use crate::site::{Page, Site, escaped, world};
use amends_proto::amends::v1::GlobalTransaction;
use amends_testkit::{Coordinator, Fault, Mode, Status, until};

const FORM: [&str; 2] = ["token", "seq"];
/// What a form for many brings back besides its token.
const MANY: [&str; 5] = ["token", "filter", "expected", "digest", "request_id"];
/// A filter, and what is filled in for all that it fits.
const STUCK: &str = "open and participant = inventory";
const CANCEL: [(&str, &str); 4] =
    [("name", "ann"), ("act", "cancel"), ("reason", "no stock"), ("per_second", "50")];

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
    assert!(!site.get(&told).await.text.contains("It is paused."), "said once");
    let forged = site.get(&format!("{own}?done=resolve")).await;
    assert!(!forged.text.contains("What you stated is recorded"), "a link makes the page say nothing");
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
    let path = format!("/bulk?q={}", escaped(STUCK));
    let preview = site.get(&path).await;
    assert!(preview.text.contains("Do it to 3") && preview.text.contains(" USD in 3"), "{}", preview.text);
    let begun = send(&site, &preview, &CANCEL).await;
    assert_eq!(begun.status, 303, "{}", begun.text);
    for story in &stories {
        story.ends(Status::Cancelled).await;
    }
    let shown = async || Some(site.get(begun.location()).await).filter(|page| page.text.contains("3 done"));
    let page = until("all are done", shown).await;
    assert!(page.text.contains("no stock") && page.text.contains("0 refused"), "{}", page.text);
    // A second click, or a form that was sent again because its answer was lost.
    let again = send(&site, &preview, &CANCEL).await;
    assert_eq!((again.status, again.location()), (303, begun.location()), "{}", again.text);
    let other =
        send(&site, &preview, &[("name", "ann"), ("act", "retry"), ("reason", "x"), ("per_second", "1")])
            .await;
    assert_eq!(other.status, 409, "{}", other.text);
    assert!(other.text.contains("IDEMPOTENCY_MISMATCH"), "{}", other.text);
    world.stop().await;
}

/// Sends the form of a preview with what is hidden in it.
async fn send(site: &Site, preview: &Page, fields: &[(&str, &str)]) -> Page {
    let hidden = MANY.map(|name| (name, preview.hidden(name)));
    let hidden = hidden.iter().map(|(name, value)| (*name, value.as_str()));
    let all: Vec<(&str, &str)> = hidden.chain(fields.iter().copied()).collect();
    site.post("/bulk", &all, &site.base).await
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_done_to_those_that_no_preview_showed() {
    let (world, _folder) = world(Coordinator::Embedded).await;
    let shop = world.shop().await;
    let site = Site::of(&world);
    let path = format!("/bulk?q={}", escaped(STUCK));
    let nothing = site.get(&path).await;
    assert!(nothing.status == 200 && !nothing.text.contains("<form class=\"ask\""), "{}", nothing.text);
    let stuck = || shop.checkout(Mode::Saga).each("Deduct", Fault::Answer(tonic::Code::Unavailable));
    let gone = stuck().start().await;
    let one = site.get(&path).await;
    assert!(one.text.contains("Do it to 1"), "{}", one.text);
    // As the page of a preview that fitted none would have been sent: by hand, there is no such form.
    let token = one.hidden("token");
    let none = [("token", token.as_str()), ("filter", STUCK), ("expected", "0")];
    let refused = site.post("/bulk", &[&none[..], &CANCEL].concat(), &site.base).await;
    assert_eq!(refused.status, 409, "{}", refused.text);
    assert!(refused.text.contains("Nothing was changed"), "{}", refused.text);
    // As many, but another one.
    gone.cancel("another comes").await.unwrap();
    gone.ends(Status::Cancelled).await;
    let unseen = stuck().start().await;
    let refused = send(&site, &one, &CANCEL).await;
    assert_eq!(refused.status, 409, "{}", refused.text);
    assert!(refused.text.contains("CHANGED_MEANWHILE"), "{}", refused.text);
    let blank = [("name", "ann"), ("act", "cancel"), ("reason", "  "), ("per_second", "50")];
    let preview = site.get(&path).await;
    assert_eq!(send(&site, &preview, &blank).await.status, 400, "a reason is owed");
    assert!(unseen.get().await.finished_at.is_none(), "nobody has seen it");
    assert_eq!(send(&site, &preview, &CANCEL).await.status, 303);
    unseen.ends(Status::Cancelled).await;
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn that_a_confirm_was_refused_is_not_stated_over_a_later_attempt() {
    let (world, _folder) = world(Coordinator::Embedded).await;
    let shop = world.shop().await;
    let story =
        shop.checkout(Mode::Tcc).each("ConfirmPay", Fault::Answer(tonic::Code::Unavailable)).start().await;
    let attempts = |seen: &GlobalTransaction| {
        let confirms =
            seen.steps.iter().filter(|step| step.participant == "gateway").flat_map(|step| &step.ops);
        confirms.filter(|op| op.op == "confirm").map(|op| op.attempts).sum::<i32>()
    };
    let seen = story.becomes("an attempt in vain", |seen| attempts(seen) > 0).await;
    let step = seen.steps.iter().find(|step| step.participant == "gateway").unwrap();
    let op = format!("{} confirm", step.branch_id);
    let site = Site::of(&world);
    let path = format!("/t/{}/resolve", story.gid);
    let form = site.get(&format!("{path}?op={}", escaped(&op))).await;
    assert!(form.text.contains(&format!("<option value=\"{op}\" selected>")), "{}", form.text);
    let looked = attempts(&story.get().await);
    story.becomes("a later attempt", |seen| attempts(seen) > looked).await;
    let (token, seq) = (form.hidden("token"), form.hidden("seq"));
    let fields = [
        ("token", token.as_str()),
        ("seq", &seq),
        ("name", "ann"),
        ("op", &op),
        ("outcome", "refused"),
        ("evidence", "nothing was captured, says the bank"),
    ];
    let refused = until("no attempt is under way", async || {
        let sent = site.post(&path, &fields, &site.base).await;
        assert_eq!(sent.status, 409, "{}", sent.text);
        (!sent.text.contains("IN_FLIGHT")).then_some(sent)
    })
    .await;
    assert!(refused.text.contains("CHANGED_MEANWHILE"), "{}", refused.text);
    assert!(refused.text.contains("Pause it first"), "{}", refused.text);
    let kinds = story.events().await.into_iter().map(|event| event.kind);
    assert_eq!(kinds.filter(|kind| kind.starts_with("operator")).count(), 0, "nothing was stated");
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
    until("the overview says so first, and leads to its end", async || {
        let overview = site.get("/").await.text;
        let said = overview.contains("<a href=\"#h-paused\">participant inventory</a> is paused");
        (said && overview.contains("href=\"/hold/participant/inventory/resume\"")).then_some(())
    })
    .await;
    turn("resume").await;
    until("its end is shown", async || {
        (!site.get("/participants").await.text.contains("stocktaking")).then_some(())
    })
    .await;
    world.stop().await;
}
