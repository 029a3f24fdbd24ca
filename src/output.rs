//! What a verb prints: JSON documents or text for people, tables, colour only on a terminal. Knows no verb.
pub use amends_orchestrator::money;
use amends_proto::amends::v1::{Mode, OpState, Status};
use amends_serve::telemetry::is_coloured;
use comfy_table::presets::NOTHING;
use comfy_table::{CellAlignment, Table};
use serde_json::Value;
use std::borrow::Cow;
use std::io::Write as _;

/// How a verb prints.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Format {
    /// Tables and timelines for people
    Text,
    /// One JSON document, or one per line
    Json,
}

/// Writes one JSON document to standard output.
pub fn print_json(value: &Value) -> anyhow::Result<()> {
    print_text(&format!("{value:#}\n"))
}

/// Writes text to standard output. A reader that has gone (`| head`) is not an error.
pub fn print_text(text: &str) -> anyhow::Result<()> {
    print_to_reader(text).map(|_| ())
}

/// Who reads standard output.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reader {
    /// Somebody, or a file.
    There,
    /// Nobody any more: what else is written is lost.
    Gone,
}

/// Writes text to standard output for verbs that go on for as long as somebody reads.
pub fn print_to_reader(text: &str) -> anyhow::Result<Reader> {
    match std::io::stdout().lock().write_all(harmless(text).as_bytes()) {
        Ok(()) => Ok(Reader::There),
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Ok(Reader::Gone),
        Err(error) => Err(error.into()),
    }
}

/// Text that was put together of what others said, for a terminal: of all that would steer it only line ends, tabs and our own
/// tones are left. The rest is told as an escape like `\u001b`, which means the same in JSON.
pub fn harmless(text: &str) -> Cow<'_, str> {
    let stays = |c: char| !c.is_control() || matches!(c, '\n' | '\t');
    if text.chars().all(stays) {
        return Cow::Borrowed(text);
    }
    let mut told = String::with_capacity(text.len());
    for (at, c) in text.char_indices() {
        if stays(c) || (c == ESCAPE && begins_with_tone(&text[at..])) {
            told.push(c);
        } else {
            told.push_str(&escaped(c));
        }
    }
    Cow::Owned(told)
}

/// One text that somebody else said, e.g. a reason: nothing of it steers a terminal, and no part of it has a tone of its own.
pub fn said(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { escaped(c) } else { c.to_string() }).collect()
}

fn escaped(c: char) -> String {
    format!("\\u{:04x}", u32::from(c))
}

fn begins_with_tone(text: &str) -> bool {
    let code = text.strip_prefix(ESCAPE).and_then(|rest| rest.strip_prefix('['));
    let code = code.and_then(|rest| rest.split_once('m')).map(|(code, _)| code);
    code.is_some_and(|code| code == NO_TONE || Tone::ALL.iter().any(|tone| tone.code() == code))
}

/// Begins whatever steers a terminal.
const ESCAPE: char = '\u{1b}';
/// Ends a tone.
const NO_TONE: &str = "0";

/// Whether text may carry colour.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Paint {
    /// Never: files, pipes, `NO_COLOR`.
    Plain,
    /// A terminal.
    Colour,
}

/// What a piece of text tells, which decides its colour.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tone {
    /// Went well.
    Good,
    /// Did not go well.
    Bad,
    /// Not decided, or undone.
    Warn,
    /// Less important.
    Faint,
    /// A heading.
    Strong,
}

impl Paint {
    /// As standard output allows.
    pub fn detect() -> Paint {
        if is_coloured(&std::io::stdout()) { Paint::Colour } else { Paint::Plain }
    }

    /// The text in its tone.
    pub fn tone(self, tone: Tone, text: &str) -> String {
        match self {
            Paint::Plain => text.to_owned(),
            Paint::Colour => format!("{ESCAPE}[{}m{text}{ESCAPE}[{NO_TONE}m", tone.code()),
        }
    }
}

impl Tone {
    /// All of them.
    pub const ALL: [Tone; 5] = [Tone::Good, Tone::Bad, Tone::Warn, Tone::Faint, Tone::Strong];

    /// What tells a terminal to write in this tone (ECMA-48, SGR): green, red, yellow, faint, bold.
    pub fn code(self) -> &'static str {
        match self {
            Tone::Good => "32",
            Tone::Bad => "31",
            Tone::Warn => "33",
            Tone::Faint => "2",
            Tone::Strong => "1",
        }
    }
}

/// A table without lines; columns named in `right` are aligned to the right.
pub fn table(header: &[&str], right: &[&str], rows: Vec<Vec<String>>) -> String {
    let mut table = Table::new();
    table.load_style(NOTHING).force_no_tty().set_header(header.iter().copied());
    for row in rows {
        table.add_row(row);
    }
    for (index, name) in header.iter().enumerate() {
        if let Some(column) = table.column_mut(index) {
            column.set_padding((0, 2));
            if right.contains(name) {
                column.set_cell_alignment(CellAlignment::Right);
            }
        }
    }
    table.trim_fmt() + "\n"
}

/// Short name of a status, e.g. `running`.
pub fn status_name(status: Status) -> String {
    crate::json::short_name("Status", status.as_str_name())
}

/// Short name of a mode.
pub fn mode_name(mode: Mode) -> String {
    crate::json::short_name("Mode", mode.as_str_name())
}

/// Short name of an op's state.
pub fn op_state_name(state: OpState) -> String {
    crate::json::short_name("OpState", state.as_str_name())
}

/// The tone of a status.
pub fn status_tone(status: Status) -> Tone {
    match status {
        Status::Succeeded => Tone::Good,
        Status::Failed => Tone::Bad,
        Status::Cancelled | Status::Compensating => Tone::Warn,
        Status::Unspecified | Status::Accepted | Status::Running => Tone::Strong,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_others_said_steers_no_terminal() {
        let mine = Paint::Colour.tone(Tone::Bad, "no");
        let clipboard = "\u{1b}]52;c;cm0gLXJm\u{7}";
        let text = format!("{mine}\t{clipboard}\u{1b}[2J\u{1b}[31;5mx\r\u{9b}2J\u{7f}\u{1b}\n");
        let told = "\\u001b]52;c;cm0gLXJm\\u0007\\u001b[2J\\u001b[31;5mx\\u000d\\u009b2J\\u007f\\u001b\n";
        assert_eq!(harmless(&text), format!("{mine}\t{told}"));
        assert!(matches!(harmless("é ✓\n"), Cow::Borrowed(_)));
        assert_eq!(said("GONE: \u{1b}[32mall is well"), "GONE: \\u001b[32mall is well");
    }

    #[test]
    fn json_says_the_same_with_escapes() {
        let value = serde_json::json!({"reason": "a\u{1b}[2J\u{9b}2J\u{7f}"});
        let text = format!("{value:#}\n");
        let told = harmless(&text);
        assert!(!told.contains(|c: char| c.is_control() && c != '\n'), "{told:?}");
        assert_eq!(serde_json::from_str::<Value>(&told).unwrap(), value);
    }

    #[test]
    fn tables_are_plain_text_without_trailing_blanks() {
        let text = table(&["sku", "on hand"], &["on hand"], vec![vec!["tea".into(), "7".into()]]);
        assert_eq!(text, "sku  on hand\ntea        7\n");
    }
}
