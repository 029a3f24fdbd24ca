//! What the console lets nobody do: forms from elsewhere, forms without a token, and names that are not its own.
use crate::site::{Site, world};
use amends_stack::Role;
use amends_testkit::{Coordinator, Fault, Mode, Status, within};
use reqwest::header::{CONTENT_TYPE, HOST, ORIGIN};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

#[tokio::test(flavor = "multi_thread")]
async fn only_its_own_forms_are_carried_out() {
    let (world, _folder) = world(Coordinator::Embedded).await;
    let shop = world.shop().await;
    let story =
        shop.checkout(Mode::Saga).each("Deduct", Fault::Answer(tonic::Code::Unavailable)).start().await;
    let (site, stranger) = (Site::of(&world), Site::of(&world));
    let pause = format!("/t/{}/pause", story.gid);
    let token = site.get(&pause).await.hidden("token");
    let fields = |token: &str| {
        vec![("token", token.to_owned()), ("name", "ann".to_owned()), ("reason", "x".to_owned())]
    };
    let sent = async |site: &Site, token: &str, origin: &str| {
        let fields = fields(token);
        let fields: Vec<(&str, &str)> = fields.iter().map(|(name, value)| (*name, value.as_str())).collect();
        site.post(&pause, &fields, origin).await.status
    };
    for origin in ["http://evil.example", "null", "http://127.0.0.1:1"] {
        assert_eq!(sent(&site, &token, origin).await, 403, "{origin}");
    }
    for wrong in ["", "0000", &"00".repeat(32)] {
        assert_eq!(sent(&site, wrong, &site.base).await, 403, "{wrong}");
    }
    stranger.get(&pause).await;
    assert_eq!(sent(&stranger, &token, &stranger.base).await, 403, "somebody else's token");
    let bare = site.client().post(format!("{}{pause}", site.base));
    let bare =
        bare.header(CONTENT_TYPE, "application/x-www-form-urlencoded").body("name=ann").send().await.unwrap();
    assert_eq!(bare.status().as_u16(), 403, "no origin at all");
    assert!(!story.get().await.paused, "nothing of that was done");

    let fields = [("token", token.as_str()), ("name", "ann"), ("reason", " ")];
    assert_eq!(site.post(&pause, &fields, &site.base).await.status, 400, "no reason");
    let elsewhere = site.client().post(format!("{}{pause}", site.base)).header(ORIGIN, &site.base);
    let elsewhere = elsewhere.header("sec-fetch-site", "cross-site").send().await.unwrap();
    assert_eq!(elsewhere.status().as_u16(), 403);
    assert!(!story.get().await.paused, "nothing of that was done");

    let dear = site.client().get(format!("{}/bulk?q=open", site.base));
    let dear = dear.header("sec-fetch-site", "cross-site").header("sec-fetch-mode", "no-cors");
    let dear = dear.header("sec-fetch-dest", "image").send().await.unwrap();
    assert_eq!(dear.status().as_u16(), 403, "a picture in a page of somebody else");
    let named = site.client().get(&site.base).header(HOST, "evil.example").send().await.unwrap();
    assert_eq!(named.status().as_u16(), 421);
    assert_eq!(sent(&site, &token, &site.base).await, 303, "the form as it was made");
    assert!(story.get().await.paused);
    story.cancel("it is enough").await.unwrap();
    story.ends(Status::Cancelled).await;
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_api_refuses_is_told_and_changes_nothing() {
    let (world, _folder) = world(Coordinator::Embedded).await;
    let shop = world.shop().await;
    let story = shop.checkout(Mode::Saga).start().await;
    story.ends(Status::Succeeded).await;
    let site = Site::of(&world);
    let cancel = format!("/t/{}/cancel", story.gid);
    let fields = [("name", "ann"), ("reason", "too late")];
    let refused = site.fill(&cancel, &["token", "seq"], &fields).await;
    assert_eq!(refused.status, 409, "{}", refused.text);
    assert!(refused.text.contains("PAST_PIVOT"), "{}", refused.text);
    let nameless = site.fill(&cancel, &["token", "seq"], &[("name", "ann; x=1"), ("reason", "x")]).await;
    assert_eq!(nameless.status, 400, "{}", nameless.text);
    for path in ["/nothing", "/t/x/fly", "/hold/service/x/pause", "/bulk/x", "/assets/0/console.css"] {
        assert!((400..=404).contains(&site.get(path).await.status), "{path}");
    }
    world.stop().await;
}

/// All replicas, and whoever starts anew, have the same key: a form of one is sent to another.
#[tokio::test(flavor = "multi_thread")]
async fn a_form_outlives_the_process_that_made_it() {
    let (world, _folder) = world(Coordinator::Embedded).await;
    let site = Site::of(&world);
    let pause = "/hold/participant/inventory/pause";
    let token = site.get(pause).await.hidden("token");
    world.stack().restart(Role::Orchestrator).await.unwrap();
    let fields = [("token", token.as_str()), ("name", "ann"), ("reason", "stocktaking")];
    let sent = site.post(pause, &fields, &site.base).await;
    assert_eq!(sent.status, 303, "{}", sent.text);
    world.stop().await;
}

/// Who opens a connection and says half a word keeps no file descriptor of the process that drives all money.
#[tokio::test(flavor = "multi_thread")]
async fn a_connection_that_says_nothing_is_closed() {
    let (world, _folder) = world(Coordinator::Embedded).await;
    let address = world.stack().console().replace("http://", "");
    let mut silent = TcpStream::connect(address).await.unwrap();
    silent.write_all(b"GET / HTTP/1.1\r\nho").await.unwrap();
    within("it is closed", async { silent.read_to_end(&mut Vec::new()).await.unwrap() }).await;
    world.stop().await;
}
