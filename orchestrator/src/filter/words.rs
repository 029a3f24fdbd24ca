//! A filter's text as words: names, values in quotes, signs. Each knows where it stands.

use super::error::FilterError;
use super::{MAX_BYTES, MAX_VALUE_BYTES};

/// A word and its place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Word {
    /// First byte.
    pub(super) at: usize,
    /// What it is.
    pub(super) is: Is,
}

/// What a word is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Is {
    /// A name, number, duration or time.
    Plain(String),
    /// What stood in quotes.
    Quoted(String),
    /// `=`, `!=`, `<`, `<=`, `>`, `>=`, `~`, `!~`, `(`, `)`, `,`.
    Sign(&'static str),
    /// Behind the last one.
    End,
}

/// Longer signs first.
const SIGNS: [&str; 11] = ["!=", "!~", "<=", ">=", "=", "<", ">", "~", "(", ")", ","];

impl Word {
    /// For people.
    pub(super) fn found(&self) -> String {
        match &self.is {
            Is::Plain(text) => format!("`{text}`"),
            Is::Quoted(text) => format!("{text:?}"),
            Is::Sign(sign) => format!("`{sign}`"),
            Is::End => "the end".to_owned(),
        }
    }
}

/// All words of a text, with an end behind them.
pub(super) fn words(text: &str) -> Result<Vec<Word>, FilterError> {
    if text.len() > MAX_BYTES {
        let found = format!("it has {} bytes", text.len());
        return Err(FilterError::new(text, 0, found, format!("at most {MAX_BYTES}")));
    }
    let mut words = Vec::new();
    let mut at = 0;
    while let Some(first) = text[at..].chars().next() {
        if first.is_whitespace() {
            at += first.len_utf8();
            continue;
        }
        let (word, length) = word(text, at, first)?;
        words.push(word);
        at += length;
    }
    words.push(Word { at, is: Is::End });
    Ok(words)
}

fn word(text: &str, at: usize, first: char) -> Result<(Word, usize), FilterError> {
    let rest = &text[at..];
    if let Some(sign) = SIGNS.iter().find(|sign| rest.starts_with(**sign)) {
        return Ok((Word { at, is: Is::Sign(sign) }, sign.len()));
    }
    if first == '"' || first == '\'' {
        let (value, length) = quoted(text, at, first)?;
        return Ok((Word { at, is: Is::Quoted(value) }, length));
    }
    let length = rest.find(|c: char| !is_plain(c)).unwrap_or(rest.len());
    if length == 0 {
        let expected = "a field, a value in quotes, or a sign such as `=`";
        return Err(FilterError::new(text, at, format!("{first:?}"), expected));
    }
    too_long(text, at, length)?;
    Ok((Word { at, is: Is::Plain(rest[..length].to_owned()) }, length))
}

fn is_plain(c: char) -> bool {
    c.is_alphanumeric() || "_-.:/+@".contains(c)
}

fn quoted(text: &str, at: usize, quote: char) -> Result<(String, usize), FilterError> {
    let mut value = String::new();
    let mut escaped = false;
    for (place, c) in text[at..].char_indices().skip(1) {
        match c {
            _ if c.is_control() => {
                return Err(FilterError::new(text, at + place, format!("{c:?}"), "no control characters"));
            }
            _ if escaped => {
                if c != '\\' && c != '"' && c != '\'' {
                    let expected = "a quote or a backslash behind a backslash";
                    return Err(FilterError::new(text, at + place, format!("`{c}`"), expected));
                }
                value.push(c);
                escaped = false;
            }
            '\\' => escaped = true,
            _ if c == quote => {
                too_long(text, at, value.len())?;
                return Ok((value, place + c.len_utf8()));
            }
            _ => value.push(c),
        }
    }
    Err(FilterError::new(text, text.len(), "the end", format!("a {quote} that ends the value")))
}

fn too_long(text: &str, at: usize, bytes: usize) -> Result<(), FilterError> {
    if bytes <= MAX_VALUE_BYTES {
        return Ok(());
    }
    let found = format!("a value of {bytes} bytes");
    Err(FilterError::new(text, at, found, format!("at most {MAX_VALUE_BYTES}")))
}
