//! `amends holds`: the definitions and participants that are paused; and how other verbs tell which of these pauses stand in
//! the way of a global transaction. Decides nothing: whether an op is held back is what the orchestrator explains.
use crate::connect::{Connection, Target};
use crate::exit::Exit;
use crate::json;
use crate::output::{Format, print_json, print_text, said, table};
use amends_proto::amends::v1::operations_client::OperationsClient;
use amends_proto::amends::v1::scope::What;
use amends_proto::amends::v1::{
    ExplainRequest, ExplainedOp, GlobalTransaction, Hold, ListHoldsRequest, Situation,
};
use anyhow::Context as _;
use serde_json::Value;
use std::fmt::Write as _;
use std::time::Duration;
use tonic::{Response, Status};

/// What is told beside an answer must not hold it up for longer.
pub const PATIENCE: Duration = Duration::from_secs(3);

/// Lists the definitions and participants that are paused, with who did it and why
#[derive(Debug, clap::Args)]
pub struct Holds {
    /// Pauses that are over, too
    #[arg(long)]
    ended: bool,
    #[command(flatten)]
    target: Target,
}

impl Holds {
    /// Runs the verb.
    pub async fn run(self, format: Format) -> anyhow::Result<Exit> {
        let mut client = OperationsClient::new(self.target.connect().await?);
        let request = ListHoldsRequest { ended: self.ended };
        let told = client.list_holds(request).await.context("holds")?.into_inner();
        match format {
            Format::Json => print_json(&json::of("amends.v1.ListHoldsResponse", &told)?)?,
            Format::Text => print_text(&rows(&told.holds))?,
        }
        Ok(Exit::Ok)
    }
}

/// Those in force; `None` = it could not be asked. Whatever they are told beside neither fails for it nor waits long.
pub async fn in_force(connection: Connection) -> Option<Vec<Hold>> {
    let mut client = OperationsClient::new(connection);
    in_time(client.list_holds(ListHoldsRequest::default())).await.map(|told| told.holds)
}

async fn in_time<T>(answer: impl Future<Output = Result<Response<T>, Status>>) -> Option<T> {
    let answer = tokio::time::timeout(PATIENCE, answer).await.ok()?;
    answer.ok().map(Response::into_inner)
}

/// Those that stand in the way of a global transaction now; `None` as above.
pub async fn in_the_way(connection: Connection, transaction: &GlobalTransaction) -> Option<Vec<Hold>> {
    Some(in_the_way_of(&ops(connection, transaction).await?))
}

fn in_the_way_of(ops: &[HeldOp]) -> Vec<Hold> {
    of(ops.iter().filter(|held| held.op.situation() == Situation::Paused))
}

/// An op that may be attempted, and the holds of its definition and its participant.
#[derive(Debug)]
pub struct HeldOp {
    /// The op.
    pub op: ExplainedOp,
    /// Each keeps its next attempt waiting.
    pub holds: Vec<Hold>,
}

/// The ops of a global transaction that are to be done now; none where no hold in force concerns it, as it is explained only
/// for these; `None` as above.
pub async fn ops(connection: Connection, transaction: &GlobalTransaction) -> Option<Vec<HeldOp>> {
    if Exit::of_status(transaction.status()) != Exit::Running {
        return Some(Vec::new());
    }
    let steps = &transaction.steps;
    let mut holds = in_force(connection.clone()).await?;
    holds.retain(|hold| steps.iter().any(|step| concerns(hold, transaction, &step.participant)));
    if holds.is_empty() {
        return Some(Vec::new());
    }
    let request = ExplainRequest { gid: transaction.gid.clone() };
    let told = in_time(OperationsClient::new(connection).explain(request)).await?;
    Some(with_holds(&holds, transaction, told.ops))
}

fn with_holds(holds: &[Hold], transaction: &GlobalTransaction, ops: Vec<ExplainedOp>) -> Vec<HeldOp> {
    // What is refused for good is not attempted, held or not.
    let ops = ops.into_iter().filter(|op| op.situation() != Situation::RefusedBehindPivot);
    let held = ops.map(|op| {
        let of_it = holds.iter().filter(|hold| concerns(hold, transaction, &op.participant));
        HeldOp { holds: of_it.cloned().collect(), op }
    });
    held.collect()
}

/// The holds of these ops, each once.
pub fn of<'h>(ops: impl IntoIterator<Item = &'h HeldOp>) -> Vec<Hold> {
    let mut holds: Vec<Hold> = Vec::new();
    for hold in ops.into_iter().flat_map(|held| &held.holds) {
        if !holds.contains(hold) {
            holds.push(hold.clone());
        }
    }
    holds
}

fn concerns(hold: &Hold, transaction: &GlobalTransaction, participant: &str) -> bool {
    match what(hold) {
        Some(What::Definition(name)) => *name == transaction.definition,
        Some(What::Participant(name)) => name == participant,
        Some(What::Gid(gid)) => *gid == transaction.gid,
        None => false,
    }
}

