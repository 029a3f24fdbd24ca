//! What somebody at night does, in a real browser: finds the one by its order number, sees why it waits, resolves it with
//! evidence, watches it end; and the same for many. Nothing is asked of anybody else.
use crate::driver::Browser;
use crate::site::{escaped, world};
use amends_testkit::{Coordinator, Fault, Mode, Status};

/// WebDriver's name of the key.
const TAB: &str = "\u{e004}";

#[tokio::test(flavor = "multi_thread")]
async fn at_night_one_and_many_are_brought_to_their_end() {
    let Some(browser) = Browser::start().await else { return };
    let (world, _folder) = world(Coordinator::Embedded).await;
    let base = world.stack().console();
    let shop = world.shop().await;
    let waiting = || shop.checkout(Mode::Saga).each("Deduct", Fault::Answer(tonic::Code::Unavailable));
    let story = waiting().start().await;
    let order_number = story.get().await.business_key.split('/').next_back().unwrap().to_owned();

    browser.open(&base).await;
    browser.press(TAB).await;
    browser.becomes("document.activeElement.className === 'skip'").await;
    browser.becomes("document.getElementById('link').textContent === 'live'").await;
    browser.write("#find", &order_number).await;
    browser.click(".find button").await;
    let own = format!("location.pathname === '/t/{}'", story.gid);
    browser.becomes(&own).await;
    browser.becomes("document.querySelector('.why').textContent.includes('UNAVAILABLE')").await;
    browser.click("#do-resolve").await;
    browser.run("document.querySelector('[name=outcome][value=refused]').checked = true").await;
    browser.write("#evidence", "the warehouse has nothing of it").await;
    browser.write("#name", "ann").await;
    browser.click("button.primary").await;
    browser.becomes(&own).await;
    browser.run("window.kept = true").await;
    browser.becomes("document.querySelector('h1').textContent.includes('failed') && window.kept").await;
    browser
        .becomes("document.querySelector('.timeline').textContent.includes('the warehouse has nothing')")
        .await;
    story.ends(Status::Failed).await;

    let tabs = |all: u8, open: u8| {
        format!(
            "/All {all}Open {open}/.test(document.querySelector('nav.tabs').textContent.replace(/ +/g, ' '))"
        )
    };
    browser.open(&format!("{base}/list?q={}", escaped("open and definition = checkout"))).await;
    browser.becomes(&tabs(1, 0)).await;
    browser.run("window.kept = true").await;
    let many = [waiting().start().await, waiting().start().await];
    browser.becomes("document.querySelectorAll('#rows tbody tr').length === 2 && window.kept").await;
    browser.becomes(&format!("{} && window.kept", tabs(3, 2))).await;
    browser.click("a[href^='/bulk']").await;
    browser.run("document.querySelector('[name=act][value=cancel]').checked = true").await;
    browser.write("#reason", "nothing left").await;
    browser.click("button.primary").await;
    browser.becomes("document.querySelector('#live').textContent.includes('2 done')").await;
    for story in many {
        story.ends(Status::Cancelled).await;
    }
    for url in browser.asked().await {
        assert!(url.starts_with(&base) || url.starts_with("data:"), "{url} was asked for");
    }
    assert_eq!(browser.complaints().await, [""; 0]);
    world.stop().await;
}
