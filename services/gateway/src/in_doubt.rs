//! Items that only a person, or patience, can decide: opened and closed in the transaction of what happened.

use amends_participant::{Fault, Reason, Refusal};
use amends_serve::store::{LocalTransaction, Reads as _};
use sea_orm::sea_query::{Expr, SimpleExpr};
use sea_orm::{ColumnTrait, DbErr, EntityTrait, IntoActiveModel, QueryFilter, Set};

use crate::entity::{in_doubt_item, payment};
use crate::record::Told;
use crate::resolution::{DoneAct, PSP, note_act};

/// Why an item was opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// All queries went without proof.
    PaymentUnknown,
    /// The capture was refused after the commit was decided.
    CaptureRefused,
    /// The processor does not give the money back.
    UndoRefused,
    /// The processor says the opposite of what people stated.
    Contradicted,
}

impl Kind {
    const ALL: [Kind; 4] =
        [Kind::PaymentUnknown, Kind::CaptureRefused, Kind::UndoRefused, Kind::Contradicted];

    /// The word in the store and on the wire.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Kind::PaymentUnknown => "payment_unknown",
            Kind::CaptureRefused => "capture_refused",
            Kind::UndoRefused => "undo_refused",
            Kind::Contradicted => "contradicted",
        }
    }

    /// The kind of an item.
    pub fn of(item: &in_doubt_item::Model) -> Result<Kind, Fault> {
        let unknown = || Fault::Broken(Refusal::new(Reason::Broken, "an item in doubt of an unknown kind"));
        Kind::ALL.into_iter().find(|kind| kind.as_str() == item.kind).ok_or_else(unknown)
    }
}

/// Nobody is at it.
pub const OPEN: &str = "open";
/// Somebody has, or had, taken it.
pub const CLAIMED: &str = "claimed";
/// Somebody has stated what is the case.
pub const PROPOSED: &str = "proposed";
/// It is over.
pub const RESOLVED: &str = "resolved";

/// What is not over, in the words of the index `in_doubt_unresolved`: SQLite must not think about them again at every
/// payment, which it does where they are a parameter.
pub fn unresolved() -> SimpleExpr {
    Expr::cust("state <> 'resolved'")
}

/// Opens an item of this kind for a payment, unless one is open.
pub async fn open(
    tx: &LocalTransaction,
    payment: &payment::Model,
    kind: Kind,
    now_us: i64,
) -> Result<(), DbErr> {
    let there = tx
        .one(
            in_doubt_item::Entity::find()
                .filter(in_doubt_item::Column::PaymentId.eq(&payment.payment_id))
                .filter(in_doubt_item::Column::Kind.eq(kind.as_str()))
                .filter(unresolved()),
        )
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
    // All other columns are as the store makes them: nobody has done anything about it yet.
    tx.insert(in_doubt_item::ActiveModel {
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
    })
    .await?;
    Ok(())
}

/// Closes all items of a payment whose outcome is known: proven, or stated by people about another item of it.
pub async fn resolve(
    tx: &LocalTransaction,
    payment: &payment::Model,
    told: Told,
    now_us: i64,
) -> Result<(), DbErr> {
    let open = tx
        .all(
            in_doubt_item::Entity::find()
                .filter(in_doubt_item::Column::PaymentId.eq(&payment.payment_id))
                .filter(in_doubt_item::Column::Kind.ne(Kind::Contradicted.as_str()))
                .filter(unresolved()),
        )
        .await?;
    let whose = match told {
        Told::Processor => "the processor's answer",
        Told::People => "an operator's statement",
    };
    for item in open {
        let mut item = item.into_active_model();
        item.state = Set(RESOLVED.to_owned());
        item.resolution = Set(format!("{whose}: {}", payment.state));
        item.resolved_at_us = Set(Some(now_us));
        let item = tx.update(item).await?;
        if told == Told::Processor {
            let detail = item.resolution.clone();
            note_act(tx, &item, (PSP, DoneAct::Resolved), detail, now_us).await?;
        }
    }
    Ok(())
}

/// Whether people have stated that the capture of a payment was never made.
pub async fn stated_not_captured(tx: &LocalTransaction, payment: &payment::Model) -> Result<bool, DbErr> {
    let stated = in_doubt_item::Entity::find()
        .filter(in_doubt_item::Column::PaymentId.eq(&payment.payment_id))
        .filter(in_doubt_item::Column::State.eq(RESOLVED))
        .filter(in_doubt_item::Column::Proposed.eq("not_charged"))
        .filter(in_doubt_item::Column::ApprovedBy.ne(""));
    Ok(tx.one(stated).await?.is_some())
}
