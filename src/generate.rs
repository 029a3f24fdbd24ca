//! `amends generate`: fills a history store with made-up global transactions, and measures lists and the console's pages
//! on it. For whoever works on Amends; no other orchestrator may run on that store meanwhile, nor be asked to drive it.
mod house;
mod pages;

use crate::exit::Exit;
use crate::output::{Format, print_json, print_text, table};
use amends_migrations::history::Migrator;
use amends_orchestrator::filter;
use amends_orchestrator::history::{Amount, HistoryReader, ListFilter, generate};
use amends_serve::store::Store;
use anyhow::Context as _;
use pages::Measured as Page;
use serde_json::{Value, json};
use std::path::PathBuf;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// Rows of a measured page.
const PAGE: u64 = 50;
/// How often a page is measured.
const TIMES: usize = 20;
/// What `docs/filters.md` tells, and what is hard to find: rare, and nowhere at all.
const FILTERS: [&str; 24] = [
    "",
    "status = running and attention and participant = \"gateway\" and age > 5m",
    "status = succeeded",
    "status = failed",
    "status != succeeded",
    "open",
    "attention",
    "attention = disagreement",
    "owner = bob",
    "paused",
    "definition = legacy",
    "mode = tcc and status = cancelled",
    "business_key = \"shop/1234\"",
    "participant = ledger",
    "participant = nobody",
    "step = Do and definition = refund",
    "code = UNAVAILABLE",
    "code = DEADLINE_EXCEEDED",
    "waiting_for = gateway",
    "attempts > 2",
    "started > 10d ago and started < 9d ago",
    "finished > 1h ago",
    "caller = auditor",
    "reason ~ \"nowhere\"",
];

/// Fills a history store with made-up global transactions, and measures lists and the console's pages on it
///
/// For a store of its own: no orchestrator may run on it meanwhile, nor be asked to drive what was made up.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Example:\n  amends generate --finished 1000000 --open 10000 --data-dir /tmp/large --measure --pages"
)]
pub struct Generate {
    /// How many that have ended
    #[arg(long, value_name = "N", default_value_t = 0)]
    finished: u64,
    /// How many that have not
    #[arg(long, value_name = "N", default_value_t = 0)]
    open: u64,
    /// Folder of the store, made if it is not there
    #[arg(long, value_name = "DIR", required_unless_present = "database_url")]
    data_dir: Option<PathBuf>,
    /// The store itself, instead of a file in a folder
    #[arg(long, value_name = "URL", conflicts_with = "data_dir")]
    database_url: Option<String>,
    /// Then read the first and a deep page of each documented filter, and tell the times
    #[arg(long)]
    measure: bool,
    /// Then start an orchestrator on the store whose participants do not answer, ask for each page of its console, and fail
    /// where one takes longer than the budget
    #[arg(long)]
    pages: bool,
    /// How long a page may take, in milliseconds
    #[arg(long, value_name = "MS", default_value_t = 200, requires = "pages", value_parser = clap::value_parser!(u64).range(1..=60_000))]
    budget_ms: u64,
}

impl Generate {
    /// Runs the verb.
    pub async fn run(self, format: Format) -> anyhow::Result<Exit> {
        let file = |folder: PathBuf| format!("sqlite://{}", folder.join("orchestrator.db").display());
        let url = self.database_url.or(self.data_dir.map(file)).context("--data-dir or --database-url")?;
        let store = Store::open(&url).await?;
        store.migrate::<Migrator>().await?;
        let amount = Amount { finished: self.finished, open: self.open };
        let bar = indicatif::ProgressBar::new(amount.finished + amount.open);
        generate(&store, amount, now_us(), |made| bar.set_position(made)).await?;
        bar.finish_and_clear();
        if self.measure {
            tell(&measure(&HistoryReader::new(store.clone())).await?, format)?;
        }
        store.close().await?;
        if !self.pages {
            return Ok(Exit::Ok);
        }
        let measured = pages::measure(&url, Duration::from_millis(self.budget_ms)).await?;
        tell_pages(&measured, format)?;
        Ok(if measured.iter().all(Page::keeps) { Exit::Ok } else { Exit::Unsound })
    }
}

