//! Several orchestrators on one history: who has which global transaction, and how long each of them may go on.
//! A writer that knows nothing of it leaves `owner` empty.

use sea_orm_migration::prelude::*;

#[derive(DeriveMigrationName)]
pub struct Migration;

#[derive(DeriveIden)]
enum GlobalTransaction {
    Table,
    Owner,
}

#[derive(DeriveIden)]
enum Replica {
    Table,
    Id,
    RelayAddress,
    ApiAddress,
    ExpiresAtUs,
    Fenced,
}

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let owner = ColumnDef::new(GlobalTransaction::Owner).text().not_null().default("").take();
        let owned = Table::alter().table(GlobalTransaction::Table).add_column(owner).take();
        manager.alter_table(owned).await?;
        let replica = Table::create()
            .table(Replica::Table)
            .col(ColumnDef::new(Replica::Id).text().not_null().primary_key())
            .col(ColumnDef::new(Replica::RelayAddress).text().not_null())
            .col(ColumnDef::new(Replica::ApiAddress).text().not_null())
            .col(ColumnDef::new(Replica::ExpiresAtUs).big_integer().not_null())
            .col(ColumnDef::new(Replica::Fenced).boolean().not_null())
            .take();
        manager.create_table(replica).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.drop_table(Table::drop().table(Replica::Table).take()).await?;
        let ownerless =
            Table::alter().table(GlobalTransaction::Table).drop_column(GlobalTransaction::Owner).take();
        manager.alter_table(ownerless).await
    }
}
