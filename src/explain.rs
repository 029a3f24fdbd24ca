//! `amends explain`: why a global transaction is where it is, and what would bring it on.
use crate::connect::Target;
use crate::exit::Exit;
use crate::json;
use crate::output::{Format, Paint, Tone, print_json, print_text, status_name};
use crate::timeline::{plain_reason, run_line};
use amends_proto::amends::v1::operations_client::OperationsClient;
use amends_proto::amends::v1::{ExplainRequest, ExplainResponse, ExplainedOp, Situation};
use anyhow::Context as _;
use std::fmt::Write as _;

/// Explains why a global transaction waits: the op, its last answer, when it goes on and what would unblock it
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  amends explain 018f0000-0000-7000-8000-000000000000")]
pub struct Explain {
    /// Its gid
    gid: String,
    #[command(flatten)]
    target: Target,
}

impl Explain {
    /// Runs the verb.
    pub async fn run(self, format: Format) -> anyhow::Result<Exit> {
        let mut client = OperationsClient::new(self.target.connect().await?);
        let request = ExplainRequest { gid: self.gid.clone() };
        let told = client.explain(request).await.context("explain")?;
        let told = told.into_inner();
        match format {
            Format::Json => print_json(&json::of("amends.v1.ExplainResponse", &told)?)?,
            Format::Text => print_text(&text(&told, Paint::detect()))?,
        }
        Ok(Exit::of_status(told.status()))
    }
}

fn situation_name(situation: Situation) -> String {
    json::short_name("Situation", situation.as_str_name()).replace('_', " ")
}

fn text(told: &ExplainResponse, paint: Paint) -> String {
    let mut text = format!("{} {}: ", told.gid, status_name(told.status()));
    let _ = writeln!(text, "{}", paint.tone(Tone::Strong, &situation_name(told.situation())));
    let _ = writeln!(text, "{}", told.summary);
    let run = told.run.as_ref().filter(|run| run.continues > 0);
    if let Some(run) = run {
        let _ = writeln!(text, "{}", run_line(run));
    }
    for op in &told.ops {
        tell(op, run.map_or(0, |run| run.number), &mut text);
    }
    for attention in &told.attention {
        let since = attention.since.map(|since| format!(" since {since}")).unwrap_or_default();
        let line = format!("needs a person{since}: {} {}", attention.cause, plain_reason(&attention.text));
        let _ = writeln!(text, "{}", paint.tone(Tone::Bad, line.trim_end()));
    }
    for (index, way) in told.unblocked_by.iter().enumerate() {
        let _ = writeln!(text, "{}{way}", if index == 0 { "unblocked by  " } else { "          or  " });
    }
    text
}

/// `run` = the one that an operator's redrive began; 0 = there was none.
fn tell(op: &ExplainedOp, run: i32, text: &mut String) {
    let method = op.method.rsplit('/').next().unwrap_or_default();
    let most = match (op.max_attempts, op.attempts_in_run) {
        (0, _) => String::new(),
        (most, in_run) if run == 0 || in_run == op.attempt => format!(" of {most}"),
        (most, in_run) => format!(" ({in_run} of {most} in run {run})"),
    };
    let _ = write!(text, "  {} {}.{method} {}", op.branch_id, op.participant, op.op);
    let _ = write!(text, " · {} · attempt {}{most}", situation_name(op.situation()), op.attempt);
    if !op.last_code.is_empty() {
        let _ = write!(text, " · {} {}", op.last_code, plain_reason(&op.last_reason));
    }
    text.truncate(text.trim_end().len());
    text.push('\n');
    if let Some(next_at) = &op.next_at {
        let _ = writeln!(text, "     next at {next_at}");
    }
    if !op.rule.is_empty() {
        let _ = writeln!(text, "     by {}", op.rule);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use amends_proto::amends::v1::Run;

    #[test]
    fn a_wait_is_told_in_a_few_lines() {
        let op = ExplainedOp {
            branch_id: "05".into(),
            participant: "gateway".into(),
            method: "pay.gateway.v1.GatewayService/Charge".into(),
            op: "action".into(),
            situation: Situation::WaitingForRetry.into(),
            attempt: 3,
            max_attempts: 10,
            last_code: "UNAVAILABLE".into(),
            last_reason: "GONE|no connection".into(),
            next_at: Some(prost_types::Timestamp { seconds: 0, nanos: 0 }),
            rule: "retry policy".into(),
            ..ExplainedOp::default()
        };
        let told = ExplainResponse {
            gid: "g".into(),
            status: amends_proto::amends::v1::Status::Running.into(),
            situation: Situation::WaitingForRetry.into(),
            summary: "It waits.".into(),
            ops: vec![op],
            unblocked_by: vec!["an answer".into(), "a retry".into()],
            ..ExplainResponse::default()
        };
        let wanted = "g running: waiting for retry\n\
            It waits.\n  \
              05 gateway.Charge action · waiting for retry · attempt 3 of 10 · UNAVAILABLE GONE: no connection\n     \
                 next at 1970-01-01T00:00:00Z\n     \
                 by retry policy\n\
            unblocked by  an answer\n          or  a retry\n";
        assert_eq!(text(&told, Paint::Plain), wanted);
    }

    #[test]
    fn attempts_of_a_further_run_are_counted_by_themselves() {
        let op = |attempts_in_run| ExplainedOp {
            op: "action".into(),
            attempt: 12,
            max_attempts: 10,
            attempts_in_run,
            ..ExplainedOp::default()
        };
        let run = Run { number: 2, continues: 1, from: vec!["05 action".into()], ..Run::default() };
        let told = |op| ExplainResponse { run: Some(run.clone()), ops: vec![op], ..Default::default() };
        let later = text(&told(op(2)), Paint::Plain);
        assert!(later.contains("run 2, continues run 1 from 05 action\n"), "{later}");
        assert!(later.contains("attempt 12 (2 of 10 in run 2)"), "{later}");
        assert!(text(&told(op(12)), Paint::Plain).contains("attempt 12 of 10"), "it was never redriven");
    }
}
