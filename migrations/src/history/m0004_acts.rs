//! Acts of people: what else is known of one, beside its event, and who holds back a whole definition or participant.
//! A writer that knows nothing of it leaves `detail` empty.

use sea_orm_migration::prelude::*;

#[derive(DeriveMigrationName)]
pub struct Migration;

#[derive(DeriveIden)]
enum Event {
    Table,
    Detail,
}

#[derive(DeriveIden)]
enum Hold {
    Table,
    Kind,
    Name,
    SinceUs,
    Deadlines,
    Subject,
    Reason,
    EndedUs,
    EndedBy,
    EndedReason,
}

/// One name is held back at most once at a time.
const IN_FORCE: &str = "CREATE UNIQUE INDEX hold_in_force ON hold (kind, name) WHERE ended_us = 0";

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let detail = ColumnDef::new(Event::Detail).text().not_null().default("").take();
        manager.alter_table(Table::alter().table(Event::Table).add_column(detail).take()).await?;
        let hold = Table::create()
            .table(Hold::Table)
            .col(ColumnDef::new(Hold::Kind).text().not_null())
            .col(ColumnDef::new(Hold::Name).text().not_null())
            .col(ColumnDef::new(Hold::SinceUs).big_integer().not_null())
            .col(ColumnDef::new(Hold::Deadlines).text().not_null())
            .col(ColumnDef::new(Hold::Subject).text().not_null())
            .col(ColumnDef::new(Hold::Reason).text().not_null())
            .col(ColumnDef::new(Hold::EndedUs).big_integer().not_null())
            .col(ColumnDef::new(Hold::EndedBy).text().not_null())
            .col(ColumnDef::new(Hold::EndedReason).text().not_null())
            .primary_key(Index::create().col(Hold::Kind).col(Hold::Name).col(Hold::SinceUs))
            .take();
        manager.create_table(hold).await?;
        manager.get_connection().execute_unprepared(IN_FORCE).await.map(|_| ())
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.drop_table(Table::drop().table(Hold::Table).take()).await?;
        manager.alter_table(Table::alter().table(Event::Table).drop_column(Event::Detail).take()).await
    }
}
