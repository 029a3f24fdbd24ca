//! Encoded messages made wrong, byte by byte and rule by rule of the encoding. Knows no message type.
use crate::dice::Dice;

/// Deeper than any decoder should follow.
const DEEP: usize = 5_000;

/// The same bytes with something wrong in them.
pub fn spoil(mut bytes: Vec<u8>, dice: &mut Dice) -> Vec<u8> {
    match dice.below(13) {
        0 => bytes.truncate(dice.below(bytes.len() + 1)),
        1 => flip(&mut bytes, dice),
        2 => {
            let count = dice.below(64);
            bytes.extend(dice.bytes(count));
        }
        // Fields that nobody has: a number at the end of the range, one in the reserved range, field 0.
        3 => bytes.extend([0xf8, 0xff, 0xff, 0xff, 0x0f, 0x01]),
        4 => bytes.extend([0x02, 0x01, 0x00]),
        // Every wire type for every low field number: one of them is the wrong one.
        5 => bytes.extend([
            u8::try_from(dice.below(16) << 3 | dice.below(8)).unwrap_or(0x0f),
            0x01,
            0x02,
            0x03,
        ]),
        // A number of eleven bytes.
        6 => bytes.extend([0x08, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01]),
        // A length far beyond the end.
        7 => bytes.extend([0x0a, 0xff, 0xff, 0xff, 0xff, 0x0f]),
        // No UTF-8.
        8 => bytes.extend([0x0a, 0x04, 0xff, 0xfe, 0xc0, 0x80]),
        9 => bytes = nested(dice),
        // Groups, opened and never closed.
        10 => bytes.extend(std::iter::repeat_n(0x0b, dice.below(DEEP))),
        11 => {
            let again = bytes.clone();
            bytes.extend(again);
        }
        _ => bytes = dice.bytes(dice_length(bytes.len())),
    }
    bytes
}

fn dice_length(length: usize) -> usize {
    length.clamp(1, 4_096)
}

fn flip(bytes: &mut [u8], dice: &mut Dice) {
    if bytes.is_empty() {
        return;
    }
    for _ in 0..=dice.below(4) {
        let (place, bit) = (dice.below(bytes.len()), dice.below(8));
        bytes[place] ^= 1 << bit;
    }
}

/// A message in a message in a message: field 1, or whichever, holds the next.
fn nested(dice: &mut Dice) -> Vec<u8> {
    let tag = u8::try_from((dice.below(15) + 1) << 3 | 2).unwrap_or(0x0a);
    let mut bytes: Vec<u8> = Vec::new();
    // Built from the inside; each layer is put in front backwards, so that it costs nothing.
    for _ in 0..dice.below(DEEP) {
        let mut layer = vec![tag];
        layer.extend(varint(bytes.len()));
        layer.reverse();
        bytes.extend(layer);
    }
    bytes.reverse();
    bytes
}

/// A number as the encoding writes it.
pub(crate) fn varint(mut number: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    loop {
        let low = u8::try_from(number & 0x7f).unwrap_or(0);
        number >>= 7;
        if number == 0 {
            bytes.push(low);
            return bytes;
        }
        bytes.push(low | 0x80);
    }
}

#[cfg(test)]
mod tests {
    use super::{nested, spoil, varint};
    use crate::dice::Dice;

    #[test]
    fn numbers_are_written_as_the_encoding_has_them() {
        assert_eq!((varint(0), varint(127), varint(300)), (vec![0], vec![0x7f], vec![0xac, 0x02]));
    }

    #[test]
    fn a_nest_is_whole() {
        let mut dice = Dice::new(3, 3);
        let nest = nested(&mut dice);
        let mut rest = nest.as_slice();
        while let Some((_, inside)) = rest.split_first() {
            let end = inside.iter().position(|byte| byte & 0x80 == 0).unwrap();
            let length: usize =
                inside[..=end].iter().rev().fold(0, |sum, byte| sum << 7 | usize::from(byte & 0x7f));
            assert_eq!(length, inside.len() - end - 1);
            rest = &inside[end + 1..];
        }
        assert!(nest.len() > 10);
    }

    #[test]
    fn anything_can_be_spoilt() {
        let mut dice = Dice::new(5, 5);
        let changed = (0..200).filter(|_| spoil(vec![0x0a, 0x01, 0x61], &mut dice) != [0x0a, 0x01, 0x61]);
        assert!(changed.count() > 150);
        for _ in 0..200 {
            spoil(Vec::new(), &mut dice);
        }
    }
}
