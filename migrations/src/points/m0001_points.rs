//! Points accounts and what branches and grants did with points. Holds what the store itself can refuse of the rules.
use crate::columns::{counted, positive};
use sea_orm_migration::prelude::*;
use sea_orm_migration::schema::{big_integer, big_integer_null, big_pk_auto, text, text_null};

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
            manager.drop_table(Table::drop().table(table).to_owned()).await?;
        }
        Ok(())
    }
}

fn points_account() -> TableCreateStatement {
    Table::create()
        .table("points_account")
        .col(big_pk_auto("seq"))
        .col(text("user_id").unique_key())
        .col(counted("balance"))
        .col(counted("frozen"))
        .col(counted("pending_earn"))
        .col(counted("debt"))
        .col(big_integer("version"))
        .col(big_integer("created_us"))
        .check(Expr::col("frozen").lte(Expr::col("balance")))
        .to_owned()
}

/// A grant has neither gid nor branch_id; unique indexes let NULL repeat in both stores.
fn points_op() -> TableCreateStatement {
    Table::create()
        .table("points_op")
        .col(big_pk_auto("seq"))
        .col(text_null("gid"))
        .col(text_null("branch_id"))
        .col(text("op_id"))
        .col(text("kind"))
        .col(text("user_id"))
        .col(text("order_id"))
        .col(positive("points"))
        .col(big_integer_null("basis_minor_units"))
        .col(text_null("basis_currency"))
        .col(text("state"))
        .col(big_integer("version"))
        .col(big_integer("created_us"))
        .to_owned()
}

fn op_by_branch() -> IndexCreateStatement {
    Index::create().name("op_by_branch").table("points_op").col("gid").col("branch_id").unique().to_owned()
}
