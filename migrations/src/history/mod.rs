//! Database of the orchestrator: global transactions, their plans, their events, and who drives them.

mod m0001_history;
mod m0002_replicas;
mod m0003_attention;
mod m0004_acts;
mod m0005_notices;
mod m0006_lanes;
mod m0007_listing;
mod m0009_errands;

use sea_orm_migration::prelude::*;

/// Brings the history to the newest schema.
pub struct Migrator;

#[async_trait::async_trait]
impl MigratorTrait for Migrator {
    fn migrations() -> Vec<Box<dyn MigrationTrait>> {
        vec![
            Box::new(m0001_history::Migration),
            Box::new(m0002_replicas::Migration),
            Box::new(m0003_attention::Migration),
            Box::new(m0004_acts::Migration),
            Box::new(m0005_notices::Migration),
            Box::new(m0006_lanes::Migration),
            Box::new(m0007_listing::Migration),
            Box::new(m0009_errands::Migration),
        ]
    }
}
