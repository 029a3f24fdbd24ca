//! Where a global transaction stands, as every verb tells it that asks for one or acts on one, with the holds in its way.
//! Calls nobody but to learn of these.
use crate::connect::Connection;
use crate::exit::Exit;
use crate::output::{Format, Paint, print_json, print_text};
use crate::{holds, json, timeline};
use amends_proto::amends::v1::{GlobalTransaction, Hold};
use serde_json::Value;

/// Prints where a global transaction stands, and says so by the exit code.
pub async fn tell(
    connection: Connection,
    transaction: &GlobalTransaction,
    format: Format,
) -> anyhow::Result<Exit> {
    let holds = holds::in_the_way(connection, transaction).await;
    match format {
        Format::Json => print_json(&document(transaction, &holds)?)?,
        Format::Text => print_text(&text(transaction, &holds))?,
    }
    Ok(Exit::of_status(transaction.status()))
}

/// For programs: with `holds`, those in its way.
pub fn document(transaction: &GlobalTransaction, holds: &[Hold]) -> anyhow::Result<Value> {
    let mut told = json::of("amends.v1.GlobalTransaction", transaction)?;
    told["holds"] = holds::json(holds)?;
    Ok(told)
}

/// For people.
pub fn text(transaction: &GlobalTransaction, holds: &[Hold]) -> String {
    let head = timeline::head(transaction, Paint::detect());
    format!("{head}{}{}", holds::lines(holds), timeline::steps(transaction))
}
