//! Checked values of requests: each function takes what came over the wire and gives it back, or the refusal.
//! A refused value is never repeated in the text. Knows no entity.

use amends_card_number::holds_card_number;
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

fn invalid(field: &str, what: &str) -> Refusal {
    Refusal::new(Reason::InvalidRequest, format!("{field}: {what}"))
}

#[cfg(test)]
mod tests {
    use super::{name, page_size, quantity, required_text, text, timestamp, trade_no, uuid7};
    use crate::reason::Reason;
    use crate::refusal::Refusal;

    fn reason<T: std::fmt::Debug>(result: Result<T, Refusal>) -> Reason {
        result.unwrap_err().reason
    }

    #[test]
    fn the_refused_value_is_not_repeated() {
        let refusal = name("4111111111111111", "user_id").unwrap_err();
        assert_eq!(refusal.to_string(), "PAN_REJECTED|user_id: looks like a card number");
        assert_eq!(reason(trade_no("4111-1111-1111-1111", "out_trade_no")), Reason::PanRejected);
        assert_eq!(reason(text("4111 1111 1111 1111", 64, "note")), Reason::PanRejected);
    }

    #[test]
    fn names_have_their_alphabet_and_length() {
        assert_eq!(name("USER_WALLET:u.1-x:USD", "account").unwrap(), "USER_WALLET:u.1-x:USD");
        assert_eq!(trade_no("run_1-10248", "out_trade_no").unwrap(), "run_1-10248");
        for bad in ["", "a b", "ä", "a/b", &"a".repeat(65)] {
            assert_eq!(reason(name(bad, "n")), Reason::InvalidRequest, "{bad}");
            assert_eq!(reason(trade_no(bad, "n")), Reason::InvalidRequest, "{bad}");
        }
        assert_eq!(reason(trade_no("a.b", "n")), Reason::InvalidRequest);
    }

    #[test]
    fn texts_are_nfc_without_control_characters() {
        assert_eq!(text("Zürich ✓", 8, "t").unwrap(), "Zürich ✓");
        assert_eq!(text("", 8, "t").unwrap(), "");
        for bad in ["Zu\u{308}rich", "a\nb", "a\u{0}", "123456789", "\u{85}"] {
            assert_eq!(reason(text(bad, 8, "t")), Reason::InvalidRequest, "{bad:?}");
        }
        assert_eq!(reason(required_text("", 8, "t")), Reason::InvalidRequest);
    }

    #[test]
    fn only_a_lower_case_uuid_of_version_7_is_an_id() {
        assert!(uuid7("0192d3c4-5b6a-7f01-8abc-0123456789ab", "id").is_ok());
        for bad in [
            "",
            "0192D3C4-5B6A-7F01-8ABC-0123456789AB",
            "0192d3c4-5b6a-4f01-8abc-0123456789ab",
            "0192d3c4-5b6a-7f01-cabc-0123456789ab",
            "0192d3c45b6a7f018abc0123456789ab",
            "0192d3c4-5b6a-7f01-8abc-0123456789abc",
        ] {
            assert_eq!(reason(uuid7(bad, "id")), Reason::InvalidRequest, "{bad}");
        }
    }

    #[test]
    fn numbers_stay_in_their_bounds() {
        assert_eq!(
            (page_size(0).unwrap(), page_size(1).unwrap(), page_size(1_000).unwrap()),
            (200, 1, 1_000)
        );
        assert_eq!(
            (reason(page_size(-1)), reason(page_size(1_001))),
            (Reason::InvalidRequest, Reason::InvalidRequest)
        );
        assert_eq!(quantity(100_000_000_000_000, "q").unwrap(), 100_000_000_000_000);
        for bad in [0, -1, 100_000_000_000_001, i64::MIN, i64::MAX] {
            assert_eq!(reason(quantity(bad, "q")), Reason::AmountOutOfRange, "{bad}");
        }
        let before = timestamp(-1);
        assert_eq!((before.seconds, before.nanos), (-1, 999_999_000));
    }
}