/// Times of one filter.
struct Measured {
    filter: &'static str,
    first: Duration,
    longest_first: Duration,
    rows: usize,
    deep: Duration,
    pages: usize,
    all: Duration,
}

async fn measure(reader: &HistoryReader) -> anyhow::Result<Vec<Measured>> {
    let mut measured = Vec::new();
    for text in FILTERS {
        let tree = filter::parse(text)?;
        let asked = || ListFilter {
            filter: Some(tree.clone()),
            now_us: now_us(),
            limit: PAGE,
            ..ListFilter::default()
        };
        let mut times = Vec::new();
        let mut rows = 0;
        for _ in 0..TIMES {
            let begun = Instant::now();
            rows = reader.list(&asked()).await?.rows.len();
            times.push(begun.elapsed());
        }
        times.sort_unstable();
        // To the end, as who wants to see everything; the slowest page of the second half is the deep one.
        let (begun, mut pages, mut next) = (Instant::now(), Vec::new(), None);
        loop {
            let page_begun = Instant::now();
            let page = reader.list(&ListFilter { before: next, ..asked() }).await?;
            pages.push(page_begun.elapsed());
            next = page.next;
            if next.is_none() || pages.len() == 500 {
                break;
            }
        }
        measured.push(Measured {
            filter: text,
            first: times[TIMES / 2],
            longest_first: times[TIMES - 1],
            rows,
            deep: pages[pages.len() / 2..].iter().copied().max().unwrap_or_default(),
            pages: pages.len(),
            all: begun.elapsed(),
        });
    }
    Ok(measured)
}

/// To a tenth.
fn ms(time: Duration) -> f64 {
    (time.as_secs_f64() * 10_000.0).round() / 10.0
}

fn tell_pages(measured: &[Page], format: Format) -> anyhow::Result<()> {
    match format {
        Format::Json => {
            let each = measured.iter().map(|page| {
                json!({
                    "page": page.name, "p50_ms": ms(page.p50), "max_ms": ms(page.max), "budget_ms": ms(page.budget),
                    "bytes": page.bytes, "keeps": page.keeps(),
                })
            });
            print_json(&Value::Array(each.collect()))
        }
        Format::Text => {
            let header = ["page", "p50 ms", "max ms", "budget ms", "bytes", ""];
            let rows = measured.iter().map(|page| {
                let [p50, max, budget] = [page.p50, page.max, page.budget].map(|time| ms(time).to_string());
                let word = if page.keeps() { "" } else { "too slow" };
                vec![page.name.clone(), p50, max, budget, page.bytes.to_string(), word.to_owned()]
            });
            print_text(&table(&header, &header[1..5], rows.collect()))
        }
    }
}

fn tell(measured: &[Measured], format: Format) -> anyhow::Result<()> {
    match format {
        Format::Json => {
            let each = measured.iter().map(|one| {
                json!({
                    "filter": one.filter, "rows": one.rows, "first_ms": ms(one.first),
                    "longest_first_ms": ms(one.longest_first), "deep_ms": ms(one.deep),
                    "pages": one.pages, "all_ms": ms(one.all),
                })
            });
            print_json(&Value::Array(each.collect()))
        }
        Format::Text => {
            let header = ["filter", "rows", "first ms", "longest", "deep ms", "pages", "all ms"];
            let rows = measured.iter().map(|one| {
                let times = [one.first, one.longest_first, one.deep].map(|time| ms(time).to_string());
                let [first, longest, deep] = times;
                let (rows, pages, all) =
                    (one.rows.to_string(), one.pages.to_string(), ms(one.all).to_string());
                vec![one.filter.to_owned(), rows, first, longest, deep, pages, all]
            });
            print_text(&table(&header, &header[1..], rows.collect()))
        }
    }
}

fn now_us() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_micros()).unwrap_or(i64::MAX)
}
