//! What became of every branch call that passed a proxy. Judges nothing.
use crate::patience::within;
use amends_dtm::metadata;
use bytes::Bytes;
use std::fmt;
use tokio::sync::watch;
use tonic::metadata::MetadataMap;
use tonic::{Code, Status};

/// A branch call as the orchestrator made it.
#[derive(Debug, Clone)]
pub struct Call {
    /// Name of the participant.
    pub service: &'static str,
    /// Name of the method, without its service.
    pub method: String,
    /// Names the global transaction.
    pub gid: String,
    /// Names the branch.
    pub branch_id: String,
    /// Names the op.
    pub op: String,
    /// The message.
    pub message: Bytes,
}

impl Call {
    pub(super) fn new(
        service: &'static str,
        method: &str,
        headers: &MetadataMap,
        message: Bytes,
    ) -> Option<Call> {
        let text = |key| Some(headers.get(key)?.to_str().ok()?.to_owned());
        Some(Call {
            service,
            method: method.to_owned(),
            gid: text(metadata::GID)?,
            branch_id: text(metadata::BRANCH_ID)?,
            op: text(metadata::OP)?,
            message,
        })
    }

    /// Whether the message contains this text.
    #[must_use]
    pub fn mentions(&self, key: &str) -> bool {
        self.message.windows(key.len().max(1)).any(|window| window == key.as_bytes())
    }
}

/// An answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    /// Its code.
    pub code: Code,
    /// Reason and text of a refusal.
    pub text: String,
    /// Message of a success.
    pub message: Bytes,
}

impl Reply {
    pub(super) fn of(answer: &Result<tonic::Response<Bytes>, Status>) -> Reply {
        match answer {
            Ok(response) => {
                Reply { code: Code::Ok, text: String::new(), message: response.get_ref().clone() }
            }
            Err(status) => {
                Reply { code: status.code(), text: status.message().to_owned(), message: Bytes::new() }
            }
        }
    }

    /// The reason, without its text.
    #[must_use]
    pub fn reason(&self) -> &str {
        self.text.split('|').next().unwrap_or_default()
    }
}

impl fmt::Display for Reply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.code == Code::Ok { f.write_str("OK") } else { write!(f, "{:?} {}", self.code, self.reason()) }
    }
}

/// A call with what came of it.
#[derive(Debug, Clone)]
pub struct Entry {
    /// The call.
    pub call: Call,
    /// What the participant answered, each time it was called.
    pub replies: Vec<Reply>,
    /// What the orchestrator was told.
    pub told: Reply,
}

/// All entries, in the order in which the calls ended.
#[derive(Debug, Default)]
pub struct Journal(watch::Sender<Vec<Entry>>);

impl Journal {
    pub(super) fn add(&self, entry: Entry) {
        self.0.send_modify(|entries| entries.push(entry));
    }

    /// All calls whose message contains `key`.
    #[must_use]
    pub fn of(&self, key: &str) -> Vec<Entry> {
        self.0.borrow().iter().filter(|entry| entry.call.mentions(key)).cloned().collect()
    }

    /// All calls of `method` among them.
    #[must_use]
    pub fn calls(&self, method: &str, key: &str) -> Vec<Entry> {
        let mut entries = self.of(key);
        entries.retain(|entry| entry.call.method == method);
        entries
    }

    /// Waits until so many calls of `method` with `key` have ended.
    ///
    /// # Panics
    /// If that does not happen in time.
    pub async fn counted(&self, method: &str, key: &str, count: usize) -> Vec<Entry> {
        let fits = |entry: &&Entry| entry.call.method == method && entry.call.mentions(key);
        let mut entries = self.0.subscribe();
        let enough = entries.wait_for(|entries| entries.iter().filter(fits).count() >= count);
        let seen = within(&format!("{count} calls of {method}"), enough).await.map(|_| ());
        seen.expect("the journal holds the sender itself");
        self.calls(method, key)
    }
}
