//! Where a global transaction stands, as every verb tells it that asks for one or acts on one, with the holds in its way.
//! Changes nothing.
use crate::connect::Connection;
use crate::exit::Exit;
use crate::output::{Format, Paint, print_json, print_text, status_name};
use crate::{holds, json, timeline};
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
    /// Holds that kept an op waiting. They keep it waiting after the act, too, though it may be on its way from one wait to the
    /// next when it is looked at.
    pub holds: Vec<Hold>,
    /// Where it was; `None` = that could not be told.
    found: Option<GlobalTransaction>,
}

impl Before {
    /// Looks. What cannot be told is told by the act itself.
    pub async fn look(connection: Connection, gid: &str) -> Before {
        let request = GetRequest { gid: gid.to_owned() };
        let Ok(found) = TransactionsClient::new(connection.clone()).get(request).await else {
            return Before::default();
        };
        let found = found.into_inner();
        Before { holds: holds::in_the_way(connection, &found).await, found: Some(found) }
    }

    /// Whether it had ended, so that what was asked for had no effect any more.
    pub fn had_ended(&self) -> Remark {
        let ended = self.found.as_ref().filter(|found| Exit::of_status(found.status()) != Exit::Running);
        let line = ended.map(|ended| {
            let at = ended.finished_at.map(|at| format!(" at {at}")).unwrap_or_default();
            format!("it had ended already: {}{at}; nothing was changed\n", status_name(ended.status()))
        });
        Remark { name: "had_ended", value: ended.is_some().into(), line: line.unwrap_or_default() }
    }

    /// What a retry waits for all the same.
    pub fn waits_for(&self) -> Remark {
        let names: Vec<String> = self.holds.iter().map(holds::name).collect();
        let line = match names.as_slice() {
            [] => String::new(),
            names => format!("the attempt waits until {} is resumed\n", names.join(" and ")),
        };
        Remark { name: "waits_for", value: names.into(), line }
    }
}

/// Prints where a global transaction stands, and says so by the exit code.
pub async fn tell(
    connection: Connection,
    transaction: &GlobalTransaction,
    format: Format,
) -> anyhow::Result<Exit> {
    let holds = holds::in_the_way(connection, transaction).await;
    print(transaction, &holds, None, format)
}

/// Prints it with these holds in its way, and what an act came to.
pub fn print(
    transaction: &GlobalTransaction,
    holds: &[Hold],
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
pub fn document(transaction: &GlobalTransaction, holds: &[Hold]) -> anyhow::Result<Value> {
    let mut told = json::of("amends.v1.GlobalTransaction", transaction)?;
    told["holds"] = holds::json(holds)?;
    Ok(told)
}

fn text(transaction: &GlobalTransaction, holds: &[Hold]) -> String {
    let head = timeline::head(transaction, Paint::detect());
    format!("{head}{}{}", holds::lines(holds), timeline::steps(transaction))
}
