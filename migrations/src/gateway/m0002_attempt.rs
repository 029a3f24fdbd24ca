//! Table of the requests to the processor. `next_query_at_us` is set exactly while the outcome is open.
use sea_orm_migration::prelude::*;
use sea_orm_migration::schema::{big_integer, big_integer_null, big_pk_auto, boolean, integer, string_len};

/// Makes the table `attempt`.
#[derive(DeriveMigrationName)]
pub struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager
            .create_table(
                Table::create()
                    .table("attempt")
                    .col(big_pk_auto("seq"))
                    .col(string_len("attempt_id", 36).unique_key())
                    .col(string_len("payment_id", 36))
                    .col(string_len("op", 16))
                    .col(string_len("psp_request_id", 36).unique_key())
                    .col(string_len("state", 16))
                    .col(boolean("sent"))
                    .col(string_len("psp_txn_id", 64))
                    .col(string_len("auth_code", 16))
                    .col(boolean("duplicate"))
                    .col(string_len("psp_code", 64))
                    .col(integer("queries"))
                    .col(big_integer_null("next_query_at_us"))
                    .col(big_integer("created_at_us"))
                    .to_owned(),
            )
            .await?;
        let due = "CREATE INDEX attempt_due ON attempt (next_query_at_us) WHERE next_query_at_us IS NOT NULL";
        manager.get_connection().execute_unprepared(due).await?;
        manager
            .create_index(
                Index::create().name("attempt_payment").table("attempt").col("payment_id").to_owned(),
            )
            .await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.drop_table(Table::drop().table("attempt").to_owned()).await
    }
}
