//! Reads: one payment, and lists in the order in which rows were made. They change nothing; `force_query` asks the
//! processor first, which may.

use amends_crash_points::{Place, around};
use amends_participant::{Fault, Page, Reason, Refusal, fields};
use amends_proto::pay::gateway::v1::{
    Attempt, AttemptOp, AttemptState as WireAttemptState, GetPaymentRequest, InDoubtItem,
    ListAttemptsResponse, ListInDoubtResponse, ListPaymentsResponse, ListRequest, Payment, Resolution,
};
use amends_proto::pay::money::v1::Money;
use amends_serve::store::Store;
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, QueryOrder};
use std::collections::{BTreeSet, HashMap};

use crate::branch::hurry;
use crate::cashier::Cashier;
use crate::entity::{AttemptState, attempt, in_doubt_item, payment};
use crate::resolution::{self, Statement};
use crate::rows::{self, wire_state};
use crate::state::PspOp;

/// One payment.
pub async fn get_payment(cashier: &Cashier, request: &GetPaymentRequest) -> Result<Payment, Fault> {
    let payment_id = fields::uuid7(&request.payment_id, "payment_id")?;
    let store = cashier.guard().store();
    let missing = || Fault::Refused(Refusal::new(Reason::PaymentNotFound, "no payment has this id"));
    let found = rows::payment(store.reader(), payment_id).await?.ok_or_else(missing)?;
    if !request.force_query || found.stands()?.keeps_nothing() {
        return wire_payment(found);
    }
    let tx = store.transaction().await?;
    hurry(&tx, payment_id, cashier.guard().now_us()).await?;
    around!(Place::ForcedQuery, tx.commit().await)?;
    cashier.advance(payment_id, None).await?;
    wire_payment(rows::payment(store.reader(), payment_id).await?.ok_or_else(missing)?)
}

/// A page of payments.
pub async fn list_payments(store: &Store, request: &ListRequest) -> Result<ListPaymentsResponse, Fault> {
    let page = Page::checked(&request.cursor, request.limit)?;
    let (rows, next_cursor) =
        page.read(store.reader(), payment::Entity::find(), payment::Column::Seq, |row| row.seq).await?;
    let payments = rows.into_iter().map(wire_payment).collect::<Result<_, _>>()?;
    Ok(ListPaymentsResponse { payments, next_cursor })
}

/// A page of attempts.
pub async fn list_attempts(store: &Store, request: &ListRequest) -> Result<ListAttemptsResponse, Fault> {
    let page = Page::checked(&request.cursor, request.limit)?;
    let (rows, next_cursor) =
        page.read(store.reader(), attempt::Entity::find(), attempt::Column::Seq, |row| row.seq).await?;
    let attempts = rows.into_iter().map(wire_attempt).collect::<Result<_, _>>()?;
    Ok(ListAttemptsResponse { attempts, next_cursor })
}

/// A page of items in doubt.
pub async fn list_in_doubt(cashier: &Cashier, request: &ListRequest) -> Result<ListInDoubtResponse, Fault> {
    let store = cashier.guard().store();
    let page = Page::checked(&request.cursor, request.limit)?;
    let (rows, next_cursor) = page
        .read(store.reader(), in_doubt_item::Entity::find(), in_doubt_item::Column::Seq, |row| row.seq)
        .await?;
    let mut items: Vec<InDoubtItem> =
        rows.into_iter().map(|row| resolution::told(cashier, row)).collect::<Result<_, _>>()?;
    add_requests(store, &mut items).await?;
    Ok(ListInDoubtResponse { items, next_cursor })
}

/// One item in doubt with everything that was done about it.
pub async fn get_in_doubt(cashier: &Cashier, item_id: &str) -> Result<InDoubtItem, Fault> {
    let mut items = [resolution::get(cashier, item_id).await?];
    add_requests(cashier.guard().store(), &mut items).await?;
    let [item] = items;
    Ok(item)
}

