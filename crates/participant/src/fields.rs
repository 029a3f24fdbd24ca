//! Checked values of requests: each function takes what came over the wire and gives it back, or the refusal.
//! A refused value is never repeated in the text. Knows no entity.

use prost_types::Timestamp;
use unicode_normalization::is_nfc;

use crate::reason::Reason;
use crate::refusal::Refusal;

/// Longest foreign name or merchant-chosen number.
const NAME_MAX: usize = 64;
/// Largest amount or quantity, 10^14: sums of many still fit in 64 bits.
pub const QUANTITY_MAX: i64 = 100_000_000_000_000;
/// Rows of a list answer when the caller names no number.
const PAGE_DEFAULT: u64 = 200;
const PAGE_MAX: i32 = 1_000;
/// Digits of a card number (ISO/IEC 7812).
const PAN_DIGITS: std::ops::RangeInclusive<usize> = 13..=19;

/// A UUIDv7 in its 36-character lower-case form.
pub fn uuid7<'v>(value: &'v str, field: &str) -> Result<&'v str, Refusal> {
    let right = value.len() == 36
        && value.bytes().enumerate().all(|(at, byte)| match at {
            8 | 13 | 18 | 23 => byte == b'-',
            14 => byte == b'7',
            19 => matches!(byte, b'8' | b'9' | b'a' | b'b'),
            _ => matches!(byte, b'0'..=b'9' | b'a'..=b'f'),
        });
    if right { Ok(value) } else { Err(invalid(field, "not a lower-case UUIDv7")) }
}

/// A foreign name (user, merchant, sku, psp, account, code, token): 1 to 64 of `[A-Za-z0-9_.:-]`.
pub fn name<'v>(value: &'v str, field: &str) -> Result<&'v str, Refusal> {
    of_alphabet(value, field, b"_.:-")
}

/// A merchant-chosen number: 1 to 64 of `[A-Za-z0-9_-]`.
pub fn trade_no<'v>(value: &'v str, field: &str) -> Result<&'v str, Refusal> {
    of_alphabet(value, field, b"_-")
}

fn of_alphabet<'v>(value: &'v str, field: &str, signs: &[u8]) -> Result<&'v str, Refusal> {
    if value.is_empty() || value.len() > NAME_MAX {
        return Err(invalid(field, "must have 1 to 64 characters"));
    }
    if !value.bytes().all(|byte| byte.is_ascii_alphanumeric() || signs.contains(&byte)) {
        return Err(invalid(field, "has a character that is not allowed"));
    }
    no_card_number(value, field)
}

/// Free text of at most `max` characters, which may be empty: NFC, no control characters, no card number.
pub fn text<'v>(value: &'v str, max: usize, field: &str) -> Result<&'v str, Refusal> {
    if value.chars().count() > max {
        return Err(invalid(field, "too long"));
    }
    if value.chars().any(char::is_control) {
        return Err(invalid(field, "has a control character"));
    }
    if !is_nfc(value) {
        return Err(invalid(field, "not in Unicode normal form C"));
    }
    no_card_number(value, field)
}

/// [`text`] that must not be empty.
pub fn required_text<'v>(value: &'v str, max: usize, field: &str) -> Result<&'v str, Refusal> {
    if value.is_empty() {
        return Err(invalid(field, "missing"));
    }
    text(value, max, field)
}

/// A quantity, 1 to 10^14.
pub fn quantity(value: i64, field: &str) -> Result<i64, Refusal> {
    if (1..=QUANTITY_MAX).contains(&value) {
        return Ok(value);
    }
    Err(Refusal::new(Reason::AmountOutOfRange, format!("{field}: must be 1 to 10^14")))
}

/// Rows of one list answer: 1 to 1,000, and 0 stands for 200.
pub fn page_size(limit: i32) -> Result<u64, Refusal> {
    match u64::try_from(limit) {
        Ok(0) => Ok(PAGE_DEFAULT),
        Ok(rows) if limit <= PAGE_MAX => Ok(rows),
        Ok(_) | Err(_) => Err(invalid("limit", "must be 0 to 1,000")),
    }
}

/// A stored time as it goes over the wire.
#[must_use]
pub fn timestamp(at_us: i64) -> Timestamp {
    let nanos = i32::try_from(at_us.rem_euclid(1_000_000) * 1_000).unwrap_or_default();
    Timestamp { seconds: at_us.div_euclid(1_000_000), nanos }
}

fn no_card_number<'v>(value: &'v str, field: &str) -> Result<&'v str, Refusal> {
    if holds_card_number(value) {
        return Err(Refusal::new(Reason::PanRejected, format!("{field}: looks like a card number")));
    }
    Ok(value)
}

/// A run of 13 to 19 digits, with at most one space or dash between two of them, that passes Luhn. A run that touches
/// a letter is part of an identifier, and so is the tail of a UUID.
fn holds_card_number(value: &str) -> bool {
    let chars: Vec<char> = value.chars().collect();
    let mut at = 0;
    while at < chars.len() {
        if let Some(length) = uuid_length(&chars[at..]) {
            at += length;
            continue;
        }
        if !chars[at].is_ascii_digit() {
            at += 1;
            continue;
        }
        let start = at;
        let mut digits = Vec::new();
        let mut end = at;
        while let Some(digit) = chars.get(at).and_then(|sign| sign.to_digit(10)) {
            digits.push(digit);
            at += 1;
            end = at;
            let gap = chars.get(at).is_some_and(|sign| matches!(sign, ' ' | '-'));
            if gap && chars.get(at + 1).is_some_and(char::is_ascii_digit) {
                at += 1;
            }
        }
        let touches = |index: Option<usize>| {
            index.and_then(|index| chars.get(index)).is_some_and(|sign| sign.is_alphabetic())
        };
        let in_identifier = touches(start.checked_sub(1)) || touches(Some(end));
        if !in_identifier && PAN_DIGITS.contains(&digits.len()) && passes_luhn(&digits) {
            return true;
        }
    }
    false
}

/// Length of the UUID that `chars` starts with.
fn uuid_length(chars: &[char]) -> Option<usize> {
    const LENGTH: usize = 36;
    let head = chars.get(..LENGTH)?;
    let shaped = head.iter().enumerate().all(|(at, sign)| match at {
        8 | 13 | 18 | 23 => *sign == '-',
        _ => sign.is_ascii_hexdigit(),
    });
    shaped.then_some(LENGTH)
}

fn passes_luhn(digits: &[u32]) -> bool {
    let sum: u32 = digits
        .iter()
        .rev()
        .enumerate()
        .map(|(place, &digit)| match (place % 2, digit * 2) {
            (0, _) => digit,
            (_, doubled) if doubled > 9 => doubled - 9,
            (_, doubled) => doubled,
        })
        .sum();
    sum.is_multiple_of(10)
}

fn invalid(field: &str, what: &str) -> Refusal {
    Refusal::new(Reason::InvalidRequest, format!("{field}: {what}"))
}
