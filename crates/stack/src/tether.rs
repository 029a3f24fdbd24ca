//! A child that ends with us, however we end. Knows nothing of what it runs.
use rustix::process::Pid;
use std::process::{ExitStatus, Stdio};
use std::time::{Duration, Instant};
use tokio::process::{Child, Command};

/// Kills the process `$1` as soon as its own standard input closes.
const WATCH_SCRIPT: &str = r#"cat >/dev/null; kill -9 "$1" 2>/dev/null"#;
/// How long a dropped child may take to be gone: a killed process is gone at once, unless its disk hangs.
const GONE_LIMIT: Duration = Duration::from_secs(2);
const GONE_LOOK: Duration = Duration::from_millis(2);

/// Starts the shell that kills `pid` when we are gone. Dropping it ends it, and lets `pid` be.
pub(crate) fn watcher(pid: Pid) -> std::io::Result<Child> {
    Command::new("sh")
        .args(["-c", WATCH_SCRIPT, "sh", &pid.as_raw_nonzero().to_string()])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .process_group(0)
        .kill_on_drop(true)
        .spawn()
}

/// A running child that knows nothing of lifelines. Dropping it kills it and waits until it is gone, so that its
/// folder can be removed; if we are killed ourselves, a shell beside it kills it.
pub struct Tethered {
    child: Child,
    _watcher: Child,
}

impl Tethered {
    /// Starts it in a process group of its own.
    ///
    /// # Errors
    /// Where the program or the shell that watches it cannot be started.
    pub fn spawn(mut command: Command) -> std::io::Result<Tethered> {
        let child = command.process_group(0).kill_on_drop(true).spawn()?;
        let pid = child.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw);
        let pid = pid.ok_or_else(|| std::io::Error::other("ended at once"))?;
        Ok(Tethered { child, _watcher: watcher(pid)? })
    }

    /// Ends when the process has ended.
    ///
    /// # Errors
    /// Where the operating system does not tell.
    pub async fn wait(&mut self) -> std::io::Result<ExitStatus> {
        self.child.wait().await
    }

    /// Its process id, while it runs.
    #[must_use]
    pub fn pid(&self) -> Option<u32> {
        self.child.id()
    }

    /// The child itself, for whoever waits until it serves.
    pub fn child(&mut self) -> &mut Child {
        &mut self.child
    }
}

impl Drop for Tethered {
    fn drop(&mut self) {
        // Only fails when it has ended already.
        self.child.start_kill().ok();
        let end = Instant::now() + GONE_LIMIT;
        while matches!(self.child.try_wait(), Ok(None)) && Instant::now() < end {
            std::thread::sleep(GONE_LOOK);
        }
    }
}
