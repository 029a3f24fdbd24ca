//! Finds card numbers in texts that must not hold any (payments-domain.md §1, Strings). Knows nothing else.

/// Digits of a card number (ISO/IEC 7812).
const PAN_DIGITS: std::ops::RangeInclusive<usize> = 13..=19;

/// A run of 13 to 19 digits, with at most one space or dash between two of them, that passes Luhn. A run that touches
/// a letter is part of an identifier, and so is the tail of a UUID.
#[must_use]
pub fn holds_card_number(value: &str) -> bool {
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

#[cfg(test)]
mod tests {
    use super::holds_card_number;

    #[test]
    fn card_numbers_are_found_in_every_dress() {
        for value in [
            "4111111111111111",
            "4111 1111 1111 1111",
            "4111-1111-1111-1111",
            "card:4111111111111111:x",
            "tok_4111111111111111",
            "pay with 378282246310005, please",
            "4222222222222",
            "6304000000000000000",
            "no 12 but 5555 5555 5555 4444",
        ] {
            assert!(holds_card_number(value), "{value}");
        }
    }

    #[test]
    fn identifiers_that_pass_luhn_by_chance_are_no_card_numbers() {
        for value in [
            "4111111111111112",
            "41111111111111111111",
            "r4111111111111111",
            "4111111111111111b",
            "0192d3c4-5b6a-7f01-8abc-4222222222222",
            "0190a1b2-4111-7111-8111-111111111111",
            "0192d3c4-5b6a-7f01-4111-111111111111-10248",
            "411111111111",
            "4111  1111  1111  1111",
            "4111.1111.1111.1111",
            "run7-10248",
            "",
        ] {
            assert!(!holds_card_number(value), "{value}");
        }
    }
}
