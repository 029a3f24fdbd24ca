//! Where the two verbs refuse or die: what they say then, and that they leave nothing behind that looks whole.
use crate::amends::{AMENDS, Told, back_up, run, verb};
use amends_stack::{CoordinatorChoice, Stack, StackConfig};
use std::path::Path;
use tokio::process::Command;

/// Largest file that the shell below lets its child write, in blocks; every store is larger.
const BLOCKS: u32 = 16;

#[tokio::test(flavor = "multi_thread")]
async fn verbs_that_refuse_or_die_leave_nothing_that_looks_whole() {
    let folder = tempfile::tempdir().unwrap();
    let (data, backup) = (folder.path().join("stack"), folder.path().join("backup"));
    let config = StackConfig::new(AMENDS, &data).coordinator(CoordinatorChoice::Embedded);
    let stack = Stack::start(config).await.unwrap();
    disk_full(&data, &backup).await;
    killed_half_way(&data, &backup).await;
    let manifest = back_up(&data, &backup).await;
    assert_eq!(manifest["open"], 0);
    refused(&restore(&backup, &data, &["--force"]).await, "stop the system first");
    refused(&run(verb(&[&"backup", &"--data-dir", &data, &"--to", &backup])).await, "is there already");
    stack.stop().await;
    refused(&restore(&backup, &data, &[]).await, "is not empty");
    damaged(&backup, &data).await;
    refused(&run(verb(&[&"backup", &"--data-dir", &folder.path(), &"--to", &"x"])).await, "pg_dump");
}

/// The system's error comes through, and the half copy is gone.
async fn disk_full(data: &Path, backup: &Path) {
    let told = limited("trap '' XFSZ;", data, backup).await;
    refused(&told, "copy it");
    assert_eq!(beside(backup), ["stack"]);
}

/// A half copy stays, has another name, and is no backup.
async fn killed_half_way(data: &Path, backup: &Path) {
    let told = limited("", data, backup).await;
    assert_eq!(told.code, None, "{}", told.stderr);
    let left = beside(backup);
    let [half, _] = left.as_slice() else { panic!("{left:?}") };
    assert!(half.starts_with("backup.partial-"), "{half}");
    let half = backup.with_file_name(half);
    refused(&restore(&half, &half.with_extension("target"), &[]).await, "is not a whole backup");
    std::fs::remove_dir_all(half).unwrap();
}

/// A flipped bit is found before the data folder is touched.
async fn damaged(backup: &Path, data: &Path) {
    let (path, before) = (backup.join("account.db"), std::fs::read(data.join("account.db")).unwrap());
    let mut bytes = std::fs::read(&path).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(&path, bytes).unwrap();
    refused(&restore(backup, data, &["--force"]).await, "account.db is not what the manifest says");
    assert_eq!(std::fs::read(data.join("account.db")).unwrap(), before);
    assert_eq!(beside(backup), ["backup", "stack"]);
}

async fn restore(from: &Path, data_dir: &Path, how: &[&str]) -> Told {
    let mut command = verb(&[&"restore", &"--from", &from, &"--data-dir", &data_dir]);
    command.args(how);
    run(command).await
}

/// Takes a backup that may not write files as large as it must.
async fn limited(before: &str, data: &Path, backup: &Path) -> Told {
    let mut shell = Command::new("sh");
    shell.args([
        "-c",
        &format!("{before} ulimit -f {BLOCKS}; exec \"$0\" \"$@\""),
        AMENDS,
        "backup",
        "--data-dir",
    ]);
    shell.arg(data).arg("--to").arg(backup);
    run(shell).await
}

fn refused(told: &Told, why: &str) {
    assert_eq!(told.code, Some(1), "{} {}", told.stdout, told.stderr);
    assert!(told.stderr.contains(why), "{} lacks {why}", told.stderr);
}

fn beside(path: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(path.parent().unwrap()).unwrap();
    let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}
