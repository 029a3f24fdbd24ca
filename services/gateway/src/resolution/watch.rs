//! Listens for the processor's own word after a person has stated what is the case: what contradicts a statement is an
//! alarm and an item of its own, never silence. Moves no payment.

use std::time::Duration;

use amends_participant::Fault;
use amends_serve::outage::Outage;
use amends_serve::store::LocalTransaction;
use sea_orm::{ColumnTrait, DbErr, EntityTrait, IntoActiveModel, QueryFilter, QueryOrder, QuerySelect, Set};

use super::acts::{self, Act, PSP};
use super::statement::{Later, Meaning, Statement, compare};
use crate::cashier::Cashier;
use crate::entity::{attempt, in_doubt_item};
use crate::finding::Finding;
use crate::in_doubt::{self, Kind};
use crate::rows::{broken, errand, known_payment};
use crate::state::PspOp;
use crate::tuning::later;

/// Between two looks at what is due.
const LOOK: Duration = Duration::from_secs(1);
/// Asked about in one look: they share the processor's queries with what is still in doubt.
const AT_ONCE: u64 = 16;
/// A processor that says nothing for so long is asked no more; its settlement files will tell.
const ASKED_FOR_US: i64 = 30 * 86_400 * 1_000_000;

/// Listens until it is dropped.
pub async fn watch(cashier: Cashier) {
    let mut outage = Outage::of("the statements to be watched cannot be read");
    loop {
        tokio::time::sleep(LOOK).await;
        let due = due(&cashier).await;
        outage.note(&due);
        for item in due.unwrap_or_default() {
            let item_id = item.item_id.clone();
            if let Err(fault) = listen(&cashier, item).await {
                tracing::error!(%fault, item_id, "the processor's later word could not be taken in");
            }
        }
    }
}

async fn due(cashier: &Cashier) -> Result<Vec<in_doubt_item::Model>, DbErr> {
    in_doubt_item::Entity::find()
        .filter(in_doubt_item::Column::WatchNextUs.lte(cashier.guard().now_us()))
        .order_by_asc(in_doubt_item::Column::WatchNextUs)
        .limit(AT_ONCE)
        .all(cashier.guard().store().reader())
        .await
}

async fn listen(cashier: &Cashier, item: in_doubt_item::Model) -> Result<(), Fault> {
    let reader = cashier.guard().store().reader();
    let payment = known_payment(reader, &item.payment_id).await?;
    let attempt = attempt::Entity::find()
        .filter(attempt::Column::PspRequestId.eq(item.watched_request_id.as_str()))
        .one(reader)
        .await?;
    let attempt = attempt.ok_or_else(|| broken("a watched request is gone"))?;
    let stated = stated(&item, attempt.asked()?)?;
    let finding = cashier.verify(&errand(&payment, &attempt)?).await;
    let now_us = cashier.guard().now_us();
    let tx = cashier.guard().store().transaction().await?;
    take_in(cashier, &tx, item, (stated, &finding), now_us).await?;
    Ok(tx.commit().await?)
}

fn stated(item: &in_doubt_item::Model, op: PspOp) -> Result<Meaning, Fault> {
    match (Statement::parse(&item.proposed), op) {
        (Some(Statement::Charged), _) | (Some(Statement::NotCharged), PspOp::Void | PspOp::Refund) => {
            Ok(Meaning::CarriedOut)
        }
        (Some(Statement::NotCharged), PspOp::Authorize | PspOp::Sale | PspOp::Capture) => {
            Ok(Meaning::NeverCarriedOut)
        }
        (Some(Statement::QueryAgain) | None, _) => Err(broken("a watched item without a statement")),
    }
}

async fn take_in(
    cashier: &Cashier,
    tx: &LocalTransaction,
    item: in_doubt_item::Model,
    (stated, finding): (Meaning, &Finding),
    now_us: i64,
) -> Result<(), Fault> {
    let said = match compare(stated, finding) {
        Later::Confirms => Some(Act::Confirmed),
        Later::Contradicts => Some(Act::Contradicted),
        Later::Open => {
            let over = item.resolved_at_us.is_some_and(|at_us| now_us.saturating_sub(at_us) > ASKED_FOR_US);
            over.then_some(Act::Unconfirmed)
        }
    };
    let next_us = later(now_us, cashier.tuning().in_doubt_every);
    let mut row = item.into_active_model();
    row.watch_next_us = Set(said.is_none().then_some(next_us));
    let item = tx.update(row).await?;
    if let Some(act) = said {
        let detail = format!("stated {}, the processor says {finding:?}", item.proposed);
        acts::add(tx, &item, (PSP, act), detail.chars().take(1_000).collect(), now_us).await?;
    }
    if said == Some(Act::Contradicted) {
        tracing::error!(
            alarm = "STATEMENT_CONTRADICTED",
            gid = item.gid,
            payment_id = item.payment_id,
            stated = item.proposed,
            "the processor contradicts what people stated"
        );
        let payment = known_payment(tx, &item.payment_id).await?;
        in_doubt::open(tx, &payment, Kind::Contradicted, now_us).await?;
    }
    Ok(())
}
