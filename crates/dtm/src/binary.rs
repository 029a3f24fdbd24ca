//! Where the DTM server's program is found, or built. The only way to it, in tests too.

mod home;

use home::Surroundings;
use std::io::{BufRead, BufReader, IsTerminal};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// The version that is pinned.
pub const PINNED_VERSION: &str = "v1.18.0";
const PACKAGE: &str = "github.com/dtm-labs/dtm";
const GO_MOD: &str = include_str!("../server/go.mod");
const GO_SUM: &str = include_str!("../server/go.sum");
/// Lines of the compiler that an error shows.
const SHOWN_LINES: usize = 20;
/// One line of progress for so many compiled packages; there are about 900.
const PACKAGES_PER_LINE: usize = 100;

/// A DTM server that can be started.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DtmBinary {
    /// The program.
    pub path: PathBuf,
    /// The version it names.
    pub version: String,
}

/// There is no DTM server to start.
#[derive(Debug, thiserror::Error)]
pub enum LocateError {
    /// `AMENDS_DTM_BIN` names no DTM server.
    #[error("AMENDS_DTM_BIN={0} is not a DTM server that runs")]
    NotAServer(PathBuf),
    /// Not on the path, and it cannot be built.
    #[error(
        "no DTM server {PINNED_VERSION}: {why}. Three ways to get one: set AMENDS_DTM_BIN to the program; put a `dtm` of \
         that version on PATH; or install Go 1.24 or newer, then it is built on first use"
    )]
    Nowhere {
        /// What kept us from building it.
        why: String,
    },
    /// The folder for the build cannot be used.
    #[error("build folder {path}")]
    Folder {
        /// Which folder.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
}

/// Finds the DTM server: `AMENDS_DTM_BIN`; else a `dtm` of the pinned version on PATH; else the build of the pinned
/// module in `target/dtm` of a checkout, elsewhere in a cache of the user, made now if it is not there. **Blocking, the first time for minutes**; many processes may
/// call it at once, one of them builds. Progress goes to standard error.
pub fn locate() -> Result<DtmBinary, LocateError> {
    if let Some(path) = std::env::var_os("AMENDS_DTM_BIN").map(PathBuf::from) {
        let version = version_of(&path).ok_or_else(|| LocateError::NotAServer(path.clone()))?;
        return Ok(DtmBinary { path, version });
    }
    if let Some(path) = on_path() {
        return Ok(DtmBinary { path, version: PINNED_VERSION.to_owned() });
    }
    built(&Surroundings::look().build_folder())
}

fn on_path() -> Option<PathBuf> {
    which::which_all("dtm").ok()?.find(|path| {
        version_of(path).is_some_and(|version| version == PINNED_VERSION) || module_version(path).is_some()
    })
}

/// What `<program> -v` calls itself, if it is a DTM server.
fn version_of(program: &Path) -> Option<String> {
    let output = Command::new(program).arg("-v").stdin(Stdio::null()).stderr(Stdio::null()).output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    text.lines().find_map(|line| line.strip_prefix("dtm version: ")).map(|version| version.trim().to_owned())
}

/// Whether Go built the program from the pinned module.
fn module_version(program: &Path) -> Option<()> {
    let output =
        Command::new("go").args(["version", "-m"]).arg(program).stderr(Stdio::null()).output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    text.lines().any(|line| line.contains(PACKAGE) && line.contains(PINNED_VERSION)).then_some(())
}

