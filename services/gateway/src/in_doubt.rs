//! Items that only a person, or patience, can decide: opened and closed in the transaction of what happened.

use sea_orm::{
    ActiveModelTrait, ColumnTrait, DatabaseTransaction, DbErr, EntityTrait, IntoActiveModel, QueryFilter, Set,
};

use crate::entity::{in_doubt_item, payment};

/// Why an item was opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// All queries went without proof.
    PaymentUnknown,
    /// The capture was refused after the commit was decided.
    CaptureRefused,
    /// The processor does not give the money back.
    UndoRefused,
}

impl Kind {
    /// The word in the store and on the wire.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Kind::PaymentUnknown => "payment_unknown",
            Kind::CaptureRefused => "capture_refused",
            Kind::UndoRefused => "undo_refused",
        }
    }
}

const OPEN: &str = "open";
const RESOLVED: &str = "resolved";

/// Opens an item of this kind for a payment, unless one is open.
pub async fn open(
    tx: &DatabaseTransaction,
    payment: &payment::Model,
    kind: Kind,
    now_us: i64,
) -> Result<(), DbErr> {
    let there = in_doubt_item::Entity::find()
        .filter(in_doubt_item::Column::PaymentId.eq(&payment.payment_id))
        .filter(in_doubt_item::Column::Kind.eq(kind.as_str()))
        .filter(in_doubt_item::Column::State.eq(OPEN))
        .one(tx)
        .await?;
    if there.is_some() {
        return Ok(());
    }
    tracing::error!(
        alarm = "PAYMENT_IN_DOUBT",
        kind = kind.as_str(),
        gid = payment.gid,
        payment_id = payment.payment_id,
        "a payment needs a person"
    );
    in_doubt_item::ActiveModel {
        item_id: Set(uuid::Uuid::now_v7().to_string()),
        kind: Set(kind.as_str().to_owned()),
        gid: Set(payment.gid.clone()),
        payment_id: Set(payment.payment_id.clone()),
        amount_minor: Set(payment.amount_minor),
        currency: Set(payment.currency.clone()),
        state: Set(OPEN.to_owned()),
        resolution: Set(String::new()),
        opened_at_us: Set(now_us),
        resolved_at_us: Set(None),
        ..Default::default()
    }
    .insert(tx)
    .await?;
    Ok(())
}

/// Closes all items of a payment whose outcome is proven.
pub async fn resolve(tx: &DatabaseTransaction, payment: &payment::Model, now_us: i64) -> Result<(), DbErr> {
    let open = in_doubt_item::Entity::find()
        .filter(in_doubt_item::Column::PaymentId.eq(&payment.payment_id))
        .filter(in_doubt_item::Column::State.eq(OPEN))
        .all(tx)
        .await?;
    for item in open {
        let mut item = item.into_active_model();
        item.state = Set(RESOLVED.to_owned());
        item.resolution = Set(format!("the processor's answer: {}", payment.state));
        item.resolved_at_us = Set(Some(now_us));
        item.update(tx).await?;
    }
    Ok(())
}
