//! The statements about replicas and owners, all by the database's clock. PostgreSQL only. Knows no tenure.

use super::lease::LIFE;
use sea_orm::{ConnectionTrait, DatabaseTransaction, DbBackend, DbErr, Statement, Value};
use std::collections::BTreeSet;

/// Unix microseconds, now.
const NOW: &str = "(extract(epoch FROM clock_timestamp()) * 1000000)::bigint";
/// Key of the advisory lock of whoever takes over (`amends` in ASCII, and a 2).
const TAKE_OVER_LOCK: i64 = 0x61_6d_65_6e_64_73_02;
/// A fenced replica is forgotten after a day: nobody asks for it any more.
const FORGOTTEN_US: i64 = 86_400_000_000;

/// Where other replicas reach one, host:port each.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Addresses {
    /// Its relay.
    pub relay: String,
    /// Its API.
    pub api: String,
}

/// An orphan that was adopted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Adopted {
    pub(super) gid: String,
    /// Its former owner still has sessions: calls of that process may be under way.
    pub(super) is_there: bool,
}

/// A replica that was fenced.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Expired {
    pub(super) id: String,
    /// It still has sessions: its process may be there.
    pub(super) is_there: bool,
}

/// The replicas of a history, seen by one of them.
#[derive(Debug, Clone)]
pub struct Table {
    /// That one.
    pub id: String,
    store: amends_serve::store::Store,
}

/// How the sessions of a replica are called in PostgreSQL, so that others see whether its process is there.
pub(super) fn session_of(id: &str) -> String {
    format!("amends {id}")
}

impl Table {
    /// The table in `store`, whose sessions bear the name of this replica.
    #[must_use]
    pub fn new(store: amends_serve::store::Store, id: String) -> Self {
        Self { id, store }
    }

    /// Adds this replica.
    pub(super) async fn join(&self, at: &Addresses) -> Result<(), DbErr> {
        let sql = format!("INSERT INTO replica VALUES ($1, $2, $3, {NOW} + $4, false)");
        let life = i64::try_from(LIFE.as_micros()).unwrap_or(i64::MAX);
        self.execute(
            &sql,
            [self.id.clone().into(), at.relay.clone().into(), at.api.clone().into(), life.into()],
        )
        .await
        .map(drop)
    }

    /// Renews its lease; false = it was fenced.
    pub(super) async fn renew(&self) -> Result<bool, DbErr> {
        let sql = format!("UPDATE replica SET expires_at_us = {NOW} + $2 WHERE id = $1 AND NOT fenced");
        let life = i64::try_from(LIFE.as_micros()).unwrap_or(i64::MAX);
        Ok(self.execute(&sql, [self.id.clone().into(), life.into()]).await? == 1)
    }

    /// Gives up everything that it has, after the commits that are under way: an update alone would not wait for them.
    pub(super) async fn leave(&self) -> Result<(), DbErr> {
        let sql = "WITH mine AS (SELECT id FROM replica WHERE id = $1 FOR UPDATE) \
                   UPDATE replica SET fenced = true FROM mine WHERE replica.id = mine.id";
        self.execute(sql, [self.id.clone().into()]).await.map(drop)
    }

    /// Where a replica is reached; `None` = it is fenced or expired.
    pub(super) async fn find(&self, id: &str) -> Result<Option<Addresses>, DbErr> {
        let sql = format!(
            "SELECT relay_address, api_address FROM replica WHERE id = $1 AND NOT fenced AND expires_at_us > {NOW}"
        );
        let row = self.store.reader().query_one_raw(statement(&sql, [id.into()])).await?;
        row.map(|row| Ok(Addresses { relay: row.try_get_by_index(0)?, api: row.try_get_by_index(1)? }))
            .transpose()
    }

    /// All that are not fenced, this one too.
    pub(super) async fn alive(&self) -> Result<BTreeSet<String>, DbErr> {
        let sql = statement("SELECT id FROM replica WHERE NOT fenced", []);
        let rows = self.store.reader().query_all_raw(sql).await?;
        rows.iter().map(|row| row.try_get_by_index(0)).collect()
    }

