//! Makes `branch_op` and `idempotency`.
use sea_orm_migration::prelude::*;
use sea_orm_migration::schema::{big_integer, integer, string, string_null, var_binary};

/// The tables of the guard.
#[derive(DeriveMigrationName)]
pub(super) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let key = Index::create().col("gid").col("branch_id").col("op").primary().to_owned();
        let branch_op = Table::create()
            .table("branch_op")
            .col(string("gid"))
            .col(string("branch_id"))
            .col(string("op"))
            .col(string("trans_type"))
            .col(string("method"))
            .col(string("phase"))
            .col(var_binary("request_hash", 32))
            .col(string("status"))
            .col(integer("code"))
            .col(string_null("reason"))
            .col(ColumnDef::new("response").blob())
            .col(big_integer("created_at_us"))
            .primary_key(&mut key.clone())
            .to_owned();
        manager.create_table(branch_op).await?;
        let order = Index::create()
            .name("branch_op_created")
            .table("branch_op")
            .col("created_at_us")
            .col("gid")
            .col("branch_id")
            .col("op")
            .to_owned();
        manager.create_index(order).await?;
        let key = Index::create().col("scope").col("key").primary().to_owned();
        let idempotency = Table::create()
            .table("idempotency")
            .col(string("scope"))
            .col(string("key"))
            .col(var_binary("request_hash", 32))
            .col(string("state"))
            .col(ColumnDef::new("response").blob())
            .col(big_integer("created_at_us"))
            .primary_key(&mut key.clone())
            .to_owned();
        manager.create_table(idempotency).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.drop_table(Table::drop().table("idempotency").to_owned()).await?;
        manager.drop_table(Table::drop().table("branch_op").to_owned()).await
    }
}
