//! The little Markdown that generated pages need. Knows nothing of what they tell.
use std::fmt::Write as _;

/// What stands on top of every generated page.
pub const NOTE: &str = "<!-- Made from the code by `cargo run -- reference`. What is typed here by hand is lost with the next run. -->";

/// A table, or nothing where there are no rows.
pub fn table(header: &[&str], rows: &[Vec<String>]) -> String {
    if rows.is_empty() {
        return String::new();
    }
    let mut text = format!("| {} |\n|{}\n", header.join(" | "), "---|".repeat(header.len()));
    for row in rows {
        let cells: Vec<String> = row.iter().map(|cell| cell_text(cell)).collect();
        let _ = writeln!(text, "| {} |", cells.join(" | "));
    }
    text
}

/// On one line, with bars that end no cell.
fn cell_text(text: &str) -> String {
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    line.replace('|', "\\|").replace('<', "&lt;")
}

/// As code, or nothing.
pub fn code(text: &str) -> String {
    if text.is_empty() { String::new() } else { format!("`{text}`") }
}

/// The name under which a heading can be linked to.
pub fn anchor(heading: &str) -> String {
    let kept = |c: &char| c.is_alphanumeric() || "-_ ".contains(*c);
    heading.to_lowercase().chars().filter(kept).collect::<String>().replace(' ', "-")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_stay_cells() {
        let rows = [vec!["a|b\n c".to_owned(), code("x")], vec!["≤ 3 <b>".to_owned(), code("")]];
        let wanted = "| p | q |\n|---|---|\n| a\\|b c | `x` |\n| ≤ 3 &lt;b> |  |\n";
        assert_eq!(table(&["p", "q"], &rows), wanted);
        assert_eq!(table(&["p"], &[]), "");
        assert_eq!(anchor("service pay.v1.Order_Service"), "service-payv1order_service");
    }
}
