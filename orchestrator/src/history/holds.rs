//! Which definitions and participants people hold back, and held back before: a table of its own, because a hold is of
//! no global transaction. Knows how it is stored; must not know what a hold does.

use super::act::{Act, Deadlines};
use super::entity::hold;
use amends_crash_points::{Place, around};
use amends_serve::store::Store;
use sea_orm::sea_query::{Expr, OnConflict};
use sea_orm::{
    ColumnTrait as _, DbErr, EntityTrait as _, IntoActiveModel as _, QueryFilter as _, QueryOrder as _,
    QuerySelect as _,
};
use std::cmp::Reverse;

/// Holds that are read: those in force, then the newest that are over, since deadlines of what they held stood still.
const KEPT: u64 = 1_000;

/// What a hold is on.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Held {
    /// All global transactions of a definition.
    Definition(String),
    /// All calls of a participant.
    Participant(String),
}

impl Held {
    /// The names of all kinds.
    pub const KINDS: [&'static str; 2] = ["definition", "participant"];

    /// Short lower-case name of its kind, as stored.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Definition(_) => "definition",
            Self::Participant(_) => "participant",
        }
    }

    /// Which definition, or which participant.
    #[must_use]
    pub fn name(&self) -> &str {
        match self {
            Self::Definition(name) | Self::Participant(name) => name,
        }
    }

    fn read(kind: &str, name: String) -> Option<Self> {
        match kind {
            "definition" => Some(Self::Definition(name)),
            "participant" => Some(Self::Participant(name)),
            _ => None,
        }
    }
}

/// No new attempts, of a whole definition or to a whole participant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hold {
    /// On what.
    pub on: Held,
    /// Unix microseconds.
    pub since_us: i64,
    /// What deadlines do meanwhile.
    pub deadlines: Deadlines,
    /// By whom and why.
    pub act: Act,
    /// When it was over and by whose act; `None` = it is in force.
    pub ended: Option<(i64, Act)>,
}

/// The table, on the store of the history.
#[derive(Debug, Clone)]
pub struct HoldTable {
    store: Store,
}

impl HoldTable {
    pub(super) fn new(store: Store) -> Self {
        Self { store }
    }

    /// All holds in force and the newest that are over, newest first.
    ///
    /// # Errors
    /// Where the store is away.
    pub async fn all(&self) -> Result<Vec<Hold>, DbErr> {
        let mut rows = hold::Entity::find()
            .order_by_desc(hold::Column::EndedUs.eq(0))
            .order_by_desc(hold::Column::SinceUs)
            .limit(KEPT)
            .all(self.store.reader())
            .await?;
        rows.sort_by_key(|row| Reverse(row.since_us));
        Ok(rows.into_iter().filter_map(read).collect())
    }

    /// Begins a hold; one that is in force on the same stays as it is. False = there was one.
    ///
    /// # Errors
    /// Where the store is away.
    pub async fn begin(&self, hold: &Hold) -> Result<bool, DbErr> {
        let row = hold::Model {
            kind: hold.on.kind().to_owned(),
            name: hold.on.name().to_owned(),
            since_us: hold.since_us,
            deadlines: hold.deadlines.name().to_owned(),
            subject: hold.act.subject.clone(),
            reason: hold.act.reason.clone(),
            ended_us: 0,
            ended_by: String::new(),
            ended_reason: String::new(),
        };
        let begin = hold::Entity::insert(row.into_active_model())
            .on_conflict(OnConflict::new().do_nothing().to_owned());
        let begun = around!(Place::HoldBegin, begin.exec_without_returning(self.store.writer()).await)?;
        Ok(begun > 0)
    }

    /// Ends what holds it back; false = nothing did.
    ///
    /// # Errors
    /// Where the store is away.
    pub async fn end(&self, on: &Held, now_us: i64, act: &Act) -> Result<bool, DbErr> {
        use hold::Column;
        let end = hold::Entity::update_many()
            .col_expr(Column::EndedUs, Expr::value(now_us))
            .col_expr(Column::EndedBy, Expr::value(act.subject.clone()))
            .col_expr(Column::EndedReason, Expr::value(act.reason.clone()))
            .filter(Column::Kind.eq(on.kind()))
            .filter(Column::Name.eq(on.name()))
            .filter(Column::EndedUs.eq(0));
        let ended = around!(Place::HoldEnd, end.exec(self.store.writer()).await)?;
        Ok(ended.rows_affected > 0)
    }
}

/// `None` = a newer version wrote it.
fn read(row: hold::Model) -> Option<Hold> {
    let ended = (row.ended_us > 0).then(|| (row.ended_us, Act::of(&row.ended_by, &row.ended_reason)));
    Some(Hold {
        on: Held::read(&row.kind, row.name)?,
        since_us: row.since_us,
        deadlines: Deadlines::named(&row.deadlines)?,
        act: Act::of(&row.subject, &row.reason),
        ended,
    })
}
