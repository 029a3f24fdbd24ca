//! Sends notices until the receiver has each of them: a few at a time, again after widening intervals, and one at a
//! time while the receiver takes none. Nobody waits for it; what it knows is in the store.

use super::needs::event_id;
use super::outbox::Outbox;
use super::webhook::{Undelivered, Webhook};
use crate::history::HistoryWriter;
use crate::history::entity::notice;
use amends_serve::outage::Outage;
use backon::{BackoffBuilder as _, ExponentialBuilder};
use futures::future::join_all;
use sea_orm::DbErr;
use std::time::Duration;

/// Deliveries in flight: a slow receiver holds up no more than these.
const AT_ONCE: u32 = 4;
/// So often it looks for what another replica left behind, or has committed.
const LOOK_AGAIN: Duration = Duration::from_secs(5);
/// Between two tries while the store is away.
const STORE_RETRY: Duration = Duration::from_secs(1);
/// A notice is its sender's for so many timeouts; then its sender is taken to be dead.
const LEASE_TIMEOUTS: u32 = 3;
/// From here on each doubling of a notice's attempts is an alarm.
const ALARMING: i32 = 8;
/// No exponent needs to be larger to reach the cap.
const WIDEST: usize = 40;
/// How long notices are kept while there is no webhook, so that one that comes late has the newest.
const KEPT_UNSENT: Duration = Duration::from_secs(7 * 86_400);
const FORGET_EVERY: Duration = Duration::from_secs(3_600);

/// How long to wait before a notice is sent again.
#[derive(Debug, Clone, Copy)]
pub struct Intervals {
    /// After the first attempt; it doubles with each.
    pub first: Duration,
    /// At most, but for the jitter.
    pub cap: Duration,
}

impl Intervals {
    /// After so many attempts in vain.
    fn after(self, attempts: i32) -> Duration {
        let widening = ExponentialBuilder::default()
            .with_min_delay(self.first)
            .with_max_delay(self.cap)
            .with_factor(2.0)
            .with_jitter()
            .without_max_times();
        let place = usize::try_from(attempts - 1).unwrap_or(0).min(WIDEST);
        widening.build().nth(place).unwrap_or(self.cap)
    }
}

/// What came of looking into the outbox once.
enum Round {
    /// Nothing is due; the next one is, after this time.
    Idle(Duration),
    /// At least one was delivered.
    Delivered,
    /// None of those that were sent.
    InVain,
}

/// Delivers what is in the outbox.
#[derive(Debug)]
pub struct Sender {
    outbox: Outbox,
    webhook: Webhook,
    intervals: Intervals,
    clock: fn() -> i64,
}

impl Sender {
    /// `clock` = unix microseconds, for the timestamps that are signed.
    #[must_use]
    pub fn new(outbox: Outbox, webhook: Webhook, intervals: Intervals, clock: fn() -> i64) -> Self {
        Self { outbox, webhook, intervals, clock }
    }

    /// Goes on for ever.
    pub async fn run(self, writer: HistoryWriter) {
        let mut in_vain = 0_i32;
        let mut outage = Outage::of("notices cannot be read or marked");
        loop {
            let round = self.round(if in_vain == 0 { AT_ONCE } else { 1 }).await;
            outage.note(&round);
            match round {
                Ok(Round::Idle(next)) => {
                    let _ = tokio::time::timeout(next.min(LOOK_AGAIN), writer.noticed()).await;
                }
                Ok(Round::Delivered) => in_vain = 0,
                Ok(Round::InVain) => {
                    in_vain = in_vain.saturating_add(1);
                    self.rest(&writer, self.intervals.after(in_vain)).await;
                }
                Err(_) => tokio::time::sleep(STORE_RETRY).await,
            }
        }
    }

    /// What is new is tried all the same, though not at once: perhaps only those before it are not taken.
    async fn rest(&self, writer: &HistoryWriter, time: Duration) {
        let least = time.min(self.intervals.first);
        tokio::time::sleep(least).await;
        let _ = tokio::time::timeout(time - least, writer.noticed()).await;
    }

    async fn round(&self, at_once: u32) -> Result<Round, DbErr> {
        let taken = self.outbox.take(at_once, self.webhook.timeout() * LEASE_TIMEOUTS).await?;
        if taken.is_empty() {
            return Ok(Round::Idle(self.outbox.next_due().await?.unwrap_or(LOOK_AGAIN)));
        }
        let sent = join_all(taken.iter().map(|notice| self.send(notice))).await;
        let sent: Vec<bool> = sent.into_iter().collect::<Result<_, DbErr>>()?;
        Ok(if sent.contains(&true) { Round::Delivered } else { Round::InVain })
    }

    /// Whether the receiver has it now.
    async fn send(&self, notice: &notice::Model) -> Result<bool, DbErr> {
        let id = event_id(&notice.gid, notice.seq, &notice.cause);
        match self.webhook.deliver(&id, &notice.body, (self.clock)() / 1_000_000).await {
            Ok(()) => {
                tracing::info!(event_id = id, attempts = notice.attempts, "notice delivered");
                self.outbox.delivered(notice).await?;
                Ok(true)
            }
            Err(Undelivered(error)) => {
                tell(&id, notice.attempts, &error);
                let wait = self.intervals.after(notice.attempts);
                self.outbox.failed(notice, &error, wait).await?;
                Ok(false)
            }
        }
    }
}

/// Told when it is news: days without a receiver must not fill the log.
fn tell(event_id: &str, attempts: i32, error: &str) {
    let is_power = u32::try_from(attempts).is_ok_and(u32::is_power_of_two);
    match attempts {
        _ if !is_power => {}
        _ if attempts < ALARMING => tracing::warn!(event_id, attempts, error, "notice not delivered"),
        _ => tracing::error!(
            event_id,
            attempts,
            error,
            alarm = "NOTICE_UNDELIVERED",
            "nobody hears that a person is needed"
        ),
    }
}

/// Where there is no webhook, old notices are forgotten. Goes on for ever.
pub async fn forget_old(outbox: Outbox) {
    loop {
        match outbox.forget(KEPT_UNSENT).await {
            Ok(0) => {}
            Ok(forgotten) => tracing::info!(forgotten, "notices that nobody was to be told"),
            Err(error) => tracing::warn!(%error, "old notices cannot be forgotten"),
        }
        tokio::time::sleep(FORGET_EVERY).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn intervals_widen_up_to_their_cap() {
        let intervals = Intervals { first: Duration::from_secs(1), cap: Duration::from_secs(300) };
        let mut floor = Duration::from_secs(1);
        for attempts in 1..60 {
            let wait = intervals.after(attempts);
            assert!((floor..=floor * 2).contains(&wait), "{attempts}: {wait:?}, not {floor:?} to twice that");
            floor = (floor * 2).min(intervals.cap);
        }
    }
}
