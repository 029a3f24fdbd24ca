//! Points accounts and what branches and grants did with points. Holds what the store itself can refuse of the rules.
use sea_orm_migration::prelude::*;

/// The first tables of the points service.
#[derive(DeriveMigrationName)]
pub struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.create_table(points_account()).await?;
        manager.create_table(points_op()).await?;
        manager.create_index(op_by_branch()).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        for table in ["points_op", "points_account"] {
            manager.drop_table(Table::drop().table(Alias::new(table)).to_owned()).await?;
        }
        Ok(())
    }
}

fn name(column: &'static str) -> Alias {
    Alias::new(column)
}

fn seq() -> ColumnDef {
    ColumnDef::new(name("seq")).big_integer().not_null().auto_increment().primary_key().take()
}

fn text(column: &'static str) -> ColumnDef {
    ColumnDef::new(name(column)).text().not_null().take()
}

fn number(column: &'static str) -> ColumnDef {
    ColumnDef::new(name(column)).big_integer().not_null().take()
}

fn counted(column: &'static str) -> ColumnDef {
    number(column).check(Expr::col(name(column)).gte(0)).take()
}

fn points_account() -> TableCreateStatement {
    Table::create()
        .table(name("points_account"))
        .col(seq())
        .col(text("user_id").unique_key())
        .col(counted("balance"))
        .col(counted("frozen"))
        .col(counted("pending_earn"))
        .col(counted("debt"))
        .col(number("version"))
        .col(number("created_us"))
        .check(Expr::col(name("frozen")).lte(Expr::col(name("balance"))))
        .to_owned()
}

/// A grant has neither gid nor branch_id; unique indexes let NULL repeat in both stores.
fn points_op() -> TableCreateStatement {
    Table::create()
        .table(name("points_op"))
        .col(seq())
        .col(ColumnDef::new(name("gid")).text().null())
        .col(ColumnDef::new(name("branch_id")).text().null())
        .col(text("op_id"))
        .col(text("kind"))
        .col(text("user_id"))
        .col(text("order_id"))
        .col(number("points").check(Expr::col(name("points")).gt(0)))
        .col(ColumnDef::new(name("basis_minor_units")).big_integer().null())
        .col(ColumnDef::new(name("basis_currency")).text().null())
        .col(text("state"))
        .col(number("version"))
        .col(number("created_us"))
        .to_owned()
}

fn op_by_branch() -> IndexCreateStatement {
    Index::create()
        .name("op_by_branch")
        .table(name("points_op"))
        .col(name("gid"))
        .col(name("branch_id"))
        .unique()
        .to_owned()
}
