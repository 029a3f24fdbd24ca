//! `amends show`: everything that is known of one global transaction, told as a timeline.
use crate::connect::{Connection, Target};
use crate::exit::Exit;
use crate::output::{Format, Paint, print_json, print_text};
use crate::timeline::{self, Story};
use crate::{holds, json, standing};
use amends_dtm::Gid;
use amends_orchestrator::api::archived;
use amends_orchestrator::retention::Archive;
use amends_proto::amends::v1::operations_client::OperationsClient;
use amends_proto::amends::v1::transactions_client::TransactionsClient;
use amends_proto::amends::v1::{
    CoordinatorViewRequest, CoordinatorViewResponse, Event, GetHistoryRequest, GetRequest, GlobalTransaction,
    Hold, Payload, PayloadsRequest,
};
use anyhow::Context as _;
use serde_json::Value;
use std::path::{Path, PathBuf};

/// Shows one global transaction: steps, timeline, and what the coordinator itself says of it
#[derive(Debug, clap::Args)]
pub struct Show {
    /// Its gid
    gid: String,
    /// What its steps carry too, with sensitive values masked
    #[arg(long)]
    payload: bool,
    /// Read it from this archive, where retention has put it, instead of asking an orchestrator
    #[arg(long, value_name = "DIR", conflicts_with = "payload")]
    archive: Option<PathBuf>,
    #[command(flatten)]
    target: Target,
}

impl Show {
    /// Runs the verb.
    pub async fn run(self, format: Format) -> anyhow::Result<Exit> {
        let (told, payloads) = match self.archive {
            Some(folder) => (Told::archived(&folder, &self.gid).await?, None),
            None => {
                let connection = self.target.connect().await?;
                let told = Told::fetch(connection.clone(), &self.gid).await?;
                let payloads = if self.payload { Some(payloads(connection, &self.gid).await?) } else { None };
                (told, payloads)
            }
        };
        match format {
            Format::Json => {
                let mut json = told.json()?;
                if let Some(payloads) = &payloads {
                    json["payloads"] = payloads_json(payloads)?;
                }
                print_json(&json)?;
            }
            Format::Text => {
                let told = timeline::full(&told.story(), Paint::detect());
                print_text(&(told + &payloads.iter().flatten().map(payload_text).collect::<String>()))?;
            }
        }
        Ok(Exit::of_status(told.transaction.status()))
    }
}

async fn payloads(connection: Connection, gid: &str) -> anyhow::Result<Vec<Payload>> {
    let request = PayloadsRequest { gid: gid.to_owned() };
    let answer = OperationsClient::new(connection).payloads(request).await.context("get payloads")?;
    Ok(answer.into_inner().payloads)
}

/// With the message as JSON itself, not as text of it.
fn payloads_json(payloads: &[Payload]) -> anyhow::Result<Value> {
    let each = payloads.iter().map(|payload| {
        let mut json = json::of("amends.v1.Payload", payload)?;
        json["json"] = serde_json::from_str(&payload.json).unwrap_or(Value::Null);
        Ok(json)
    });
    Ok(Value::Array(each.collect::<anyhow::Result<_>>()?))
}

fn payload_text(payload: &Payload) -> String {
    let Payload { branch_id, participant, r#type, size, sha256, json, .. } = payload;
    let name = if r#type.is_empty() { "a message of its own" } else { r#type };
    let head = format!("payload {branch_id} {participant}: {name}, {size} bytes, SHA-256 {sha256}\n");
    match serde_json::from_str::<Value>(json) {
        Ok(value) => format!("{head}{value:#}\n"),
        Err(_) => head,
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
    /// The holds in its way; none = they could not be asked for.
    pub holds: Option<Vec<Hold>>,
}

impl Told {
    /// Reads it from an archive.
    async fn archived(folder: &Path, gid: &str) -> anyhow::Result<Told> {
        let parsed = Gid::parse(gid).with_context(|| format!("`{gid}`"))?;
        let found = Archive::at(folder.to_owned()).find(&parsed).await?;
        let record = found.with_context(|| format!("{gid} is not in the archive {}", folder.display()))?;
        let told = archived(&record).context("another version wrote this record")?;
        Ok(Told { transaction: told.0, events: told.1, coordinator: None, holds: Some(Vec::new()) })
    }

    /// Asks for all of it. A coordinator that is away leaves its part out.
    pub async fn fetch(connection: Connection, gid: &str) -> anyhow::Result<Told> {
        let mut transactions = TransactionsClient::new(connection.clone());
        let mut operations = OperationsClient::new(connection.clone());
        let get = GetRequest { gid: gid.to_owned() };
        let transaction = transactions.get(get).await.context("show")?.into_inner();
        let view = CoordinatorViewRequest { gid: gid.to_owned() };
        let coordinator = operations.coordinator_view(view).await.ok().map(tonic::Response::into_inner);
        let events = history(&mut transactions, gid).await?;
        let holds = holds::in_the_way(connection, &transaction).await;
        Ok(Told { transaction, events, coordinator, holds })
    }

    /// For the timeline.
    pub fn story(&self) -> Story<'_> {
        let Told { transaction, events, coordinator, holds } = self;
        let holds = holds.as_deref().unwrap_or_default();
        Story { transaction, events, coordinator: coordinator.as_ref(), holds }
    }

    fn json(&self) -> anyhow::Result<Value> {
        let events: anyhow::Result<Vec<Value>> =
            self.events.iter().map(|event| json::of("amends.v1.Event", event)).collect();
        let coordinator = match &self.coordinator {
            Some(view) => json::of("amends.v1.CoordinatorViewResponse", view)?,
            None => Value::Null,
        };
        Ok(serde_json::json!({
            "transaction": standing::document(&self.transaction, self.holds.as_deref())?,
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_payload_that_nobody_knows_is_told_by_size_and_hash() {
        let own = Payload { branch_id: "01".into(), participant: "p".into(), size: 7, ..Payload::default() };
        assert_eq!(payload_text(&own), "payload 01 p: a message of its own, 7 bytes, SHA-256 \n");
        let known = Payload { r#type: "a.B".into(), json: r#"{"card_token":"***"}"#.into(), ..own };
        assert!(payload_text(&known).ends_with("{\n  \"card_token\": \"***\"\n}\n"));
        assert_eq!(payloads_json(&[known]).unwrap()[0]["json"]["card_token"], "***");
    }
}
