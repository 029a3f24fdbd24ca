//! Measures the pages of a console over a filled store as a browser asks for them, and whether an open list learns of what
//! happens. Knows the addresses of pages and how long they may take; of what they show only what it changed itself.
use super::FILTERS;
use super::house::House;
use crate::connect::Connection;
use amends_proto::amends::v1::operations_client::OperationsClient;
use amends_proto::amends::v1::transactions_client::TransactionsClient;
use amends_proto::amends::v1::{
    ListAttentionRequest, ListRequest, PauseRequest, ResumeRequest, Scope, scope::What,
};
use anyhow::{Context as _, bail, ensure};
use reqwest::redirect::Policy;
use std::time::{Duration, Instant};

/// How often a page is asked for.
const TIMES: usize = 20;
/// Rows of one call on the way to a deep page, and such calls: at most so far back.
const STRIDE: i32 = 1_000;
const STRIDES: usize = 100;
/// A change must be on the list by then: news are told once a second, and the page is asked for after them.
const LIVE: Duration = Duration::from_secs(3);
/// What the console says between two pieces of news.
const NEWS: &str = "event: news";

/// Times of one page.
pub struct Measured {
    /// What it is.
    pub name: String,
    /// Half of them were faster.
    pub p50: Duration,
    /// The slowest.
    pub max: Duration,
    /// How long it may take.
    pub budget: Duration,
    /// Of the body.
    pub bytes: usize,
}

impl Measured {
    /// Whether the slowest was in time.
    pub fn keeps(&self) -> bool {
        self.max <= self.budget
    }
}

/// Everything of one measurement.
struct Reader {
    house: House,
    http: reqwest::Client,
    transactions: TransactionsClient<Connection>,
    operations: OperationsClient<Connection>,
}

/// Asks an orchestrator over the store at `url` for each page.
pub async fn measure(url: &str, budget: Duration) -> anyhow::Result<Vec<Measured>> {
    let house = House::start(url).await?;
    let http = reqwest::Client::builder().redirect(Policy::none()).build().context("make a client")?;
    let transactions = TransactionsClient::new(house.connect().await?);
    let operations = OperationsClient::new(house.connect().await?);
    let mut reader = Reader { house, http, transactions, operations };
    let pages = reader.pages().await?;
    let bar = indicatif::ProgressBar::new(pages.len() as u64);
    let mut measured = Vec::new();
    for (name, path) in pages {
        measured.push(reader.page(name, &path, budget).await?);
        bar.inc(1);
    }
    measured.push(reader.live_list().await?);
    bar.finish_and_clear();
    Ok(measured)
}

impl Reader {
    /// Each page by what it is, with its address.
    async fn pages(&mut self) -> anyhow::Result<Vec<(String, String)>> {
        let ended = self.newest("status = succeeded").await?;
        let open = self.newest("attention and open").await?;
        let mut pages: Vec<(String, String)> = [
            ("overview", "/".to_owned()),
            ("participants", "/participants".to_owned()),
            ("definitions", "/definitions".to_owned()),
            ("one that ended", format!("/t/{ended}")),
            ("one that is open", format!("/t/{open}")),
            ("history as JSON", format!("/t/{open}/history.json")),
            ("question before an act", format!("/t/{open}/resolve")),
            ("preview of an act on all that is open", list_like("/bulk", "open", "")),
            ("preview of an act on few", list_like("/bulk", "attention", "")),
            ("find a key", "/find?what=shop/1234".to_owned()),
            ("find a part of a key", "/find?what=nowhere".to_owned()),
            ("attention", "/attention".to_owned()),
            ("attention by cause", "/attention?cause=retries_exhausted".to_owned()),
            ("attention, deep", format!("/attention?after={}", self.deep_need().await?)),
        ]
        .map(|(name, path)| (name.to_owned(), path))
        .into();
        for filter in FILTERS {
            pages.push((format!("list: {filter}"), list_like("/list", filter, "")));
            let deep = self.deep(filter).await?;
            if !deep.is_empty() {
                pages.push((format!("list, deep: {filter}"), list_like("/list", filter, &deep)));
            }
        }
        Ok(pages)
    }

    async fn newest(&mut self, filter: &str) -> anyhow::Result<String> {
        let mut page_token = String::new();
        loop {
            let request =
                ListRequest { filter: filter.to_owned(), page_size: 1, page_token, ..ListRequest::default() };
            let page = self.transactions.list(request).await.context("list")?.into_inner();
            if let Some(one) = page.transactions.into_iter().next() {
                return Ok(one.gid);
            }
            ensure!(!page.next_page_token.is_empty(), "the store has none with {filter}");
            page_token = page.next_page_token;
        }
    }

