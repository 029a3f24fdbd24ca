//! Settings of lanes that somebody set while the orchestrator ran: they outlive it, and all replicas have them.

use sea_orm_migration::prelude::*;

#[derive(DeriveMigrationName)]
pub struct Migration;

#[derive(DeriveIden)]
enum LaneSetting {
    Table,
    Participant,
    Settings,
    ChangedAtUs,
    Subject,
}

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let table = Table::create()
            .table(LaneSetting::Table)
            .col(ColumnDef::new(LaneSetting::Participant).text().not_null().primary_key())
            .col(ColumnDef::new(LaneSetting::Settings).text().not_null())
            .col(ColumnDef::new(LaneSetting::ChangedAtUs).big_integer().not_null())
            .col(ColumnDef::new(LaneSetting::Subject).text().not_null())
            .take();
        manager.create_table(table).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.drop_table(Table::drop().table(LaneSetting::Table).take()).await
    }
}
