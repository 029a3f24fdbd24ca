//! What was done about items in doubt, row by row: only ever added to. Decides nothing.

use amends_participant::fields;
use amends_proto::pay::gateway::v1::InDoubtAct;
use amends_serve::store::{LocalTransaction, Reads};
use sea_orm::{ColumnTrait, DbErr, EntityTrait, QueryFilter, QueryOrder, Set};

use crate::entity::{in_doubt_act, in_doubt_item};

/// The processor, where it is its word that did something.
pub const PSP: &str = "psp";

/// Something that is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Act {
    /// Taken for a while.
    Claimed,
    /// A statement.
    Proposed,
    /// Carried out.
    Approved,
    /// The processor's own answer closed it.
    Resolved,
    /// The processor's later word agrees with the statement.
    Confirmed,
    /// It says the opposite.
    Contradicted,
    /// It has said nothing for as long as it is asked.
    Unconfirmed,
}

impl Act {
    fn as_str(self) -> &'static str {
        match self {
            Act::Claimed => "claimed",
            Act::Proposed => "proposed",
            Act::Approved => "approved",
            Act::Resolved => "resolved",
            Act::Confirmed => "confirmed",
            Act::Contradicted => "contradicted",
            Act::Unconfirmed => "unconfirmed",
        }
    }
}

/// Writes down what `actor` does about an item, in the transaction in which it is done.
pub async fn add(
    tx: &LocalTransaction,
    item: &in_doubt_item::Model,
    (actor, act): (&str, Act),
    detail: String,
    now_us: i64,
) -> Result<(), DbErr> {
    tx.insert(in_doubt_act::ActiveModel {
        item_id: Set(item.item_id.clone()),
        at_us: Set(now_us),
        actor: Set(actor.to_owned()),
        act: Set(act.as_str().to_owned()),
        token: Set(item.token),
        detail: Set(detail),
        ..Default::default()
    })
    .await?;
    Ok(())
}

/// Everything that was done about an item, in order.
pub async fn of(db: &impl Reads, item_id: &str) -> Result<Vec<InDoubtAct>, DbErr> {
    let rows = db
        .all(
            in_doubt_act::Entity::find()
                .filter(in_doubt_act::Column::ItemId.eq(item_id))
                .order_by_asc(in_doubt_act::Column::Seq),
        )
        .await?;
    let told = |row: in_doubt_act::Model| InDoubtAct {
        at: Some(fields::timestamp(row.at_us)),
        actor: row.actor,
        act: row.act,
        token: row.token,
        detail: row.detail,
    };
    Ok(rows.into_iter().map(told).collect())
}
