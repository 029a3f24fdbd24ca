//! Which global transaction is audited next. Reads the store in pages, by index; must not know what is compared.
//!
//! First whatever is urgent: what was found to differ, and what has not moved since the last pass. Then what ended
//! since then, in the order of gids, which is the order of starts. Then a few older ones, round and round.

use crate::history::{HistoryReader, Scope};
use sea_orm::DbErr;
use std::collections::{BTreeSet, HashMap, VecDeque};
use std::time::Duration;

/// Gids in one page of what has ended.
const PAGE: u64 = 64;
/// Older ones of one pass: 100,000 are gone through in 33 hours, for 5 calls a second at most.
const OLD: u64 = 50;
/// How far back a restarted or hopelessly late auditor begins with what ended; what is older has its turn in the round.
const WINDOW: Duration = Duration::from_secs(600);
/// Open needs for a person that one pass looks at.
const MAX_ATTENTION: u64 = 1_000;

/// What is open, as the engine has it in memory: gid and newest seq.
pub type Open = HashMap<String, i64>;

/// The order of work.
#[derive(Debug)]
pub struct Agenda {
    urgent: VecDeque<String>,
    page: VecDeque<String>,
    /// Up to here everything that ended was looked at, or left to the round.
    ended: String,
    /// Up to here the ended may be read in this pass: what is younger may still be told to everybody.
    horizon_us: i64,
    /// Place of the round.
    old: String,
    old_left: bool,
    open_before: Open,
    scope: Scope,
}

impl Agenda {
    /// Begins with what ended shortly before now.
    #[must_use]
    pub fn new(now_us: i64) -> Self {
        Self {
            urgent: VecDeque::new(),
            page: VecDeque::new(),
            ended: floor_gid(now_us - micros(WINDOW)),
            horizon_us: 0,
            old: String::new(),
            old_left: false,
            open_before: Open::new(),
            scope: Scope::All,
        }
    }

    /// Begins a pass. Urgent work that is left over goes on; otherwise it is collected anew: `suspects`, open needs
    /// for a person, what ended unseen while it was open, and what has not moved since the last time.
    ///
    /// # Errors
    /// Where the store is away.
    pub async fn begin(
        &mut self,
        reader: &HistoryReader,
        suspects: Vec<String>,
        open: Open,
        (now_us, interval): (i64, Duration),
    ) -> Result<(), DbErr> {
        self.old_left = true;
        if !self.urgent.is_empty() {
            return Ok(());
        }
        self.scope = reader.scope().await?;
        let attention = reader.attention_gids(&self.scope, MAX_ATTENTION).await?;
        let before = std::mem::take(&mut self.open_before);
        let left = before.keys().filter(|gid| !open.contains_key(*gid)).cloned();
        let still =
            open.iter().filter(|(gid, seq)| before.get(*gid) == Some(seq)).map(|(gid, _)| gid.clone());
        let mut known = BTreeSet::new();
        let all = suspects.into_iter().chain(attention).chain(left).chain(still);
        self.urgent = all.filter(|gid| known.insert(gid.clone())).collect();
        self.open_before = open;
        self.horizon_us = now_us - micros(interval);
        Ok(())
    }

    /// The next one; `None` = the pass is through.
    ///
    /// # Errors
    /// Where the store is away.
    pub async fn next(&mut self, reader: &HistoryReader) -> Result<Option<String>, DbErr> {
        if let Some(gid) = self.urgent.pop_front().or_else(|| self.page.pop_front()) {
            return Ok(Some(gid));
        }
        let horizon = floor_gid(self.horizon_us);
        if self.ended < horizon {
            let page = reader.ended_gids(&self.scope, (&self.ended, &horizon), PAGE).await?;
            self.ended = page.last().cloned().unwrap_or(horizon);
            self.page = page.into();
        }
        if self.page.is_empty() && std::mem::take(&mut self.old_left) {
            let page = reader.ended_gids(&self.scope, (&self.old, &self.ended), OLD).await?;
            self.old = page.last().cloned().unwrap_or_default();
            self.page = page.into();
        }
        Ok(self.page.pop_front())
    }

    /// How far the ended lag behind; zero = everything was looked at. Too far, and the rest is left to the round.
    pub fn behind(&mut self) -> Duration {
        let behind_us = time_of(&floor_gid(self.horizon_us)).saturating_sub(time_of(&self.ended));
        let behind = Duration::from_micros(u64::try_from(behind_us).unwrap_or(0));
        if behind > WINDOW {
            self.ended = floor_gid(self.horizon_us - micros(WINDOW));
        }
        behind
    }

    /// Urgent ones that wait for their turn.
    #[must_use]
    pub fn urgent(&self) -> usize {
        self.urgent.len()
    }
}

fn micros(time: Duration) -> i64 {
    i64::try_from(time.as_micros()).unwrap_or(i64::MAX)
}

/// The smallest gid of a moment: a UUIDv7 begins with its milliseconds.
fn floor_gid(time_us: i64) -> String {
    let ms = time_us.max(0) / 1_000;
    format!("{:08x}-{:04x}-7000-8000-000000000000", (ms >> 16) & 0xffff_ffff, ms & 0xffff)
}

/// The moment of a gid, to the millisecond.
fn time_of(gid: &str) -> i64 {
    let digits: String = gid.chars().filter(char::is_ascii_hexdigit).take(12).collect();
    i64::from_str_radix(&digits, 16).unwrap_or(0).saturating_mul(1_000)
}

#[cfg(test)]
mod tests {
    use super::*;
    use amends_dtm::Gid;
    use std::time::{SystemTime, UNIX_EPOCH};

    #[test]
    fn the_floor_of_a_moment_is_a_gid_below_all_of_it() {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
        let before = floor_gid(i64::try_from(now.as_micros()).unwrap());
        let gid = Gid::generate();
        let after = floor_gid(i64::try_from(now.as_micros()).unwrap() + 60_000_000);
        assert!(before.as_str() <= gid.as_str() && gid.as_str() < after.as_str(), "{before} {gid} {after}");
        assert_eq!(Gid::parse(&before).map(|gid| gid.to_string()), Ok(before.clone()));
        let exact = i64::try_from(now.as_millis()).unwrap() * 1_000;
        assert_eq!(time_of(&before), exact);
    }

    #[test]
    fn a_late_auditor_leaves_the_rest_to_the_round() {
        let hour_us = 3_600_000_000;
        let mut agenda = Agenda::new(hour_us);
        agenda.horizon_us = hour_us * 3;
        assert!(agenda.behind() > WINDOW);
        assert_eq!(agenda.behind(), WINDOW, "it begins again within the window");
    }
}
