//! What a restore does to a data folder, and that it does nothing where it refuses.
use crate::folder::{Folder, content, names};
use amends_backup::{DtmData, Occupied, OldData, RestoreError, StoreName};
use std::fs::File;

/// A data folder and its backup.
fn backed_up() -> Folder {
    let folder = Folder::new();
    folder.store(StoreName::Order).execute("INSERT INTO note VALUES (1, 'kept')", []).unwrap();
    folder.back_up("backup").unwrap();
    folder.store(StoreName::Order).execute("INSERT INTO note VALUES (2, 'later')", []).unwrap();
    folder
}

fn notes(folder: &Folder) -> Vec<String> {
    let store = folder.store(StoreName::Order);
    let mut statement = store.prepare("SELECT what FROM note ORDER BY number").unwrap();
    statement.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect()
}

#[test]
fn a_new_folder_gets_what_the_backup_has() {
    let folder = backed_up();
    let restored = folder.restore("backup", "other").unwrap();
    assert_eq!(restored.old, OldData::None);
    let mut expected = content(&folder.path("backup"));
    expected.retain(|name, _| !name.starts_with("manifest"));
    // DTM begins empty.
    expected.insert("dtm/dtm.bolt".into(), Vec::new());
    assert_eq!(content(&folder.path("other")), expected);
    std::fs::create_dir(folder.path("empty")).unwrap();
    folder.restore("backup", "empty").unwrap();
    assert_eq!(content(&folder.path("empty")), expected);
    assert_eq!(folder.beside(), ["backup", "data", "empty", "other"]);
}

#[test]
fn what_was_there_is_moved_aside_as_it_was() {
    let folder = backed_up();
    assert!(matches!(folder.restore("backup", "data"), Err(RestoreError::Occupied(_))));
    assert_eq!(notes(&folder), ["kept", "later"]);
    let restored = folder.restore_over("backup", "data", Occupied::MoveAside, DtmData::Aside).unwrap();
    assert_eq!(notes(&folder), ["kept"]);
    assert_eq!(std::fs::read(folder.data().join("dtm/dtm.bolt")).unwrap(), b"");
    let OldData::At(old) = restored.old else { panic!("the old data is nowhere") };
    assert_eq!(std::fs::read(old.join("dtm/dtm.bolt")).unwrap(), b"bolt");
    std::fs::rename(folder.data(), folder.path("restored")).unwrap();
    std::fs::rename(old, folder.data()).unwrap();
    assert_eq!(notes(&folder), ["kept", "later"]);
}

#[test]
fn where_dtm_never_worked_none_is_expected() {
    let folder = Folder::new();
    std::fs::remove_file(folder.data().join("dtm/dtm.bolt")).unwrap();
    folder.back_up("backup").unwrap();
    folder.restore("backup", "other").unwrap();
    assert!(!folder.path("other").join("dtm").exists());
}

#[test]
fn dtm_keeps_its_data_where_that_is_asked_for() {
    let folder = backed_up();
    folder.restore_over("backup", "data", Occupied::MoveAside, DtmData::Keep).unwrap();
    assert_eq!(std::fs::read(folder.data().join("dtm/dtm.bolt")).unwrap(), b"bolt");
    assert_eq!(notes(&folder), ["kept"]);
}

#[test]
fn a_flipped_byte_in_any_file_is_refused() {
    let folder = backed_up();
    let whole = content(&folder.path("backup"));
    assert_eq!(whole.len(), 11);
    for (name, bytes) in &whole {
        let path = folder.path("backup").join(name);
        let mut flipped = bytes.clone();
        let middle = bytes.len() / 2;
        flipped[middle] ^= 0x10;
        std::fs::write(&path, flipped).unwrap();
        refused(&folder, name);
        std::fs::write(&path, &bytes[..bytes.len() - 1]).unwrap();
        refused(&folder, name);
        std::fs::remove_file(&path).unwrap();
        refused(&folder, name);
        std::fs::write(&path, bytes).unwrap();
    }
    folder.restore("backup", "other").unwrap();
}

fn refused(folder: &Folder, name: &str) {
    let error = folder.restore_over("backup", "data", Occupied::MoveAside, DtmData::Aside).unwrap_err();
    assert!(matches!(error, RestoreError::NotWhole { .. }), "{name}: {error:?}");
    assert_eq!(folder.beside(), ["backup", "data"], "{name}");
    assert_eq!(notes(folder), ["kept", "later"], "{name}");
}

#[test]
fn a_folder_on_which_something_runs_is_refused() {
    let folder = backed_up();
    let in_use = |what: &str| {
        let error = folder.restore_over("backup", "data", Occupied::MoveAside, DtmData::Aside).unwrap_err();
        assert!(matches!(&error, RestoreError::InUse { what: said, .. } if said.contains(what)), "{error:?}");
        assert_eq!(folder.beside(), ["backup", "data"]);
    };
    let stack = File::create(folder.data().join("lock")).unwrap();
    stack.try_lock().unwrap();
    in_use("lock is locked");
    drop(stack);
    let dtm = File::open(folder.data().join("dtm/dtm.bolt")).unwrap();
    dtm.try_lock().unwrap();
    in_use("dtm.bolt is locked");
    drop(dtm);
    let service = folder.store(StoreName::Points);
    service.query_row("SELECT count(*) FROM note", [], |_| Ok(())).unwrap();
    in_use("store of points is open");
    drop(service);
    folder.restore_over("backup", "data", Occupied::MoveAside, DtmData::Aside).unwrap();
}

#[test]
fn a_restored_folder_can_be_backed_up_again() {
    let folder = backed_up();
    folder.restore_over("backup", "data", Occupied::MoveAside, DtmData::Aside).unwrap();
    let again = folder.back_up("again").unwrap();
    assert_eq!(again.manifest.global_transactions, 3);
    assert!(names(&folder.data()).iter().all(|name| !name.contains("partial")));
}
