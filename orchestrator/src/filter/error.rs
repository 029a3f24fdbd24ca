//! What is wrong with a filter, and where. Shows the line with a mark under the place.

use std::fmt;

/// Characters shown on each side of the place: a status text must stay short.
const AROUND: usize = 40;

/// Characters shown of what stands there.
const SHOWN: usize = 60;

/// A filter that cannot be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FilterError {
    /// Place in the text, in characters from 0.
    pub at: usize,
    /// What stands there, or is wrong with it.
    pub found: String,
    /// What could stand there.
    pub expected: String,
    line: String,
    mark: usize,
}

impl FilterError {
    /// At a byte of `text`, which is the beginning of a character, or its end.
    pub(super) fn new(
        text: &str,
        byte: usize,
        found: impl Into<String>,
        expected: impl Into<String>,
    ) -> Self {
        let at = text.get(..byte).map_or(0, |before| before.chars().count());
        let from = at.saturating_sub(AROUND);
        let plain = |c: char| if c.is_control() { ' ' } else { c };
        let shown: String = text.chars().skip(from).take(2 * AROUND).map(plain).collect();
        let (cut, goes_on) = (from > 0, text.chars().count() > from + 2 * AROUND);
        let line = format!("{}{shown}{}", if cut { "…" } else { "" }, if goes_on { "…" } else { "" });
        let (found, expected) = (found.into().chars().take(SHOWN).collect(), expected.into());
        Self { at, found, expected, line, mark: at - from + usize::from(cut) }
    }
}

impl fmt::Display for FilterError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { at, found, expected, line, mark } = self;
        writeln!(f, "filter, character {}: {found}; expected {expected}", at + 1)?;
        write!(f, "  {line}\n  {:mark$}^", "")
    }
}

impl std::error::Error for FilterError {}
