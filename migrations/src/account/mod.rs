//! Database of the account service.
use sea_orm_migration::prelude::*;

mod m0001_accounts;

/// Brings the account database to the newest schema.
pub struct Migrator;

#[async_trait::async_trait]
impl MigratorTrait for Migrator {
    fn migrations() -> Vec<Box<dyn MigrationTrait>> {
        let mut all = super::guard::migrations();
        all.push(Box::new(m0001_accounts::Migration));
        all
    }
}
