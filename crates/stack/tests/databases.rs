//! Throwaway databases: real servers, on which a real DTM server keeps its data, and which leave nothing behind.
#![allow(clippy::unwrap_used)] // all of it is test code

use amends_dtm::launcher::{DtmPorts, LocalDtm};
use amends_stack::{DatabaseError, Postgres, Redis, Tethered};
use std::path::Path;
use std::time::Duration;
use tokio::process::Command;

const SOON: Duration = Duration::from_secs(30);

/// None where the server is not installed and nobody insists: a newcomer needs none.
fn installed<T>(server: Result<T, DatabaseError>) -> Option<T> {
    match server {
        Err(missing @ DatabaseError::Missing { .. }) if std::env::var("CI").as_deref() != Ok("true") => {
            eprintln!("not tested: {missing}");
            None
        }
        server => Some(server.unwrap()),
    }
}

/// What the process that is said to be a server is called.
fn name(pid: Option<u32>) -> String {
    std::fs::read_to_string(format!("/proc/{}/comm", pid.unwrap())).unwrap().trim_end().to_owned()
}

/// A DTM server answers only once it has reached its store.
async fn dtm_serves_on(folder: &Path, store: Vec<(String, String)>) {
    let binary = tokio::task::spawn_blocking(amends_dtm::binary::locate).await.unwrap().unwrap();
    let mut local = LocalDtm::new(binary, folder.to_owned(), DtmPorts::free().unwrap());
    local.store = store;
    let mut dtm = Tethered::spawn(local.command().unwrap()).unwrap();
    let client = local.wait_ready(dtm.child(), SOON).await.unwrap();
    assert!(client.query(&amends_dtm::Gid::generate()).await.unwrap().is_none());
    assert!(!folder.join("dtm.bolt").exists(), "it keeps its data elsewhere");
}

#[tokio::test(flavor = "multi_thread")]
async fn dtm_runs_on_a_throwaway_redis() {
    let folder = tempfile::tempdir().unwrap();
    let Some(redis) = installed(Redis::start().await) else { return };
    dtm_serves_on(folder.path(), redis.dtm_settings()).await;
    assert_eq!(name(redis.pid()), "redis-server");
    let own = redis.folder().to_owned();
    assert!(own.join("redis.conf").exists() && own.join("appendonlydir").exists());
    drop(redis);
    assert!(!own.exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn dtm_runs_on_a_throwaway_postgres() {
    let folder = tempfile::tempdir().unwrap();
    let Some(postgres) = installed(Postgres::start().await) else { return };
    dtm_serves_on(folder.path(), postgres.create_dtm_database("dtm").await.unwrap()).await;
    assert_eq!(name(postgres.pid()), "postgres");
    let again = postgres.create_database("dtm").await.unwrap_err().to_string();
    let own = postgres.folder().to_owned();
    assert!(own.join("data").exists());
    drop(postgres);
    assert!(!own.exists());
    assert!(
        again.starts_with("psql ended with exit status: 3") && again.contains("already exists"),
        "{again}"
    );
}

#[tokio::test]
async fn a_dropped_child_is_gone() {
    let mut command = Command::new("sleep");
    command.arg("600");
    let mut child = Tethered::spawn(command).unwrap();
    let stat = format!("/proc/{}/stat", child.child().id().unwrap());
    assert!(Path::new(&stat).exists());
    drop(child);
    assert!(!Path::new(&stat).exists());
}
