//! The notices that are still to be delivered, as the store has them. One statement for each step, by the database's
//! clock, so that several replicas can work on it: whoever moves a notice's time has it until then.
//! Knows nothing of HTTP.

use crate::history::entity::notice;
use amends_crash_points::{Place, around};
use amends_serve::store::Store;
use sea_orm::{ConnectionTrait as _, DbBackend, DbErr, EntityTrait as _, Statement, Value};
use std::time::Duration;

/// Unix microseconds, now, in the words of each database.
const POSTGRES_NOW: &str = "(extract(epoch FROM clock_timestamp()) * 1000000)::bigint";
const SQLITE_NOW: &str = "CAST(unixepoch('now', 'subsec') * 1000000 AS INTEGER)";
/// Of each gid and cause only the oldest: a closing never overtakes its opening.
const IS_FIRST: &str = "NOT EXISTS (SELECT 1 FROM notice AS earlier \
    WHERE earlier.gid = n.gid AND earlier.cause = n.cause AND earlier.seq < n.seq)";

/// The notices of a history.
#[derive(Debug, Clone)]
pub struct Outbox {
    store: Store,
}

/// What is still to be delivered.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Pending {
    /// So many notices.
    pub count: i64,
    /// Unix microseconds of the oldest one's event; 0 = there is none.
    pub oldest_us: i64,
    /// The most that one of them was sent.
    pub most_attempts: i32,
    /// Why that one was not taken, or empty.
    pub last_error: String,
}

impl Outbox {
    /// Of a migrated store.
    #[must_use]
    pub fn new(store: Store) -> Self {
        Self { store }
    }

    /// Takes at most `limit` notices that are due, oldest first, for so long: nobody else sends them meanwhile.
    ///
    /// # Errors
    /// Where the store is away. What was taken by then comes free when its time is over.
    pub async fn take(&self, limit: u32, lease: Duration) -> Result<Vec<notice::Model>, DbErr> {
        let now = self.now();
        let due = format!(
            "SELECT * FROM notice AS n WHERE n.next_at_us <= {now} AND {IS_FIRST} \
             ORDER BY n.next_at_us, n.time_us LIMIT $1"
        );
        let due = self.statement(&due, [i64::from(limit).into()]);
        let due = notice::Entity::find().from_raw_sql(due).all(self.store.reader()).await?;
        let take = format!(
            "UPDATE notice SET attempts = attempts + 1, next_at_us = {now} + $5 \
             WHERE gid = $1 AND cause = $2 AND seq = $3 AND next_at_us = $4"
        );
        let mut taken = Vec::new();
        for notice in due {
            let [gid, cause, seq] = key(&notice);
            let values = [gid, cause, seq, notice.next_at_us.into(), micros(lease).into()];
            if around!(Place::NoticeTake, self.execute(&take, values).await)? == 1 {
                taken.push(notice::Model { attempts: notice.attempts + 1, ..notice });
            }
        }
        Ok(taken)
    }

    /// The receiver has it.
    ///
    /// # Errors
    /// Where the store is away: it is sent again then.
    pub async fn delivered(&self, notice: &notice::Model) -> Result<(), DbErr> {
        let sql = "DELETE FROM notice WHERE gid = $1 AND cause = $2 AND seq = $3";
        around!(Place::NoticeTaken, self.execute(sql, key(notice)).await).map(drop)
    }

    /// The receiver has not acknowledged it: again after this time, unless another took it meanwhile.
    ///
    /// # Errors
    /// Where the store is away: it comes free when its time is over.
    pub async fn failed(&self, notice: &notice::Model, error: &str, wait: Duration) -> Result<(), DbErr> {
        let now = self.now();
        let sql = format!(
            "UPDATE notice SET next_at_us = {now} + $5, last_error = $6 \
             WHERE gid = $1 AND cause = $2 AND seq = $3 AND attempts = $4"
        );
        let [gid, cause, seq] = key(notice);
        let values = [gid, cause, seq, notice.attempts.into(), micros(wait).into(), error.into()];
        around!(Place::NoticeRefused, self.execute(&sql, values).await).map(drop)
    }

    /// How long until the next one is due; `None` = there is none.
    ///
    /// # Errors
    /// Where the store is away.
    pub async fn next_due(&self) -> Result<Option<Duration>, DbErr> {
        let now = self.now();
        let sql = format!("SELECT MIN(n.next_at_us) - {now} AS wait FROM notice AS n WHERE {IS_FIRST}");
        let row = self.store.reader().query_one_raw(self.statement(&sql, [])).await?;
        let wait: Option<i64> = row.map(|row| row.try_get("", "wait")).transpose()?.flatten();
        Ok(wait.map(|us| Duration::from_micros(u64::try_from(us).unwrap_or(0))))
    }

    /// What is still to be delivered.
    ///
    /// # Errors
    /// Where the store is away.
    pub async fn pending(&self) -> Result<Pending, DbErr> {
        let sql = "SELECT COUNT(*) AS count, COALESCE(MIN(time_us), 0) AS oldest_us FROM notice";
        let Some(row) = self.store.reader().query_one_raw(self.statement(sql, [])).await? else {
            return Ok(Pending::default());
        };
        let (count, oldest_us) = (row.try_get("", "count")?, row.try_get("", "oldest_us")?);
        let sql = "SELECT attempts, last_error FROM notice ORDER BY attempts DESC, gid LIMIT 1";
        let worst = self.store.reader().query_one_raw(self.statement(sql, [])).await?;
        let (most_attempts, last_error) = match worst {
            Some(worst) => (worst.try_get("", "attempts")?, worst.try_get("", "last_error")?),
            None => (0, String::new()),
        };
        Ok(Pending { count, oldest_us, most_attempts, last_error })
    }

    /// Forgets what happened longer ago than this and was never sent: where nobody is to be told, notices must not pile
    /// up; what another process tries to deliver is its own.
    ///
    /// # Errors
    /// Where the store is away.
    pub async fn forget(&self, older: Duration) -> Result<u64, DbErr> {
        let now = self.now();
        let sql = format!("DELETE FROM notice WHERE time_us < {now} - $1 AND attempts = 0");
        self.execute(&sql, [micros(older).into()]).await
    }

    fn now(&self) -> &'static str {
        if self.store.is_shared() { POSTGRES_NOW } else { SQLITE_NOW }
    }

    fn statement<const N: usize>(&self, sql: &str, values: [Value; N]) -> Statement {
        let backend = if self.store.is_shared() { DbBackend::Postgres } else { DbBackend::Sqlite };
        Statement::from_sql_and_values(backend, sql, values)
    }

    async fn execute<const N: usize>(&self, sql: &str, values: [Value; N]) -> Result<u64, DbErr> {
        let done = self.store.writer().execute_raw(self.statement(sql, values)).await?;
        Ok(done.rows_affected())
    }
}

fn key(notice: &notice::Model) -> [Value; 3] {
    [notice.gid.clone().into(), notice.cause.clone().into(), notice.seq.into()]
}

fn micros(time: Duration) -> i64 {
    i64::try_from(time.as_micros()).unwrap_or(i64::MAX)
}
