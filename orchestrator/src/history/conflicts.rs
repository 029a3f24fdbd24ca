//! Which starts stand against an existing global transaction (orchestration.md item 1). What is read here must stay
//! true until the commit: that is the caller's care.

use super::entity::global_transaction;
use super::writer::{Conflict, Reuse};
use sea_orm::sea_query::ExprTrait as _;
use sea_orm::{ColumnTrait as _, DatabaseTransaction, DbErr, EntityTrait as _, QueryFilter as _};
use std::collections::{BTreeSet, HashMap};

/// A start of a batch.
pub(super) struct Start<'a> {
    /// Its place in the batch.
    pub(super) index: usize,
    /// Its row.
    pub(super) row: &'a global_transaction::Model,
    /// When its business key may be used again.
    pub(super) reuse: Reuse,
}

/// What a start finds, if it is not to be stored.
#[derive(Debug)]
pub(super) enum Found {
    /// Itself: an earlier commit was made although its answer got lost.
    Stored,
    /// Another one.
    Conflict(Box<Conflict>),
}

/// What the starts find, by their places. Of two that stand against each other the first is made.
pub(super) async fn find(
    transaction: &DatabaseTransaction,
    starts: Vec<Start<'_>>,
) -> Result<HashMap<usize, Found>, DbErr> {
    let mut known = suspects(transaction, &starts).await?;
    let mut found = HashMap::new();
    for start in starts {
        match start.finds(&known) {
            Some(standing) => {
                found.insert(start.index, standing);
            }
            // A later start of the same batch must see this one.
            None => known.push(start.row.clone()),
        }
    }
    Ok(found)
}

/// Every stored row with one of the request ids or one of the business keys. Flat lists: a condition nested as deep
/// as a batch is long would break the store's limits.
async fn suspects(
    transaction: &DatabaseTransaction,
    starts: &[Start<'_>],
) -> Result<Vec<global_transaction::Model>, DbErr> {
    use global_transaction::Column;
    let each = |value: fn(&global_transaction::Model) -> &String| {
        starts.iter().map(move |start| value(start.row).as_str()).collect::<BTreeSet<_>>()
    };
    let request = Column::Caller
        .is_in(each(|row| &row.caller))
        .and(Column::RequestId.is_in(each(|row| &row.request_id)));
    let key = Column::Definition
        .is_in(each(|row| &row.definition))
        .and(Column::BusinessKey.is_in(each(|row| &row.business_key)));
    let mut known = Vec::new();
    for condition in [request, key] {
        known.extend(global_transaction::Entity::find().filter(condition).all(transaction).await?);
    }
    Ok(known)
}

impl Start<'_> {
    fn finds(&self, known: &[global_transaction::Model]) -> Option<Found> {
        let row = self.row;
        if known.iter().any(|other| other.gid == row.gid) {
            return Some(Found::Stored);
        }
        if let Some(same) =
            known.iter().find(|other| other.caller == row.caller && other.request_id == row.request_id)
        {
            return Some(Found::Conflict(Box::new(Conflict::Request(same.clone()))));
        }
        let blocks = |other: &&global_transaction::Model| match self.reuse {
            Reuse::Always => false,
            Reuse::RejectWhileRunning => other.is_open,
            Reuse::AfterFailed => other.is_open || other.status == "succeeded",
        };
        known
            .iter()
            .filter(|other| other.definition == row.definition && other.business_key == row.business_key)
            .find(blocks)
            .map(|other| Found::Conflict(Box::new(Conflict::BusinessKey(other.clone()))))
    }
}
