//! Accounts, holds and double entries. Knows no rule of the service beyond what the store itself can refuse.
use sea_orm_migration::prelude::*;

/// The first tables of the account service.
#[derive(DeriveMigrationName)]
pub struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.create_table(account()).await?;
        manager.create_table(hold()).await?;
        manager.create_index(hold_by_branch()).await?;
        manager.create_table(entry()).await?;
        manager.create_index(entry_by_source()).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        for table in ["entry", "hold", "account"] {
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

fn account() -> TableCreateStatement {
    Table::create()
        .table(name("account"))
        .col(seq())
        .col(text("account_id").unique_key())
        .col(text("owner"))
        .col(text("kind"))
        .col(text("currency"))
        .col(counted("debits_pending"))
        .col(counted("debits_posted"))
        .col(counted("credits_pending"))
        .col(counted("credits_posted"))
        .col(ColumnDef::new(name("floor")).big_integer().null())
        .col(text("state"))
        .col(number("version"))
        .col(number("created_us"))
        .to_owned()
}

fn hold() -> TableCreateStatement {
    Table::create()
        .table(name("hold"))
        .col(seq())
        .col(text("gid"))
        .col(text("branch_id"))
        .col(text("transfer_id"))
        .col(text("debit_account_id"))
        .col(text("credit_account_id"))
        .col(number("amount").check(Expr::col(name("amount")).gt(0)))
        .col(text("currency"))
        .col(counted("reversed"))
        .col(text("state"))
        .col(text("code"))
        .col(text("order_id"))
        .col(ColumnDef::new(name("expires_us")).big_integer().null())
        .col(number("version"))
        .col(number("created_us"))
        .check(Expr::col(name("reversed")).lte(Expr::col(name("amount"))))
        .to_owned()
}

fn hold_by_branch() -> IndexCreateStatement {
    Index::create()
        .name("hold_by_branch")
        .table(name("hold"))
        .col(name("gid"))
        .col(name("branch_id"))
        .unique()
        .to_owned()
}

fn entry() -> TableCreateStatement {
    Table::create()
        .table(name("entry"))
        .col(seq())
        .col(text("txn_id"))
        .col(number("line"))
        .col(text("debit_account_id"))
        .col(text("credit_account_id"))
        .col(number("amount").check(Expr::col(name("amount")).gt(0)))
        .col(text("currency"))
        .col(text("code"))
        .col(text("source"))
        .col(text("source_id"))
        .col(ColumnDef::new(name("corrects")).text().null())
        .col(number("created_us"))
        .to_owned()
}

fn entry_by_source() -> IndexCreateStatement {
    Index::create()
        .name("entry_by_source")
        .table(name("entry"))
        .col(name("source"))
        .col(name("source_id"))
        .col(name("line"))
        .unique()
        .to_owned()
}
