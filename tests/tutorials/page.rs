//! A tutorial's page: the files that it shows, and its commands.
use std::path::{Path, PathBuf};
use std::process::Output;
use tokio::process::Command;

/// One page below `docs/tutorials`.
pub struct Page {
    text: String,
}

/// Where the tutorials lie.
pub fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/tutorials")
}

impl Page {
    pub fn read(name: &str) -> Page {
        Page { text: std::fs::read_to_string(folder().join(name)).unwrap() }
    }

    /// Asserts that the page shows these files, each whole and as it is.
    pub fn shows(&self, files: &[&str]) {
        for file in files {
            let kept = std::fs::read_to_string(folder().join(file)).unwrap();
            let shown = self.text.contains(&format!("\n{kept}```\n"));
            assert!(shown, "the page does not show {file} as it is: copy it there");
        }
    }

    /// The commands below a heading, as one script.
    pub fn commands(&self, heading: &str) -> String {
        let part = self.text.split("\n## ").find(|part| part.starts_with(heading)).unwrap();
        let blocks = part.split("```sh\n").skip(1).filter_map(|rest| rest.split("```").next());
        let script: String = blocks.collect();
        assert!(!script.is_empty(), "there are no commands below `{heading}`");
        script
    }
}

/// Runs a script as a reader at the root of a checkout would, with `amends` on the path. It must end well.
pub async fn run(script: &str, settings: &[(&str, &str)]) -> String {
    let program = Path::new(env!("CARGO_BIN_EXE_amends")).parent().unwrap();
    // Packages of the system are those of the system's Python.
    let path = format!("{}:/usr/bin:{}", program.display(), std::env::var("PATH").unwrap());
    let output: Output = Command::new("bash")
        .args(["-euo", "pipefail", "-c", script])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .env("PATH", path)
        .envs(settings.iter().copied())
        .kill_on_drop(true)
        .output()
        .await
        .unwrap();
    let told = String::from_utf8_lossy(&output.stdout).into_owned();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{script}\nended with {}\n{told}\n{errors}", output.status);
    told
}
