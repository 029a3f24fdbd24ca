//! Carries out an approved statement, inside the transaction of the approval: the payment moves by its state machine,
//! the guard's rows with it. Decides nothing: what a statement means is `statement`'s affair.

use amends_participant::{Fault, Reason, Refusal};
use amends_serve::store::{LocalTransaction, Reads as _};
use sea_orm::{ColumnTrait, EntityTrait, IntoActiveModel, QueryFilter, QueryOrder, Set};

use super::statement::{Meaning, Statement, meaning};
use crate::branch::hurry;
use crate::cashier::Cashier;
use crate::entity::{AttemptState, attempt, in_doubt_item, payment};
use crate::finding::Receipt;
use crate::in_doubt::{Kind, OPEN, RESOLVED};
use crate::record::{Recording, Standing, Told, settle_forward};
use crate::rows::{broken, errand, known_payment, open_attempt};
use crate::state::{Event, PspOp};
use crate::tuning::later;

/// Carries out `statement` about the payment of an item. The caller holds the payment's lane.
pub async fn carry_out(
    cashier: &Cashier,
    tx: &LocalTransaction,
    item: in_doubt_item::Model,
    statement: Statement,
    now_us: i64,
) -> Result<in_doubt_item::Model, Fault> {
    let payment = known_payment(tx, &item.payment_id).await?;
    let Some(meaning) = meaning(Kind::of(&item)?, payment.stands()?, statement) else {
        let text = format!("the payment has become {} meanwhile", payment.state);
        return Err(Refusal::new(Reason::IllegalTransition, text).into());
    };
    if meaning == Meaning::Ask {
        hurry(tx, &payment.payment_id, now_us).await?;
        let mut row = item.into_active_model();
        row.state = Set(OPEN.to_owned());
        return Ok(tx.update(row).await?);
    }
    // Resolved before anything moves, or the move itself would close it in the processor's name.
    let watched = watched(tx, &payment, meaning).await?;
    let mut row = item.into_active_model();
    row.state = Set(RESOLVED.to_owned());
    row.resolution = Set(format!("an operator's statement: {}", statement.as_str()));
    row.resolved_at_us = Set(Some(now_us));
    row.watch_next_us = Set(watched.as_ref().map(|_| later(now_us, cashier.tuning().in_doubt_every)));
    row.watched_request_id = Set(watched.unwrap_or_default());
    let item = tx.update(row).await?;
    let recording = Recording {
        tx,
        tuning: cashier.tuning(),
        now_us,
        op: asked(tx, &payment).await?,
        told: Told::People,
    };
    apply(cashier, &recording, payment, &item, meaning).await?;
    Ok(item)
}

async fn apply(
    cashier: &Cashier,
    recording: &Recording<'_>,
    payment: payment::Model,
    item: &in_doubt_item::Model,
    meaning: Meaning,
) -> Result<(), Fault> {
    let tx = recording.tx;
    let open = open_attempt(tx, &payment.payment_id).await?;
    let needed = || broken("a payment in doubt has no open request");
    match meaning {
        Meaning::CarriedOut => {
            let receipt = Receipt { psp_txn_id: item.psp_txn_id.clone(), ..Receipt::default() };
            let attempt =
                recording.end(open.ok_or_else(needed)?, AttemptState::Succeeded, "stated", receipt).await?;
            let payment = recording.go(payment, Event::Succeeded, Some(&attempt)).await?;
            settle(cashier, tx, Standing { payment, attempt }).await
        }
        Meaning::NeverCarriedOut => {
            let code = "not_charged";
            let attempt = open.ok_or_else(needed)?;
            let attempt = recording.end(attempt, AttemptState::Cancelled, code, Receipt::default()).await?;
            let payment = recording.go(payment, Event::Closed, None).await?;
            settle(cashier, tx, Standing { payment, attempt }).await
        }
        Meaning::CapturedElsewhere => {
            recording.go(payment, Event::Charged, None).await?;
            Ok(())
        }
        Meaning::Release => release(recording, payment, open).await,
        Meaning::Ask | Meaning::Noted => Ok(()),
    }
}

/// There was no capture: from now on nothing may be kept.
async fn release(
    recording: &Recording<'_>,
    payment: payment::Model,
    open: Option<attempt::Model>,
) -> Result<(), Fault> {
    let payment = match open {
        Some(open) => {
            recording.end(open, AttemptState::Cancelled, "not_charged", Receipt::default()).await?;
            recording.go(payment, Event::Closed, None).await?
        }
        None => payment,
    };
    let mut row = payment.into_active_model();
    row.undo_wanted = Set(true);
    recording.tx.update(row).await?;
    Ok(())
}

async fn settle(cashier: &Cashier, tx: &LocalTransaction, standing: Standing) -> Result<(), Fault> {
    let branch = errand(&standing.payment, &standing.attempt)?.branch;
    cashier.guard().hold(tx, &branch).await?;
    settle_forward(cashier.guard(), tx, &standing, &branch).await
}

/// The request whose outcome is stated, for the processor's later word. A capture that the processor refused before the
/// statement has had its word.
async fn watched(
    tx: &LocalTransaction,
    payment: &payment::Model,
    meaning: Meaning,
) -> Result<Option<String>, Fault> {
    match meaning {
        Meaning::CarriedOut | Meaning::NeverCarriedOut | Meaning::Release => {
            let open = open_attempt(tx, &payment.payment_id).await?;
            Ok(open.filter(|open| open.sent).map(|open| open.psp_request_id))
        }
        Meaning::CapturedElsewhere | Meaning::Ask | Meaning::Noted => Ok(None),
    }
}

/// What the newest request asked for.
async fn asked(tx: &LocalTransaction, payment: &payment::Model) -> Result<PspOp, Fault> {
    let newest = tx
        .one(
            attempt::Entity::find()
                .filter(attempt::Column::PaymentId.eq(payment.payment_id.as_str()))
                .order_by_desc(attempt::Column::Seq),
        )
        .await?;
    newest.ok_or_else(|| broken("a payment without any request"))?.asked()
}
