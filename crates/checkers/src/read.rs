//! Reads a `Snapshot`: every list in pages, services side by side, steps of global transactions with bounded
//! concurrency. Judges nothing.
use crate::snapshot::Snapshot;
use crate::targets::{ReadError, Targets};
use crate::{coordinator, history};
use amends_proto::pay::account::v1::{self as account, account_service_client::AccountServiceClient};
use amends_proto::pay::branch::v1::{BranchOp, ListBranchOpsRequest};
use amends_proto::pay::gateway::v1::{self as gateway, gateway_service_client::GatewayServiceClient};
use amends_proto::pay::inventory::v1::{self as inventory, inventory_service_client::InventoryServiceClient};
use amends_proto::pay::order::v1::{self as order, order_service_client::OrderServiceClient};
use amends_proto::pay::points::v1::{self as points, points_service_client::PointsServiceClient};
use amends_proto::pay::psp::v1::{self as psp, psp_service_client::PspServiceClient};
use std::time::{SystemTime, UNIX_EPOCH};
use tonic::transport::Channel;

/// Rows asked for in one page; the order service gives at most 200.
const PAGE: i32 = 1_000;
const ORDER_PAGE: i32 = 200;
/// Room for a page of reservations with 100 lines each.
const MAX_ANSWER_BYTES: usize = 64 << 20;

/// Reads everything. The pieces are read one after another: what moves meanwhile may look like a breach, so read at
/// a quiet point, or compare two readings.
///
/// # Errors
/// Something did not answer.
pub async fn read(targets: &Targets) -> Result<Snapshot, ReadError> {
    let mut snapshot = Snapshot { read_at_us: now_us(), ..Snapshot::default() };
    snapshot.transactions = history::read(&targets.orchestrator).await?;
    snapshot.dtm = match &targets.dtm {
        Some(dtm) => Some(coordinator::read(dtm).await?),
        None => None,
    };
    let participant = |name: &str| targets.participants.get(name).cloned();
    let (orders, account, inventory, points, gateway, facts) = tokio::try_join!(
        optional(participant("order"), read_order),
        optional(participant("account"), read_account),
        optional(participant("inventory"), read_inventory),
        optional(participant("points"), read_points),
        optional(participant("gateway"), read_gateway),
        optional(targets.psp.clone(), read_facts),
    )?;
    let mut keep = |name: &str, ops: Vec<BranchOp>| snapshot.branch_ops.insert(name.to_owned(), ops);
    if let Some((orders, ops)) = orders {
        snapshot.orders = orders;
        keep("order", ops);
    }
    if let Some((accounts, entries, holds, ops)) = account {
        (snapshot.accounts, snapshot.entries, snapshot.holds) = (accounts, entries, holds);
        keep("account", ops);
    }
    if let Some((stock, reservations, ops)) = inventory {
        (snapshot.stock, snapshot.reservations) = (stock, reservations);
        keep("inventory", ops);
    }
    if let Some((accounts, points_ops, ops)) = points {
        (snapshot.points_accounts, snapshot.points_ops) = (accounts, points_ops);
        keep("points", ops);
    }
    if let Some((payments, attempts, in_doubt, ops)) = gateway {
        (snapshot.payments, snapshot.attempts, snapshot.in_doubt) = (payments, attempts, in_doubt);
        keep("gateway", ops);
    }
    snapshot.facts = facts.unwrap_or_default();
    Ok(snapshot)
}

/// Reads all pages of one list: `listed!(what, client, method, Request { .. } without cursor, field of the answer)`.
macro_rules! listed {
    ($what:literal, $client:expr, $method:ident, $request:expr, $field:ident) => {
        pages($what, |cursor| {
            let mut client = $client.clone();
            let mut request = $request;
            request.cursor = cursor;
            async move {
                let answer = client.$method(request).await?.into_inner();
                Ok((answer.$field, answer.next_cursor))
            }
        })
        .await?
    };
}

fn all_branch_ops() -> ListBranchOpsRequest {
    ListBranchOpsRequest { gid: String::new(), cursor: String::new(), limit: PAGE }
}

async fn read_order(channel: Channel) -> Result<(Vec<order::Order>, Vec<BranchOp>), ReadError> {
    let client = OrderServiceClient::new(channel).max_decoding_message_size(MAX_ANSWER_BYTES);
    let all = || order::ListRequest { cursor: String::new(), limit: ORDER_PAGE };
    Ok((
        listed!("orders", client, list, all(), orders),
        listed!("branch rows of order", client, list_branch_ops, all_branch_ops(), branch_ops),
    ))
}

type AccountRows = (Vec<account::Account>, Vec<account::Entry>, Vec<account::Hold>, Vec<BranchOp>);

