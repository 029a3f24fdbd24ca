//! Outages: while one lasts, nothing listens and calls on old connections are turned away. Its end is stored, so a
//! restart does not shorten it. Knows no request.

use std::sync::Arc;
use std::time::Duration;

use amends_serve::store::Store;
use sea_orm::{DbErr, EntityTrait};
use tokio::sync::watch;

use crate::entity::setting;
use crate::script::set_setting;

const SETTING: &str = "outage_until_us";

/// When the doors open again. A clone is the same outage.
#[derive(Debug, Clone)]
pub struct Outage {
    store: Store,
    until_us: Arc<watch::Sender<i64>>,
}

impl Outage {
    /// Reads an outage that began before a restart.
    pub async fn open(store: Store) -> Result<Outage, DbErr> {
        let set = setting::Entity::find_by_id(SETTING).one(store.reader()).await?;
        let until_us = set.and_then(|set| set.value.parse().ok()).unwrap_or(0);
        Ok(Outage { store, until_us: Arc::new(watch::Sender::new(until_us)) })
    }

    /// Closes the doors for `length` from `now_us`.
    pub async fn begin(&self, length: Duration, now_us: i64) -> Result<(), DbErr> {
        let until_us = now_us.saturating_add(i64::try_from(length.as_micros()).unwrap_or(i64::MAX));
        set_setting(&self.store, SETTING, until_us.to_string()).await?;
        tracing::warn!(length_ms = length.as_millis(), "outage begins");
        self.until_us.send_replace(until_us);
        Ok(())
    }

    /// How long the doors stay closed from `now_us`; zero = they are open.
    #[must_use]
    pub fn left(&self, now_us: i64) -> Duration {
        let left_us = self.until_us.borrow().saturating_sub(now_us);
        Duration::from_micros(u64::try_from(left_us).unwrap_or(0))
    }

    /// Ends when an outage lasts, by this clock: at once if one does.
    pub async fn began(&self, now_us: fn() -> i64) {
        let mut until = self.until_us.subscribe();
        // The sender lives as long as `self`, so the wait cannot end by its loss.
        let _ = until.wait_for(|until| *until > now_us()).await;
    }
}
