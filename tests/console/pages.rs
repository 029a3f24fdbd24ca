//! Every page answers, is safe to look at whatever histories hold, and leads nowhere but to other pages.
use crate::site::{Page, Site, escaped, world};
use amends_testkit::{Coordinator, Fault, Mode, Status};
use std::collections::{BTreeSet, VecDeque};

/// More than there are: a crawl that does not end is a bug of its own.
const MOST: usize = 400;
/// What a participant may say, and nobody may run.
const EVIL: &str = "EVIL|<script>alert('x')</script><img src=\"http://evil.example/x\">";

/// What a browser asks for by itself, or when a link is followed.
const LINKS: [&str; 3] = [" href=\"", " src=\"", " hx-get=\""];
/// Where forms go.
const FORMS: [&str; 2] = [" action=\"", " formaction=\""];

/// Values of these attributes.
fn references(text: &str, attributes: &[&str]) -> Vec<String> {
    let values = |attribute: &&str| {
        let rest: Vec<&str> = text.split(*attribute).skip(1).collect();
        rest.into_iter().filter_map(|rest| rest.split('"').next()).map(|value| value.replace("&amp;", "&"))
    };
    attributes.iter().flat_map(values).collect()
}

fn judge(path: &str, page: &Page) {
    assert!(page.status < 400, "{path}: {} {}", page.status, page.text);
    let policy = page.headers["content-security-policy"].to_str().unwrap();
    assert!(policy.starts_with("default-src 'none'") && !policy.contains("unsafe"), "{path}: {policy}");
    assert_eq!(page.headers["x-content-type-options"], "nosniff", "{path}");
    for value in references(&page.text, &[LINKS.as_slice(), &FORMS].concat()) {
        assert!(
            value.starts_with('#') || value.starts_with('/') && !value.starts_with("//"),
            "{path}: {value}"
        );
    }
    let html = page.headers["content-type"].to_str().unwrap().starts_with("text/html");
    if html {
        for inline in ["<script>", " style=\"", " onclick=", " onload=", "<style", "javascript:", "<img src"]
        {
            assert!(!page.text.contains(inline), "{path} has {inline}");
        }
    }
    assert!(!page.text.contains("@import") && !page.text.contains("url(http"), "{path}");
}

#[tokio::test(flavor = "multi_thread")]
async fn every_page_answers_and_asks_nobody_else() {
    let (world, _folder) = world(Coordinator::Embedded).await;
    let shop = world.shop().await;
    shop.checkout(Mode::Tcc).start().await.ends(Status::Succeeded).await;
    let refused = shop.checkout(Mode::Saga).first("Charge", Fault::Refuse(EVIL)).start().await;
    refused.ends(Status::Failed).await;
    let stuck =
        shop.checkout(Mode::Saga).each("Deduct", Fault::Answer(tonic::Code::Unavailable)).start().await;
    stuck.becomes("a second attempt", |seen| seen.steps[1].ops.iter().any(|op| op.attempts > 1)).await;

    let site = Site::of(&world);
    let mut seen = BTreeSet::new();
    let mut paths =
        VecDeque::from(["/".to_owned(), "/attention?unseen=1".to_owned(), "/list?q=open".to_owned()]);
    let mut texts = String::new();
    while let Some(path) = paths.pop_front() {
        if !seen.insert(path.clone()) || seen.len() > MOST {
            continue;
        }
        let page = site.get(&path).await;
        judge(&path, &page);
        if page.headers["content-type"].to_str().unwrap().starts_with("text/html") {
            texts.push_str(&page.text);
            paths.extend(
                references(&page.text, &LINKS)
                    .into_iter()
                    .filter(|path| path.starts_with('/'))
                    .map(|path| path.split('#').next().unwrap_or_default().to_owned()),
            );
        }
    }
    assert!(seen.len() < MOST, "the crawl does not end: {seen:?}");
    let reached =
        ["/list", "/attention", "/in-doubt", "/participants", "/definitions", "/assets/", "/bulk?q="];
    for part in reached {
        assert!(seen.iter().any(|path| path.starts_with(part)), "nothing leads to {part}: {seen:?}");
    }
    for part in ["/retry", "/pause", "/cancel", "/resolve", "/history.json", "/books"] {
        assert!(seen.iter().any(|path| path.ends_with(part)), "nothing leads to {part}: {seen:?}");
    }
    for (path, part) in [("/metrics", "# TYPE"), ("/healthz", "ok")] {
        let page = site.get(path).await;
        assert!(page.status == 200 && page.text.contains(part), "{path}: {}", page.text);
    }
    assert!(texts.contains("&lt;script&gt;alert"), "the refusal is told as text");
    assert!(
        texts.contains("no way back")
            && texts.contains("Why is it waiting?")
            && texts.contains("UNAVAILABLE")
    );
    assert!(!texts.contains("tok_ok") && texts.contains("***"), "payloads are masked");
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn lists_find_what_is_looked_for_and_say_what_is_wrong() {
    let (world, _folder) = world(Coordinator::Embedded).await;
    let shop = world.shop().await;
    let story = shop.checkout(Mode::Saga).start().await;
    let end = story.ends(Status::Succeeded).await;
    let order_number = end.business_key.split('/').next_back().unwrap();
    let site = Site::of(&world);
    let own = format!("/t/{}", story.gid);
    for what in [order_number, &end.business_key, &story.gid] {
        let found = site.get(&format!("/find?what={}", escaped(what))).await;
        assert_eq!((found.status, found.location()), (303, own.as_str()), "{what}");
    }
    let found = site.get("/find?what=nothing%22%5C").await;
    let nothing = site.get(found.location()).await;
    assert_eq!(nothing.status, 200, "{}", nothing.text);
    assert!(nothing.text.contains("No global transaction fits this filter"), "{}", nothing.text);

    let wrong = site.get(&format!("/list?q={}", escaped("status = walking and \"<b>\""))).await;
    assert_eq!(wrong.status, 400);
    let pointed = "expected one of accepted, running, compensating, succeeded, failed, cancelled";
    assert!(wrong.text.contains(pointed) && wrong.text.contains("<mark>walking</mark>"), "{}", wrong.text);
    assert!(wrong.text.contains("value=\"status = walking and &quot;&lt;b&gt;&quot;\""), "it can be mended");

    let history = site.get(&format!("{own}/history.json")).await;
    let history: serde_json::Value = serde_json::from_str(&history.text).unwrap();
    let kinds: Vec<&str> =
        history["events"].as_array().unwrap().iter().filter_map(|it| it["kind"].as_str()).collect();
    assert_eq!((kinds.first(), kinds.last()), (Some(&"started"), Some(&"finished")));
    assert_eq!(kinds.len(), story.events().await.len());
    assert_eq!(history["complete"], true, "whoever reads it later knows that nothing is missing");
    let unknown = site.get("/t/018f0000-0000-7000-8000-000000000000").await;
    assert_eq!(unknown.status, 404, "{}", unknown.text);
    assert!(unknown.text.contains("GID_NOT_FOUND"), "{}", unknown.text);
    world.stop().await;
}
