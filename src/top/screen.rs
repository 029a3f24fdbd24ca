//! How the live view is drawn. Reads the view, changes nothing.
use super::view::{Presence, View};
use super::{ansi, text};
use crate::output::{Paint, Tone};
use chrono::{DateTime, Utc};
use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::{Color, Modifier, Style};
use ratatui::text::Line;
use ratatui::widgets::{Block, Clear, List, ListItem, ListState, Paragraph, Sparkline};

/// Columns of the picture of the last minutes; narrower screens go without it.
const PICTURE: u16 = 34;
/// Narrowest screen with that picture.
const WIDE: u16 = 110;
/// Rows that the lists keep on a low screen.
const LISTS: u16 = 6;

/// Draws all of it, seen at that time.
pub fn draw(frame: &mut Frame<'_>, view: &View, now: DateTime<Utc>) {
    let [head, body, foot] =
        Layout::vertical([Constraint::Length(1), Constraint::Min(1), Constraint::Length(1)])
            .areas(frame.area());
    frame.render_widget(headline(view, now), head);
    match &view.asked.gid {
        Some(gid) => story(frame, view, gid, body),
        None => overview(frame, view, body),
    }
    let keys = match view.asked.gid {
        Some(_) => "q end · p pause · ↑ ↓ scroll · Esc back",
        None => "q end · p pause · ↑ ↓ choose · Enter show",
    };
    frame.render_widget(Line::from(keys).style(Style::new().add_modifier(Modifier::DIM)), foot);
}

fn headline(view: &View, now: DateTime<Utc>) -> Line<'static> {
    let paint = Paint::Colour;
    let told = match &view.board {
        Some(board) => text::head(board, &view.target, paint),
        None => format!("{}\n", paint.tone(Tone::Strong, &view.target)),
    };
    let state = match (&view.presence, view.asked.paused) {
        (Presence::Away { since, error }, _) => {
            let seconds = (now - since).num_seconds().max(0);
            paint.tone(Tone::Bad, &format!("AWAY for {seconds} s: {error}"))
        }
        (_, true) => paint.tone(Tone::Warn, "PAUSED"),
        (Presence::Asked, false) => paint.tone(Tone::Faint, "ASKED"),
        (Presence::There, false) => paint.tone(Tone::Good, "LIVE"),
    };
    ansi::line(&format!("{state} · {}", told.trim_end()))
}

fn overview(frame: &mut Frame<'_>, view: &View, area: Rect) {
    let Some(board) = &view.board else { return };
    let figures = text::figures(board, view.trend.now());
    let lanes = text::lanes(board, Paint::Colour);
    let height = |told: &str| u16::try_from(told.lines().count() + 2).unwrap_or(u16::MAX);
    let [upper, middle, lower] = Layout::vertical([
        Constraint::Length(height(&figures)),
        Constraint::Length(height(&lanes)),
        Constraint::Min(LISTS),
    ])
    .areas(area);
    let picture = if area.width >= WIDE { PICTURE } else { 0 };
    let [left, right] = Layout::horizontal([Constraint::Min(1), Constraint::Length(picture)]).areas(upper);
    boxed(frame, "global transactions", &figures, left);
    if picture > 0 {
        let ended = view.trend.ended_tenths();
        let shown = usize::from(right.width.saturating_sub(2));
        let newest = ended.into_iter().rev().take(shown).rev();
        let block = Block::bordered().title("ended in a second, 5 min");
        frame.render_widget(
            Sparkline::default().data(newest).style(Style::new().fg(Color::Green)).block(block),
            right,
        );
    }
    boxed(frame, "lanes", &lanes, middle);
    lists(frame, view, lower);
}

fn boxed(frame: &mut Frame<'_>, title: &str, told: &str, area: Rect) {
    let lines: Vec<Line<'_>> = told.lines().map(ansi::line).collect();
    frame.render_widget(Paragraph::new(lines).block(Block::bordered().title(title.to_owned())), area);
}

