//! Database of the inventory service.
use sea_orm_migration::prelude::*;

mod m0001_stock;
mod m0002_reservation;

/// Brings the inventory database to the newest schema.
pub struct Migrator;

#[async_trait::async_trait]
impl MigratorTrait for Migrator {
    fn migrations() -> Vec<Box<dyn MigrationTrait>> {
        let mut all = super::guard::migrations();
        all.push(Box::new(m0001_stock::Migration));
        all.push(Box::new(m0002_reservation::Migration));
        all
    }
}
