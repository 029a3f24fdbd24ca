//! A PostgreSQL database of a test's own, on a cluster that the tests of one binary share while any of them runs.
//! Knows no table.
use crate::patience::Must as _;
use amends_stack::{DatabaseError, Postgres};
use std::sync::{Arc, Weak};
use tokio::sync::Mutex;

/// The cluster of this process, for as long as a test uses it.
static CLUSTER: Mutex<Weak<Postgres>> = Mutex::const_new(Weak::new());

/// An empty database. Dropping it gives up the cluster.
pub struct OwnDatabase {
    cluster: Arc<Postgres>,
    name: String,
}

impl OwnDatabase {
    /// Makes one; `None` = this machine has no PostgreSQL, which is said aloud.
    ///
    /// # Panics
    /// If it cannot be made, and with `CI=true` also if there is no PostgreSQL.
    pub async fn make() -> Option<OwnDatabase> {
        let cluster = {
            let mut known = CLUSTER.lock().await;
            match known.upgrade() {
                Some(cluster) => cluster,
                None => {
                    let cluster = Arc::new(own_cluster().await?);
                    *known = Arc::downgrade(&cluster);
                    cluster
                }
            }
        };
        let name = format!("test_{}", uuid::Uuid::now_v7().simple());
        cluster.create_database(&name).await.must("make a database");
        Some(OwnDatabase { cluster, name })
    }

    /// Where it is.
    #[must_use]
    pub fn url(&self) -> String {
        self.cluster.url(&self.name)
    }

    /// Runs statements in it.
    ///
    /// # Panics
    /// If one fails.
    pub async fn run(&self, statements: &str) {
        self.cluster.run(&self.name, statements).await.must(statements);
    }
}

/// A cluster for one test alone, to be stopped and started; `None` = this machine has no PostgreSQL.
///
/// # Panics
/// If it does not start, and with `CI=true` also if there is no PostgreSQL.
pub async fn own_cluster() -> Option<Postgres> {
    match Postgres::start().await {
        Ok(cluster) => Some(cluster),
        Err(error @ DatabaseError::Missing { .. }) if std::env::var_os("CI").is_none() => {
            use std::io::Write as _;
            // A closed standard error is nobody's loss.
            let _ = writeln!(std::io::stderr(), "NOT TESTED on PostgreSQL: {error}");
            None
        }
        Err(error) => panic!("start PostgreSQL: {error}"),
    }
}
