//! What a backup is, and when there is none.
use crate::folder::{Folder, content, names};
use crate::writers::{Writers, breaches};
use amends_backup::{BackupError, StoreName};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

/// Backups in a row.
const BACKUPS: usize = 12;

#[test]
fn a_backup_under_load_is_of_one_moment() {
    let (folder, writers) = (Folder::new(), Writers::default());
    let mut waits = Vec::new();
    std::thread::scope(|scope| {
        writers.start(&folder, scope);
        let mut before = 0;
        for number in 0..BACKUPS {
            while writers.begun() < before + 50 {
                std::thread::yield_now();
            }
            before = writers.begun();
            let backup = folder.back_up(&format!("backup-{number}")).unwrap();
            waits.push(backup.manifest.frozen_us);
        }
        writers.stop();
    });
    for number in 0..BACKUPS {
        let backup = folder.path(&format!("backup-{number}"));
        assert_eq!(breaches(&backup), Vec::<String>::new(), "backup {number}");
    }
    assert_ne!(content(&folder.path("backup-0")), content(&folder.path("backup-11")));
    eprintln!("{} deeds; writers waited {waits:?} us", writers.begun());
}

/// The judge of the test above sees what copying without a lock does.
#[test]
fn copies_of_different_moments_are_seen() {
    let (folder, copies) = (Folder::new(), tempfile::tempdir().unwrap());
    let copy = |store: StoreName| {
        let to = copies.path().join(store.file());
        folder.store(store).execute("VACUUM INTO ?1", [to.to_str().unwrap()]).unwrap();
    };
    let deed = |store: StoreName, what: &str| {
        folder.store(store).execute("INSERT INTO note VALUES (7, ?1)", [what]).unwrap();
    };
    copy(StoreName::Orchestrator);
    deed(StoreName::Orchestrator, "started");
    deed(StoreName::Order, "done");
    StoreName::ALL[1..5].iter().copied().for_each(copy);
    copy(StoreName::Psp);
    deed(StoreName::Gateway, "request");
    deed(StoreName::Psp, "charge");
    deed(StoreName::Gateway, "answer");
    copy(StoreName::Gateway);
    let expected = ["order has 7, orchestrator never heard of it", "psp lacks 7, gateway says it is done"];
    assert_eq!(breaches(copies.path()), expected);
}

#[test]
fn a_backup_tells_what_it_holds_and_is_private() {
    let folder = Folder::new();
    let mut told = Vec::new();
    let backup = amends_backup::back_up(&folder.wanted("backup"), |progress| told.push(progress)).unwrap();
    let manifest = &backup.manifest;
    assert_eq!((manifest.global_transactions, manifest.open), (3, 2));
    let last = told.last().unwrap();
    assert_eq!((last.done, last.file.as_str()), (last.total, "psp.db"));
    let mut expected = vec!["keys/plan-mac", "manifest.json", "manifest.json.sha256", "ports.json"];
    let stores = StoreName::ALL.map(StoreName::file);
    expected.extend(stores.iter().map(String::as_str));
    expected.sort_unstable();
    assert_eq!(content(&backup.folder).into_keys().collect::<Vec<_>>(), expected);
    let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(&backup.folder), mode(&backup.folder.join("keys"))), (0o700, 0o700));
    for file in expected {
        assert_eq!(mode(&backup.folder.join(file)), 0o600, "{file}");
    }
}

#[test]
fn what_lacks_a_store_is_no_backup_unless_that_was_said() {
    let folder = Folder::new();
    for gone in [StoreName::Account, StoreName::Points] {
        std::fs::remove_file(folder.data().join(gone.file())).unwrap();
    }
    let error = folder.back_up("backup").unwrap_err().to_string();
    assert!(error.contains("account, points") && error.contains("pg_dump"), "{error}");
    let mut wanted = folder.wanted("backup");
    wanted.without = [StoreName::Account, StoreName::Points].into();
    let backup = amends_backup::back_up(&wanted, |_| {}).unwrap();
    assert_eq!(backup.manifest.without, [StoreName::Account, StoreName::Points]);
    wanted.without = [StoreName::Orchestrator].into();
    let refused = amends_backup::back_up(&folder.wanted("other"), |_| {});
    assert!(refused.is_err());
    wanted.to = folder.path("other");
    assert!(matches!(amends_backup::back_up(&wanted, |_| {}), Err(BackupError::WithoutHistory)));
    assert_eq!(folder.beside(), ["backup", "data"]);
}

#[test]
fn nothing_is_written_over_and_nothing_half_made_stays() {
    let folder = Folder::new();
    folder.back_up("backup").unwrap();
    let before = content(&folder.path("backup"));
    assert!(matches!(folder.back_up("backup"), Err(BackupError::Exists(_))));
    assert_eq!(content(&folder.path("backup")), before);
    assert!(folder.back_up("nowhere/backup").is_err());
    assert_eq!(names(folder.path("").as_path()), ["backup", "data"]);
}

#[test]
fn a_damaged_store_is_told_and_not_backed_up() {
    let folder = Folder::new();
    let store = folder.store(StoreName::Inventory);
    let fill = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 5000)
        INSERT INTO note SELECT i, 'a row among many' FROM n";
    store.execute(fill, []).unwrap();
    store.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(())).unwrap();
    drop(store);
    let path = folder.data().join(StoreName::Inventory.file());
    let mut bytes = std::fs::read(&path).unwrap();
    let middle = bytes.len() / 2 / 4096 * 4096;
    bytes[middle..middle + 64].fill(0xEE);
    std::fs::write(&path, bytes).unwrap();
    let error = folder.back_up("backup").unwrap_err();
    assert!(matches!(&error, BackupError::Damaged { store: StoreName::Inventory, .. }), "{error:?}");
    assert_eq!(folder.beside(), ["data"]);
}

#[test]
fn a_store_that_somebody_never_lets_go_of_is_named() {
    let folder = Folder::new();
    let hanging = folder.store(StoreName::Gateway);
    hanging.execute_batch("BEGIN IMMEDIATE").unwrap();
    let error = folder.back_up("backup").unwrap_err();
    assert!(matches!(error, BackupError::Busy { store: StoreName::Gateway, .. }), "{error:?}");
    assert_eq!(folder.beside(), ["data"]);
    // Nobody else is kept waiting afterwards.
    folder.store(StoreName::Orchestrator).execute_batch("BEGIN IMMEDIATE; COMMIT").unwrap();
    hanging.execute_batch("COMMIT").unwrap();
    folder.back_up("backup").unwrap();
}
