//! Database of the account service.
use sea_orm_migration::prelude::*;

/// Brings the account database to the newest schema.
pub struct Migrator;

#[async_trait::async_trait]
impl MigratorTrait for Migrator {
    fn migrations() -> Vec<Box<dyn MigrationTrait>> {
        super::guard::migrations()
    }
}
