//! What a service's database file holds, read behind its back: all rows as text, or sums over them. Knows tables only
//! by what the database says of them.
use sea_orm::{ConnectOptions, ConnectionTrait as _, Database, DatabaseConnection, DbBackend, Statement};
use std::collections::BTreeMap;
use std::path::Path;

/// Memory of calls, not of business (payments-domain I16).
const GUARD_TABLES: [&str; 2] = ["branch_op", "idempotency"];

/// One database file, open for reading.
pub struct Store {
    db: DatabaseConnection,
    tables: Vec<Table>,
}

struct Table {
    name: String,
    columns: Vec<String>,
    /// Columns whose sums say what was done.
    numbers: Vec<String>,
}

/// Every row of every business table, and how much the guard remembers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Snapshot {
    pub rows: BTreeMap<String, Vec<String>>,
    pub remembered: BTreeMap<String, i64>,
}

/// Counts, sums and states over the business tables.
pub type Footprint = BTreeMap<String, i64>;

impl Store {
    pub async fn open(path: &Path) -> Store {
        let mut options = ConnectOptions::new(format!("sqlite://{}?mode=ro", path.display()));
        options.max_connections(1).sqlx_logging(false);
        let db = Database::connect(options).await.unwrap();
        let names = "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%' \
                     AND name NOT LIKE 'seaql_%' ORDER BY name";
        let mut tables = Vec::new();
        for name in texts(&db, names).await {
            let columns = texts(&db, &format!("SELECT name FROM pragma_table_info('{name}')")).await;
            let numbers = format!(
                "SELECT name FROM pragma_table_info('{name}') WHERE upper(type) LIKE '%INT%' \
                 AND name NOT LIKE '%\\_us' ESCAPE '\\' AND name <> 'seq'"
            );
            let numbers = texts(&db, &numbers).await;
            tables.push(Table { name, columns, numbers });
        }
        Store { db, tables }
    }

    /// All of it as it is now.
    pub async fn snapshot(&self) -> Snapshot {
        let mut rows = BTreeMap::new();
        for Table { name, columns, .. } in self.business() {
            let quoted: Vec<String> = columns.iter().map(|column| format!("quote(\"{column}\")")).collect();
            let query = format!("SELECT {} FROM \"{name}\" ORDER BY 1", quoted.join(" || ' | ' || "));
            rows.insert(name.clone(), texts(&self.db, &query).await);
        }
        let mut remembered = BTreeMap::new();
        for name in GUARD_TABLES {
            if self.tables.iter().any(|table| table.name == name) {
                let count = numbers(&self.db, &format!("SELECT count(*) FROM {name}")).await;
                remembered.insert(name.to_owned(), count[0]);
            }
        }
        Snapshot { rows, remembered }
    }

    /// What was done to it so far.
    pub async fn footprint(&self) -> Footprint {
        let mut footprint = Footprint::new();
        for Table { name, columns, numbers: summed } in self.business() {
            let count = numbers(&self.db, &format!("SELECT count(*) FROM \"{name}\"")).await;
            footprint.insert(name.clone(), count[0]);
            for column in summed {
                let query = format!("SELECT coalesce(sum(\"{column}\"), 0) FROM \"{name}\"");
                footprint.insert(format!("{name}.{column}"), numbers(&self.db, &query).await[0]);
            }
            if columns.iter().any(|column| column == "state") {
                let query = format!("SELECT state || '=' || count(*) FROM \"{name}\" GROUP BY state");
                for state in texts(&self.db, &query).await {
                    let (state, count) = state.split_once('=').unwrap();
                    footprint.insert(format!("{name}.state.{state}"), count.parse().unwrap());
                }
            }
        }
        footprint
    }

    fn business(&self) -> impl Iterator<Item = &Table> {
        self.tables.iter().filter(|table| !GUARD_TABLES.contains(&table.name.as_str()))
    }
}

/// What came on top of `before`, where it is not nothing.
pub fn difference(before: &Footprint, after: &Footprint) -> Footprint {
    let names = before.keys().chain(after.keys());
    let value = |footprint: &Footprint, name: &String| footprint.get(name).copied().unwrap_or_default();
    let changes = names.map(|name| (name.clone(), value(after, name) - value(before, name)));
    changes.filter(|(_, change)| *change != 0).collect()
}

async fn texts(db: &DatabaseConnection, query: &str) -> Vec<String> {
    let rows = db.query_all_raw(Statement::from_string(DbBackend::Sqlite, query)).await.unwrap();
    rows.iter().map(|row| row.try_get_by_index(0).unwrap()).collect()
}

async fn numbers(db: &DatabaseConnection, query: &str) -> Vec<i64> {
    let rows = db.query_all_raw(Statement::from_string(DbBackend::Sqlite, query)).await.unwrap();
    rows.iter().map(|row| row.try_get_by_index(0).unwrap()).collect()
}

#[tokio::test]
async fn a_planted_change_is_seen_in_business_tables_and_counted_in_the_guard() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("planted.db");
    let writer = Database::connect(format!("sqlite://{}?mode=rwc", path.display())).await.unwrap();
    let write = async |statement: &str| writer.execute_unprepared(statement).await.unwrap();
    write("CREATE TABLE stock (sku TEXT, on_hand BIGINT, state TEXT, hash BLOB, at_us BIGINT)").await;
    write("CREATE TABLE branch_op (gid TEXT)").await;
    write("INSERT INTO stock VALUES ('tea', 7, 'held', x'00', 1), ('rice', 1, 'held', NULL, 1)").await;
    let store = Store::open(&path).await;
    let (before, sums) = (store.snapshot().await, store.footprint().await);
    assert_eq!(store.snapshot().await, before);
    for (planted, in_sums) in [
        ("UPDATE stock SET on_hand = on_hand + 1 WHERE sku = 'tea'", true),
        ("UPDATE stock SET state = 'sold' WHERE sku = 'tea'", true),
        ("UPDATE stock SET hash = x'01' WHERE sku = 'tea'", false),
        ("UPDATE stock SET hash = x'' WHERE sku = 'rice'", false),
        ("UPDATE stock SET at_us = 2 WHERE sku = 'rice'", false),
        ("DELETE FROM stock WHERE sku = 'rice'", true),
    ] {
        let (rows, earlier) = (store.snapshot().await.rows, store.footprint().await);
        write(planted).await;
        assert_ne!(store.snapshot().await.rows, rows, "{planted}");
        assert_eq!(!difference(&earlier, &store.footprint().await).is_empty(), in_sums, "{planted}");
    }
    let rows = store.snapshot().await.rows;
    write("INSERT INTO branch_op VALUES ('g')").await;
    let after = store.snapshot().await;
    assert_eq!((after.rows, after.remembered["branch_op"]), (rows, before.remembered["branch_op"] + 1));
    assert!(!difference(&sums, &store.footprint().await).is_empty());
}
