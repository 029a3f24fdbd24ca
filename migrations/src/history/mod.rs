//! Database of the orchestrator: global transactions, their plans and their events.

mod m0001_history;

use sea_orm_migration::prelude::*;

/// Brings the history to the newest schema.
pub struct Migrator;

#[async_trait::async_trait]
impl MigratorTrait for Migrator {
    fn migrations() -> Vec<Box<dyn MigrationTrait>> {
        vec![Box::new(m0001_history::Migration)]
    }
}
