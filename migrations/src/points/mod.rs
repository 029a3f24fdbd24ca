//! Database of the points service.
use sea_orm_migration::prelude::*;

mod m0001_points;

/// Brings the points database to the newest schema.
pub struct Migrator;

#[async_trait::async_trait]
impl MigratorTrait for Migrator {
    fn migrations() -> Vec<Box<dyn MigrationTrait>> {
        let mut all = super::guard::migrations();
        all.push(Box::new(m0001_points::Migration));
        all
    }
}
