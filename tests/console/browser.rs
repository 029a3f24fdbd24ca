//! What somebody at night does, in a real browser: finds the one by its order number, sees why it waits, resolves it with
//! evidence, watches it end; and the same for many. Nothing is asked of anybody else, and all of it can be read.
use crate::driver::Browser;
use crate::site::{escaped, world};
use amends_testkit::{Coordinator, Fault, Mode, Status};

/// WebDriver's name of the key.
const TAB: &str = "\u{e004}";

/// Texts whose contrast with what is behind them is too low (WCAG 2 AA), each once.
const FAINT: &str = r"
const parse = (text) => { const [r, g, b, a = 1] = text.match(/[\d.]+/g).map(Number); return { r, g, b, a }; };
const part = (value) => { value /= 255; return value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4; };
const light = (c) => 0.2126 * part(c.r) + 0.7152 * part(c.g) + 0.0722 * part(c.b);
const ground = (element) => {
  for (let at = element; at; at = at.parentElement) {
    const c = parse(getComputedStyle(at).backgroundColor);
    if (c.a > 0) return c;
  }
  return { r: 255, g: 255, b: 255, a: 1 };
};
const faint = new Set();
const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
while (walker.nextNode()) {
  const element = walker.currentNode.parentElement;
  if (!walker.currentNode.textContent.trim() || !element.checkVisibility() || element.closest('svg, :disabled, option')) continue;
  const style = getComputedStyle(element);
  const [one, two] = [light(parse(style.color)), light(ground(element))];
  const ratio = (Math.max(one, two) + 0.05) / (Math.min(one, two) + 0.05);
  if (ratio < 4.5) faint.add(`${walker.currentNode.textContent.trim().slice(0, 40)}: ${ratio.toFixed(2)}`);
}
return [...faint];";

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

    let many = [waiting().start().await, waiting().start().await];
    browser.open(&format!("{base}/list?q={}", escaped("open and definition = checkout"))).await;
    browser.becomes("document.querySelectorAll('#rows tbody tr').length === 2").await;
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

#[tokio::test(flavor = "multi_thread")]
async fn all_pages_can_be_read_at_both_widths_in_both_schemes() {
    let Some(browser) = Browser::start().await else { return };
    let (world, _folder) = world(Coordinator::Dtm).await;
    let base = world.stack().console();
    let shop = world.shop().await;
    let undone =
        shop.checkout(Mode::Saga).first("Charge", Fault::Refuse("PSP_DECLINED|stolen_card")).start().await;
    undone.ends(Status::Failed).await;
    let stuck =
        shop.checkout(Mode::Tcc).each("TryReserve", Fault::Answer(tonic::Code::Unavailable)).start().await;
    let one = format!("/t/{}", undone.gid);
    let other = format!("/t/{}", stuck.gid);
    let act = format!("{other}/resolve");
    let books = format!("{other}/books");
    let paths = [
        "/",
        "/list?q=open",
        "/list?q=walking",
        "/attention",
        "/in-doubt",
        "/participants",
        "/definitions",
        "/bulk?q=open",
    ];
    for (width, scheme) in [(1280, "light"), (1280, "dark"), (390, "light"), (390, "dark")] {
        browser.look(width, scheme).await;
        for path in paths.into_iter().chain([one.as_str(), &other, &act, &books]) {
            browser.open(&format!("{base}{path}")).await;
            let wide = browser.run("return document.documentElement.scrollWidth - window.innerWidth").await;
            assert!(wide.as_i64().unwrap() <= 0, "{path} is {wide} px too wide at {width} px");
            let faint = browser.run(FAINT).await;
            let name: String =
                path.chars().map(|it| if it.is_ascii_alphanumeric() { it } else { '_' }).collect();
            browser.keep(&format!("{width}-{scheme}{name}")).await;
            assert_eq!(faint, serde_json::json!([]), "{path} at {width} px, {scheme}");
        }
    }
    world.stop().await;
}
