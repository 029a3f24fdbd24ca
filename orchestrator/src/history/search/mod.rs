//! Lists: the rows that a filter asks for, newest first, page by page. A page is read through the indexes that fit the
//! filter and looks at a bounded number of rows: where few fit it may be short, or empty, and still say where to go on.

mod anchors;
mod condition;
mod counts;

use super::entity::{global_transaction, shape};
use super::reader::{HistoryReader, Row};
use crate::filter::{Expr as Filter, Flag, Test, TextField};
use anchors::{Anchor, Known};
pub(super) use anchors::{DOUBT_US, gid_at};
use condition::Asking;
pub use counts::{CauseCount, Counts, StatusCount};
use sea_orm::sea_query::{Alias, Expr, ExprTrait as _, Order, Query, SelectStatement};
use sea_orm::{
    AccessMode, ConnectionTrait as _, DatabaseTransaction, DbBackend, DbErr, EntityTrait as _,
    FromQueryResult, IsolationLevel, Iterable as _, QueryOrder as _, QuerySelect as _, TransactionTrait as _,
};
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// Time that a page may take before it ends where it is: well below the 50 ms that it has.
const PATIENCE: Duration = Duration::from_millis(20);
/// Rows of the first look where a page has no more, and of the longest; each is four times as long as the one before.
const FIRST_LOOK: u64 = 256;
const LONGEST_LOOK: u64 = 4_096;
/// More shapes than these are not looked through: somebody names steps anew each time.
const MOST_SHAPES: u64 = 500;
/// More lists of codes than these are not looked through.
const MOST_CODES: usize = 16;

/// Which rows a list shows.
#[derive(Debug, Clone, Default)]
pub struct ListFilter {
    /// Only these statuses; empty = all.
    pub statuses: Vec<&'static str>,
    /// Only those that need a person.
    pub attention_only: bool,
    /// Only those that this fits.
    pub filter: Option<Filter>,
    /// Unix microseconds: from when ages count.
    pub now_us: i64,
    /// Only older than this gid (newest first).
    pub before: Option<String>,
    /// At most so many.
    pub limit: u64,
}

/// Some rows, newest first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page {
    /// The rows; perhaps fewer than asked for, though there are more.
    pub rows: Vec<Row>,
    /// `before` of the next page; `None` = there is no more.
    pub next: Option<String>,
}

impl ListFilter {
    /// All of it as one filter.
    #[must_use]
    pub fn whole(&self) -> Filter {
        let mut whole = self.filter.clone().unwrap_or_else(Filter::everything);
        if self.attention_only {
            whole = whole.and(Filter::Test(Test::Flag(Flag::Attention)));
        }
        if !self.statuses.is_empty() {
            let statuses = self.statuses.iter().map(|status| (*status).to_owned()).collect();
            whole = whole.and(Filter::Test(Test::Is(TextField::Status, statuses)));
        }
        whole
    }
}

/// One look along one way.
struct Look<'a> {
    anchor: &'a Anchor,
    from: Option<&'a str>,
    before: Option<&'a str>,
    length: u64,
}

/// What a list is made of: whole rows, or their names alone.
trait Listed: FromQueryResult {
    /// What is read of a row.
    fn columns() -> Vec<global_transaction::Column>;
    /// Its name, by which a list is in order.
    fn gid(&self) -> &str;
}

impl Listed for Row {
    fn columns() -> Vec<global_transaction::Column> {
        global_transaction::Column::iter().collect()
    }

    fn gid(&self) -> &str {
        &self.gid
    }
}

#[derive(Debug, FromQueryResult)]
struct Name {
    gid: String,
}

impl Listed for Name {
    fn columns() -> Vec<global_transaction::Column> {
        vec![global_transaction::Column::Gid]
    }

    fn gid(&self) -> &str {
        &self.gid
    }
}

/// What looking along one way came to.
struct Found<T> {
    rows: Vec<T>,
    /// The oldest gid that was looked at; `None` = all were.
    reached: Option<String>,
}

impl HistoryReader {
    /// One moment of the store: whatever is asked of it, nothing happens in between.
    async fn moment(&self) -> Result<DatabaseTransaction, DbErr> {
        let connection = self.connection();
        if connection.get_database_backend() == DbBackend::Postgres {
            let (level, access) = (IsolationLevel::RepeatableRead, AccessMode::ReadOnly);
            connection.begin_with_config(Some(level), Some(access)).await
        } else {
            connection.begin().await
        }
    }

