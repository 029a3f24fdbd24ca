//! The settings of lanes that somebody set while orchestrators ran: stored, and followed by each replica. Knows names and
//! settings; what they do is the gate's.

use super::{LaneSettings, Lanes, SettingsError};
use amends_crash_points::{Place, around};
use amends_serve::store::Store;
use sea_orm::sea_query::OnConflict;
use sea_orm::{ActiveValue::Set, ConnectionTrait as _, DbErr, EntityTrait as _};
use std::collections::BTreeMap;
use std::sync::Mutex;
use std::time::Duration;

/// Between two looks at what other replicas set.
const LOOK: Duration = Duration::from_secs(1);
/// A change keeps what others have set, so it must see all of that: the lock of a row would not do, as there is none at
/// first. Readers pass. On SQLite the writer is alone anyway.
const ONE_AT_A_TIME: &str = "LOCK TABLE lane_setting IN SHARE ROW EXCLUSIVE MODE";

mod lane_setting {
    use sea_orm::entity::prelude::*;

    /// The settings of one lane, as [`super::LaneSettings`] writes them down.
    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "lane_setting")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false, column_type = "Text")]
        pub participant: String,
        #[sea_orm(column_type = "Text")]
        pub settings: String,
        pub changed_at_us: i64,
        #[sea_orm(column_type = "Text")]
        pub subject: String,
    }

    /// None that SeaORM needs to know.
    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

/// Who changes a lane, and how.
#[derive(Debug, Clone)]
pub struct LaneChange {
    /// The participant.
    pub participant: String,
    /// First back to the settings of the start.
    pub reset: Reset,
    /// What is to be otherwise, by name.
    pub settings: Vec<(&'static str, u32)>,
    /// Who.
    pub subject: String,
    /// Unix microseconds.
    pub at_us: i64,
}

/// Whether a change begins with the settings of the start.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reset {
    /// It begins with what holds now.
    No,
    /// It does.
    Yes,
}

/// Why a lane was not changed. Nothing is, then.
#[derive(Debug, thiserror::Error)]
pub enum LaneError {
    /// There is no such participant.
    #[error("no participant is called `{0}`")]
    Unknown(String),
    /// The settings make no sense.
    #[error(transparent)]
    Settings(#[from] SettingsError),
    /// The store did not take it.
    #[error("the store did not take it")]
    Store(#[from] DbErr),
}

/// The book of settings.
#[derive(Debug)]
pub struct LaneBook {
    store: Store,
    lanes: Lanes,
    /// What could not be read last time, so that it is told once.
    unreadable: Mutex<BTreeMap<String, String>>,
}

impl LaneBook {
    /// Opens the book; the lanes have its settings from now on.
    ///
    /// # Errors
    /// Where the store cannot be read.
    pub async fn open(store: Store, lanes: Lanes) -> Result<Self, DbErr> {
        let book = Self { store, lanes, unreadable: Mutex::default() };
        book.look().await?;
        Ok(book)
    }

    /// Follows what other replicas set, until the process ends.
    pub async fn follow(&self) {
        let mut tick = tokio::time::interval(LOOK);
        tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            tick.tick().await;
            // A store that is away is told of by whoever has to write.
            if let Err(error) = self.look().await {
                tracing::debug!(%error, "the settings of lanes cannot be read");
            }
        }
    }

    /// Changes one lane, here at once and on other replicas within two seconds.
    ///
    /// # Errors
    /// Nothing is changed then, unless the store does not say what became of it.
    pub async fn change(&self, change: &LaneChange) -> Result<(), LaneError> {
        let lane = self.lanes.get(&change.participant);
        let given = lane.ok_or_else(|| LaneError::Unknown(change.participant.clone()))?.settings().1;
        let turn = self.store.begin().await?;
        if self.store.is_shared() {
            turn.execute_unprepared(ONE_AT_A_TIME).await?;
        }
        let row = lane_setting::Entity::find_by_id(&change.participant).one(&turn).await?;
        let before = match (change.reset, row) {
            (Reset::No, Some(row)) => given.with_all(&row.settings).unwrap_or(given),
            (Reset::No, None) | (Reset::Yes, _) => given,
        };
        let wanted = change
            .settings
            .iter()
            .try_fold(before, |settings, (name, value)| settings.with(name, u64::from(*value)))?;
        let wanted = wanted.checked()?;
        if change.reset == Reset::Yes && change.settings.is_empty() {
            lane_setting::Entity::delete_by_id(&change.participant).exec(&turn).await?;
        } else {
            let row = lane_setting::ActiveModel {
                participant: Set(change.participant.clone()),
                settings: Set(wanted.to_string()),
                changed_at_us: Set(change.at_us),
                subject: Set(change.subject.clone()),
            };
            use lane_setting::Column::{ChangedAtUs, Participant, Settings, Subject};
            let newest =
                OnConflict::column(Participant).update_columns([Settings, ChangedAtUs, Subject]).to_owned();
            lane_setting::Entity::insert(row).on_conflict(newest).exec_without_returning(&turn).await?;
        }
        around!(Place::LaneSetting, turn.commit().await)?;
        let LaneChange { participant, subject, .. } = change;
        tracing::info!(participant, subject, settings = %wanted, "a lane was set");
        Ok(self.look().await?)
    }

    async fn look(&self) -> Result<(), DbErr> {
        let rows = lane_setting::Entity::find().all(self.store.reader()).await?;
        let (mut set, mut unreadable) = (BTreeMap::new(), BTreeMap::new());
        for row in rows {
            match row.settings.parse::<LaneSettings>() {
                Ok(settings) => drop(set.insert(row.participant, settings)),
                // A newer version's, perhaps: the lane stays as it was given.
                Err(error) => drop(unreadable.insert(row.participant, error.to_string())),
            }
        }
        self.lanes.apply(&set);
        let mut told = self.unreadable.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        for (participant, error) in unreadable.iter().filter(|(name, _)| !told.contains_key(*name)) {
            tracing::warn!(participant, error, "stored settings of a lane are not followed");
        }
        *told = unreadable;
        Ok(())
    }
}