    /// Where a page far back begins; empty = there is none.
    async fn deep(&mut self, filter: &str) -> anyhow::Result<String> {
        let (mut page_token, mut reached) = (String::new(), String::new());
        for _ in 0..STRIDES {
            let request = ListRequest {
                filter: filter.to_owned(),
                page_size: STRIDE,
                page_token,
                ..ListRequest::default()
            };
            let page = self.transactions.list(request).await.context("list")?.into_inner();
            page_token = page.next_page_token;
            if page_token.is_empty() {
                break;
            }
            reached.clone_from(&page_token);
        }
        Ok(reached)
    }

    async fn deep_need(&mut self) -> anyhow::Result<String> {
        let (mut page_token, mut reached) = (String::new(), String::new());
        loop {
            let request =
                ListAttentionRequest { page_size: 100, page_token, ..ListAttentionRequest::default() };
            let page = self.operations.list_attention(request).await.context("attention")?.into_inner();
            page_token = page.next_page_token;
            if page_token.is_empty() {
                return Ok(reached);
            }
            reached.clone_from(&page_token);
        }
    }

    async fn get(&self, path: &str) -> anyhow::Result<String> {
        let answer = self.http.get(format!("{}{path}", self.house.base)).send().await.context("ask")?;
        let status = answer.status();
        ensure!(status.is_success() || status.is_redirection(), "{path} is answered with {status}");
        answer.text().await.context("read a page")
    }

    /// Asks for one page, again and again. The first time counts too: nobody asks for a page twice at night.
    async fn page(&self, name: String, path: &str, budget: Duration) -> anyhow::Result<Measured> {
        let (mut times, mut bytes) = (Vec::new(), 0);
        for _ in 0..TIMES {
            let begun = Instant::now();
            bytes = self.get(path).await?.len();
            times.push(begun.elapsed());
        }
        times.sort_unstable();
        Ok(Measured { name, p50: times[TIMES / 2], max: times[TIMES - 1], budget, bytes })
    }

    /// Pauses the newest open ones, one after the other, and waits each time until the open list shows it.
    async fn live_list(&mut self) -> anyhow::Result<Measured> {
        let request = ListRequest { filter: "open".to_owned(), page_size: 5, ..ListRequest::default() };
        let newest = self.transactions.list(request).await.context("list")?.into_inner().transactions;
        let mut stream = self.http.get(format!("{}/live", self.house.base)).send().await.context("listen")?;
        let (mut times, mut bytes) = (Vec::new(), 0);
        for one in newest {
            let scope = Some(Scope { what: Some(What::Gid(one.gid.clone())) });
            let reason = "is the list live?".to_owned();
            let begun = Instant::now();
            let pause =
                PauseRequest { scope: scope.clone(), reason: reason.clone(), ..PauseRequest::default() };
            self.operations.pause(pause).await.context("pause")?;
            bytes = loop {
                ensure!(begun.elapsed() < LIVE * 5, "the list does not show what happens");
                match stream.chunk().await.context("listen")? {
                    Some(news) if !String::from_utf8_lossy(&news).contains(NEWS) => continue,
                    Some(_) => {}
                    None => bail!("the stream has ended"),
                }
                let list = self.get("/list?q=open").await?;
                let row = list.split(&format!("id=\"r-{}\"", one.gid)).nth(1);
                if row.and_then(|rest| rest.split("</tr>").next()).is_some_and(|row| row.contains("paused")) {
                    break list.len();
                }
            };
            times.push(begun.elapsed());
            let resume = ResumeRequest { scope, reason, ..ResumeRequest::default() };
            self.operations.resume(resume).await.context("resume")?;
        }
        times.sort_unstable();
        let (p50, max) = (times[times.len() / 2], times.last().copied().context("nothing is open")?);
        Ok(Measured {
            name: "a change until the open list shows it".to_owned(),
            p50,
            max,
            budget: LIVE,
            bytes,
        })
    }
}

fn list_like(page: &str, filter: &str, after: &str) -> String {
    let query = [("q", filter), ("after", after)];
    let address = reqwest::Url::parse_with_params(
        "http://console/",
        query.iter().filter(|(_, value)| !value.is_empty()),
    );
    let query = address.ok().and_then(|address| address.query().map(str::to_owned)).unwrap_or_default();
    format!("{page}?{query}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn filters_stand_in_addresses() {
        assert_eq!(list_like("/list", "a = \"b\"", "g"), "/list?q=a+%3D+%22b%22&after=g");
        assert_eq!(list_like("/list", "", ""), "/list?");
    }

    #[test]
    fn the_slowest_must_be_in_time() {
        let ms = Duration::from_millis;
        let of = |max| Measured { name: String::new(), p50: ms(1), max, budget: ms(200), bytes: 0 };
        assert!(of(ms(200)).keeps() && !of(ms(201)).keeps());
    }
}
