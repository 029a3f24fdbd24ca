//! Columns whose values the store itself bounds. Knows no table.
use sea_orm_migration::prelude::{ColumnDef, Expr, ExprTrait as _};
use sea_orm_migration::schema::big_integer;

/// A number that is never below zero.
pub fn counted(column: &'static str) -> ColumnDef {
    big_integer(column).check(Expr::col(column).gte(0)).take()
}

/// A number above zero.
pub fn positive(column: &'static str) -> ColumnDef {
    big_integer(column).check(Expr::col(column).gt(0)).take()
}