async fn read_account(channel: Channel) -> Result<AccountRows, ReadError> {
    let client = AccountServiceClient::new(channel).max_decoding_message_size(MAX_ANSWER_BYTES);
    let all = || account::ListRequest { cursor: String::new(), limit: PAGE };
    Ok((
        listed!("accounts", client, list, all(), accounts),
        listed!("entries", client, list_entries, all(), entries),
        listed!("holds", client, list_holds, all(), holds),
        listed!("branch rows of account", client, list_branch_ops, all_branch_ops(), branch_ops),
    ))
}

type InventoryRows = (Vec<inventory::Stock>, Vec<inventory::Reservation>, Vec<BranchOp>);

async fn read_inventory(channel: Channel) -> Result<InventoryRows, ReadError> {
    let client = InventoryServiceClient::new(channel).max_decoding_message_size(MAX_ANSWER_BYTES);
    let all = || inventory::ListRequest { cursor: String::new(), limit: PAGE };
    Ok((
        listed!("stock", client, list_stock, all(), stock),
        listed!("reservations", client, list_reservations, all(), reservations),
        listed!("branch rows of inventory", client, list_branch_ops, all_branch_ops(), branch_ops),
    ))
}

type PointsRows = (Vec<points::PointsAccount>, Vec<points::PointsOp>, Vec<BranchOp>);

async fn read_points(channel: Channel) -> Result<PointsRows, ReadError> {
    let client = PointsServiceClient::new(channel).max_decoding_message_size(MAX_ANSWER_BYTES);
    let all = || points::ListRequest { cursor: String::new(), limit: PAGE };
    Ok((
        listed!("points accounts", client, list_accounts, all(), accounts),
        listed!("points ops", client, list_ops, all(), ops),
        listed!("branch rows of points", client, list_branch_ops, all_branch_ops(), branch_ops),
    ))
}

type GatewayRows = (Vec<gateway::Payment>, Vec<gateway::Attempt>, Vec<gateway::InDoubtItem>, Vec<BranchOp>);

async fn read_gateway(channel: Channel) -> Result<GatewayRows, ReadError> {
    let client = GatewayServiceClient::new(channel).max_decoding_message_size(MAX_ANSWER_BYTES);
    let all = || gateway::ListRequest { cursor: String::new(), limit: PAGE };
    Ok((
        listed!("payments", client, list_payments, all(), payments),
        listed!("attempts", client, list_attempts, all(), attempts),
        listed!("in-doubt items", client, list_in_doubt, all(), items),
        listed!("branch rows of gateway", client, list_branch_ops, all_branch_ops(), branch_ops),
    ))
}

async fn read_facts(channel: Channel) -> Result<Vec<psp::Fact>, ReadError> {
    let client = PspServiceClient::new(channel).max_decoding_message_size(MAX_ANSWER_BYTES);
    Ok(listed!(
        "facts of the PSP",
        client,
        facts,
        psp::FactsRequest { cursor: String::new(), limit: PAGE },
        facts
    ))
}

/// Asks page after page until there is no next cursor.
pub(crate) async fn pages<Row, Answer>(
    what: &'static str,
    mut page: impl FnMut(String) -> Answer,
) -> Result<Vec<Row>, ReadError>
where
    Answer: Future<Output = Result<(Vec<Row>, String), tonic::Status>>,
{
    let mut rows = Vec::new();
    let mut cursor = String::new();
    loop {
        let (some, next) = page(cursor.clone())
            .await
            .map_err(|source| ReadError::Call { what, source: Box::new(source) })?;
        rows.extend(some);
        if next.is_empty() {
            return Ok(rows);
        }
        if next == cursor {
            return Err(ReadError::Stuck(what));
        }
        cursor = next;
    }
}

/// Reads from a process if there is one.
async fn optional<Rows, Reading>(
    channel: Option<Channel>,
    read: impl FnOnce(Channel) -> Reading,
) -> Result<Option<Rows>, ReadError>
where
    Reading: Future<Output = Result<Rows, ReadError>>,
{
    match channel {
        Some(channel) => read(channel).await.map(Some),
        None => Ok(None),
    }
}

fn now_us() -> i64 {
    let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since_epoch.as_micros()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::pages;
    use crate::targets::ReadError;

    #[tokio::test]
    async fn all_pages_are_read_and_a_stuck_cursor_ends_it() {
        let page = |cursor: String| async move {
            Ok(match cursor.as_str() {
                "" => (vec![1, 2], "a".to_owned()),
                "a" => (vec![3], "b".to_owned()),
                _ => (vec![4], String::new()),
            })
        };
        assert_eq!(pages("numbers", page).await.unwrap(), [1, 2, 3, 4]);
        let stuck = pages("numbers", |_| async { Ok((vec![1], "a".to_owned())) }).await;
        assert!(matches!(stuck, Err(ReadError::Stuck("numbers"))));
    }
}
