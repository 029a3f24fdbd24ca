//! How long an op waits, for its next attempt and for room, and what ends a wait early.

use super::super::{Rule, Why};
use super::Run;
use super::policy::lot;
use std::time::Duration;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::Instant;

/// What a wait for room came to.
pub(super) enum Room {
    /// There is room; a participant that is not configured needs none.
    Got(#[allow(dead_code, reason = "held during the call")] Option<OwnedSemaphorePermit>),
    /// A limit is reached, or the op is no longer wanted: it is to be looked at again.
    Look,
}

impl Run<'_> {
    /// Waits for the next attempt. A decision that makes the op unwanted ends the wait, a poke does, and a limit that is
    /// reached interrupts it.
    pub(super) async fn sleep(&mut self, wait: Duration, rule: Rule) {
        if wait.is_zero() {
            return;
        }
        let live = self.live;
        let _told = live.waits().begin(self.at, Why::Backoff { rule }, self.engine.now_us(), Some(wait));
        let due = Instant::now() + wait;
        let look = self.next_look().filter(|look| *look < due);
        let unwanted = live.until(|state| self.unwanted(state));
        let mut pokes = self.pokes.clone();
        self.due = tokio::select! {
            () = tokio::time::sleep_until(look.unwrap_or(due)) => look.map(|_| (due, rule)),
            _ = unwanted => None,
            _ = pokes.changed() => None,
        };
    }

    /// How long to wait behind an attempt without an outcome.
    pub(super) fn next_wait(&self, nth: u32) -> Duration {
        self.retry.wait(nth, lot(self.live.base().gid.as_str(), self.at, self.attempt))
    }

    /// Room in the participant's lane.
    pub(super) async fn room(&self) -> Room {
        let step = &self.live.plan.steps()[self.at.step];
        let Some(lane) = self.engine.lanes().get(&step.participant) else { return Room::Got(None) };
        let _told = self.live.waits().begin(self.at, Why::Room, self.engine.now_us(), None);
        let look = async {
            match self.next_look() {
                Some(look) => tokio::time::sleep_until(look).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            biased;
            room = lane.room() => Room::Got(room),
            _ = self.live.until(|state| self.unwanted(state)) => Room::Look,
            () = look => Room::Look,
        }
    }
}
