//! Acts in bulk as the store keeps them: an errand, and one item for each global transaction that it is about. Knows
//! nothing of what the acts do.

use super::entity::{errand, errand_item, global_transaction};
use super::reader::HistoryReader;
use amends_serve::store::Store;
use sea_orm::sea_query::Expr;
use sea_orm::{
    ColumnTrait as _, DbErr, EntityTrait as _, IntoActiveModel as _, QueryFilter as _, QueryOrder as _,
    QuerySelect as _, QueryTrait as _,
};

/// Items in one statement: five values each.
const ITEMS_PER_INSERT: usize = 1_000;

/// An act on many.
pub type Errand = errand::Model;
/// One of them.
pub type ErrandItem = errand_item::Model;

/// Where an item stands.
pub const PENDING: &str = "pending";

/// Errands of one store, as one replica sees them.
#[derive(Debug, Clone)]
pub struct ErrandBook {
    store: Store,
    /// Empty = the only one.
    replica: String,
}

impl HistoryReader {
    /// The errands of the same store.
    #[must_use]
    pub fn errands(&self) -> ErrandBook {
        ErrandBook { store: self.store().clone(), replica: self.replica().to_owned() }
    }
}

impl ErrandBook {
    /// Makes an errand durable with all of its items.
    ///
    /// # Errors
    /// Nothing is stored then.
    pub async fn create(&self, errand: Errand, gids: &[String]) -> Result<(), DbErr> {
        let transaction = self.store.begin().await?;
        let id = errand.id.clone();
        errand::Entity::insert(errand.into_active_model()).exec_without_returning(&transaction).await?;
        for some in gids.chunks(ITEMS_PER_INSERT) {
            let items = some.iter().map(|gid| {
                let item = ErrandItem {
                    errand_id: id.clone(),
                    gid: gid.clone(),
                    state: PENDING.to_owned(),
                    message: String::new(),
                    done_at_us: 0,
                };
                item.into_active_model()
            });
            errand_item::Entity::insert_many(items).exec_without_returning(&transaction).await?;
        }
        transaction.commit().await
    }

    /// One errand.
    ///
    /// # Errors
    /// Where the store is away.
    pub async fn find(&self, id: &str) -> Result<Option<Errand>, DbErr> {
        errand::Entity::find_by_id(id).one(self.store.reader()).await
    }

    /// How many items of an errand stand where.
    ///
    /// # Errors
    /// Where the store is away.
    pub async fn figures(&self, id: &str) -> Result<Vec<(String, i64)>, DbErr> {
        errand_item::Entity::find()
            .select_only()
            .column(errand_item::Column::State)
            .column_as(errand_item::Column::Gid.count(), "count")
            .filter(errand_item::Column::ErrandId.eq(id))
            .group_by(errand_item::Column::State)
            .order_by_asc(errand_item::Column::State)
            .into_tuple()
            .all(self.store.reader())
            .await
    }

    /// Items of an errand behind a gid, in the order of gids.
    ///
    /// # Errors
    /// Where the store is away.
    pub async fn items(&self, id: &str, after: &str, limit: u64) -> Result<Vec<ErrandItem>, DbErr> {
        errand_item::Entity::find()
            .filter(errand_item::Column::ErrandId.eq(id))
            .filter(errand_item::Column::Gid.gt(after))
            .order_by_asc(errand_item::Column::Gid)
            .limit(limit)
            .all(self.store.reader())
            .await
    }

    /// Pending items for this replica, of the oldest errands first: of open ones only its own, since another's owner acts on
    /// those; what is gone is anybody's to settle.
    ///
    /// # Errors
    /// Where the store is away.
    pub async fn pending(&self, limit: u64) -> Result<Vec<ErrandItem>, DbErr> {
        use errand_item::Column;
        // Just as its index has it.
        let mut pending = errand_item::Entity::find().filter(Expr::cust("state = 'pending'"));
        if !self.replica.is_empty() {
            let others = global_transaction::Entity::find()
                .select_only()
                .column(global_transaction::Column::Gid)
                .filter(Expr::col(global_transaction::Column::IsOpen))
                .filter(global_transaction::Column::Owner.ne(&self.replica));
            pending = pending.filter(Column::Gid.not_in_subquery(others.into_query()));
        }
        pending
            .order_by_asc(Column::ErrandId)
            .order_by_asc(Column::Gid)
            .limit(limit)
            .all(self.store.reader())
            .await
    }

    /// An item is done, or refused.
    ///
    /// # Errors
    /// It stays pending then.
    pub async fn settle(&self, item: ErrandItem) -> Result<(), DbErr> {
        use errand_item::Column;
        errand_item::Entity::update_many()
            .col_expr(Column::State, Expr::value(item.state))
            .col_expr(Column::Message, Expr::value(item.message))
            .col_expr(Column::DoneAtUs, Expr::value(item.done_at_us))
            .filter(Column::ErrandId.eq(item.errand_id))
            .filter(Column::Gid.eq(item.gid))
            .exec(self.store.writer())
            .await
            .map(|_| ())
    }
}
