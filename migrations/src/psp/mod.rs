//! Database of the simulated payment service provider: its requests, its scripts, its settings.
use sea_orm_migration::prelude::*;

mod m0001_request;
mod m0002_script;

/// Brings the psp database to the newest schema.
pub struct Migrator;

#[async_trait::async_trait]
impl MigratorTrait for Migrator {
    fn migrations() -> Vec<Box<dyn MigrationTrait>> {
        vec![Box::new(m0001_request::Migration), Box::new(m0002_script::Migration)]
    }
}
