//! Table of the stock, one row for each sku.
use sea_orm_migration::prelude::*;
use sea_orm_migration::schema::{big_integer, string_len};

/// Makes the table `stock`.
#[derive(DeriveMigrationName)]
pub struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager
            .create_table(
                Table::create()
                    .table("stock")
                    .col(string_len("sku", 64).primary_key())
                    .col(big_integer("received"))
                    .col(big_integer("on_hand"))
                    .col(big_integer("reserved"))
                    .col(big_integer("sold"))
                    .col(big_integer("returned"))
                    .col(big_integer("version"))
                    .to_owned(),
            )
            .await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.drop_table(Table::drop().table("stock").to_owned()).await
    }
}
