//! `amends bulk`: acts on many global transactions, found by a filter; a look at them first, and results of each.
use crate::connect::{Connection, Target};
use crate::exit::Exit;
use crate::json;
use crate::output::{Format, money, print_json, print_text, status_name, table};
use amends_proto::amends::v1::operations_client::OperationsClient;
use amends_proto::amends::v1::{
    BulkAct, BulkItem, GetBulkRequest, GetBulkResponse, PreviewBulkRequest, PreviewBulkResponse,
    StartBulkRequest,
};
use anyhow::Context as _;
use std::fmt::Write as _;
use std::time::Duration;

/// Between two looks at an act that goes on.
const LOOK: Duration = Duration::from_millis(300);
/// Items of one page: as many as the server gives.
const PAGE: i32 = 1_000;

/// Acts on every open global transaction that a filter fits, some a second; it goes on over restarts
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Example:\n  amends bulk retry --filter 'waiting_for = gateway and age > 5m' --preview"
)]
pub struct Bulk {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, clap::Subcommand)]
enum Verb {
    /// Makes the next attempts now
    Retry(Many),
    /// Begins another run of each that goes on from where it failed
    Redrive(Many),
    /// No new attempts; deadlines stand still
    Pause(Many),
    /// Lets attempts go on
    Resume(Many),
    /// No new forward attempts, then undo
    Cancel(Many),
    /// Shows what became of each
    Show(Show),
}

#[derive(Debug, clap::Args)]
struct Many {
    /// Which, e.g. 'status = running and code = UNAVAILABLE'
    #[arg(long, value_name = "FILTER")]
    filter: String,
    /// Only tells how many it would be about, with whom, and what is at stake
    #[arg(long)]
    preview: bool,
    /// Why, for the histories
    #[arg(
        long,
        value_name = "TEXT",
        default_value = "",
        hide_default_value = true,
        conflicts_with = "preview"
    )]
    reason: String,
    /// At most so many in a second, for each orchestrator
    #[arg(long, value_name = "N", default_value_t = 10, value_parser = clap::value_parser!(i32).range(1..=100))]
    per_second: i32,
    /// Only if there are so many still, as the preview told
    #[arg(long, value_name = "N", default_value_t = 0, hide_default_value = true)]
    expect: i64,
    /// Only if they are exactly those still, as the preview told
    #[arg(long, value_name = "DIGEST", default_value = "", hide_default_value = true)]
    expect_digest: String,
    /// A UUIDv7 of your own, so that the same command said again begins nothing
    #[arg(
        long,
        value_name = "UUID",
        default_value = "",
        hide_default_value = true,
        conflicts_with = "preview"
    )]
    request_id: String,
    /// Tells its id and does not wait for the results
    #[arg(long, conflicts_with = "preview")]
    no_wait: bool,
    #[command(flatten)]
    target: Target,
}

#[derive(Debug, clap::Args)]
struct Show {
    /// Its id
    id: String,
    #[command(flatten)]
    target: Target,
}

impl Bulk {
    /// Runs the verb.
    pub async fn run(self, format: Format) -> anyhow::Result<Exit> {
        match self.verb {
            Verb::Retry(many) => many.run(BulkAct::Retry, format).await,
            Verb::Redrive(many) => many.run(BulkAct::Redrive, format).await,
            Verb::Pause(many) => many.run(BulkAct::Pause, format).await,
            Verb::Resume(many) => many.run(BulkAct::Resume, format).await,
            Verb::Cancel(many) => many.run(BulkAct::Cancel, format).await,
            Verb::Show(show) => {
                let mut client = OperationsClient::new(show.target.connect().await?);
                tell(&results(&mut client, &show.id).await?, format)
            }
        }
    }
}

