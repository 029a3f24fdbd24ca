//! What holds an op back between two attempts: a pause or a hold. Who may be held back by what is `holds`' affair.

use super::super::Why;
use super::Run;
use crate::history::Deadlines;
use tokio::time::Instant;

impl Run<'_> {
    /// Where somebody holds the op back, waits until that may have changed, or a limit that runs on is to be looked at;
    /// false = nothing held it back.
    pub(super) async fn held_back(&self) -> bool {
        let mut holds = self.engine.holds().changed();
        let seen = self.live.state().last_seq;
        let Some(held) = self.engine.held(self.live, self.at.step) else { return false };
        let _told = self.live.waits().begin(self.at, Why::Paused(held.scope), self.engine.now_us(), None);
        let look = match held.deadlines {
            Deadlines::Run => self.next_look(),
            Deadlines::Stop => None,
        };
        tokio::select! {
            _ = self.live.until(|state| state.last_seq != seen) => {}
            // It may have become so before `seen` was read.
            _ = self.live.until(|state| self.unwanted(state)) => {}
            _ = holds.changed() => {}
            () = until(look) => {}
        }
        true
    }
}

async fn until(look: Option<Instant>) {
    match look {
        Some(look) => tokio::time::sleep_until(look).await,
        None => std::future::pending().await,
    }
}
