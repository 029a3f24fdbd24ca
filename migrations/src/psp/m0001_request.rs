//! Table of the requests that the processor knows of, one row for each request id: the truth about every charge.
use sea_orm_migration::prelude::*;
use sea_orm_migration::schema::{
    big_integer, big_integer_null, big_pk_auto, integer, string, string_len, string_len_null,
};

/// Makes the table `request`.
#[derive(DeriveMigrationName)]
pub struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager
            .create_table(
                Table::create()
                    .table("request")
                    .col(big_pk_auto("seq"))
                    .col(string_len("psp_request_id", 64).unique_key())
                    .col(string_len("op", 16))
                    .col(string_len("merchant_id", 64))
                    .col(string_len("order_id", 64))
                    .col(big_integer("amount_minor"))
                    .col(string_len("currency", 3))
                    .col(string_len("original_request_id", 64))
                    .col(string_len("params_hash", 64))
                    .col(string_len("standing", 16))
                    .col(string_len("code", 64))
                    .col(string("behaviour"))
                    .col(string_len_null("txn_id", 64))
                    .col(string_len_null("auth_code", 6))
                    .col(big_integer("authorized_now"))
                    .col(big_integer("kept_now"))
                    .col(integer("repeats"))
                    .col(integer("queries"))
                    .col(big_integer_null("due_at_us"))
                    .col(big_integer("created_at_us"))
                    .to_owned(),
            )
            .await?;
        manager
            .create_index(Index::create().name("request_due").table("request").col("due_at_us").to_owned())
            .await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.drop_table(Table::drop().table("request").to_owned()).await
    }
}