impl Many {
    async fn run(self, act: BulkAct, format: Format) -> anyhow::Result<Exit> {
        let mut client = OperationsClient::new(self.target.connect().await?);
        if self.preview {
            let request = PreviewBulkRequest { filter: self.filter };
            let found = client.preview_bulk(request).await.context("preview")?.into_inner();
            match format {
                Format::Json => print_json(&json::of("amends.v1.PreviewBulkResponse", &found)?)?,
                Format::Text => print_text(&preview_text(&found))?,
            }
            return Ok(Exit::Ok);
        }
        let request = StartBulkRequest {
            filter: self.filter,
            act: act.into(),
            reason: self.reason,
            per_second: self.per_second,
            expected_count: self.expect,
            expected_digest: self.expect_digest,
            request_id: self.request_id,
        };
        let started = client.start_bulk(request).await.context("bulk")?.into_inner();
        if self.no_wait {
            match format {
                Format::Json => print_json(&json::of("amends.v1.StartBulkResponse", &started)?)?,
                Format::Text => print_text(&format!("{}: {} to do\n", started.bulk_id, started.count))?,
            }
            return Ok(Exit::Ok);
        }
        loop {
            let request =
                GetBulkRequest { bulk_id: started.bulk_id.clone(), page_size: 1, ..Default::default() };
            if client.get_bulk(request).await.context("bulk")?.into_inner().pending == 0 {
                return tell(&results(&mut client, &started.bulk_id).await?, format);
            }
            tokio::time::sleep(LOOK).await;
        }
    }
}

/// With all items.
async fn results(client: &mut OperationsClient<Connection>, id: &str) -> anyhow::Result<GetBulkResponse> {
    let mut items: Vec<BulkItem> = Vec::new();
    let mut page_token = String::new();
    loop {
        let request = GetBulkRequest { bulk_id: id.to_owned(), page_size: PAGE, page_token };
        let page = client.get_bulk(request).await.context("bulk")?.into_inner();
        items.extend(page.items.iter().cloned());
        page_token = page.next_page_token.clone();
        if page_token.is_empty() {
            return Ok(GetBulkResponse { items, ..page });
        }
    }
}

/// Exit 1 where some were refused: whoever asked for many wants to know.
fn tell(done: &GetBulkResponse, format: Format) -> anyhow::Result<Exit> {
    match format {
        Format::Json => print_json(&json::of("amends.v1.GetBulkResponse", done)?)?,
        Format::Text => print_text(&results_text(done))?,
    }
    Ok(if done.refused == 0 { Exit::Ok } else { Exit::Unsound })
}

fn results_text(done: &GetBulkResponse) -> String {
    let rows = done
        .items
        .iter()
        .map(|item| vec![item.gid.clone(), item.state.clone(), item.message.replacen('|', " ", 1)]);
    let mut text = table(&["gid", "state", "why"], &[], rows.collect());
    let GetBulkResponse { bulk_id, done, refused, pending, .. } = done;
    let _ = writeln!(text, "{bulk_id}: {done} done, {refused} refused, {pending} to do");
    text
}

fn preview_text(found: &PreviewBulkResponse) -> String {
    let rows = found.sample.iter().map(|one| {
        vec![one.gid.clone(), status_name(one.status()), one.definition.clone(), one.business_key.clone()]
    });
    let mut text = table(&["gid", "status", "definition", "business key"], &[], rows.collect());
    let _ = writeln!(text, "{} open global transactions, digest {}", found.count, found.digest);
    for stake in &found.stakes {
        let _ = writeln!(text, "at stake: {} in {}", money(stake.minor_units, &stake.currency), stake.count);
    }
    if found.without_amount > 0 {
        let _ = writeln!(text, "at stake: not told by {}", found.without_amount);
    }
    for figure in &found.participants {
        let _ = writeln!(text, "with {}: {}", figure.participant, figure.count);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use amends_proto::amends::v1::Stake;

    #[test]
    fn a_preview_tells_what_is_at_stake() {
        let stake = Stake { currency: "USD".into(), minor_units: 1_250, count: 2 };
        let found = PreviewBulkResponse {
            count: 3,
            digest: "d1".into(),
            stakes: vec![stake],
            without_amount: 1,
            ..Default::default()
        };
        let text = preview_text(&found);
        assert!(
            text.ends_with(
                "3 open global transactions, digest d1\nat stake: 12.50 USD in 2\nat stake: not told by 1\n"
            ),
            "{text}"
        );
    }
}
