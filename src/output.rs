//! What a verb prints: JSON documents or text for people, tables, colour only on a terminal. Knows no verb.
use amends_proto::amends::v1::{Mode, OpState, Status};
use comfy_table::presets::NOTHING;
use comfy_table::{CellAlignment, Table};
use serde_json::Value;
use std::io::{IsTerminal as _, Write as _};

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
    match std::io::stdout().lock().write_all(text.as_bytes()) {
        Ok(()) => Ok(Reader::There),
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Ok(Reader::Gone),
        Err(error) => Err(error.into()),
    }
}

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
        let wanted = std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
        if wanted && std::io::stdout().is_terminal() { Paint::Colour } else { Paint::Plain }
    }

    /// The text in its tone.
    pub fn tone(self, tone: Tone, text: &str) -> String {
        match self {
            Paint::Plain => text.to_owned(),
            Paint::Colour => format!("\u{1b}[{}m{text}\u{1b}[0m", tone.code()),
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

/// An amount for people, e.g. `12.50 USD`, with the decimals of its currency.
pub fn money(minor_units: i64, currency: &str) -> String {
    let known = iso_currency::Currency::from_code(currency);
    let decimals = known.and_then(iso_currency::Currency::exponent).map_or(0, usize::from);
    let sign = if minor_units < 0 { "-" } else { "" };
    let digits = format!("{:0>width$}", minor_units.unsigned_abs(), width = decimals + 1);
    let (whole, part) = digits.split_at(digits.len() - decimals);
    let dot = if decimals == 0 { "" } else { "." };
    format!("{sign}{whole}{dot}{part} {currency}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn money_has_the_decimals_of_its_currency() {
        assert_eq!(money(1_250, "USD"), "12.50 USD");
        assert_eq!(money(-5, "USD"), "-0.05 USD");
        assert_eq!(money(1_250, "JPY"), "1250 JPY");
        assert_eq!(money(1_250, "KWD"), "1.250 KWD");
        assert_eq!(money(7, "???"), "7 ???");
    }

    #[test]
    fn tables_are_plain_text_without_trailing_blanks() {
        let text = table(&["sku", "on hand"], &["on hand"], vec![vec!["tea".into(), "7".into()]]);
        assert_eq!(text, "sku  on hand\ntea        7\n");
    }
}
