//! What the caller of the kit does beside the calls: prepare an entity, look at its effect, crash the server. A shell
//! command, or a closure in tests. Knows no rule.
use futures::FutureExt as _;
use futures::future::BoxFuture;
use std::process::{Output, Stdio};
use std::sync::Arc;
use std::time::Duration;
use tokio::process::Command;

/// The longest that a command may take; a crash command waits for its server to be up again.
const COMMAND_TIMEOUT: Duration = Duration::from_secs(60);
/// So much of what a failing command said is told.
const TOLD_CHARS: usize = 300;

/// What a hook is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Situation {
    /// host:port of the participant.
    pub target: String,
    /// The global transaction.
    pub gid: String,
    /// The branch in it.
    pub branch_id: String,
    /// The payload of the branch as JSON, with its ids filled in.
    pub payload: String,
}

/// A hook did not do its work.
#[derive(Debug, thiserror::Error)]
#[error("the {what} command failed: {why}")]
pub struct HookError {
    /// Which one.
    pub what: &'static str,
    /// Why, for people.
    pub why: String,
}

/// Does something about one branch, and may say something about it.
pub type Hook = Arc<dyn Fn(Situation) -> BoxFuture<'static, Result<String, String>> + Send + Sync>;

/// The hooks of a run; each may be missing.
#[derive(Clone, Default)]
pub struct Hooks {
    /// Makes what a branch needs before its first call.
    pub prepare: Option<Hook>,
    /// Tells what effect a branch has; two branches with the same effect are told in the same words, ids aside.
    pub probe: Option<Hook>,
    /// Kills the server at once and starts it again; returns when it serves.
    pub crash: Option<Hook>,
}

/// A hook that runs a shell command, with the situation in `CONFORM_TARGET`, `CONFORM_GID`, `CONFORM_BRANCH_ID` and
/// `CONFORM_PAYLOAD`. What it prints is what it says; ending with anything but 0 is a failure.
#[must_use]
pub fn command(line: String) -> Hook {
    Arc::new(move |situation| run(line.clone(), situation).boxed())
}

async fn run(line: String, situation: Situation) -> Result<String, String> {
    let mut command = Command::new("sh");
    command
        .args(["-c", &line])
        .env("CONFORM_TARGET", situation.target)
        .env("CONFORM_GID", situation.gid)
        .env("CONFORM_BRANCH_ID", situation.branch_id)
        .env("CONFORM_PAYLOAD", situation.payload)
        .stdin(Stdio::null())
        .kill_on_drop(true);
    let output = tokio::time::timeout(COMMAND_TIMEOUT, command.output()).await;
    let output = output.map_err(|_| format!("it took longer than {} s", COMMAND_TIMEOUT.as_secs()))?;
    let Output { status, stdout, stderr } = output.map_err(|error| error.to_string())?;
    if !status.success() {
        let said: String = String::from_utf8_lossy(&stderr).trim().chars().take(TOLD_CHARS).collect();
        return Err(format!("{status}: {said}"));
    }
    Ok(String::from_utf8_lossy(&stdout).trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::{Situation, command};

    fn situation() -> Situation {
        let [target, gid, branch_id, payload] = ["h:1", "g", "01", r#"{"a": "b"}"#].map(ToOwned::to_owned);
        Situation { target, gid, branch_id, payload }
    }

    #[tokio::test]
    async fn a_command_is_told_the_situation_and_says_what_it_prints() {
        let hook =
            command("echo \"$CONFORM_TARGET $CONFORM_GID $CONFORM_BRANCH_ID $CONFORM_PAYLOAD\"".into());
        assert_eq!(hook(situation()).await, Ok(r#"h:1 g 01 {"a": "b"}"#.to_owned()));
    }

    #[tokio::test]
    async fn a_command_that_fails_says_why() {
        let why = command("echo gone >&2; exit 3".into())(situation()).await.unwrap_err();
        assert!(why.contains('3') && why.ends_with("gone"), "{why}");
    }
}
