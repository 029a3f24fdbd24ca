//! Acts in bulk as the store keeps them: an errand, and one item for each global transaction that it is about. Knows
//! nothing of what the acts do.

use super::entity::{errand, errand_item, global_transaction};
use super::reader::HistoryReader;
use amends_crash_points::{Place, around};
use amends_serve::store::Store;
use sea_orm::sea_query::Expr;
use sea_orm::{
    ColumnTrait as _, DbErr, EntityTrait as _, IntoActiveModel as _, QueryFilter as _, QueryOrder as _,
    QuerySelect as _, QueryTrait as _, Select,
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
        around!(Place::Errand, transaction.commit().await)
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

    /// Errands with pending items for this replica, but for some: those behind one of them, then from the oldest on.
    ///
    /// # Errors
    /// Where the store is away.
    pub async fn waiting(&self, behind: &str, but: &[String], limit: u64) -> Result<Vec<String>, DbErr> {
        use errand_item::Column;
        let some = async |side: Expr, limit: u64| {
            let mut waiting = self.own_pending().select_only().column(Column::ErrandId).filter(side);
            if !but.is_empty() {
                waiting = waiting.filter(Column::ErrandId.is_not_in(but));
            }
            let waiting = waiting.group_by(Column::ErrandId).order_by_asc(Column::ErrandId).limit(limit);
            waiting.into_tuple::<String>().all(self.store.reader()).await
        };
        let mut waiting = some(Column::ErrandId.gt(behind), limit).await?;
        let left = limit.saturating_sub(waiting.len() as u64);
        if left > 0 {
            waiting.extend(some(Column::ErrandId.lte(behind), left).await?);
        }
        Ok(waiting)
    }

    /// Pending items of an errand for this replica, behind a gid, in the order of gids.
    ///
    /// # Errors
    /// Where the store is away.
    pub async fn pending(&self, id: &str, after: &str, limit: u64) -> Result<Vec<ErrandItem>, DbErr> {
        use errand_item::Column;
        self.own_pending()
            .filter(Column::ErrandId.eq(id))
            .filter(Column::Gid.gt(after))
            .order_by_asc(Column::Gid)
            .limit(limit)
            .all(self.store.reader())
            .await
    }

    /// Pending items for this replica: of open ones only its own, since another's owner acts on those; what is gone is
    /// anybody's to settle.
    fn own_pending(&self) -> Select<errand_item::Entity> {
        // Just as its index has it.
        let pending = errand_item::Entity::find().filter(Expr::cust("state = 'pending'"));
        if self.replica.is_empty() {
            return pending;
        }
        let others = global_transaction::Entity::find()
            .select_only()
            .column(global_transaction::Column::Gid)
            .filter(Expr::col(global_transaction::Column::IsOpen))
            .filter(global_transaction::Column::Owner.ne(&self.replica));
        pending.filter(errand_item::Column::Gid.not_in_subquery(others.into_query()))
    }

    /// An item is done, or refused.
    ///
    /// # Errors
    /// It stays pending then.
    pub async fn settle(&self, item: ErrandItem) -> Result<(), DbErr> {
        use errand_item::Column;
        let settle = errand_item::Entity::update_many()
            .col_expr(Column::State, Expr::value(item.state))
            .col_expr(Column::Message, Expr::value(item.message))
            .col_expr(Column::DoneAtUs, Expr::value(item.done_at_us))
            .filter(Column::ErrandId.eq(item.errand_id))
            .filter(Column::Gid.eq(item.gid));
        around!(Place::ErrandItem, settle.exec(self.store.writer()).await).map(|_| ())
    }
}
