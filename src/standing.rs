//! Where a global transaction stands, as every verb tells it that asks for one or acts on one, with the holds in its way.
//! Changes nothing.
use crate::connect::Connection;
use crate::exit::Exit;
use crate::holds::{self, HeldOp};
use crate::output::{Format, Paint, print_json, print_text, status_name};
use crate::{json, timeline};
use amends_proto::amends::v1::transactions_client::TransactionsClient;
use amends_proto::amends::v1::{GetRequest, GlobalTransaction, Hold};
use serde_json::Value;

/// What an act came to, where the global transaction alone does not tell it.
pub struct Remark {
    /// Name of the field in JSON.
    name: &'static str,
    value: Value,
    /// For people, a line; empty = there is nothing to be said.
    line: String,
}

/// How it stood before an act.
#[derive(Default)]
pub struct Before {
    /// Where it was; `None` = that could not be told.
    found: Option<GlobalTransaction>,
    /// The ops that were to be done, with the holds of each; `None` = that could not be told.
    ops: Option<Vec<HeldOp>>,
}

impl Before {
    /// Looks. What cannot be told is told by the act itself.
    pub async fn look(connection: Connection, gid: &str) -> Before {
        let request = GetRequest { gid: gid.to_owned() };
        let Ok(found) = TransactionsClient::new(connection.clone()).get(request).await else {
            return Before::default();
        };
        let found = found.into_inner();
        Before { ops: holds::ops(connection, &found).await, found: Some(found) }
    }

    /// The holds of ops that were to be done; `None` = that could not be told. They keep these waiting after the act, too, though
    /// one may be on its way from one wait to the next when it is looked at.
    pub fn holds(&self) -> Option<Vec<Hold>> {
        self.ops.as_ref().map(holds::of)
    }

    /// Whether it had ended, so that what was asked for had no effect any more.
    pub fn had_ended(&self) -> Remark {
        let has_ended = |found: &&GlobalTransaction| Exit::of_status(found.status()) != Exit::Running;
        let had_ended = self.found.as_ref().map(|found| has_ended(&found));
        let line = self.found.as_ref().filter(has_ended).map(|ended| {
            let at = ended.finished_at.map(|at| format!(" at {at}")).unwrap_or_default();
            format!("it had ended already: {}{at}; nothing was changed\n", status_name(ended.status()))
        });
        Remark { name: "had_ended", value: had_ended.into(), line: line.unwrap_or_default() }
    }

    /// What a retry waits for all the same: of this op of a step, or of all where the step is empty.
    pub fn waits_for(&self, branch_id: &str, op: &str) -> Remark {
        let asked =
            |held: &&HeldOp| branch_id.is_empty() || (held.op.branch_id == branch_id && held.op.op == op);
        let value = self.ops.as_ref().map(|ops| names(&ops.iter().filter(asked).collect::<Vec<_>>()));
        let (held, free): (Vec<&HeldOp>, Vec<&HeldOp>) =
            self.ops.iter().flatten().filter(asked).partition(|held| !held.holds.is_empty());
        Remark { name: "waits_for", value: value.into(), line: waits(&held, &free) }
    }
}

fn names(ops: &[&HeldOp]) -> Vec<String> {
    holds::of(ops.iter().copied()).iter().map(holds::name).collect()
}

fn waits(held: &[&HeldOp], free: &[&HeldOp]) -> String {
    let names = names(held);
    let is = if names.len() > 1 { "are" } else { "is" };
    let until = format!("until {} {is} resumed", names.join(" and "));
    let ops: Vec<String> = held.iter().map(|held| format!("{} {}", held.op.branch_id, held.op.op)).collect();
    let wait = if ops.len() > 1 { "wait" } else { "waits" };
    match (held, free) {
        ([], _) => String::new(),
        (_, []) => format!("the attempt waits {until}\n"),
        (_, _) => format!("{} {wait} {until}; the others are attempted now\n", ops.join(" and ")),
    }
}

