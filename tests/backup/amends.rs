//! The command under test, and its two verbs. Knows their words and their JSON.
use serde_json::Value;
use std::path::Path;
use tokio::process::Command;

/// The program, which is every process of the system but DTM.
pub const AMENDS: &str = env!("CARGO_BIN_EXE_amends");

/// What a call of the command came to.
pub struct Told {
    pub code: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

/// Runs a command to its end.
pub async fn run(mut command: Command) -> Told {
    let output = command.output().await.unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    Told { code: output.status.code(), stdout: text(output.stdout), stderr: text(output.stderr) }
}

/// A verb with its words.
pub fn verb(words: &[&dyn AsRef<std::ffi::OsStr>]) -> Command {
    let mut command = Command::new(AMENDS);
    command.args(words.iter().map(AsRef::as_ref));
    command
}

/// Takes a backup, which must succeed; its manifest.
pub async fn back_up(data_dir: &Path, to: &Path) -> Value {
    let told = run(verb(&[&"backup", &"--output", &"json", &"--data-dir", &data_dir, &"--to", &to])).await;
    assert_eq!(told.code, Some(0), "{}", told.stderr);
    json(&told.stdout)["manifest"].take()
}

/// Restores a backup, which must succeed.
pub async fn restore(from: &Path, data_dir: &Path, how: &[&str]) -> Value {
    let mut command = verb(&[&"restore", &"--output", &"json", &"--from", &from, &"--data-dir", &data_dir]);
    command.args(how);
    let told = run(command).await;
    assert_eq!(told.code, Some(0), "{}", told.stderr);
    json(&told.stdout)
}

fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"))
}
