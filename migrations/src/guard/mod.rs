//! Tables of the branch guard, part of every participant's database.
use sea_orm_migration::prelude::*;

/// The migrations that every participant's migrator starts with.
#[must_use]
pub fn migrations() -> Vec<Box<dyn MigrationTrait>> {
    Vec::new()
}
