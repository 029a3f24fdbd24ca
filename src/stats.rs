//! `amends stats`: how many global transactions there are, and where they stand.
use crate::connect::Target;
use crate::exit::Exit;
use crate::output::{Format, print_json, print_text, status_name, table};
use crate::{holds, json};
use amends_proto::amends::v1::operations_client::OperationsClient;
use amends_proto::amends::v1::{Hold, StatsRequest, StatsResponse};
use anyhow::Context as _;
use std::collections::BTreeMap;
use std::fmt::Write as _;

/// Counts global transactions by definition and status, and what needs a person by cause; tells what is paused
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  amends stats --output json")]
pub struct Stats {
    #[command(flatten)]
    target: Target,
}

impl Stats {
    /// Runs the verb.
    pub async fn run(self, format: Format) -> anyhow::Result<Exit> {
        let connection = self.target.connect().await?;
        let mut client = OperationsClient::new(connection.clone());
        let told = client.stats(StatsRequest {}).await.context("stats")?.into_inner();
        let holds = holds::in_force(connection).await;
        match format {
            Format::Json => {
                let mut json = json::of("amends.v1.StatsResponse", &told)?;
                json["holds"] = holds::json(holds.as_deref())?;
                print_json(&json)?;
            }
            Format::Text => print_text(&text(&told, holds.as_deref()))?,
        }
        Ok(Exit::Ok)
    }
}

/// A table of counts, and below it what is open, what is held back and who is needed. Without holds they could not be asked for.
pub fn text(told: &StatsResponse, holds: Option<&[Hold]>) -> String {
    let mut by_definition: BTreeMap<&str, Vec<(String, i64)>> = BTreeMap::new();
    for figure in &told.statuses {
        let counts = by_definition.entry(&figure.definition).or_default();
        counts.push((status_name(figure.status()), figure.count));
    }
    let names = ["accepted", "running", "compensating", "succeeded", "failed", "cancelled"];
    let rows = by_definition.into_iter().map(|(definition, counts)| {
        let count =
            |name: &&str| counts.iter().find(|(status, _)| status == name).map_or(0, |(_, count)| *count);
        let counts = names.iter().map(|name| count(name).to_string());
        std::iter::once(definition.to_owned()).chain(counts).collect()
    });
    let header: Vec<&str> = std::iter::once("definition").chain(names).collect();
    let mut text = table(&header, &names, rows.collect());
    let age = told.oldest_open_age.map(|age| format!(", the oldest for {}", duration(age.seconds)));
    let _ = writeln!(text, "{} open{}; {} paused", told.open, age.unwrap_or_default(), told.paused);
    text.push_str(&holds.map_or_else(|| "holds cannot be read now\n".to_owned(), holds::lines));
    for figure in &told.causes {
        let _ = writeln!(text, "{} need a person: {}", figure.count, figure.cause);
    }
    text
}

/// A time in its largest useful unit.
pub fn duration(seconds: i64) -> String {
    match seconds {
        ..=119 => format!("{seconds} s"),
        120..=7_199 => format!("{} min", seconds / 60),
        7_200..=172_799 => format!("{} h", seconds / 3_600),
        172_800.. => format!("{} d", seconds / 86_400),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use amends_proto::amends::v1::scope::What;
    use amends_proto::amends::v1::{CauseFigure, Status, StatusFigure};

    #[test]
    fn figures_are_told_in_one_table() {
        let figure = |definition: &str, status: Status, count| StatusFigure {
            definition: definition.into(),
            status: status.into(),
            count,
        };
        let told = StatsResponse {
            statuses: vec![figure("checkout", Status::Failed, 2), figure("checkout", Status::Running, 7)],
            causes: vec![CauseFigure { cause: "payment_in_doubt".into(), count: 1, oldest: None }],
            open: 7,
            oldest_open_age: Some(prost_types::Duration { seconds: 7_200, nanos: 0 }),
            ..StatsResponse::default()
        };
        let held = holds::tests::hold(What::Participant("gateway".into()));
        let unknown = text(&told, None);
        assert!(unknown.contains("0 paused\nholds cannot be read now\n1 need"), "{unknown}");
        let text = text(&told, Some(&[held]));
        let words: Vec<Vec<&str>> = text.lines().map(|line| line.split_whitespace().collect()).collect();
        assert_eq!(words[1], ["checkout", "0", "7", "0", "0", "2", "0"]);
        let end = "7 open, the oldest for 2 h; 0 paused\n\
            held: participant gateway since 1970-01-01T00:00:02Z, by ann: maintenance\n\
            1 need a person: payment_in_doubt\n";
        assert!(text.ends_with(end), "{text}");
    }
}
