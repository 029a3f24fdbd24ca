//! All pages as somebody sees them, at both widths and in both schemes, with everything open that can be opened. What can be
//! measured is: no page is wider than its window, nothing in it is cut, every text can be read. The rest is for eyes:
//! `AMENDS_SCREENSHOTS` names a folder for pictures.
use crate::driver::Browser;
use crate::site::{Site, escaped, world};
use amends_testkit::{Coordinator, Fault, Mode, Shop, Status, Story, until};

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

/// What does not fit into its place, each once: what must be scrolled sideways to be read, and lines of pictures that are longer
/// than their box. Fields that somebody fills in may hold more than they show.
const CUT: &str = r"
const cut = new Set();
const said = (element, by) => cut.add(`${element.tagName} ${element.textContent.trim().slice(0, 40)}: ${Math.ceil(by)} px`);
for (const element of document.body.querySelectorAll('*')) {
  if (!element.checkVisibility() || element.closest('svg, input, textarea, .skip, .find label, table.stack thead')) continue;
  const style = getComputedStyle(element);
  const over = element.scrollWidth - element.clientWidth;
  if (over > 1 && style.display !== 'inline' && style.overflowX !== 'visible') said(element, over);
}
for (const text of document.querySelectorAll('svg g.step text')) {
  const [inner, outer] = [text.getBoundingClientRect(), text.parentElement.querySelector('rect').getBoundingClientRect()];
  if (inner.right > outer.right || inner.left < outer.left) said(text, Math.max(inner.right - outer.right, outer.left - inner.left));
}
return [...cut];";

/// Everything that is fetched beside a page is there, and what can be opened is.
const WHOLE: &str = "(document.querySelectorAll('details').forEach((one) => { one.open = true; }), true) \
    && (!document.querySelector('[hx-get$=\"/books\"]') || document.getElementById('books')) \
    && (!document.getElementById('link') || document.getElementById('link').textContent === 'live')";

/// One of each kind, and where its pages are.
async fn paths(shop: &Shop<'_>, site: &Site) -> Vec<String> {
    let stuck = |mode: Mode, method: &'static str| {
        shop.checkout(mode).each(method, Fault::Answer(tonic::Code::Unavailable))
    };
    let doubt = shop.checkout(Mode::Saga).psp("sale", "late_charge(10m)").await;
    let doubt = doubt.psp("query", "query_unknown(100000)").await.psp("close", "5xx_before").await;
    let doubt = doubt.start().await;
    let done = shop.checkout(Mode::Saga).start().await;
    let undone = shop.checkout(Mode::Saga).first("Charge", Fault::Refuse("PSP_DECLINED|stolen_card"));
    let undone = undone.start().await;
    let trying = stuck(Mode::Tcc, "ConfirmPay").start().await;
    let paused = stuck(Mode::Saga, "Deduct").start().await;
    let pause =
        [("name", "ann"), ("reason", "the warehouse counts its stock until noon"), ("deadlines", "stop")];
    done.ends(Status::Succeeded).await;
    undone.ends(Status::Failed).await;
    until("one is paused", async || {
        let sent = site.fill(&format!("/t/{}/pause", paused.gid), &["token", "seq"], &pause).await;
        (sent.status == 303).then_some(())
    })
    .await;
    let hold = site.fill("/hold/definition/own/pause", &["token"], &pause).await;
    assert_eq!(hold.status, 303, "{}", hold.text);
    let many = [("name", "ann"), ("act", "retry"), ("reason", "the warehouse is back"), ("per_second", "50")];
    let hidden = ["token", "filter", "expected", "digest", "request_id"];
    let many = until("an act on many begins", async || {
        let sent = site.fill(&format!("/bulk?q={}", escaped("open and mode = tcc")), &hidden, &many).await;
        (sent.status == 303).then(|| sent.location().to_owned())
    })
    .await;
    doubt.becomes("attention payment_in_doubt", |seen| seen.attention.is_some()).await;
    let item = until("it is in the queue", async || {
        let list = site.get("/in-doubt").await.text;
        list.split("href=\"/in-doubt/").nth(1).and_then(|rest| rest.split('"').next()).map(ToOwned::to_owned)
    })
    .await;
    let fixed = [
        "/",
        "/list",
        "/list?q=open",
        "/list?q=nothing",
        "/list?q=open%20and%20status%20%3D%20walking%20and%20age%20%3E%205m",
        "/list?q=definition%20%3D%20nothing",
        "/attention",
        "/in-doubt",
        "/participants",
        "/definitions",
        "/bulk?q=open",
        "/bulk?q=definition%20%3D%20nothing",
        "/hold/participant/inventory/pause",
        "/nowhere",
    ];
    let of = |story: &Story<'_, '_>, pages: &[&str]| {
        pages.iter().map(|page| format!("/t/{}{page}", story.gid)).collect::<Vec<_>>()
    };
    let mut paths: Vec<String> = fixed.iter().map(ToString::to_string).collect();
    paths.extend(of(&done, &[""]));
    paths.extend(of(&undone, &[""]));
    paths.extend(of(&paused, &["", "/cancel"]));
    paths.extend(of(&trying, &["", "/resolve", "/retry", "/pause", "/books"]));
    paths.extend(of(&doubt, &["", "/resolve", "/acknowledge"]));
    paths.extend([many, format!("/in-doubt/{item}"), format!("/in-doubt/{item}/propose")]);
    paths
}

#[tokio::test(flavor = "multi_thread")]
async fn all_pages_can_be_read_at_both_widths_in_both_schemes() {
    let Some(browser) = Browser::start().await else { return };
    let (world, _folder) = world(Coordinator::Dtm).await;
    let shop = world.shop().await;
    let site = Site::of(&world);
    let paths = paths(&shop, &site).await;
    let mut wrong = Vec::new();
    for width in [1280, 390] {
        for (at, path) in paths.iter().enumerate() {
            browser.look(width, "light").await;
            browser.open(&format!("{}{path}", site.base)).await;
            browser.becomes(WHOLE).await;
            let wide = browser.run("return document.documentElement.scrollWidth - window.innerWidth").await;
            if wide.as_i64().unwrap() > 0 {
                wrong.push(format!("{path} is {wide} px too wide at {width} px"));
            }
            let cut = browser.run(CUT).await;
            if cut != serde_json::json!([]) {
                wrong.push(format!("{path} is cut at {width} px: {cut}"));
            }
            for scheme in ["light", "dark"] {
                browser.look(width, scheme).await;
                let faint = browser.run(FAINT).await;
                if faint != serde_json::json!([]) {
                    wrong.push(format!("{path} is faint at {width} px, {scheme}: {faint}"));
                }
                browser.keep(&format!("{at:02}-{width}-{scheme}{}", name(path))).await;
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    world.stop().await;
}

/// A path as the name of a file.
fn name(path: &str) -> String {
    path.chars().map(|it| if it.is_ascii_alphanumeric() { it } else { '_' }).take(70).collect()
}
