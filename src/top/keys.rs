//! Keys: read by a thread of their own, and what each means. Knows nothing of what is shown.
use ratatui::crossterm::event::{self, Event, KeyCode, KeyEventKind, KeyModifiers};
use std::time::Duration;
use tokio::sync::mpsc;

/// How often the thread that reads looks whether anybody still listens.
const LOOK: Duration = Duration::from_millis(200);
/// Keys that may wait.
const WAITING: usize = 64;

/// What somebody wants.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Key {
    /// No more of it.
    End,
    /// Refresh no more, or again.
    Pause,
    /// So many rows further; negative = back.
    Move(isize),
    /// Show the chosen one.
    Open,
    /// Show the overview again.
    Back,
}

/// What comes from the terminal, its changes of size too. Ends when nothing can come any more.
pub fn read() -> mpsc::Receiver<Event> {
    let (told, events) = mpsc::channel(WAITING);
    // A blocking read on tokio's threads would hold up the runtime's end.
    std::thread::spawn(move || {
        while !told.is_closed() {
            let event = match event::poll(LOOK) {
                Ok(false) => continue,
                Ok(true) => event::read(),
                Err(error) => Err(error),
            };
            let Ok(event) = event else { return };
            if told.blocking_send(event).is_err() {
                return;
            }
        }
    });
    events
}

/// What a key means; none = nothing.
pub fn meaning(event: &Event) -> Option<Key> {
    let key = event.as_key_event().filter(|key| key.kind != KeyEventKind::Release)?;
    match (key.code, key.modifiers.contains(KeyModifiers::CONTROL)) {
        (KeyCode::Char('c'), true) | (KeyCode::Char('q'), false) => Some(Key::End),
        (KeyCode::Char('p'), false) => Some(Key::Pause),
        (KeyCode::Down | KeyCode::Char('j'), false) => Some(Key::Move(1)),
        (KeyCode::Up | KeyCode::Char('k'), false) => Some(Key::Move(-1)),
        (KeyCode::PageDown | KeyCode::Char(' '), false) => Some(Key::Move(15)),
        (KeyCode::PageUp, false) => Some(Key::Move(-15)),
        (KeyCode::Enter, _) => Some(Key::Open),
        (KeyCode::Esc | KeyCode::Backspace, _) => Some(Key::Back),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ratatui::crossterm::event::KeyEvent;

    #[test]
    fn keys_mean_what_the_help_says() {
        let plain = |code| Event::Key(KeyEvent::new(code, KeyModifiers::NONE));
        assert_eq!(meaning(&plain(KeyCode::Char('q'))), Some(Key::End));
        assert_eq!(meaning(&plain(KeyCode::Char('p'))), Some(Key::Pause));
        assert_eq!(meaning(&plain(KeyCode::Down)), Some(Key::Move(1)));
        assert_eq!(meaning(&plain(KeyCode::Enter)), Some(Key::Open));
        assert_eq!(meaning(&plain(KeyCode::Esc)), Some(Key::Back));
        assert_eq!(meaning(&plain(KeyCode::Char('c'))), None);
        let control_c = Event::Key(KeyEvent::new(KeyCode::Char('c'), KeyModifiers::CONTROL));
        assert_eq!(meaning(&control_c), Some(Key::End), "the terminal is raw: no signal comes");
        assert_eq!(meaning(&Event::Resize(80, 24)), None);
    }
}
