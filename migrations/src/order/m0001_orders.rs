//! Table of the orders. `seq` is the order in which they were recorded: a place to go on from when listing.
use sea_orm_migration::prelude::*;
use sea_orm_migration::schema::{big_integer, big_pk_auto, json_binary, string_len, string_len_null};

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
                    .col(big_pk_auto("seq"))
                    .col(string_len("order_id", 36).unique_key())
                    .col(string_len("merchant_id", 64))
                    .col(string_len("out_trade_no", 64))
                    .col(string_len("user_id", 64))
                    .col(json_binary("lines"))
                    .col(string_len("currency", 3))
                    .col(big_integer("total_minor"))
                    .col(big_integer("paid_minor"))
                    .col(big_integer("refunded_minor"))
                    .col(string_len("state", 32))
                    .col(string_len_null("payment_id", 36))
                    .col(string_len("gid", 36))
                    .col(string_len("branch_id", 16))
                    .col(big_integer("created_at_us"))
                    .col(big_integer("updated_at_us"))
                    .col(big_integer("pay_until_us"))
                    .col(big_integer("version"))
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
