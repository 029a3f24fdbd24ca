//! A migration that fails half-way leaves the database as it was, and runs again when what stood in its way is gone.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use amends_serve::store::{Store, StoreError};
use sea_orm::{ConnectionTrait as _, DbBackend, DbErr, Statement};
use sea_orm_migration::{MigrationName, MigrationTrait, MigratorTrait, SchemaManager, async_trait};

/// A migration that is its statements.
struct Statements(&'static str, &'static [&'static str]);

impl MigrationName for Statements {
    fn name(&self) -> &str {
        self.0
    }
}

#[async_trait::async_trait]
impl MigrationTrait for Statements {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        for statement in self.1 {
            manager.get_connection().execute_unprepared(statement).await?;
        }
        Ok(())
    }
}

const FIRST: Statements = Statements("m1", &["CREATE TABLE account (id TEXT PRIMARY KEY, minor INTEGER)"]);
const SECOND: Statements = Statements("m2", &["ALTER TABLE account ADD COLUMN currency TEXT DEFAULT 'USD'"]);
/// Its last statement fails where the table is there already.
const THIRD: Statements = Statements(
    "m3",
    &[
        "CREATE TABLE entry (id TEXT PRIMARY KEY)",
        "CREATE INDEX entry_by_id ON entry (id)",
        "INSERT INTO entry SELECT id FROM account",
        "UPDATE account SET minor = minor * 100",
        "CREATE TABLE audit (id TEXT PRIMARY KEY)",
    ],
);

/// As the version before had it.
struct Before;

#[async_trait::async_trait]
impl MigratorTrait for Before {
    fn migrations() -> Vec<Box<dyn MigrationTrait>> {
        vec![Box::new(FIRST)]
    }
}

struct Now;

#[async_trait::async_trait]
impl MigratorTrait for Now {
    fn migrations() -> Vec<Box<dyn MigrationTrait>> {
        vec![Box::new(FIRST), Box::new(SECOND), Box::new(THIRD)]
    }
}

/// The whole schema, the migrations that are recorded, and what accounts hold.
async fn everything(store: &Store) -> Vec<String> {
    let mut all = Vec::new();
    for sql in [
        "SELECT type || ' ' || name || ' ' || coalesce(sql, '') FROM sqlite_master ORDER BY name",
        "SELECT version FROM seaql_migrations ORDER BY version",
        "SELECT id || ' ' || minor FROM account ORDER BY id",
    ] {
        let rows =
            store.reader().query_all_raw(Statement::from_string(DbBackend::Sqlite, sql)).await.unwrap();
        all.extend(rows.into_iter().map(|row| row.try_get_by_index::<String>(0).unwrap()));
    }
    all
}

#[tokio::test]
async fn a_migration_that_fails_half_way_leaves_the_schema_as_it_was_and_runs_again() {
    let folder = tempfile::tempdir().unwrap();
    let url = format!("sqlite://{}/t.db", folder.path().display());
    let store = Store::open(&url).await.unwrap();
    store.migrate::<Before>().await.unwrap();
    for sql in ["INSERT INTO account VALUES ('a', 7)", "CREATE TABLE audit (somebodys TEXT)"] {
        store.writer().execute_unprepared(sql).await.unwrap();
    }
    let before = everything(&store).await;
    for _ in 0..2 {
        assert!(matches!(store.migrate::<Now>().await, Err(StoreError::Database(_))));
        assert_eq!(everything(&store).await, before, "what went well before it is undone, too");
        assert!(matches!(store.require_migrated::<Now>().await, Err(StoreError::Behind(2))));
    }
    // Whoever opens it next finds the same: nothing of it was on the disk.
    store.close().await.unwrap();
    let store = Store::open(&url).await.unwrap();
    assert_eq!(everything(&store).await, before);

    store.writer().execute_unprepared("DROP TABLE audit").await.unwrap();
    store.migrate::<Now>().await.unwrap();
    store.require_migrated::<Now>().await.unwrap();
    let after = everything(&store).await;
    assert!(after.contains(&"a 700".to_owned()), "it ran once: {after:?}");
    assert_eq!(after.iter().filter(|line| line.starts_with('m')).count(), 3, "{after:?}");
    store.migrate::<Now>().await.unwrap();
    assert_eq!(everything(&store).await, after, "and not again");
}
