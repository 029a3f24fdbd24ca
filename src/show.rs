//! `amends show`: everything that is known of one global transaction, told as a timeline.
use crate::connect::{Connection, Target};
use crate::exit::Exit;
use crate::json;
use crate::output::{Format, Paint, print_json, print_text};
use crate::timeline::{self, Story};
use amends_proto::amends::v1::operations_client::OperationsClient;
use amends_proto::amends::v1::transactions_client::TransactionsClient;
use amends_proto::amends::v1::{
    CoordinatorViewRequest, CoordinatorViewResponse, Event, GetHistoryRequest, GetRequest, GlobalTransaction,
};
use anyhow::Context as _;
use serde_json::Value;

/// Shows one global transaction: steps, timeline, and what the coordinator itself says of it
#[derive(Debug, clap::Args)]
pub struct Show {
    /// Its gid
    gid: String,
    #[command(flatten)]
    target: Target,
}

impl Show {
    /// Runs the verb.
    pub async fn run(self, format: Format) -> anyhow::Result<Exit> {
        let told = Told::fetch(self.target.connect().await?, &self.gid).await?;
        match format {
            Format::Json => print_json(&told.json()?)?,
            Format::Text => print_text(&timeline::full(&told.story(), Paint::detect()))?,
        }
        Ok(Exit::of_status(told.transaction.status()))
    }
}

/// Everything that the orchestrator tells of one global transaction.
pub struct Told {
    /// The fold of its history.
    pub transaction: GlobalTransaction,
    /// The history.
    pub events: Vec<Event>,
    /// The coordinator's view; none if it could not be asked.
    pub coordinator: Option<CoordinatorViewResponse>,
}

impl Told {
    /// Asks for all of it. A coordinator that is away leaves its part out.
    pub async fn fetch(connection: Connection, gid: &str) -> anyhow::Result<Told> {
        let mut transactions = TransactionsClient::new(connection.clone());
        let mut operations = OperationsClient::new(connection);
        let get = GetRequest { gid: gid.to_owned() };
        let transaction = transactions.get(get).await.with_context(|| format!("get {gid}"))?.into_inner();
        let view = CoordinatorViewRequest { gid: gid.to_owned() };
        let coordinator = operations.coordinator_view(view).await.ok().map(tonic::Response::into_inner);
        let events = history(&mut transactions, gid).await?;
        Ok(Told { transaction, events, coordinator })
    }

    /// For the timeline.
    pub fn story(&self) -> Story<'_> {
        Story { transaction: &self.transaction, events: &self.events, coordinator: self.coordinator.as_ref() }
    }

    fn json(&self) -> anyhow::Result<Value> {
        let events: anyhow::Result<Vec<Value>> =
            self.events.iter().map(|event| json::of("amends.v1.Event", event)).collect();
        let coordinator = match &self.coordinator {
            Some(view) => json::of("amends.v1.CoordinatorViewResponse", view)?,
            None => Value::Null,
        };
        Ok(serde_json::json!({
            "transaction": json::of("amends.v1.GlobalTransaction", &self.transaction)?,
            "events": events?,
            "coordinator": coordinator,
        }))
    }
}

/// The whole history, page by page.
async fn history(client: &mut TransactionsClient<Connection>, gid: &str) -> anyhow::Result<Vec<Event>> {
    let mut events: Vec<Event> = Vec::new();
    let mut from_seq = 1;
    while from_seq > 0 {
        let request = GetHistoryRequest { gid: gid.to_owned(), from_seq, page_size: 0 };
        let page = client.get_history(request).await.context("get history")?.into_inner();
        events.extend(page.events);
        from_seq = page.next_seq;
    }
    Ok(events)
}