    /// Whether anything is there to be taken over.
    pub(super) async fn has_orphans(&self) -> Result<bool, DbErr> {
        let sql = format!(
            "SELECT EXISTS (SELECT 1 FROM replica WHERE NOT fenced AND expires_at_us <= {NOW}) OR EXISTS \
             (SELECT 1 FROM global_transaction WHERE is_open AND owner NOT IN (SELECT id FROM replica WHERE NOT fenced))"
        );
        let row = self.store.reader().query_one_raw(statement(&sql, [])).await?;
        row.map_or(Ok(false), |row| row.try_get_by_index(0))
    }

    /// Begins a take-over; `None` = another replica is at it.
    pub(super) async fn begin_take_over(&self) -> Result<Option<DatabaseTransaction>, DbErr> {
        let transaction = self.store.begin().await?;
        let lock = statement("SELECT pg_try_advisory_xact_lock($1)", [TAKE_OVER_LOCK.into()]);
        let row = transaction.query_one_raw(lock).await?;
        let mine = row.map_or(Ok(false), |row| row.try_get_by_index::<bool>(0))?;
        Ok(mine.then_some(transaction))
    }

    /// Proves that this one may still; false = it was fenced.
    pub(super) async fn prove(&self, transaction: &DatabaseTransaction) -> Result<bool, DbErr> {
        let sql = "SELECT id FROM replica WHERE id = $1 AND NOT fenced FOR KEY SHARE";
        Ok(transaction.query_one_raw(statement(sql, [self.id.clone().into()])).await?.is_some())
    }

    /// Fences whoever's lease is over, after the commits that they have under way.
    pub(super) async fn fence(&self, transaction: &DatabaseTransaction) -> Result<Vec<Expired>, DbErr> {
        let sql = format!(
            "SELECT id, EXISTS (SELECT 1 FROM pg_stat_activity WHERE application_name = $1 || id) FROM replica \
             WHERE NOT fenced AND expires_at_us <= {NOW} FOR UPDATE"
        );
        let rows = transaction.query_all_raw(statement(&sql, [session_of("").into()])).await?;
        let mut fenced = Vec::with_capacity(rows.len());
        for row in rows {
            let expired = Expired { id: row.try_get_by_index(0)?, is_there: row.try_get_by_index(1)? };
            let sql = "UPDATE replica SET fenced = true WHERE id = $1";
            transaction.execute_raw(statement(sql, [expired.id.clone().into()])).await?;
            fenced.push(expired);
        }
        let old = format!("DELETE FROM replica WHERE fenced AND expires_at_us < {NOW} - $1");
        transaction.execute_raw(statement(&old, [FORGOTTEN_US.into()])).await?;
        Ok(fenced)
    }

    /// Makes this replica the owner of everything open that is nobody's.
    pub(super) async fn adopt(&self, transaction: &DatabaseTransaction) -> Result<Vec<Adopted>, DbErr> {
        let sql = "WITH orphan AS (SELECT gid, owner FROM global_transaction WHERE is_open AND owner NOT IN \
                   (SELECT id FROM replica WHERE NOT fenced) ORDER BY gid FOR UPDATE) \
                   UPDATE global_transaction AS it SET owner = $1 FROM orphan WHERE it.gid = orphan.gid \
                   RETURNING it.gid, \
                   EXISTS (SELECT 1 FROM pg_stat_activity WHERE application_name = $2 || orphan.owner)";
        let values = [self.id.clone().into(), session_of("").into()];
        let rows = transaction.query_all_raw(statement(sql, values)).await?;
        let adopted = |row: sea_orm::QueryResult| {
            Ok(Adopted { gid: row.try_get_by_index(0)?, is_there: row.try_get_by_index(1)? })
        };
        rows.into_iter().map(adopted).collect()
    }

    /// Ends what expired replicas were doing in the database when they fell silent; their idle sessions stay, as a
    /// sign that their processes are there.
    pub(super) async fn cut(&self) -> Result<(), DbErr> {
        let sql = format!(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity JOIN replica ON application_name = $1 || id \
             WHERE NOT fenced AND expires_at_us <= {NOW} AND state <> 'idle'"
        );
        self.execute(&sql, [session_of("").into()]).await.map(drop)
    }

    async fn execute<const N: usize>(&self, sql: &str, values: [Value; N]) -> Result<u64, DbErr> {
        Ok(self.store.writer().execute_raw(statement(sql, values)).await?.rows_affected())
    }
}

fn statement<const N: usize>(sql: &str, values: [Value; N]) -> Statement {
    Statement::from_sql_and_values(DbBackend::Postgres, sql, values)
}