/// Prints where a global transaction stands, and says so by the exit code.
pub async fn tell(
    connection: Connection,
    transaction: &GlobalTransaction,
    format: Format,
) -> anyhow::Result<Exit> {
    let holds = holds::in_the_way(connection, transaction).await;
    print(transaction, holds.as_deref(), None, format)
}

/// Prints it with these holds in its way, and what an act came to.
pub fn print(
    transaction: &GlobalTransaction,
    holds: Option<&[Hold]>,
    remark: Option<Remark>,
    format: Format,
) -> anyhow::Result<Exit> {
    match format {
        Format::Json => {
            let mut told = document(transaction, holds)?;
            if let Some(Remark { name, value, .. }) = remark {
                told[name] = value;
            }
            print_json(&told)?;
        }
        Format::Text => {
            let line = remark.map(|remark| remark.line).unwrap_or_default();
            print_text(&format!("{line}{}", text(transaction, holds)))?;
        }
    }
    Ok(Exit::of_status(transaction.status()))
}

/// For programs: with `holds`, those in its way.
pub fn document(transaction: &GlobalTransaction, holds: Option<&[Hold]>) -> anyhow::Result<Value> {
    let mut told = json::of("amends.v1.GlobalTransaction", transaction)?;
    told["holds"] = holds::json(holds)?;
    Ok(told)
}

fn text(transaction: &GlobalTransaction, holds: Option<&[Hold]>) -> String {
    let head = timeline::head(transaction, Paint::detect());
    let held = holds::lines(holds.unwrap_or_default());
    format!("{head}{held}{}", timeline::steps(transaction))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::connect::tests::mute;
    use amends_proto::amends::v1::scope::What;
    use amends_proto::amends::v1::{ExplainedOp, Status};
    use serde_json::json;

    fn op(branch_id: &str, participants: &[&str]) -> HeldOp {
        let hold = |name: &&str| holds::tests::hold(What::Participant((*name).into()));
        let op = ExplainedOp { branch_id: branch_id.into(), op: "action".into(), ..ExplainedOp::default() };
        HeldOp { op, holds: participants.iter().map(hold).collect() }
    }

    #[test]
    fn a_retry_tells_of_the_holds_of_what_it_asks_for() {
        let told = |ops: Vec<HeldOp>, step: &str| {
            let before = Before { found: None, ops: Some(ops) };
            let Remark { value, line, .. } = before.waits_for(step, "action");
            (value, line)
        };
        let all = || vec![op("02", &[]), op("03", &["gateway"])];
        let some = "03 action waits until participant gateway is resumed; the others are attempted now\n";
        assert_eq!(told(all(), ""), (json!(["participant gateway"]), some.to_owned()));
        assert_eq!(told(all(), "02"), (json!([]), String::new()), "it is attempted at once");
        let alone = "the attempt waits until participant gateway is resumed\n";
        assert_eq!(told(all(), "03"), (json!(["participant gateway"]), alone.to_owned()));
        let (value, line) = told(vec![op("03", &["gateway"]), op("04", &["points"]), op("05", &[])], "");
        assert_eq!(value, json!(["participant gateway", "participant points"]));
        let both =
            "03 action and 04 action wait until participant gateway and participant points are resumed; ";
        assert!(line.starts_with(both), "{line}");
    }

    #[tokio::test]
    async fn what_could_not_be_looked_at_is_told_as_unknown() {
        let before = Before::look(mute().await.connect().await.unwrap(), "g").await;
        assert_eq!(before.holds(), None);
        for remark in [before.had_ended(), before.waits_for("", "")] {
            assert_eq!((remark.value, remark.line.as_str()), (Value::Null, ""), "{}", remark.name);
        }
        let told = document(&GlobalTransaction::default(), None).unwrap();
        assert_eq!(told["holds"], Value::Null);
        let running = GlobalTransaction { status: Status::Running.into(), ..Default::default() };
        let before = Before { found: Some(running), ops: None };
        assert_eq!(before.had_ended().value, json!(false));
    }
}