/// What was asked of the processor for the payments of these items, and what it said to the newest of each.
async fn add_requests(store: &Store, items: &mut [InDoubtItem]) -> Result<(), Fault> {
    let ids: BTreeSet<String> = items.iter().map(|item| item.payment_id.clone()).collect();
    let payments = payment::Entity::find().filter(payment::Column::PaymentId.is_in(ids.iter().cloned()));
    let psps: HashMap<String, String> =
        payments.all(store.reader()).await?.into_iter().map(|row| (row.payment_id, row.psp)).collect();
    let attempts = attempt::Entity::find()
        .filter(attempt::Column::PaymentId.is_in(ids))
        .order_by_asc(attempt::Column::Seq)
        .all(store.reader())
        .await?;
    let mut of_payment: HashMap<String, Vec<attempt::Model>> = HashMap::new();
    for attempt in attempts {
        of_payment.entry(attempt.payment_id.clone()).or_default().push(attempt);
    }
    for item in items {
        item.psp = psps.get(&item.payment_id).cloned().unwrap_or_default();
        let Some((newest, attempts)) =
            of_payment.get(&item.payment_id).and_then(|all| Some((all.last()?, all.len())))
        else {
            continue;
        };
        item.attempts = i32::try_from(attempts).unwrap_or(i32::MAX);
        item.psp_code.clone_from(&newest.psp_code);
        item.queries = newest.queries;
        item.next_query_at = newest.next_query_at_us.map(fields::timestamp);
    }
    Ok(())
}

fn wire_payment(row: payment::Model) -> Result<Payment, Fault> {
    Ok(Payment {
        state: wire_state(row.stands()?).into(),
        payment_id: row.payment_id,
        order_id: row.order_id,
        merchant_id: row.merchant_id,
        user_id: row.user_id,
        amount: Some(Money { minor_units: row.amount_minor, currency: row.currency }),
        method: row.method,
        psp: row.psp,
        authorized: row.authorized,
        captured: row.captured,
        refunded: row.refunded,
        in_doubt_since: row.in_doubt_since_us.map(fields::timestamp),
        psp_txn_id: row.psp_txn_id,
        auth_code: row.auth_code,
        gid: row.gid,
        branch_id: row.branch_id,
        version: row.version,
        created_at: Some(fields::timestamp(row.created_at_us)),
    })
}

fn wire_attempt(row: attempt::Model) -> Result<Attempt, Fault> {
    let op = match row.asked()? {
        PspOp::Authorize => AttemptOp::Authorize,
        PspOp::Sale => AttemptOp::Sale,
        PspOp::Capture => AttemptOp::Capture,
        PspOp::Void => AttemptOp::Void,
        PspOp::Refund => AttemptOp::Refund,
    };
    let state = match row.came_to()? {
        AttemptState::Initiated => WireAttemptState::Initiated,
        AttemptState::Succeeded => WireAttemptState::Succeeded,
        AttemptState::Declined => WireAttemptState::Declined,
        AttemptState::Unknown => WireAttemptState::Unknown,
        AttemptState::Cancelled => WireAttemptState::Cancelled,
    };
    Ok(Attempt {
        attempt_id: row.attempt_id,
        payment_id: row.payment_id,
        op: op.into(),
        psp_request_id: row.psp_request_id,
        state: state.into(),
        psp_txn_id: row.psp_txn_id,
        auth_code: row.auth_code,
        duplicate: row.duplicate,
        psp_code: row.psp_code,
        queries: row.queries,
        next_query_at: row.next_query_at_us.map(fields::timestamp),
        created_at: Some(fields::timestamp(row.created_at_us)),
    })
}

/// An item as its row has it.
pub fn wire_item(row: in_doubt_item::Model) -> InDoubtItem {
    let proposed = match Statement::parse(&row.proposed) {
        None => Resolution::Unspecified,
        Some(Statement::Charged) => Resolution::Charged,
        Some(Statement::NotCharged) => Resolution::NotCharged,
        Some(Statement::QueryAgain) => Resolution::QueryAgain,
    };
    InDoubtItem {
        item_id: row.item_id,
        kind: row.kind,
        gid: row.gid,
        payment_id: row.payment_id,
        amount: Some(Money { minor_units: row.amount_minor, currency: row.currency }),
        opened_at: Some(fields::timestamp(row.opened_at_us)),
        state: row.state,
        resolution: row.resolution,
        held_until: (!row.holder.is_empty()).then(|| fields::timestamp(row.held_until_us)),
        holder: row.holder,
        token: row.token,
        proposed: proposed.into(),
        psp_txn_id: row.psp_txn_id,
        evidence: row.evidence,
        reference: row.reference,
        proposed_by: row.proposed_by,
        approved_by: row.approved_by,
        resolved_at: row.resolved_at_us.map(fields::timestamp),
        needs_second_person: false,
        acts: Vec::new(),
        ..InDoubtItem::default()
    }
}
