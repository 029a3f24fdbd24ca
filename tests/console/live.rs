//! What happens is told to whoever looks: by the stream, and on the overview when a process dies.
use crate::site::{Site, world};
use amends_stack::Role;
use amends_testkit::{Coordinator, Mode, until, within};

const NEWS: &str = "event: news";

/// Reads the stream until it has told some news.
async fn news(stream: &mut reqwest::Response) {
    within("news", async {
        loop {
            let chunk = stream.chunk().await.unwrap().expect("the stream goes on");
            if String::from_utf8_lossy(&chunk).contains(NEWS) {
                return;
            }
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_is_told_to_those_who_look_and_the_stream_ends_with_the_process() {
    let (world, _folder) = world(Coordinator::Embedded).await;
    let site = Site::of(&world);
    let mut stream = site.client().get(format!("{}/live", site.base)).send().await.unwrap();
    assert_eq!(stream.headers()["content-type"], "text/event-stream");
    news(&mut stream).await;
    let story = world.shop().await.checkout(Mode::Saga).start().await.gid;
    until("the new one is counted", async || {
        news(&mut stream).await;
        site.get("/").await.text.contains("definition%20%3D%20%22checkout%22").then_some(())
    })
    .await;
    until("its end is shown", async || {
        site.get(&format!("/t/{story}")).await.text.contains("succeeded").then_some(())
    })
    .await;
    world.stack().halt(Role::Orchestrator).await.unwrap();
    within("the stream ends", async { while let Ok(Some(_)) = stream.chunk().await {} }).await;
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_process_that_is_killed_is_missed_on_the_overview() {
    let (world, _folder) = world(Coordinator::Dtm).await;
    let site = Site::of(&world);
    let shown = async |what: &str, wanted: &str| {
        until(what, async || site.get("/").await.text.contains(wanted).then_some(())).await;
    };
    shown("all is well", "Everybody answers").await;
    world.stack().kill9(Role::Dtm).await.unwrap();
    shown("DTM is missed", "does not answer").await;
    world.stack().kill9(Role::Inventory).await.unwrap();
    shown("the participant is missed", "Participant inventory does not serve").await;
    for role in [Role::Dtm, Role::Inventory] {
        world.stack().restart(role).await.unwrap();
    }
    shown("all is well again", "Everybody answers").await;
    let story = world.shop().await.checkout(Mode::Saga).start().await.gid;
    let books = format!("/t/{story}/books");
    let told = async |what: &str, wanted: &str| {
        until(what, async || site.get(&books).await.text.contains(wanted).then_some(())).await;
    };
    told("the coordinator's book is shown beside ours", "The coordinator says <b>succeed</b>").await;
    told("so are the participants' rows", "What the participants say fits history").await;
    world.stack().kill9(Role::Points).await.unwrap();
    told("whoever is away is named, and nobody waits for it", "not reachable").await;
    let page = site.get(&format!("/t/{story}")).await.text;
    assert!(page.contains(&format!("hx-get=\"{books}\"")), "the page fetches it: {page}");
    world.stop().await;
}