/// One list of all rows; titles and headers stand between them.
fn lists(frame: &mut Frame<'_>, view: &View, area: Rect) {
    let Some(board) = &view.board else { return };
    let mut items = Vec::new();
    let mut chosen = None;
    for list in text::lists(board, Paint::Colour) {
        let none = if list.rows.is_empty() { ": none" } else { "" };
        items.push(ListItem::new(
            Line::from(format!("{}{none}", list.title)).style(Style::new().add_modifier(Modifier::BOLD)),
        ));
        if !list.header.is_empty() {
            items.push(ListItem::new(ansi::line(&list.header)));
        }
        for row in list.rows {
            if Some(&row.key) == view.chosen.as_ref() {
                chosen = Some(items.len());
            }
            items.push(ListItem::new(ansi::line(&row.line)));
        }
        items.extend(list.more.map(|more| ListItem::new(Line::from(more))));
    }
    let mut state = ListState::default().with_selected(chosen);
    let list = List::new(items)
        .block(Block::bordered().title("worth a look"))
        .highlight_style(Style::new().add_modifier(Modifier::REVERSED));
    frame.render_stateful_widget(list, area, &mut state);
}

fn story(frame: &mut Frame<'_>, view: &View, gid: &str, area: Rect) {
    let lines: Vec<Line<'_>> = match &view.story {
        Some(lines) => lines.iter().map(|line| ansi::line(line)).collect(),
        None => vec![Line::from("asked for…")],
    };
    let top = u16::try_from(view.top).unwrap_or(u16::MAX);
    let block = Block::bordered().title(format!("show {gid}"));
    frame.render_widget(Clear, area);
    frame.render_widget(Paragraph::new(lines).scroll((top, 0)).block(block), area);
}

#[cfg(test)]
mod tests {
    use super::super::board::tests::board;
    use super::super::news::News;
    use super::*;
    use ratatui::Terminal;
    use ratatui::backend::TestBackend;

    fn drawn(view: &View, width: u16, height: u16) -> String {
        let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
        let now = DateTime::from_timestamp(130, 0).unwrap();
        terminal.draw(|frame| draw(frame, view, now)).unwrap();
        terminal.backend().to_string()
    }

    #[test]
    fn the_overview_fits_a_wide_and_a_low_screen() {
        let mut view = View::new("h:1".into());
        view.hear(News::Board(Box::new(board())), Utc::now());
        view.chosen = Some("ended gid-2".into());
        let wide = drawn(&view, 140, 40);
        for told in
            ["LIVE", "coordinator dtm v1.18.0", "5 min", "gateway", "payment_in_doubt", "gid-2", "q end"]
        {
            assert!(wide.contains(told), "{told} in\n{wide}");
        }
        let low = drawn(&view, 70, 16);
        assert!(low.contains("gid-2"), "the chosen row is in sight:\n{low}");
        assert!(!low.contains("5 min"), "{low}");
    }

    #[test]
    fn who_is_away_is_told_above_what_was_known() {
        let mut view = View::new("h:1".into());
        assert!(drawn(&view, 80, 10).contains("ASKED"));
        view.hear(News::Board(Box::new(board())), Utc::now());
        view.hear(News::Away("no orchestrator".into()), DateTime::from_timestamp(120, 0).unwrap());
        let away = drawn(&view, 100, 40);
        assert!(away.contains("AWAY for 10 s: no orchestrator") && away.contains("gid-1"), "{away}");
    }

    #[test]
    fn a_story_takes_the_screen() {
        let mut view = View::new("h:1".into());
        view.hear(News::Board(Box::new(board())), Utc::now());
        view.asked.gid = Some("gid-1".into());
        assert!(drawn(&view, 80, 10).contains("asked for"));
        let text = (0..50).map(|line| format!("line {line}.\n")).collect();
        view.hear(News::Story { gid: "gid-1".into(), text }, Utc::now());
        view.top = 40;
        let told = drawn(&view, 80, 10);
        assert!(
            told.contains("show gid-1") && told.contains("line 40.") && !told.contains("line 3."),
            "{told}"
        );
    }
}
