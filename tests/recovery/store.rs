//! A way past the services into their SQLite files, to see what only they know and to break it. Knows no schema.
use amends_stack::{Role, Stack};
use amends_testkit::Must as _;
use sea_orm::{ConnectOptions, ConnectionTrait as _, Database, DatabaseConnection, DbBackend, Statement};

/// The database of one role. One connection, because what it keeps for `restore` lives in it.
pub struct Store(DatabaseConnection);

impl Store {
    /// Opens it, whether its process runs or not.
    pub async fn open(stack: &Stack, role: Role) -> Store {
        let path = stack.data_dir().join(format!("{role}.db"));
        let mut options = ConnectOptions::new(format!("sqlite://{}?mode=rw", path.display()));
        options.max_connections(1).min_connections(1).sqlx_logging(false);
        let store = Store(Database::connect(options).await.must("open a store"));
        // A row is broken on purpose, and put back as a whole table.
        store.run("PRAGMA foreign_keys = OFF").await;
        store
    }

    /// Lets go of the file. Whoever puts another in its place waits for this: a connection that is closed later writes what
    /// it finds in its log into the new file.
    pub async fn close(self) {
        self.0.close().await.must("close a store");
    }

    /// Runs one statement; says how many rows it changed.
    pub async fn run(&self, sql: &str) -> u64 {
        self.0.execute_unprepared(sql).await.must(sql).rows_affected()
    }

    /// The first column of the only row.
    pub async fn text(&self, sql: &str) -> Option<String> {
        let statement = Statement::from_string(DbBackend::Sqlite, sql);
        let row = self.0.query_one_raw(statement).await.must(sql)?;
        Some(row.try_get_by_index(0).must(sql))
    }

    /// The columns of a table.
    pub async fn columns(&self, table: &str) -> Vec<String> {
        let sql = format!("SELECT name FROM pragma_table_info('{table}')");
        let rows = self.0.query_all_raw(Statement::from_string(DbBackend::Sqlite, &sql)).await.must(&sql);
        rows.iter().map(|row| row.try_get_by_index(0).must(&sql)).collect()
    }

    /// Remembers a table as it is.
    pub async fn keep(&self, table: &str) {
        self.run("DROP TABLE IF EXISTS temp.kept").await;
        self.run(&format!("CREATE TEMP TABLE kept AS SELECT * FROM main.{table}")).await;
    }

    /// Makes the table what it was.
    pub async fn restore(&self, table: &str) {
        self.run(&format!(
            "BEGIN IMMEDIATE; DELETE FROM main.{table}; INSERT INTO main.{table} SELECT * FROM temp.kept; COMMIT"
        ))
        .await;
    }
}
