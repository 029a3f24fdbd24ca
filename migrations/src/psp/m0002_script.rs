//! Tables of what tests ask of the processor: scripts, counts of calls, settings. They survive a kill like the rest.
use sea_orm_migration::prelude::*;
use sea_orm_migration::schema::{big_pk_auto, integer, string, string_len};

/// Makes the tables `script`, `call_count` and `setting`.
#[derive(DeriveMigrationName)]
pub struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager
            .create_table(
                Table::create()
                    .table("script")
                    .col(big_pk_auto("seq"))
                    .col(string_len("psp_request_id", 64))
                    .col(string_len("order_id", 64))
                    .col(string_len("op", 16))
                    .col(integer("nth"))
                    .col(string("behaviour"))
                    .col(integer("seen"))
                    .to_owned(),
            )
            .await?;
        manager
            .create_index(
                Index::create()
                    .name("script_key")
                    .table("script")
                    .col("psp_request_id")
                    .col("order_id")
                    .col("op")
                    .col("nth")
                    .unique()
                    .to_owned(),
            )
            .await?;
        manager
            .create_table(
                Table::create()
                    .table("call_count")
                    .col(string_len("psp_request_id", 64))
                    .col(string_len("op", 16))
                    .col(integer("calls"))
                    .primary_key(Index::create().col("psp_request_id").col("op"))
                    .to_owned(),
            )
            .await?;
        manager
            .create_table(
                Table::create()
                    .table("setting")
                    .col(string_len("name", 64).primary_key())
                    .col(string("value"))
                    .to_owned(),
            )
            .await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        for table in ["script", "call_count", "setting"] {
            manager.drop_table(Table::drop().table(table).to_owned()).await?;
        }
        Ok(())
    }
}