    /// Rows newest first; a gid is a UUIDv7, so its order is the order of starts. What starts meanwhile is newer than
    /// any page to come. A page is of one moment: rows that leave a way between two looks would shift those behind them.
    ///
    /// # Errors
    /// Where the store is away.
    pub async fn list(&self, asked: &ListFilter) -> Result<Page, DbErr> {
        let (rows, next) = self.walk(asked).await?;
        Ok(Page { rows, next })
    }

    /// The same as gids alone, for whoever acts on thousands: the page, and `before` of the next one.
    ///
    /// # Errors
    /// Where the store is away.
    pub async fn list_gids(&self, asked: &ListFilter) -> Result<(Vec<String>, Option<String>), DbErr> {
        let (names, next) = self.walk::<Name>(asked).await?;
        Ok((names.into_iter().map(|name| name.gid).collect(), next))
    }

    async fn walk<T: Listed>(&self, asked: &ListFilter) -> Result<(Vec<T>, Option<String>), DbErr> {
        let until = Instant::now() + PATIENCE;
        let filter = asked.whole();
        let moment = self.moment().await?;
        let anchors = anchors::choose(&filter, &known(&moment, &filter).await?);
        let (from, newest) = anchors::range(&filter, asked.now_us);
        let before = asked.before.clone().into_iter().chain(newest).min();
        let asking = Asking { backend: moment.get_database_backend(), now_us: asked.now_us };
        let condition = asking.condition(&filter);
        let mut rows = BTreeMap::new();
        let mut reached: Option<String> = None;
        // Where most rows fit, the first look fills the page, however long it takes.
        let length = Ord::max(asked.limit, FIRST_LOOK);
        for anchor in &anchors {
            let look = Look { anchor, from: from.as_deref(), before: before.as_deref(), length };
            let found = look_along(&moment, look, &condition, asked.limit, until).await?;
            rows.extend(found.rows.into_iter().map(|row: T| (row.gid().to_owned(), row)));
            // Before that, another way may have more.
            reached = Ord::max(reached, found.reached);
        }
        moment.commit().await?;
        Ok(page(rows, reached, asked.limit))
    }
}

/// What choosing ways needs to know; asked for only where the filter says something about it.
async fn known(moment: &DatabaseTransaction, filter: &Filter) -> Result<Known, DbErr> {
    let mut known = Known::default();
    if mentions(filter, &|test| {
        use TextField as F;
        matches!(
            test,
            Test::Is(F::BusinessKey | F::Definition | F::Mode | F::Coordinator | F::Participant | F::Step, _)
                | Test::Contains(F::Definition | F::Mode | F::Coordinator | F::Participant | F::Step, _)
        )
    }) {
        let shapes = shape::Entity::find().order_by_asc(shape::Column::Id).limit(MOST_SHAPES + 1);
        known.shapes = shapes.all(moment).await?;
        if known.shapes.len() as u64 > MOST_SHAPES {
            known.shapes.clear();
        }
    }
    if mentions(filter, &|test| matches!(test, Test::Is(TextField::Code, _))) {
        known.codes = lists_of_codes(moment).await?;
    }
    Ok(known)
}

/// Each list of codes once, by one step through the index for each.
async fn lists_of_codes(moment: &DatabaseTransaction) -> Result<Vec<String>, DbErr> {
    use global_transaction::Column;
    let mut lists: Vec<String> = Vec::new();
    while lists.len() <= MOST_CODES {
        let last = lists.last().cloned().unwrap_or_default();
        let next = Query::select()
            .column(Column::Codes)
            .from(global_transaction::Entity)
            .and_where(Expr::cust("codes <> ''"))
            .and_where(Expr::col(Column::Codes).gt(last))
            .order_by(Column::Codes, Order::Asc)
            .limit(1)
            .take();
        match moment.query_one(&next).await? {
            Some(row) => lists.push(row.try_get("", "codes")?),
            None => return Ok(lists),
        }
    }
    Ok(Vec::new())
}

