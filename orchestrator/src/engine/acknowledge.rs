//! Records that somebody has seen a need for a person. Changes nothing else: what happens by itself goes on.

use super::{Engine, Happened, Live};
use crate::history::{Acknowledged, Act, AppendError, Attention, Fact, State};
use std::sync::Arc;

impl Engine {
    /// Acknowledges one open need, or all where `cause` is empty; the same word again changes nothing.
    /// Must run in a task that nobody drops half-way.
    ///
    /// # Errors
    /// Where the store did not commit.
    pub async fn acknowledge(
        &self,
        live: &Arc<Live>,
        cause: &str,
        act: &Act,
    ) -> Result<Arc<State>, AppendError> {
        let decide = |state: &State| -> Vec<Happened> {
            let meant = state.attention.iter().filter(|open| cause.is_empty() || open.cause == cause);
            let news = meant.filter(|open| !says(open, act));
            news.map(|open| Fact::OperatorAcknowledged { cause: open.cause.clone(), act: act.clone() }.into())
                .collect()
        };
        let state = self.record(live, decide).await?;
        if state.end.is_none() {
            return Ok(state);
        }
        live.record_after_end(self.history(), self.now_us(), decide).await
    }
}

/// Whether that is what history has already.
fn says(open: &Attention, act: &Act) -> bool {
    open.acknowledged.as_ref().is_some_and(|Acknowledged { by, owner, note, .. }| {
        (by, owner, note) == (&act.subject, &act.owner, &act.reason)
    })
}
