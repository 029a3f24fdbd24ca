//! Chance from a seed: the same seed and stream give the same draws. Knows nothing of what is drawn for.
use rand::rngs::StdRng;
use rand::{Rng as _, RngCore as _, SeedableRng as _};

/// Draws of one worker.
pub struct Dice(StdRng);

impl Dice {
    /// Draws of this seed. Two streams of one seed have nothing to do with each other.
    #[must_use]
    pub fn new(seed: u64, stream: u64) -> Dice {
        Dice(StdRng::seed_from_u64(seed ^ stream.wrapping_mul(0x9E37_79B9_7F4A_7C15)))
    }

    /// A number below `end`; 0 where nothing is below it.
    pub fn below(&mut self, end: usize) -> usize {
        if end == 0 { 0 } else { self.0.random_range(0..end) }
    }

    /// True so many times in a hundred.
    pub fn percent(&mut self, chance: u32) -> bool {
        self.0.random_range(0..100) < chance
    }

    /// One of them. They must not be empty.
    pub fn pick<'a, T: ?Sized>(&mut self, from: &[&'a T]) -> &'a T {
        from[self.below(from.len())]
    }

    /// Any number.
    pub fn number(&mut self) -> u64 {
        self.0.next_u64()
    }

    /// So many bytes of any value.
    pub fn bytes(&mut self, count: usize) -> Vec<u8> {
        let mut bytes = vec![0; count];
        self.0.fill_bytes(&mut bytes);
        bytes
    }

    /// A gid or id as the system makes them: `UUIDv7`, lower case.
    pub fn uuid7(&mut self) -> String {
        let mut bytes = self.bytes(16);
        bytes[6] = 0x70 | (bytes[6] & 0x0f);
        bytes[8] = 0x80 | (bytes[8] & 0x3f);
        let hex = hex::encode(bytes);
        format!("{}-{}-{}-{}-{}", &hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..])
    }
}

#[cfg(test)]
mod tests {
    use super::Dice;
    use amends_dtm::Gid;

    #[test]
    fn a_seed_draws_the_same_again() {
        let draws = |seed, stream| {
            let mut dice = Dice::new(seed, stream);
            (dice.number(), dice.bytes(9), dice.below(1_000))
        };
        assert_eq!(draws(7, 1), draws(7, 1));
        assert_ne!(draws(7, 1), draws(7, 2));
        assert_ne!(draws(7, 1), draws(8, 1));
    }

    #[test]
    fn an_id_is_one_of_ours() {
        let mut dice = Dice::new(1, 1);
        for _ in 0..100 {
            Gid::parse(&dice.uuid7()).unwrap();
        }
    }
}
