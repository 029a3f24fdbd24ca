//! `amends get`, `list`, `wait`, `cancel`: one look at, or one word to, global transactions.
use crate::connect::{Connection, Target};
use crate::exit::Exit;
use crate::output::{Format, mode_name, print_json, print_text, status_name, table};
use crate::standing::{self, Before};
use crate::start::wait;
use crate::{holds, json, timeline, unknown};
use amends_proto::amends::v1::transactions_client::TransactionsClient;
use amends_proto::amends::v1::{
    CancelRequest, GetByBusinessKeyRequest, GetRequest, GlobalTransaction, Hold, ListRequest, ListResponse,
    Status,
};
use anyhow::Context as _;
use std::fmt::Write as _;
use std::time::Duration;

/// The longest page that the server gives.
const LONGEST_PAGE: u32 = 1_000;

/// Shows where one global transaction stands
#[derive(Debug, clap::Args)]
pub struct Get {
    #[command(flatten)]
    which: Which,
    #[command(flatten)]
    target: Target,
}

#[derive(Debug, clap::Args)]
#[group(required = true, multiple = false)]
struct Which {
    /// Its gid
    gid: Option<String>,
    /// The newest of this business key, e.g. demo/1
    #[arg(long, value_name = "KEY")]
    business_key: Option<String>,
}

impl Get {
    /// Runs the verb.
    pub async fn run(self, format: Format) -> anyhow::Result<Exit> {
        let connection = self.target.connect().await?;
        let mut client = TransactionsClient::new(connection.clone());
        let answer = match (self.which.gid, self.which.business_key) {
            (_, Some(business_key)) => {
                let request = GetByBusinessKeyRequest { definition: "checkout".to_owned(), business_key };
                client.get_by_business_key(request).await
            }
            (gid, None) => client.get(GetRequest { gid: gid.unwrap_or_default() }).await,
        };
        standing::tell(connection, &answer.context("get")?.into_inner(), format).await
    }
}

/// Lists global transactions, newest first
#[derive(Debug, clap::Args)]
pub struct List {
    /// Only those with this status; may be given several times
    #[arg(long, value_name = "STATUS", value_parser = parse_status)]
    status: Vec<Status>,
    /// Only those that need a person
    #[arg(long)]
    attention: bool,
    /// Only those that it fits, e.g. 'attention and participant = gateway and age > 5m'
    #[arg(long, value_name = "FILTER", default_value = "", hide_default_value = true)]
    filter: String,
    /// At most so many
    #[arg(long, value_name = "N", default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..))]
    limit: u32,
    /// Go on where an earlier list ended
    #[arg(long, value_name = "TOKEN", default_value = "", hide_default_value = true)]
    page_token: String,
    #[command(flatten)]
    target: Target,
}

fn parse_status(text: &str) -> Result<Status, String> {
    const KNOWN: [Status; 6] = [
        Status::Accepted,
        Status::Running,
        Status::Compensating,
        Status::Succeeded,
        Status::Failed,
        Status::Cancelled,
    ];
    let wanted = json::short_name("Status", &text.to_ascii_uppercase());
    KNOWN.into_iter().find(|status| status_name(*status) == wanted).ok_or_else(|| {
        let names: Vec<String> = KNOWN.into_iter().map(status_name).collect();
        format!("one of {}", names.join(", "))
    })
}

impl List {
    /// Runs the verb.
    pub async fn run(self, format: Format) -> anyhow::Result<Exit> {
        let connection = self.target.connect().await?;
        let filter = self.filter.clone();
        let found = self.fetch(connection.clone()).await?;
        if found.transactions.is_empty() {
            unknown::warn(connection.clone(), &filter, format).await;
        }
        let holds = holds::in_force(connection).await;
        match format {
            Format::Json => {
                let mut told = json::of("amends.v1.ListResponse", &found)?;
                told["holds"] = holds::json(holds.as_deref())?;
                print_json(&told)?;
            }
            Format::Text => print_text(&list_text(&found, holds.as_deref().unwrap_or_default()))?,
        }
        Ok(Exit::Ok)
    }

    /// Asks for as many pages as the limit takes.
    async fn fetch(self, connection: Connection) -> anyhow::Result<ListResponse> {
        let mut client = TransactionsClient::new(connection);
        let statuses: Vec<i32> = self.status.iter().map(|status| i32::from(*status)).collect();
        let mut found = ListResponse { transactions: Vec::new(), next_page_token: self.page_token };
        let mut missing = self.limit;
        loop {
            let request = ListRequest {
                statuses: statuses.clone(),
                attention_only: self.attention,
                page_size: i32::try_from(missing.min(LONGEST_PAGE)).unwrap_or(i32::MAX),
                page_token: found.next_page_token,
                filter: self.filter.clone(),
            };
            let page = client.list(request).await.context("list")?.into_inner();
            missing = missing.saturating_sub(u32::try_from(page.transactions.len()).unwrap_or(u32::MAX));
            found.transactions.extend(page.transactions);
            found.next_page_token = page.next_page_token;
            if missing == 0 || found.next_page_token.is_empty() {
                return Ok(found);
            }
        }
    }
}

