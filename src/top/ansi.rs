//! Text in the colours of a terminal as styled pieces for the screen. Knows the few codes that [`Paint`] writes.
//!
//! [`Paint`]: crate::output::Paint
use crate::output::Tone;
use ratatui::style::{Color, Modifier, Style};
use ratatui::text::{Line, Span};

/// Begins a code; `m` ends it.
const ESCAPE: &str = "\u{1b}[";

/// One line.
pub fn line(text: &str) -> Line<'static> {
    let mut pieces = text.split(ESCAPE);
    let mut spans = vec![Span::raw(pieces.next().unwrap_or_default().to_owned())];
    for piece in pieces {
        let (code, told) = piece.split_once('m').unwrap_or(("", piece));
        spans.push(Span::styled(told.to_owned(), after(code)));
    }
    spans.retain(|span| !span.content.is_empty());
    Line::from(spans)
}

/// The style behind a code; any that is no tone's ends what was before.
fn after(code: &str) -> Style {
    match Tone::ALL.into_iter().find(|tone| tone.code() == code) {
        Some(Tone::Good) => Style::new().fg(Color::Green),
        Some(Tone::Bad) => Style::new().fg(Color::Red),
        Some(Tone::Warn) => Style::new().fg(Color::Yellow),
        Some(Tone::Faint) => Style::new().add_modifier(Modifier::DIM),
        Some(Tone::Strong) => Style::new().add_modifier(Modifier::BOLD),
        None => Style::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::output::Paint;

    #[test]
    fn every_tone_is_known() {
        let styles = Tone::ALL.map(|tone| {
            let painted = format!("a {} b", Paint::Colour.tone(tone, "x"));
            let line = line(&painted);
            let told: Vec<&str> = line.spans.iter().map(|span| span.content.as_ref()).collect();
            assert_eq!(told, ["a ", "x", " b"], "{painted:?}");
            assert_eq!((line.spans[0].style, line.spans[2].style), (Style::new(), Style::new()));
            line.spans[1].style
        });
        let wanted = [
            Style::new().fg(Color::Green),
            Style::new().fg(Color::Red),
            Style::new().fg(Color::Yellow),
            Style::new().add_modifier(Modifier::DIM),
            Style::new().add_modifier(Modifier::BOLD),
        ];
        assert_eq!(styles, wanted);
        assert_eq!(line("plain").spans.len(), 1);
    }
}
