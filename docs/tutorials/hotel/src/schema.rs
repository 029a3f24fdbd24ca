//! The hotel's tables: the guard's own, and one of rooms.
use sea_orm_migration::prelude::*;

/// Brings the database to the newest schema.
pub struct Migrator;

#[async_trait::async_trait]
impl MigratorTrait for Migrator {
    fn migrations() -> Vec<Box<dyn MigrationTrait>> {
        let mut all = amends_migrations::guard::migrations();
        all.push(Box::new(Rooms));
        all
    }
}

struct Rooms;

impl MigrationName for Rooms {
    fn name(&self) -> &str {
        "hotel_m0001_rooms"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for Rooms {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let database = manager.get_connection();
        database
            .execute_unprepared("CREATE TABLE room (name TEXT PRIMARY KEY, free BIGINT NOT NULL)")
            .await?;
        database.execute_unprepared("INSERT INTO room VALUES ('single', 1000), ('penthouse', 0)").await?;
        Ok(())
    }
}
