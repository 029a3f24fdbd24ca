//! Acts in bulk: what is to be done, and for each global transaction what became of it. Whoever starts anew goes on with
//! what is pending.

use sea_orm_migration::prelude::*;

#[derive(DeriveMigrationName)]
pub struct Migration;

#[derive(DeriveIden)]
enum Errand {
    Table,
    Id,
    Act,
    Filter,
    Subject,
    Reason,
    PerSecond,
    CreatedAtUs,
}

#[derive(DeriveIden)]
enum ErrandItem {
    Table,
    ErrandId,
    Gid,
    State,
    Message,
    DoneAtUs,
}

const PENDING: &str =
    "CREATE INDEX errand_item_pending ON errand_item (errand_id, gid) WHERE state = 'pending'";

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let errand = Table::create()
            .table(Errand::Table)
            .col(ColumnDef::new(Errand::Id).text().not_null().primary_key())
            .col(ColumnDef::new(Errand::Act).text().not_null())
            .col(ColumnDef::new(Errand::Filter).text().not_null())
            .col(ColumnDef::new(Errand::Subject).text().not_null())
            .col(ColumnDef::new(Errand::Reason).text().not_null())
            .col(ColumnDef::new(Errand::PerSecond).integer().not_null())
            .col(ColumnDef::new(Errand::CreatedAtUs).big_integer().not_null())
            .take();
        manager.create_table(errand).await?;
        let item = Table::create()
            .table(ErrandItem::Table)
            .col(ColumnDef::new(ErrandItem::ErrandId).text().not_null())
            .col(ColumnDef::new(ErrandItem::Gid).text().not_null())
            .col(ColumnDef::new(ErrandItem::State).text().not_null())
            .col(ColumnDef::new(ErrandItem::Message).text().not_null())
            .col(ColumnDef::new(ErrandItem::DoneAtUs).big_integer().not_null())
            .primary_key(Index::create().col(ErrandItem::ErrandId).col(ErrandItem::Gid))
            .take();
        manager.create_table(item).await?;
        manager.get_connection().execute_unprepared(PENDING).await.map(|_| ())
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.drop_table(Table::drop().table(ErrandItem::Table).take()).await?;
        manager.drop_table(Table::drop().table(Errand::Table).take()).await
    }
}
