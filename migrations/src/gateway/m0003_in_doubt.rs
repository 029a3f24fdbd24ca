//! Table of the items that only a person, or patience, can decide. One open item of a kind for a payment.
use sea_orm_migration::prelude::*;
use sea_orm_migration::schema::{big_integer, big_integer_null, big_pk_auto, string_len};

/// Makes the table `in_doubt_item`.
#[derive(DeriveMigrationName)]
pub struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager
            .create_table(
                Table::create()
                    .table("in_doubt_item")
                    .col(big_pk_auto("seq"))
                    .col(string_len("item_id", 36).unique_key())
                    .col(string_len("kind", 32))
                    .col(string_len("gid", 36))
                    .col(string_len("payment_id", 36))
                    .col(big_integer("amount_minor"))
                    .col(string_len("currency", 3))
                    .col(string_len("state", 16))
                    .col(string_len("resolution", 128))
                    .col(big_integer("opened_at_us"))
                    .col(big_integer_null("resolved_at_us"))
                    .to_owned(),
            )
            .await?;
        let open =
            "CREATE UNIQUE INDEX in_doubt_open ON in_doubt_item (payment_id, kind) WHERE state = 'open'";
        manager.get_connection().execute_unprepared(open).await?;
        Ok(())
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.drop_table(Table::drop().table("in_doubt_item").to_owned()).await
    }
}