fn built(folder: &Path) -> Result<DtmBinary, LocateError> {
    let path = folder.join(format!("dtm-{PINNED_VERSION}"));
    let binary = DtmBinary { path: path.clone(), version: PINNED_VERSION.to_owned() };
    if path.is_file() {
        return Ok(binary);
    }
    let failed = |source| LocateError::Folder { path: folder.to_owned(), source };
    let module = folder.join("module");
    std::fs::create_dir_all(&module).map_err(failed)?;
    // Held until the file is closed, at the end of this function.
    let lock = std::fs::File::create(folder.join("lock")).map_err(failed)?;
    lock.lock().map_err(failed)?;
    if path.is_file() {
        return Ok(binary); // another process built it while we waited
    }
    std::fs::write(module.join("go.mod"), GO_MOD).map_err(failed)?;
    std::fs::write(module.join("go.sum"), GO_SUM).map_err(failed)?;
    let unfinished = folder.join(format!("dtm-{PINNED_VERSION}.{}", std::process::id()));
    build(&module, &unfinished)?;
    std::fs::rename(&unfinished, &path).map_err(failed)?;
    Ok(binary)
}

fn build(module: &Path, output: &Path) -> Result<(), LocateError> {
    let nowhere = |why: String| LocateError::Nowhere { why };
    let go =
        which::which("go").map_err(|_| nowhere("it is not on PATH, and neither is Go to build it".into()))?;
    eprintln!(
        "building the DTM server {PINNED_VERSION} once, this takes about 3 minutes: {}",
        output.display()
    );
    let mut child = Command::new(go)
        .args(["build", "-v", "-ldflags"])
        .arg(format!("-X main.Version={PINNED_VERSION}"))
        .arg("-o")
        .args([output.as_os_str(), PACKAGE.as_ref()])
        .current_dir(module)
        .env("GOFLAGS", "-mod=mod")
        .env("GOWORK", "off")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|error| nowhere(format!("Go cannot be started: {error}")))?;
    let last_lines = child.stderr.take().map(show_progress).unwrap_or_default();
    let status = child.wait().map_err(|error| nowhere(format!("Go was lost: {error}")))?;
    if status.success() {
        return Ok(());
    }
    std::fs::remove_file(output).ok(); // an unfinished file is of no use; most often there is none
    Err(nowhere(format!("building it failed ({status}):\n{last_lines}\n")))
}

/// Reads the compiler's lines to their end, shows that it goes on, and gives back the last ones.
fn show_progress(stderr: impl std::io::Read) -> String {
    let mut last = std::collections::VecDeque::with_capacity(SHOWN_LINES);
    for (index, line) in BufReader::new(stderr).lines().map_while(Result::ok).enumerate() {
        let seen = index + 1;
        if seen.is_multiple_of(PACKAGES_PER_LINE) || (seen == 1 && std::io::stderr().is_terminal()) {
            eprintln!("  … {seen} packages");
        }
        if last.len() == SHOWN_LINES {
            last.pop_front();
        }
        last.push_back(line);
    }
    Vec::from(last).join("\n")
}

#[cfg(test)]
mod tests {
    use super::{LocateError, build, locate, show_progress, version_of};

    #[test]
    fn a_test_finds_a_server_that_tells_its_version() {
        let binary = locate().unwrap();
        assert_eq!(version_of(&binary.path), Some(binary.version));
    }

    #[test]
    fn another_program_is_no_dtm_server() {
        assert_eq!(version_of("/bin/true".as_ref()), None);
        assert_eq!(version_of("/nonexistent".as_ref()), None);
    }

    #[test]
    fn a_build_that_fails_says_why_and_names_the_three_ways() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("go.mod"), "this is no module").unwrap();
        let error = build(folder.path(), &folder.path().join("out")).unwrap_err();
        assert!(matches!(error, LocateError::Nowhere { .. }));
        let text = error.to_string();
        for part in ["go.mod", "AMENDS_DTM_BIN", "PATH", "install Go"] {
            assert!(text.contains(part), "{part} is missing in: {text}");
        }
    }

    #[test]
    fn only_the_last_lines_are_kept() {
        let text: String = (0..150).map(|line| format!("{line}\n")).collect();
        let kept = show_progress(text.as_bytes());
        assert_eq!((kept.lines().count(), kept.lines().last()), (20, Some("149")));
    }
}
