//! Accounts, holds and double entries. Knows no rule of the service beyond what the store itself can refuse.
use crate::columns::{counted, positive};
use sea_orm_migration::prelude::*;
use sea_orm_migration::schema::{big_integer, big_integer_null, big_pk_auto, text, text_null};

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
            manager.drop_table(Table::drop().table(table).to_owned()).await?;
        }
        Ok(())
    }
}

fn account() -> TableCreateStatement {
    Table::create()
        .table("account")
        .col(big_pk_auto("seq"))
        .col(text("account_id").unique_key())
        .col(text("owner"))
        .col(text("kind"))
        .col(text("currency"))
        .col(counted("debits_pending"))
        .col(counted("debits_posted"))
        .col(counted("credits_pending"))
        .col(counted("credits_posted"))
        .col(big_integer_null("floor"))
        .col(text("state"))
        .col(big_integer("version"))
        .col(big_integer("created_us"))
        .to_owned()
}

fn hold() -> TableCreateStatement {
    Table::create()
        .table("hold")
        .col(big_pk_auto("seq"))
        .col(text("gid"))
        .col(text("branch_id"))
        .col(text("transfer_id"))
        .col(text("debit_account_id"))
        .col(text("credit_account_id"))
        .col(positive("amount"))
        .col(text("currency"))
        .col(counted("reversed"))
        .col(text("state"))
        .col(text("code"))
        .col(text("order_id"))
        .col(big_integer_null("expires_us"))
        .col(big_integer("version"))
        .col(big_integer("created_us"))
        .check(Expr::col("reversed").lte(Expr::col("amount")))
        .to_owned()
}

fn hold_by_branch() -> IndexCreateStatement {
    Index::create().name("hold_by_branch").table("hold").col("gid").col("branch_id").unique().to_owned()
}

fn entry() -> TableCreateStatement {
    Table::create()
        .table("entry")
        .col(big_pk_auto("seq"))
        .col(text("txn_id"))
        .col(big_integer("line"))
        .col(text("debit_account_id"))
        .col(text("credit_account_id"))
        .col(positive("amount"))
        .col(text("currency"))
        .col(text("code"))
        .col(text("source"))
        .col(text("source_id"))
        .col(text_null("corrects"))
        .col(big_integer("created_us"))
        .to_owned()
}

fn entry_by_source() -> IndexCreateStatement {
    Index::create()
        .name("entry_by_source")
        .table("entry")
        .col("source")
        .col("source_id")
        .col("line")
        .unique()
        .to_owned()
}
