//! Draws from a seed (SplitMix64): the same seed breaks the same things and orders the same goods. Knows no clock.

/// Draws numbers.
#[derive(Debug, Clone)]
pub struct Draw(u64);

impl Draw {
    /// Draws of this seed. Two streams of one seed have nothing to do with each other.
    #[must_use]
    pub fn new(seed: u64, stream: u64) -> Draw {
        let mut draw = Draw(seed ^ stream.wrapping_mul(0xD6E8_FEB8_6659_FD93));
        draw.number();
        draw
    }

    /// The next number.
    pub fn number(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    /// A number below `end`; 0 where nothing is below it.
    pub fn below(&mut self, end: u64) -> u64 {
        self.number() % end.max(1)
    }

    /// The place of something in a list of so many.
    pub fn place(&mut self, length: usize) -> usize {
        // A place in a list fits: the list is in memory.
        usize::try_from(self.below(length as u64)).unwrap_or(0)
    }

    /// The same things in another order.
    pub fn shuffle<T>(&mut self, mut things: Vec<T>) -> Vec<T> {
        let mut shuffled = Vec::with_capacity(things.len());
        while !things.is_empty() {
            let place = self.place(things.len());
            shuffled.push(things.swap_remove(place));
        }
        shuffled
    }
}

/// A seed that nobody has asked for.
#[must_use]
pub fn fresh_seed() -> u64 {
    uuid::Uuid::now_v7().as_u64_pair().1
}

/// Gives things in rounds: each once in every round, in an order of its own.
#[derive(Debug, Clone)]
pub struct Rounds<T> {
    things: Vec<T>,
    left: Vec<T>,
}

impl<T: Clone> Rounds<T> {
    /// Rounds of these.
    #[must_use]
    pub fn of(things: Vec<T>) -> Rounds<T> {
        Rounds { things, left: Vec::new() }
    }

    /// The next one; none where there are none at all.
    pub fn next(&mut self, draw: &mut Draw) -> Option<T> {
        if self.left.is_empty() {
            self.left = draw.shuffle(self.things.clone());
        }
        self.left.pop()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_draws_the_same_again() {
        let draws = |seed, stream| {
            let mut draw = Draw::new(seed, stream);
            (draw.number(), draw.shuffle((0..9).collect::<Vec<_>>()))
        };
        assert_eq!(draws(7, 1), draws(7, 1));
        assert_ne!(draws(7, 1).0, draws(7, 2).0);
        assert_ne!(draws(7, 1).0, draws(8, 1).0);
        let mut sorted = draws(7, 1).1;
        sorted.sort_unstable();
        assert_eq!(sorted, (0..9).collect::<Vec<_>>());
    }

    #[test]
    fn each_comes_once_in_a_round() {
        let (mut draw, mut rounds) = (Draw::new(3, 1), Rounds::of(vec![1, 2, 3]));
        for _ in 0..4 {
            let mut round: Vec<i32> = (0..3).filter_map(|_| rounds.next(&mut draw)).collect();
            round.sort_unstable();
            assert_eq!(round, [1, 2, 3]);
        }
        assert_eq!(Rounds::<i32>::of(Vec::new()).next(&mut draw), None);
    }
}
