//! An index of the few that need a person, however many there are that do not.

use sea_orm_migration::prelude::*;

#[derive(DeriveMigrationName)]
pub struct Migration;

const NAME: &str = "global_transaction_attention";

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        // Only rows that need a person are in it: to all others it costs nothing.
        let sql = format!("CREATE INDEX {NAME} ON global_transaction (gid) WHERE needs_attention");
        manager.get_connection().execute_unprepared(&sql).await.map(|_| ())
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.drop_index(Index::drop().name(NAME).to_owned()).await
    }
}
