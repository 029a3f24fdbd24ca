//! Lists, page by page, in the order of a column whose values differ from row to row. Knows no table.

use std::fmt::Display;
use std::str::FromStr;

use sea_orm::{
    ColumnTrait, DatabaseConnection, DbErr, EntityTrait, QueryFilter, QueryOrder, QuerySelect, Select, Value,
};

use crate::fields;
use crate::reason::Reason;
use crate::refusal::Refusal;

/// Where a page begins and how long it is. `K` is the type of the column; all its values are above `K::default()`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Page<K> {
    after: K,
    limit: u64,
}

impl<K: FromStr + Default + Display> Page<K> {
    /// Cursor and limit of a list request, the limit as [`fields::page_size`] has it.
    pub fn checked(cursor: &str, limit: i32) -> Result<Page<K>, Refusal> {
        Page::behind(cursor, fields::page_size(limit)?)
    }

    /// A page of `limit` rows behind a cursor; the empty cursor is the beginning.
    pub fn behind(cursor: &str, limit: u64) -> Result<Page<K>, Refusal> {
        let foreign = || Refusal::new(Reason::InvalidRequest, "cursor: not one of ours");
        let after = if cursor.is_empty() { K::default() } else { cursor.parse().map_err(|_| foreign())? };
        Ok(Page { after, limit })
    }

    /// Reads the page; `key` is the value of `column` in a row. Beside the rows comes the cursor of the next page,
    /// empty if this is the last.
    pub async fn read<E: EntityTrait>(
        self,
        db: &DatabaseConnection,
        rows: Select<E>,
        column: E::Column,
        key: impl Fn(&E::Model) -> K,
    ) -> Result<(Vec<E::Model>, String), DbErr>
    where
        K: Into<Value>,
    {
        let Page { after, limit } = self;
        let rows = rows.filter(column.gt(after)).order_by_asc(column).limit(limit + 1).all(db).await?;
        Ok(cut(rows, limit, key))
    }
}

/// Takes off the row that only tells that there is more.
fn cut<Row, K: Display>(mut rows: Vec<Row>, limit: u64, key: impl Fn(&Row) -> K) -> (Vec<Row>, String) {
    let more = rows.len() as u64 > limit;
    if more {
        rows.pop();
    }
    let next_cursor = rows.last().filter(|_| more).map(|row| key(row).to_string()).unwrap_or_default();
    (rows, next_cursor)
}

#[cfg(test)]
mod tests {
    use super::{Page, cut};
    use crate::reason::Reason;

    #[test]
    fn a_cursor_is_the_key_of_the_last_row_and_only_where_more_follow() {
        let key = |row: &i64| *row;
        assert_eq!(cut(vec![1, 2], 2, key), (vec![1, 2], String::new()));
        assert_eq!(cut(vec![1, 2, 3], 2, key), (vec![1, 2], "2".to_owned()));
        assert_eq!(cut(Vec::new(), 2, key), (Vec::new(), String::new()));
    }

    #[test]
    fn a_page_begins_behind_its_cursor() {
        assert_eq!(Page::checked("", 0), Ok(Page { after: 0_i64, limit: 200 }));
        assert_eq!(Page::checked("7", 5), Ok(Page { after: 7_i64, limit: 5 }));
        assert_eq!(Page::checked("bolt", 5), Ok(Page { after: "bolt".to_owned(), limit: 5 }));
        let reason = |cursor, limit| Page::<i64>::checked(cursor, limit).unwrap_err().reason;
        assert_eq!([reason("x", 0), reason("", -1)], [Reason::InvalidRequest; 2]);
    }
}