/// What is held back is told below, where something listed is open: which of them a hold stands in the way of, `amends
/// explain` knows.
fn list_text(found: &ListResponse, holds: &[Hold]) -> String {
    let rows = found.transactions.iter().map(row).collect();
    let mut text = table(&["gid", "status", "mode", "created", "business key", "reason"], &[], rows);
    // Who looks for what is held, and finds nothing, asked for what is paused by itself.
    let rows = &found.transactions;
    if rows.is_empty() || rows.iter().any(|one| Exit::of_status(one.status()) == Exit::Running) {
        text.push_str(&holds::lines(holds));
    }
    if !found.next_page_token.is_empty() {
        let _ = writeln!(text, "more: --page-token {}", found.next_page_token);
    }
    text
}

fn row(transaction: &GlobalTransaction) -> Vec<String> {
    let attention = if transaction.attention.is_some() { " !" } else { "" };
    let created = transaction.created_at.as_ref();
    let created = created.and_then(|at| chrono::DateTime::from_timestamp(at.seconds, 0));
    vec![
        transaction.gid.clone(),
        format!("{}{attention}", status_name(transaction.status())),
        mode_name(transaction.mode()),
        created.map(|at| at.format("%F %T").to_string()).unwrap_or_default(),
        transaction.business_key.clone(),
        timeline::plain_reason(&transaction.reason),
    ]
}

/// Waits for the end of one global transaction
#[derive(Debug, clap::Args)]
pub struct Wait {
    /// Its gid
    gid: String,
    /// At most so many seconds; then it is told as it stands, with exit code 4
    #[arg(long, value_name = "SECONDS", default_value_t = 60)]
    timeout: u64,
    #[command(flatten)]
    target: Target,
}

impl Wait {
    /// Runs the verb.
    pub async fn run(self, format: Format) -> anyhow::Result<Exit> {
        let connection = self.target.connect().await?;
        let mut client = TransactionsClient::new(connection.clone());
        let transaction = wait(&mut client, &self.gid, Duration::from_secs(self.timeout)).await?;
        standing::tell(connection, &transaction, format).await
    }
}

/// Stops forward work of one global transaction and has it undone; refused once money may have left
#[derive(Debug, clap::Args)]
pub struct Cancel {
    /// Its gid
    gid: String,
    /// Why, for the history
    #[arg(long, value_name = "TEXT")]
    reason: String,
    #[command(flatten)]
    target: Target,
}

impl Cancel {
    /// Runs the verb.
    pub async fn run(self, format: Format) -> anyhow::Result<Exit> {
        let connection = self.target.connect().await?;
        let before = Before::look(connection.clone(), &self.gid).await;
        let mut client = TransactionsClient::new(connection.clone());
        let request = CancelRequest { gid: self.gid.clone(), reason: self.reason };
        let answer = client.cancel(request).await.context("cancel")?;
        let transaction = answer.into_inner();
        // It wakes whatever a hold kept waiting before.
        let holds = holds::in_the_way(connection, &transaction).await;
        standing::print(&transaction, holds.as_deref(), Some(before.had_ended()), format)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use amends_proto::amends::v1::scope::What;

    #[test]
    fn a_list_tells_holds_where_something_of_it_is_open() {
        let held = holds::tests::hold(What::Definition("checkout".into()));
        let listed = |status: Status| {
            let one = GlobalTransaction { status: status.into(), ..GlobalTransaction::default() };
            let found = ListResponse { transactions: vec![one], ..ListResponse::default() };
            list_text(&found, std::slice::from_ref(&held))
        };
        assert!(
            listed(Status::Running)
                .ends_with("\nheld: definition checkout since 1970-01-01T00:00:02Z, by ann: maintenance\n")
        );
        assert!(!listed(Status::Failed).contains("held"));
        assert!(list_text(&ListResponse::default(), std::slice::from_ref(&held)).contains("held: "));
    }

    #[test]
    fn both_spellings_of_a_status_are_read() {
        for text in ["running", "RUNNING", "STATUS_RUNNING", "status_running"] {
            assert_eq!(parse_status(text), Ok(Status::Running), "{text}");
        }
        assert!(parse_status("walking").unwrap_err().contains("compensating"));
    }
}
