//! Why something did not succeed, as participants and the history have it: `REASON|text`, perhaps with a cause before it.
//! Taken apart, and told in words: by the command, by explanations and by the console alike. Pure.

use crate::history::Cause;

/// `REASON|text` → both; a message without a reason is all text.
#[must_use]
pub fn split(message: &str) -> (&str, &str) {
    match message.split_once('|') {
        Some((reason, text)) if !reason.is_empty() && reason.bytes().all(is_reason_byte) => (reason, text),
        Some(_) | None => ("", message),
    }
}

fn is_reason_byte(byte: u8) -> bool {
    byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b'_'
}

/// `REASON|text` → `REASON: text`, and what stands before it, e.g. `refused:REASON|text`, in words.
#[must_use]
pub fn in_words(message: &str) -> String {
    if let Some((cause, rest)) = message.split_once(':')
        && Cause::NAMES.contains(&cause)
    {
        let cause = cause.replace('_', " ");
        return match rest.trim_start() {
            "" => cause,
            rest => format!("{cause}: {}", without_bar(rest)),
        };
    }
    without_bar(message)
}

fn without_bar(message: &str) -> String {
    match split(message) {
        ("", text) => text.to_owned(),
        (reason, "") => reason.to_owned(),
        (reason, text) => format!("{reason}: {text}"),
    }
}

#[cfg(test)]
mod tests {
    use super::{in_words, split};

    #[test]
    fn a_bar_in_plain_text_is_no_reason() {
        assert_eq!(split("either|or"), ("", "either|or"));
        assert_eq!(split("NOT_FOUND|no such gid"), ("NOT_FOUND", "no such gid"));
    }

    #[test]
    fn reasons_are_told_without_their_bars_and_behind_their_cause() {
        for (message, words) in [
            ("refused:PSP_DECLINED|stolen_card", "refused: PSP_DECLINED: stolen_card"),
            ("PLAIN|", "PLAIN"),
            ("timeout:", "timeout"),
            ("given_up:GONE|x", "given up: GONE: x"),
            ("https://psp.example/x", "https://psp.example/x"),
            ("grpc_status:5", "grpc_status:5"),
            ("deadline:step 02 had no outcome", "deadline: step 02 had no outcome"),
            ("step 02: late", "step 02: late"),
            ("points: no row", "points: no row"),
            ("the bank's words", "the bank's words"),
            ("", ""),
        ] {
            assert_eq!(in_words(message), words);
        }
    }
}
