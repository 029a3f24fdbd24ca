//! Who is away is told on an overview that is open, in a real browser, without anybody asking for it anew: DTM, a
//! participant and the orchestrator itself, killed in turn, and an orchestrator that hangs; and other pages go on, too.
use crate::driver::Browser;
use crate::site::world;
use amends_stack::Role;
use amends_testkit::{Coordinator, Mode, Status};
use std::io::Write as _;
use std::time::{Duration, Instant};

/// Within 5 s on a machine that has time for it (`TOLD` in the console's `live.rs`); so much on one that has not.
const LATEST: Duration = Duration::from_secs(20);

const WELL: &str = "document.querySelector('#verdict.good') && document.getElementById('lost').hidden \
                    && document.getElementById('link').textContent === 'live'";
/// The page shows what is, and says so.
const AGAIN: &str = "['lost', 'stale'].every((id) => document.getElementById(id).hidden) \
                     && document.getElementById('link').textContent === 'live'";
const DTM: &str = "/DTM at .* does not answer|coordinator does not answer/.test(document.querySelector('#verdict.bad')?.textContent)";
const INVENTORY: &str =
    "document.querySelector('#verdict.bad')?.textContent.includes('Participant inventory does not serve')";
const NOBODY: &str = "!document.getElementById('lost').hidden \
                      && document.getElementById('link').textContent === 'not live'";

#[tokio::test(flavor = "multi_thread")]
async fn an_open_overview_tells_who_is_away_and_who_is_back() {
    let Some(browser) = Browser::start().await else { return };
    let (world, _folder) = world(Coordinator::Dtm).await;
    let stack = world.stack();
    browser.open(&stack.console()).await;
    browser.becomes(WELL).await;
    browser.run("window.kept = true").await;
    for (role, told) in [(Role::Dtm, DTM), (Role::Inventory, INVENTORY), (Role::Orchestrator, NOBODY)] {
        stack.kill9(role).await.unwrap();
        is_told(&browser, &format!("{role} was killed"), told).await;
        stack.restart(role).await.unwrap();
        browser.becomes(WELL).await;
    }
    stack.sigstop(Role::Orchestrator).unwrap();
    is_told(&browser, "the orchestrator hangs", NOBODY).await;
    stack.sigcont(Role::Orchestrator).unwrap();
    browser.becomes(WELL).await;
    assert_eq!(browser.run("return window.kept").await, true, "it is the page that was opened");
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_that_were_open_go_on_when_the_orchestrator_was_restarted() {
    let Some(browser) = Browser::start().await else { return };
    let (world, _folder) = world(Coordinator::Embedded).await;
    let (stack, shop) = (world.stack(), world.shop().await);
    let story = shop.checkout(Mode::Saga).start().await;
    story.ends(Status::Succeeded).await;
    let restarted = async |path: &str| {
        browser.open(&format!("{}{path}", stack.console())).await;
        browser.becomes(AGAIN).await;
        browser.run("window.kept = true").await;
        stack.kill9(Role::Orchestrator).await.unwrap();
        browser.becomes(NOBODY).await;
        stack.restart(Role::Orchestrator).await.unwrap();
        browser.becomes(AGAIN).await;
    };
    restarted(&format!("/t/{}", story.gid)).await;
    browser.becomes("document.querySelector('h1').textContent.includes('succeeded') && window.kept").await;
    restarted("/list").await;
    shop.checkout(Mode::Saga).start().await.ends(Status::Succeeded).await;
    browser.becomes("document.querySelectorAll('#rows tbody .good').length === 2 && window.kept").await;
    world.stop().await;
}

/// Waits until the page says so, and says how long that took.
async fn is_told(browser: &Browser, what: &str, told: &str) {
    let began = Instant::now();
    browser.becomes(told).await;
    let took = began.elapsed();
    // A closed standard error is nobody's loss.
    let _ = writeln!(std::io::stderr(), "console: {what}: told after {:.1} s", took.as_secs_f64());
    assert!(took < LATEST, "{what}: told after {took:?}");
}
