//! Table of the reservations, one for each branch. `seq` is the order in which they were made.
use sea_orm_migration::prelude::*;

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
                    .col(ColumnDef::new("seq").big_integer().not_null().auto_increment().primary_key())
                    .col(ColumnDef::new("gid").string_len(36).not_null())
                    .col(ColumnDef::new("branch_id").string_len(16).not_null())
                    .col(ColumnDef::new("reservation_id").string_len(36).not_null())
                    .col(ColumnDef::new("order_id").string_len(36).not_null())
                    .col(ColumnDef::new("lines").json_binary().not_null())
                    .col(ColumnDef::new("state").string_len(32).not_null())
                    .col(ColumnDef::new("created_at_us").big_integer().not_null())
                    .col(ColumnDef::new("updated_at_us").big_integer().not_null())
                    .col(ColumnDef::new("expires_at_us").big_integer().not_null())
                    .col(ColumnDef::new("version").big_integer().not_null())
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
