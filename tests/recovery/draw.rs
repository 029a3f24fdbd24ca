//! Draws from a seed (SplitMix64): the same seed kills the same processes and orders the same goods. Knows no clock.

/// Set this to the printed seed to draw the same again.
const VARIABLE: &str = "AMENDS_TEST_SEED";

/// Draws numbers.
pub struct Draw(u64);

impl Draw {
    /// Draws of this seed. Two streams of one seed have nothing to do with each other.
    pub fn new(seed: u64, stream: u64) -> Draw {
        let mut draw = Draw(seed ^ stream.wrapping_mul(0xD6E8_FEB8_6659_FD93));
        draw.next();
        draw
    }

    /// The next number.
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    /// A number below `end`.
    pub fn below(&mut self, end: u64) -> u64 {
        self.next() % end
    }

    /// The same things in another order.
    pub fn shuffle<T>(&mut self, mut things: Vec<T>) -> Vec<T> {
        let mut shuffled = Vec::with_capacity(things.len());
        while !things.is_empty() {
            let place = usize::try_from(self.below(things.len() as u64)).unwrap();
            shuffled.push(things.swap_remove(place));
        }
        shuffled
    }
}

/// The seed of this run: a new one unless it was asked for.
pub fn seed() -> u64 {
    match std::env::var(VARIABLE) {
        Ok(text) => text.parse().unwrap_or_else(|_| panic!("{VARIABLE}={text} is no number")),
        Err(_) => uuid::Uuid::now_v7().as_u64_pair().1,
    }
}

#[test]
fn a_seed_draws_the_same_again() {
    let draws = |seed, stream| {
        let mut draw = Draw::new(seed, stream);
        (draw.next(), draw.shuffle((0..9).collect::<Vec<_>>()))
    };
    assert_eq!(draws(7, 1), draws(7, 1));
    assert_ne!(draws(7, 1).0, draws(7, 2).0);
    assert_ne!(draws(7, 1).0, draws(8, 1).0);
    let mut sorted = draws(7, 1).1;
    sorted.sort_unstable();
    assert_eq!(sorted, (0..9).collect::<Vec<_>>());
}
