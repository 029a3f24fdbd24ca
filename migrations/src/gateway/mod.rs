//! Database of the gateway service: the guard's tables, payments, requests to the processor, items in doubt.
use sea_orm_migration::prelude::*;

mod m0001_payment;
mod m0002_attempt;
mod m0003_in_doubt;
mod m0004_resolution;

/// Brings the gateway database to the newest schema.
pub struct Migrator;

#[async_trait::async_trait]
impl MigratorTrait for Migrator {
    fn migrations() -> Vec<Box<dyn MigrationTrait>> {
        let mut all = super::guard::migrations();
        all.push(Box::new(m0001_payment::Migration));
        all.push(Box::new(m0002_attempt::Migration));
        all.push(Box::new(m0003_in_doubt::Migration));
        all.push(Box::new(m0004_resolution::Migration));
        all
    }
}