fn what(hold: &Hold) -> Option<&What> {
    hold.scope.as_ref().and_then(|scope| scope.what.as_ref())
}

/// What is paused, in words: `participant gateway`.
pub fn name(hold: &Hold) -> String {
    match what(hold) {
        Some(What::Gid(gid)) => gid.clone(),
        Some(What::Definition(name)) => format!("definition {name}"),
        Some(What::Participant(name)) => format!("participant {name}"),
        None => String::new(),
    }
}

/// `held: participant gateway since …, by ann: maintenance`, a line each.
pub fn lines(holds: &[Hold]) -> String {
    let mut text = String::new();
    for hold in holds {
        let since = hold.since.map(|since| format!(" since {since}")).unwrap_or_default();
        let why = if hold.reason.is_empty() { String::new() } else { format!(": {}", said(&hold.reason)) };
        // Writing to a String cannot fail.
        let _ = writeln!(text, "held: {}{since}, by {}{why}", name(hold), said(&hold.subject));
    }
    text
}

/// A table of them.
pub fn rows(holds: &[Hold]) -> String {
    let row = |hold: &Hold| {
        let time = |at: Option<prost_types::Timestamp>| at.map(|at| at.to_string()).unwrap_or_default();
        let deadlines = json::short_name("Deadlines", hold.deadlines().as_str_name());
        let (by, until) = (hold.subject.clone(), time(hold.ended_at));
        vec![name(hold), time(hold.since), by, deadlines, hold.reason.clone(), until, hold.ended_by.clone()]
    };
    let heads = ["paused", "since", "by", "deadlines", "reason", "until", "resumed by"];
    table(&heads, &[], holds.iter().map(row).collect())
}

/// For programs; null = it could not be asked.
pub fn json(holds: Option<&[Hold]>) -> anyhow::Result<Value> {
    let Some(holds) = holds else { return Ok(Value::Null) };
    let each = holds.iter().map(|hold| json::of("amends.v1.Hold", hold));
    Ok(Value::Array(each.collect::<anyhow::Result<_>>()?))
}

#[cfg(test)]
pub mod tests {
    use super::*;
    use crate::connect::tests::mute;
    use amends_proto::amends::v1::{Scope, Status as TransactionStatus};

    /// One in force since two seconds after the beginning of time.
    pub fn hold(what: What) -> Hold {
        Hold {
            scope: Some(Scope { what: Some(what) }),
            since: Some(prost_types::Timestamp { seconds: 2, nanos: 0 }),
            subject: "ann".into(),
            reason: "maintenance".into(),
            ..Hold::default()
        }
    }

    #[test]
    fn a_hold_stands_in_the_way_of_what_waits_for_its_end_only() {
        let transaction = GlobalTransaction { definition: "checkout".into(), ..Default::default() };
        let op = |participant: &str, situation: Situation| ExplainedOp {
            participant: participant.into(),
            situation: situation.into(),
            ..ExplainedOp::default()
        };
        let all = || {
            let other = hold(What::Definition("own".into()));
            vec![hold(What::Definition("checkout".into())), hold(What::Participant("gateway".into())), other]
        };
        let names = |ops: &[ExplainedOp]| -> Vec<String> {
            in_the_way_of(&with_holds(&all(), &transaction, ops.to_vec())).iter().map(name).collect()
        };
        assert_eq!(names(&[op("gateway", Situation::Calling)]), [""; 0]);
        assert_eq!(names(&[op("order", Situation::Paused)]), ["definition checkout"]);
        let both = ["definition checkout", "participant gateway"];
        assert_eq!(names(&[op("order", Situation::Calling), op("gateway", Situation::Paused)]), both);
    }

    #[tokio::test]
    async fn what_cannot_be_asked_is_unknown_and_not_none() {
        let connection = mute().await.connect().await.unwrap();
        let running = GlobalTransaction { status: TransactionStatus::Running.into(), ..Default::default() };
        assert_eq!(in_force(connection.clone()).await, None);
        assert_eq!(in_the_way(connection.clone(), &running).await, None);
        let ended = GlobalTransaction { status: TransactionStatus::Failed.into(), ..Default::default() };
        assert_eq!(
            in_the_way(connection, &ended).await,
            Some(Vec::new()),
            "nothing holds back what has ended"
        );
        assert_eq!((json(None).unwrap(), json(Some(&[])).unwrap()), (Value::Null, serde_json::json!([])));
    }

    #[test]
    fn a_hold_is_told_in_a_line_with_who_and_why() {
        let mut held = hold(What::Participant("gateway".into()));
        let line = "held: participant gateway since 1970-01-01T00:00:02Z, by ann: maintenance\n";
        assert_eq!(lines(std::slice::from_ref(&held)), line);
        held.reason.clear();
        assert_eq!(lines(&[held]), "held: participant gateway since 1970-01-01T00:00:02Z, by ann\n");
    }
}
