//! Tables of the branch guard, part of every participant's database. Knows no service's own tables.
use sea_orm_migration::prelude::*;

mod m0001_guard;

/// The migrations that every participant's migrator starts with.
#[must_use]
pub fn migrations() -> Vec<Box<dyn MigrationTrait>> {
    vec![Box::new(m0001_guard::Migration)]
}
