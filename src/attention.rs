//! `amends attention` and `amends ack`: who is needed for what, and who looks after it.
use crate::connect::Target;
use crate::exit::Exit;
use crate::json;
use crate::output::{Format, print_json, print_text, table};
use crate::timeline::plain_reason;
use amends_proto::amends::v1::operations_client::OperationsClient;
use amends_proto::amends::v1::{
    AcknowledgeRequest, AcknowledgeResponse, Acknowledgement, Attention as Need, ListAttentionRequest,
    ListAttentionResponse, Notices, OpenAttention,
};
use anyhow::Context as _;
use prost_types::Timestamp;
use std::fmt::Write as _;

/// Lists what needs a person now, oldest first, with counts for each cause
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  amends attention --unacknowledged --cause payment_in_doubt")]
pub struct Attention {
    /// Only of this global transaction
    #[arg(long, value_name = "GID", default_value = "", hide_default_value = true)]
    gid: String,
    /// Only of this cause, e.g. disagreement
    #[arg(long, value_name = "CAUSE", default_value = "", hide_default_value = true)]
    cause: String,
    /// Only what this person looks after
    #[arg(long, value_name = "WHO", default_value = "", hide_default_value = true)]
    owner: String,
    /// Only what somebody has acknowledged
    #[arg(long, conflicts_with = "unacknowledged")]
    acknowledged: bool,
    /// Only what nobody has acknowledged
    #[arg(long)]
    unacknowledged: bool,
    /// At most so many
    #[arg(long, value_name = "N", default_value_t = 50, value_parser = clap::value_parser!(i32).range(1..=1_000))]
    limit: i32,
    /// Go on where an earlier list ended
    #[arg(long, value_name = "TOKEN", default_value = "", hide_default_value = true)]
    page_token: String,
    #[command(flatten)]
    target: Target,
}

impl Attention {
    /// Runs the verb.
    pub async fn run(self, format: Format) -> anyhow::Result<Exit> {
        let mut client = OperationsClient::new(self.target.connect().await?);
        let acknowledgement = match (self.acknowledged, self.unacknowledged) {
            (true, _) => Acknowledgement::Acknowledged,
            (false, true) => Acknowledgement::Unacknowledged,
            (false, false) => Acknowledgement::Unspecified,
        };
        let request = ListAttentionRequest {
            gid: self.gid,
            cause: self.cause,
            owner: self.owner,
            acknowledgement: acknowledgement.into(),
            page_size: self.limit,
            page_token: self.page_token,
        };
        let listed = client.list_attention(request).await.context("attention")?.into_inner();
        match format {
            Format::Json => print_json(&json::of("amends.v1.ListAttentionResponse", &listed)?)?,
            Format::Text => print_text(&list_text(&listed))?,
        }
        Ok(Exit::Ok)
    }
}

/// Says that you, or whom you name, look after what a global transaction needs a person for
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Example:\n  amends ack 018f0000-0000-7000-8000-000000000000 --owner ann --note \"asked the provider\""
)]
pub struct Ack {
    /// Its gid
    gid: String,
    /// Which need; without it all that are open
    #[arg(long, value_name = "CAUSE", default_value = "", hide_default_value = true)]
    cause: String,
    /// Who looks after it; without it the caller
    #[arg(long, value_name = "WHO", default_value = "", hide_default_value = true)]
    owner: String,
    /// What others should know
    #[arg(long, value_name = "TEXT", default_value = "", hide_default_value = true)]
    note: String,
    #[command(flatten)]
    target: Target,
}

impl Ack {
    /// Runs the verb.
    pub async fn run(self, format: Format) -> anyhow::Result<Exit> {
        let mut client = OperationsClient::new(self.target.connect().await?);
        let Self { gid, cause, owner, note, .. } = self;
        let request = AcknowledgeRequest { gid: gid.clone(), cause, owner, note };
        let acknowledged = client.acknowledge(request).await.context("ack")?;
        let acknowledged = acknowledged.into_inner();
        match format {
            Format::Json => print_json(&json::of("amends.v1.AcknowledgeResponse", &acknowledged)?)?,
            Format::Text => print_text(&acknowledged_text(&acknowledged))?,
        }
        Ok(Exit::Ok)
    }
}

fn list_text(listed: &ListAttentionResponse) -> String {
    let mut text = String::new();
    if listed.counts.is_empty() {
        text.push_str("nobody is needed\n");
    } else {
        let rows = listed.counts.iter().map(|count| {
            vec![
                count.cause.clone(),
                count.open.to_string(),
                count.unacknowledged.to_string(),
                moment(count.since.as_ref()),
            ]
        });
        let header = ["cause", "open", "unacknowledged", "oldest"];
        text.push_str(&table(&header, &["open", "unacknowledged"], rows.collect()));
    }
    if !listed.open.is_empty() {
        let header = ["since", "gid", "cause", "at", "owner", "acknowledged", "what", "next by itself"];
        text.push('\n');
        text.push_str(&table(&header, &[], listed.open.iter().map(row).collect()));
    }
    if !listed.next_page_token.is_empty() {
        let _ = writeln!(text, "more: --page-token {}", listed.next_page_token);
    }
    if let Some(line) = listed.notices.as_ref().and_then(notices_line) {
        let _ = writeln!(text, "\n{line}");
    }
    text
}

