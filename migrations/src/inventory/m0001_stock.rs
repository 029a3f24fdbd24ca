//! Table of the stock, one row for each sku.
use sea_orm_migration::prelude::*;

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
                    .col(ColumnDef::new("sku").string_len(64).not_null().primary_key())
                    .col(ColumnDef::new("received").big_integer().not_null())
                    .col(ColumnDef::new("on_hand").big_integer().not_null())
                    .col(ColumnDef::new("reserved").big_integer().not_null())
                    .col(ColumnDef::new("sold").big_integer().not_null())
                    .col(ColumnDef::new("returned").big_integer().not_null())
                    .col(ColumnDef::new("version").big_integer().not_null())
                    .to_owned(),
            )
            .await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.drop_table(Table::drop().table("stock").to_owned()).await
    }
}
