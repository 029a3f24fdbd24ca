//! Reads many histories at once, for recovery: three statements for some hundred of them instead of three for each.
//! Knows how they are stored; decides nothing.

use super::entity::{event, global_transaction, plan};
use super::reader::{HistoryReader, Loaded, ReadError, Row};
use crate::plan::Plan;
use sea_orm::{ColumnTrait as _, DbErr, EntityTrait as _, QueryFilter as _, QueryOrder as _};
use std::collections::HashMap;

/// Histories read by one set of statements: bounds what is in memory twice, and the values of a statement.
pub const AT_ONCE: usize = 500;

impl HistoryReader {
    /// Reads the open ones among at most [`AT_ONCE`] `gids`, each with its own error; what is another replica's, or
    /// has ended meanwhile, is left out.
    ///
    /// # Errors
    /// Where the store is away.
    pub async fn load_open(
        &self,
        gids: &[String],
    ) -> Result<Vec<(String, Result<Loaded, ReadError>)>, DbErr> {
        let wanted = || gids.iter().map(String::as_str);
        let rows = global_transaction::Entity::find()
            .filter(global_transaction::Column::Gid.is_in(wanted()))
            .filter(global_transaction::Column::IsOpen.eq(true))
            .order_by_asc(global_transaction::Column::Gid)
            .all(self.connection())
            .await?;
        let plans = plan::Entity::find().filter(plan::Column::Gid.is_in(wanted()));
        let plans = plans.all(self.connection()).await?;
        let mut plans: HashMap<String, Vec<u8>> =
            plans.into_iter().map(|plan| (plan.gid, plan.body)).collect();
        let mut events = self.events_of(wanted()).await?;
        let load = |row: Row| {
            let body = plans.remove(&row.gid).unwrap_or_default();
            let events = events.remove(&row.gid).unwrap_or_default();
            (row.gid.clone(), self.assemble(row, &body, events))
        };
        Ok(rows.into_iter().filter(|row| self.is_mine(row)).map(load).collect())
    }

    /// The plans of at most [`AT_ONCE`] `gids`, in no order.
    ///
    /// # Errors
    /// Where the store is away, or holds what this version cannot read.
    pub async fn plans(&self, gids: &[String]) -> Result<Vec<Plan>, ReadError> {
        let plans = plan::Entity::find().filter(plan::Column::Gid.is_in(gids.iter().map(String::as_str)));
        let plans = plans.all(self.connection()).await?;
        Ok(plans.into_iter().map(|plan| Plan::decode(&plan.body)).collect::<Result<_, _>>()?)
    }

    pub(super) async fn events_of(
        &self,
        gids: impl Iterator<Item = &str>,
    ) -> Result<HashMap<String, Vec<event::Model>>, DbErr> {
        let rows = event::Entity::find()
            .filter(event::Column::Gid.is_in(gids))
            .order_by_asc(event::Column::Gid)
            .order_by_asc(event::Column::Seq)
            .all(self.connection())
            .await?;
        let mut of_each: HashMap<String, Vec<event::Model>> = HashMap::new();
        for row in rows {
            of_each.entry(row.gid.clone()).or_default().push(row);
        }
        Ok(of_each)
    }
}
