//! Table of the orders. `seq` is the order in which they were recorded: a place to go on from when listing.
use sea_orm_migration::prelude::*;

/// Makes the table `orders`.
#[derive(DeriveMigrationName)]
pub struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager
            .create_table(
                Table::create()
                    .table("orders")
                    .col(ColumnDef::new("seq").big_integer().not_null().auto_increment().primary_key())
                    .col(ColumnDef::new("order_id").string_len(36).not_null().unique_key())
                    .col(ColumnDef::new("merchant_id").string_len(64).not_null())
                    .col(ColumnDef::new("out_trade_no").string_len(64).not_null())
                    .col(ColumnDef::new("user_id").string_len(64).not_null())
                    .col(ColumnDef::new("lines").json_binary().not_null())
                    .col(ColumnDef::new("currency").string_len(3).not_null())
                    .col(ColumnDef::new("total_minor").big_integer().not_null())
                    .col(ColumnDef::new("paid_minor").big_integer().not_null())
                    .col(ColumnDef::new("refunded_minor").big_integer().not_null())
                    .col(ColumnDef::new("state").string_len(32).not_null())
                    .col(ColumnDef::new("payment_id").string_len(36))
                    .col(ColumnDef::new("gid").string_len(36).not_null())
                    .col(ColumnDef::new("branch_id").string_len(16).not_null())
                    .col(ColumnDef::new("created_at_us").big_integer().not_null())
                    .col(ColumnDef::new("updated_at_us").big_integer().not_null())
                    .col(ColumnDef::new("pay_until_us").big_integer().not_null())
                    .col(ColumnDef::new("version").big_integer().not_null())
                    .to_owned(),
            )
            .await?;
        manager
            .create_index(
                Index::create()
                    .name("orders_by_out_trade_no")
                    .table("orders")
                    .col("merchant_id")
                    .col("out_trade_no")
                    .unique()
                    .to_owned(),
            )
            .await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.drop_table(Table::drop().table("orders").to_owned()).await
    }
}
