//! The files of the project as they lie in the work tree. Knows no rule.
use std::path::{Path, PathBuf};

/// One text file.
pub struct Source {
    /// Below the root, with `/`.
    pub path: String,
    /// All of it.
    pub text: String,
}

impl Source {
    /// The lines that are neither comments nor the tests at the end of the file.
    pub fn code(&self) -> impl Iterator<Item = &str> {
        let before_tests = self.text.lines().take_while(|line| line.trim() != "#[cfg(test)]");
        before_tests.filter(|line| !line.trim_start().starts_with("//"))
    }

    /// Test code: an integration test, or a module that only tests see.
    pub fn is_test(&self) -> bool {
        self.path.starts_with("tests/")
            || self.path.contains("/tests/")
            || self.path.ends_with("_tests.rs")
            || self.path.ends_with("/tests.rs")
    }
}

/// Where the project lies.
pub fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Every text file, whatever its kind.
pub fn all() -> Vec<Source> {
    let mut paths = Vec::new();
    collect(root(), &mut paths);
    paths.sort();
    let read = |path: PathBuf| {
        let text = std::fs::read_to_string(&path).ok()?;
        let below = path.strip_prefix(root()).expect("it was found below the root");
        Some(Source { path: below.to_str()?.replace('\\', "/"), text })
    };
    paths.into_iter().filter_map(read).collect()
}

/// Every Rust file.
pub fn rust() -> Vec<Source> {
    let rust: Vec<Source> = all().into_iter().filter(|source| source.path.ends_with(".rs")).collect();
    assert!(rust.len() > 100, "only {} Rust files were found: the search is broken", rust.len());
    rust
}

/// One file by its path below the root.
pub fn one(path: &str) -> Source {
    let text = std::fs::read_to_string(root().join(path));
    Source { path: path.to_owned(), text: text.unwrap_or_else(|error| panic!("{path}: {error}")) }
}

fn collect(folder: &Path, paths: &mut Vec<PathBuf>) {
    // Cargo marks its target folder, whatever its name.
    if folder.join("CACHEDIR.TAG").exists() {
        return;
    }
    for entry in std::fs::read_dir(folder).expect("folders of the project can be listed") {
        let entry = entry.expect("entries of the project can be read");
        let (path, name) = (entry.path(), entry.file_name());
        match entry.file_type() {
            Ok(kind) if kind.is_dir() => {
                if !["target", ".git", ".amends"].iter().any(|skipped| name == *skipped) {
                    collect(&path, paths);
                }
            }
            Ok(kind) if kind.is_file() => paths.push(path),
            // Links lead out of the project, and what vanished meanwhile is no source.
            Ok(_) | Err(_) => {}
        }
    }
}
