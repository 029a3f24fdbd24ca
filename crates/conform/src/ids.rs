//! The ids of a run, all made from its seed: the same seed asks an emptied target the very same things again.
//! The time is part of the seed.
use amends_dtm::Gid;
use sha2::{Digest as _, Sha256};
use std::sync::atomic::{AtomicU64, Ordering};
use uuid::{Builder, Uuid};

/// The lower bits of a seed are chance, the upper ones milliseconds since 1970: ids of later runs sort later, and a seed
/// is a number that every reader of JSON keeps whole.
const CHANCE_BITS: u32 = 12;

/// Makes UUIDv7 after UUIDv7.
#[derive(Debug)]
pub(crate) struct Ids {
    seed: u64,
    made: AtomicU64,
}

/// A seed of its own for a run that is told none.
#[must_use]
pub fn fresh_seed() -> u64 {
    // A UUIDv7 begins with 48 bits of milliseconds, 4 of its version and 12 of chance.
    let (upper, _) = Uuid::now_v7().as_u64_pair();
    (upper >> 16 << CHANCE_BITS) | (upper & ((1 << CHANCE_BITS) - 1))
}

impl Ids {
    pub(crate) fn new(seed: u64) -> Ids {
        Ids { seed, made: AtomicU64::new(0) }
    }

    /// A new UUIDv7 in its lower-case form.
    pub(crate) fn uuid(&self) -> String {
        self.next().to_string()
    }

    /// A new gid.
    pub(crate) fn gid(&self) -> Gid {
        Gid::parse(&self.uuid()).expect("a UUIDv7 in lower case is a gid")
    }

    fn next(&self) -> Uuid {
        let count = self.made.fetch_add(1, Ordering::Relaxed);
        let digest = Sha256::new().chain_update(self.seed.to_be_bytes()).chain_update(count.to_be_bytes());
        let mut chance = [0; 10];
        chance.copy_from_slice(&digest.finalize()[..10]);
        Builder::from_unix_timestamp_millis(self.seed >> CHANCE_BITS, &chance).into_uuid()
    }
}

#[cfg(test)]
mod tests {
    use super::{CHANCE_BITS, Ids, fresh_seed};
    use std::collections::BTreeSet;

    #[test]
    fn the_same_seed_makes_the_same_ids_and_another_seed_others() {
        let of = |seed| {
            let ids = Ids::new(seed);
            (0..100).map(|_| ids.gid().to_string()).collect::<BTreeSet<String>>()
        };
        let seed = 1_700_000_000_000 << CHANCE_BITS;
        assert_eq!(of(seed), of(seed));
        assert_eq!(of(seed).len(), 100);
        assert!(of(seed).is_disjoint(&of(seed + 1)));
        assert!(of(0).iter().next() < of(seed).iter().next(), "later seeds sort later");
        assert!(fresh_seed() > seed && fresh_seed() < 1 << 53, "of this century, and whole in JSON");
    }
}