fn row(open: &OpenAttention) -> Vec<String> {
    let acknowledged = match open.acknowledged_by.as_str() {
        "" => String::new(),
        by => format!("{by} {} {}", moment(open.acknowledged_at.as_ref()), open.note),
    };
    let next_at = open.next_action_at.as_ref().map(|at| format!(" at {}", moment(Some(at))));
    vec![
        moment(open.since.as_ref()),
        open.gid.clone(),
        open.cause.clone(),
        format!("{} {}", open.branch_id, open.op).trim().to_owned(),
        open.owner.clone(),
        acknowledged.trim_end().to_owned(),
        plain_reason(&open.text),
        format!("{}{}", open.next_action, next_at.unwrap_or_default()),
    ]
}

/// `None` where there is nothing to tell.
fn notices_line(notices: &Notices) -> Option<String> {
    let Notices { webhook, pending, oldest, most_attempts, last_error } = notices;
    match (webhook, pending) {
        (true, 0) => None,
        (true, _) => {
            let error = if last_error.is_empty() { String::new() } else { format!(": {last_error}") };
            let since = moment(oldest.as_ref());
            Some(format!(
                "{pending} notices not delivered yet, oldest {since}, {most_attempts} attempts{error}"
            ))
        }
        (false, _) => Some("this orchestrator tells nobody: --attention-webhook is not given".to_owned()),
    }
}

fn acknowledged_text(acknowledged: &AcknowledgeResponse) -> String {
    let line = |need: &Need| match need.acknowledged_by.as_str() {
        "" => format!("{} {}: nobody has acknowledged it\n", acknowledged.gid, need.cause),
        by => {
            let note = if need.note.is_empty() { String::new() } else { format!(": {}", need.note) };
            format!("{} {}: {} looks after it, says {by}{note}\n", acknowledged.gid, need.cause, need.owner)
        }
    };
    acknowledged.open.iter().map(line).collect()
}

fn moment(time: Option<&Timestamp>) -> String {
    let time = time.and_then(|at| chrono::DateTime::from_timestamp(at.seconds, 0));
    time.map(|at| at.format("%F %T").to_string()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use amends_proto::amends::v1::AttentionCount;

    fn open() -> OpenAttention {
        OpenAttention {
            gid: "g".into(),
            cause: "retries_exhausted".into(),
            since: Some(Timestamp { seconds: 60, nanos: 0 }),
            branch_id: "02".into(),
            op: "compensate".into(),
            text: "UNAVAILABLE GONE|away".into(),
            owner: "ann".into(),
            acknowledged_by: "bob".into(),
            acknowledged_at: Some(Timestamp { seconds: 120, nanos: 0 }),
            note: "asked".into(),
            next_action: "tried again".into(),
            next_action_at: Some(Timestamp { seconds: 180, nanos: 0 }),
            ..OpenAttention::default()
        }
    }

    #[test]
    fn a_list_tells_counts_then_each_with_owner_and_what_comes_next() {
        let since = Some(Timestamp { seconds: 60, nanos: 0 });
        let count = AttentionCount { cause: "retries_exhausted".into(), open: 7, unacknowledged: 6, since };
        let listed = ListAttentionResponse {
            open: vec![open()],
            counts: vec![count],
            next_page_token: "t".into(),
            ..ListAttentionResponse::default()
        };
        let text = list_text(&listed);
        for told in [
            "7",
            "6",
            "1970-01-01 00:01:00",
            "02 compensate",
            "ann",
            "bob 1970-01-01 00:02:00 asked",
            "tried again at 1970-01-01 00:03:00",
            "more: --page-token t",
        ] {
            assert!(text.contains(told), "{told} in\n{text}");
        }
        assert_eq!(list_text(&ListAttentionResponse::default()), "nobody is needed\n");
    }

    #[test]
    fn whether_anybody_hears_of_it_is_told() {
        let quiet = Notices { webhook: true, ..Notices::default() };
        assert_eq!(notices_line(&quiet), None);
        assert!(notices_line(&Notices::default()).is_some_and(|line| line.contains("--attention-webhook")));
        let behind = Notices { pending: 3, most_attempts: 9, last_error: "HTTP 503".into(), ..quiet };
        let line = notices_line(&behind).unwrap_or_default();
        assert!(
            line.starts_with("3 notices not delivered") && line.ends_with("9 attempts: HTTP 503"),
            "{line}"
        );
    }

    #[test]
    fn an_acknowledgement_names_who_looks_after_it() {
        let need = Need {
            cause: "disagreement".into(),
            owner: "ann".into(),
            acknowledged_by: "bob".into(),
            note: "asked".into(),
            ..Need::default()
        };
        let acknowledged = AcknowledgeResponse { gid: "g".into(), open: vec![need] };
        assert_eq!(acknowledged_text(&acknowledged), "g disagreement: ann looks after it, says bob: asked\n");
    }
}