async fn look_along<T: Listed>(
    moment: &DatabaseTransaction,
    mut look: Look<'_>,
    condition: &Expr,
    limit: u64,
    until: Instant,
) -> Result<Found<T>, DbErr> {
    let mut rows: Vec<T> = Vec::new();
    let mut reached: Option<String> = None;
    loop {
        let before = reached.as_deref().or(look.before);
        let this = Look { before, ..look };
        let missing = limit.saturating_sub(rows.len() as u64);
        let found = moment.query_all(&this.rows(T::columns(), condition, missing)).await?;
        for row in &found {
            rows.push(T::from_query_result(row, "")?);
        }
        if rows.len() as u64 >= limit {
            let reached = rows.last().map(|row| row.gid().to_owned());
            return Ok(Found { rows, reached });
        }
        let Some(end) = moment.query_one(&this.end()).await? else {
            return Ok(Found { rows, reached: None });
        };
        reached = Some(end.try_get("", "gid")?);
        if Instant::now() >= until {
            return Ok(Found { rows, reached });
        }
        look.length = Ord::min(look.length * 4, LONGEST_LOOK);
    }
}

fn page<T: Listed>(
    rows: BTreeMap<String, T>,
    reached: Option<String>,
    limit: u64,
) -> (Vec<T>, Option<String>) {
    let seen = |row: &T| reached.as_deref().is_none_or(|reached| row.gid() >= reached);
    let mut rows: Vec<T> = rows.into_values().rev().filter(seen).collect();
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    if rows.len() > limit {
        rows.truncate(limit);
        let next = rows.last().map(|row| row.gid().to_owned());
        return (rows, next);
    }
    (rows, reached)
}

fn mentions(filter: &Filter, wanted: &impl Fn(&Test) -> bool) -> bool {
    match filter {
        Filter::And(parts) | Filter::Or(parts) => parts.iter().any(|part| mentions(part, wanted)),
        Filter::Not(inner) => mentions(inner, wanted),
        Filter::Test(test) => wanted(test),
    }
}

impl Look<'_> {
    /// The rows looked at, newest first.
    fn window(&self) -> SelectStatement {
        use global_transaction::Column;
        let mut window = Query::select();
        window.from(global_transaction::Entity).order_by(Column::Gid, Order::Desc);
        match self.anchor {
            Anchor::All => {}
            Anchor::Gids(gids) => drop(window.and_where(Expr::col(Column::Gid).is_in(gids))),
            Anchor::Key { definition, business_key } => {
                window.and_where(Expr::col(Column::Definition).eq(definition.as_str()));
                window.and_where(Expr::col(Column::BusinessKey).eq(business_key.as_str()));
            }
            // Just as the indexes of those few rows have it: a bound value would not be known to fit them.
            Anchor::Attention => drop(window.and_where(Expr::col(Column::NeedsAttention))),
            Anchor::Open => drop(window.and_where(Expr::col(Column::IsOpen))),
            Anchor::Repeated => drop(window.and_where(Expr::cust("attempts > 1"))),
            Anchor::Codes(list) => {
                window.and_where(Expr::cust("codes <> ''"));
                window.and_where(Expr::col(Column::Codes).eq(list.as_str()));
            }
            // Our own words and numbers, and no bound values: how rare they are decides through which index to go, and
            // PostgreSQL forgets it in a plan for whatever value.
            Anchor::Status(status) => drop(window.and_where(Expr::cust(format!("status = '{status}'")))),
            Anchor::Shape(id) => drop(window.and_where(Expr::cust(format!("shape = {id}")))),
        }
        if let Some(before) = self.before {
            window.and_where(Expr::col(Column::Gid).lt(before));
        }
        if let Some(from) = self.from {
            window.and_where(Expr::col(Column::Gid).gte(from));
        }
        window
    }

    /// Those of them that fit.
    fn rows(
        &self,
        columns: Vec<global_transaction::Column>,
        condition: &Expr,
        limit: u64,
    ) -> SelectStatement {
        use global_transaction::Column;
        let mut window = self.window();
        window.columns(Column::iter()).limit(self.length);
        let mut rows = Query::select();
        rows.columns(columns)
            .from_subquery(window, Alias::new("looked_at"))
            .and_where(condition.clone())
            .order_by(Column::Gid, Order::Desc)
            .limit(limit);
        rows
    }

    /// The last one looked at; none = there were not so many.
    fn end(&self) -> SelectStatement {
        let mut end = self.window();
        end.column(global_transaction::Column::Gid).limit(1).offset(self.length - 1);
        end
    }
}
