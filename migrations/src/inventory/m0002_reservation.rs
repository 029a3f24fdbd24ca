//! Table of the reservations, one for each branch. `seq` is the order in which they were made.
use sea_orm_migration::prelude::*;
use sea_orm_migration::schema::{big_integer, big_pk_auto, json_binary, string_len};

/// Makes the table `reservation`.
#[derive(DeriveMigrationName)]
pub struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager
            .create_table(
                Table::create()
                    .table("reservation")
                    .col(big_pk_auto("seq"))
                    .col(string_len("gid", 36))
                    .col(string_len("branch_id", 16))
                    .col(string_len("reservation_id", 36))
                    .col(string_len("order_id", 36))
                    .col(json_binary("lines"))
                    .col(string_len("state", 32))
                    .col(big_integer("created_at_us"))
                    .col(big_integer("updated_at_us"))
                    .col(big_integer("expires_at_us"))
                    .col(big_integer("version"))
                    .to_owned(),
            )
            .await?;
        manager
            .create_index(
                Index::create()
                    .name("reservation_by_branch")
                    .table("reservation")
                    .col("gid")
                    .col("branch_id")
                    .unique()
                    .to_owned(),
            )
            .await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.drop_table(Table::drop().table("reservation").to_owned()).await
    }
}
