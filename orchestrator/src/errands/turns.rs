//! Which errands are carried out beside each other: a bounded number, and each of all that wait comes to its turn. Knows
//! ids only; what is done in a turn is not its business.

use std::collections::HashMap;
use tokio::task::{Id, JoinError, JoinSet};

/// Errands carried out beside each other: one that is slow, or stands still, holds up none of the others, and together
/// they leave the store to whoever else needs it.
pub const PLACES: usize = 16;

/// What a turn came to.
#[derive(Debug)]
pub struct Ended {
    /// Whose it was.
    pub id: String,
    /// The last item that was looked at; `None` = there was none behind it.
    pub at: Option<String>,
}

/// The turns of this process.
#[derive(Debug, Default)]
pub struct Turns {
    running: JoinSet<Ended>,
    whose: HashMap<Id, String>,
    /// Where those go on that had a turn and were not through.
    at: HashMap<String, String>,
    /// The errand that came to its turn last.
    last: String,
}

impl Turns {
    /// How many may begin.
    pub fn free(&self) -> u64 {
        PLACES.saturating_sub(self.whose.len()) as u64
    }

    /// Whose turn is under way.
    pub fn running(&self) -> Vec<String> {
        self.whose.values().cloned().collect()
    }

    /// Behind whom the next ones stand; then it is the eldest's turn again.
    pub fn last(&self) -> &str {
        &self.last
    }

    /// Begins a turn of an errand, which goes on behind the item that `turn` is given.
    pub fn begin<T>(&mut self, id: String, turn: impl FnOnce(String) -> T)
    where
        T: Future<Output = Ended> + Send + 'static,
    {
        let at = self.at.remove(&id).unwrap_or_default();
        let task = self.running.spawn(turn(at));
        self.last.clone_from(&id);
        self.whose.insert(task.id(), id);
    }

    /// Waits for the end of one; never comes back while there is none.
    pub async fn ended(&mut self) {
        match self.running.join_next_with_id().await {
            Some(Ok((task, Ended { id, at }))) => {
                self.whose.remove(&task);
                self.at.extend(at.map(|at| (id, at)));
            }
            Some(Err(error)) => self.broken(&error),
            None => std::future::pending().await,
        }
    }

    /// It has its turn again like any other.
    fn broken(&mut self, error: &JoinError) {
        if let Some(errand) = self.whose.remove(&error.id()) {
            tracing::error!(errand, %error, alarm = "ERRAND_BROKE", "a turn of an act in bulk broke");
        }
    }
}
