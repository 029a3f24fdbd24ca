//! How long an op waits, for its next attempt and for room, and what ends a wait early.

use super::super::lanes::{Admission, Ask};
use super::super::{Rule, Why};
use super::Run;
use super::policy::lot;
use std::time::Duration;
use tokio::time::Instant;

/// What a wait for room came to.
pub(super) enum Room {
    /// There is room; a participant that is not configured needs none.
    Got(Option<Admission>),
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

    /// Until calls of a replica that had it before have ended for certain.
    pub(super) async fn until_others_ended(&self) {
        let Some(end) = self.engine.end_of_others_calls(self.live) else { return };
        let longest = end.saturating_duration_since(Instant::now());
        let _told = self.live.waits().begin(self.at, Why::Others, self.engine.now_us(), Some(longest));
        tokio::time::sleep_until(end).await;
    }

    /// How long to wait behind an attempt without an outcome.
    pub(super) fn next_wait(&self, nth: u32) -> Duration {
        self.retry.wait(nth, lot(self.live.base().gid.as_str(), self.at, self.attempt))
    }

    /// Room in the participant's lane within the time of an attempt, for whoever has others to see to; `None` = there
    /// was none.
    pub(super) async fn room_in_time(&self) -> Option<Option<Admission>> {
        let step = &self.live.plan.steps()[self.at.step];
        let Some(lane) = self.engine.lanes().get(&step.participant) else { return Some(None) };
        match lane.ask(&self.ask()) {
            Ok(admission) => Some(Some(admission)),
            Err(place) => tokio::time::timeout(self.retry.attempt_timeout, place).await.ok().map(Some),
        }
    }

    fn ask(&self) -> Ask<'_> {
        let plan = self.live.plan.body();
        Ask { definition: &plan.definition, gid: &plan.gid, turn: self.turn }
    }

    /// Room in the participant's lane.
    pub(super) async fn room(&self) -> Room {
        let step = &self.live.plan.steps()[self.at.step];
        let Some(lane) = self.engine.lanes().get(&step.participant) else { return Room::Got(None) };
        let place = match lane.ask(&self.ask()) {
            Ok(admission) => return Room::Got(Some(admission)),
            Err(place) => place,
        };
        let (why, longest) =
            lane.hindrance().map_or((Why::Room, None), |(why, longest)| (why.into(), longest));
        let _told = self.live.waits().begin(self.at, why, self.engine.now_us(), longest);
        let look = async {
            match self.next_look() {
                Some(look) => tokio::time::sleep_until(look).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            biased;
            admission = place => Room::Got(Some(admission)),
            _ = self.live.until(|state| self.unwanted(state)) => Room::Look,
            () = look => Room::Look,
        }
    }
}
