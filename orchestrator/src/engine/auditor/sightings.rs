//! How long each difference has been seen: only what lasts is a disagreement. Time comes in; asks nobody.
//!
//! DTM's status may go backwards for up to 30 s (dtm.md D22), and rows are read one participant after another: one look
//! proves nothing.

use super::difference::Difference;
use std::collections::HashMap;
use std::time::Duration;
use tokio::time::Instant;

/// Global transactions under suspicion at one time; more than that are found again by later looks.
const MAX_SUSPECTS: usize = 10_000;
/// Looks that must agree on a difference.
const LOOKS: u32 = 2;

/// Everything that was seen and is not over yet.
#[derive(Debug, Default)]
pub struct Sightings {
    by_gid: HashMap<String, Vec<Sighting>>,
}

#[derive(Debug)]
struct Sighting {
    difference: Difference,
    since: Instant,
    looks: u32,
}

/// How much one look saw.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Look {
    /// Every book was read.
    Whole,
    /// Somebody did not answer: what is not seen may still be there.
    Partial,
}

impl Sightings {
    /// Takes in what one look at `gid` found; gives what has lasted for `patience` and more than one look.
    pub fn take(
        &mut self,
        gid: &str,
        found: Vec<Difference>,
        look: Look,
        now: Instant,
        patience: Duration,
    ) -> Vec<Difference> {
        let mut before = self.by_gid.remove(gid).unwrap_or_default();
        let mut after: Vec<Sighting> = Vec::with_capacity(found.len());
        for difference in found {
            let known = before.iter().position(|sighting| sighting.difference == difference);
            let seen = known.map(|place| before.swap_remove(place));
            let (since, looks) = seen.map_or((now, 1), |seen| (seen.since, seen.looks.saturating_add(1)));
            after.push(Sighting { difference, since, looks });
        }
        let lasts = |sighting: &&Sighting| {
            sighting.looks >= LOOKS && now.saturating_duration_since(sighting.since) >= patience
        };
        let lasting = after.iter().filter(lasts).map(|sighting| sighting.difference.clone()).collect();
        if look == Look::Partial {
            after.append(&mut before);
        }
        if !after.is_empty() && self.by_gid.len() < MAX_SUSPECTS {
            self.by_gid.insert(gid.to_owned(), after);
        }
        lasting
    }

    /// Nothing is to be remembered of it any more.
    pub fn forget(&mut self, gid: &str) {
        self.by_gid.remove(gid);
    }

    /// Those that must be looked at again.
    #[must_use]
    pub fn gids(&self) -> Vec<String> {
        let mut gids: Vec<String> = self.by_gid.keys().cloned().collect();
        gids.sort_unstable();
        gids
    }
}

#[cfg(test)]
mod tests {
    use super::super::difference::Remedy;
    use super::*;

    const PATIENCE: Duration = Duration::from_secs(120);

    fn difference(text: &str) -> Difference {
        Difference { at: None, text: text.into(), remedy: Remedy::Person }
    }

    #[test]
    fn only_what_lasts_is_a_disagreement() {
        let (mut sightings, start) = (Sightings::default(), Instant::now());
        let found = || vec![difference("a")];
        let mut look = |found, after| sightings.take("g", found, Look::Whole, start + after, PATIENCE);
        assert_eq!(look(found(), Duration::ZERO), []);
        assert_eq!(look(found(), PATIENCE / 2), [], "seen twice, but not for long");
        assert_eq!(look(found(), PATIENCE), found());
        assert_eq!(look(Vec::new(), PATIENCE), []);
        assert_eq!(look(found(), PATIENCE * 2), [], "it begins anew");
        assert_eq!(look(vec![difference("b")], PATIENCE * 4), [], "another one has not lasted");
    }

    #[test]
    fn one_look_is_never_enough() {
        let mut sightings = Sightings::default();
        let now = Instant::now();
        let found = || vec![difference("a")];
        assert_eq!(sightings.take("g", found(), Look::Whole, now, Duration::ZERO), []);
        assert_eq!(sightings.take("g", found(), Look::Whole, now, Duration::ZERO), found());
    }

    #[test]
    fn what_could_not_be_seen_is_neither_over_nor_seen_again() {
        let mut sightings = Sightings::default();
        let now = Instant::now();
        let found = || vec![difference("a")];
        sightings.take("g", found(), Look::Whole, now, Duration::ZERO);
        assert_eq!(sightings.take("g", Vec::new(), Look::Partial, now, Duration::ZERO), []);
        assert_eq!(sightings.gids(), ["g"]);
        assert_eq!(sightings.take("g", found(), Look::Whole, now, Duration::ZERO), found());
        assert_eq!(sightings.take("g", Vec::new(), Look::Whole, now, Duration::ZERO), []);
        assert_eq!(sightings.gids(), Vec::<String>::new());
    }
}
