//! Where a history of a test lies. Knows both stores, no case.
use amends_migrations::history::Migrator;
use amends_orchestrator::history::{HistoryReader, HistoryWriter};
use amends_serve::store::Store;
use amends_testkit::OwnDatabase;

/// An empty place for one history; what is in it stays as long as the place does.
pub enum Place {
    Sqlite(tempfile::TempDir),
    Postgres(OwnDatabase),
}

/// A writer and a reader of it.
pub struct History {
    pub writer: HistoryWriter,
    pub reader: HistoryReader,
}

impl Place {
    /// A file in a folder of its own.
    pub fn sqlite() -> Place {
        Place::Sqlite(tempfile::tempdir().unwrap())
    }

    /// A database of its own; `None` = there is no PostgreSQL here.
    pub async fn postgres() -> Option<Place> {
        Some(Place::Postgres(OwnDatabase::make().await?))
    }

    /// Opens it as the only orchestrator, like a process that starts.
    pub async fn open(&self) -> History {
        let store = self.store().await;
        History { writer: HistoryWriter::start(store.clone()), reader: HistoryReader::new(store) }
    }

    /// Its migrated store.
    pub async fn store(&self) -> Store {
        migrated(&self.url()).await
    }

    /// Where it is.
    pub fn url(&self) -> String {
        match self {
            Place::Sqlite(folder) => format!("sqlite://{}", folder.path().join("history.db").display()),
            Place::Postgres(database) => database.url(),
        }
    }
}

/// Opens a store at its newest schema.
pub async fn migrated(url: &str) -> Store {
    let store = Store::open(url).await.unwrap();
    store.migrate::<Migrator>().await.unwrap();
    store
}
