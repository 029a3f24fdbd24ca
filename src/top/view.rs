//! What the live view shows, and how news and keys change it. Asks nobody and draws nothing.
use super::board::Board;
use super::keys::{self, Key};
use super::news::{Asked, News};
use super::rates::Trend;
use super::text;
use crate::output::Paint;
use chrono::{DateTime, Utc};
use ratatui::crossterm::event::Event;

/// Everything that is on the screen.
#[derive(Debug)]
pub struct View {
    /// Who is asked.
    pub target: String,
    /// The newest overview; none = nobody answered yet.
    pub board: Option<Board>,
    /// Counts of the last minutes.
    pub trend: Trend,
    /// How it stands with the orchestrator.
    pub presence: Presence,
    /// What is asked for.
    pub asked: Asked,
    /// Key of the chosen row.
    pub chosen: Option<String>,
    /// Lines of the story that is asked for; none = it has not come yet.
    pub story: Option<Vec<String>>,
    /// First line of the story that is shown.
    pub top: usize,
}

/// Whether somebody answers.
#[derive(Debug, PartialEq, Eq)]
pub enum Presence {
    /// Not known yet.
    Asked,
    /// Yes.
    There,
    /// Not since then.
    Away { since: DateTime<Utc>, error: String },
}

/// What is to be done after a key or a piece of news.
#[derive(Debug, PartialEq, Eq)]
pub enum Next {
    /// Draw it.
    GoOn,
    /// Ask for other things too.
    Ask(Asked),
    /// That was all.
    End,
}

impl View {
    /// Before the first answer.
    pub fn new(target: String) -> View {
        View {
            target,
            board: None,
            trend: Trend::default(),
            presence: Presence::Asked,
            asked: Asked::default(),
            chosen: None,
            story: None,
            top: 0,
        }
    }

    /// Takes news in, heard at that time.
    pub fn hear(&mut self, news: News, now: DateTime<Utc>) {
        match news {
            News::Away(error) => {
                let since = match self.presence {
                    Presence::Away { since, .. } => since,
                    Presence::Asked | Presence::There => now,
                };
                self.presence = Presence::Away { since, error };
            }
            News::Board(board) => {
                self.presence = Presence::There;
                self.trend.add(&board.stats);
                self.board = Some(*board);
            }
            News::Story { gid, text } => {
                self.presence = Presence::There;
                // One that was closed meanwhile is not wanted any more.
                if self.asked.gid.as_ref() == Some(&gid) {
                    self.story = Some(text.lines().map(ToOwned::to_owned).collect());
                }
            }
        }
    }

    /// Does what a key means.
    pub fn press(&mut self, event: &Event) -> Next {
        match keys::meaning(event) {
            None => return Next::GoOn,
            Some(Key::End) => return Next::End,
            Some(Key::Pause) => self.asked.paused = !self.asked.paused,
            Some(Key::Move(by)) => {
                self.go(by);
                return Next::GoOn;
            }
            Some(Key::Open) => {
                let chosen = self.rows().into_iter().find(|(key, _)| Some(key) == self.chosen.as_ref());
                let Some((_, gid)) = chosen.filter(|_| self.asked.gid.is_none()) else { return Next::GoOn };
                (self.asked.gid, self.story, self.top) = (Some(gid), None, 0);
            }
            Some(Key::Back) => (self.asked.gid, self.story) = (None, None),
        }
        Next::Ask(self.asked.clone())
    }

    /// Moves within the story if one is open, else to another row.
    fn go(&mut self, by: isize) {
        if self.asked.gid.is_some() {
            let last = self.story.as_ref().map_or(0, |lines| lines.len().saturating_sub(1));
            self.top = self.top.saturating_add_signed(by).min(last);
            return;
        }
        let rows = self.rows();
        let at = rows.iter().position(|(key, _)| Some(key) == self.chosen.as_ref());
        let to = match at {
            Some(at) => at.saturating_add_signed(by).min(rows.len().saturating_sub(1)),
            None => 0,
        };
        self.chosen = rows.into_iter().nth(to).map(|(key, _)| key);
    }

    /// Key and gid of each row, in the order in which they stand.
    fn rows(&self) -> Vec<(String, String)> {
        let lists = self.board.as_ref().map(|board| text::lists(board, Paint::Plain));
        let rows = lists.into_iter().flatten().flat_map(|list| list.rows);
        rows.map(|row| (row.key, row.gid)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::super::board::tests::board;
    use super::*;
    use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

    fn press(view: &mut View, code: KeyCode) -> Next {
        view.press(&Event::Key(KeyEvent::new(code, KeyModifiers::NONE)))
    }

    fn at(seconds: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(seconds, 0).unwrap()
    }

    #[test]
    fn the_chosen_row_is_opened_and_closed_again() {
        let mut view = View::new("h:1".into());
        assert_eq!(press(&mut view, KeyCode::Enter), Next::GoOn, "there is nothing to open yet");
        view.hear(News::Board(Box::new(board())), at(0));
        assert_eq!(press(&mut view, KeyCode::Down), Next::GoOn);
        assert_eq!(view.chosen.as_deref(), Some("need payment_in_doubt gid-1"));
        for _ in 0..9 {
            press(&mut view, KeyCode::Down);
        }
        assert_eq!(view.chosen.as_deref(), Some("ended gid-2"), "behind the last row there is none");
        let asked = Asked { paused: false, gid: Some("gid-2".into()) };
        assert_eq!(press(&mut view, KeyCode::Enter), Next::Ask(asked));
        view.hear(News::Story { gid: "gid-1".into(), text: "another one".into() }, at(0));
        assert_eq!(view.story, None, "that one was not asked for");
        view.hear(News::Story { gid: "gid-2".into(), text: "one\ntwo".into() }, at(0));
        press(&mut view, KeyCode::PageDown);
        assert_eq!((view.story.as_ref().map(Vec::len), view.top), (Some(2), 1));
        assert_eq!(press(&mut view, KeyCode::Esc), Next::Ask(Asked::default()));
        assert_eq!((view.story.as_ref(), view.chosen.as_deref()), (None, Some("ended gid-2")));
    }

    #[test]
    fn a_pause_is_asked_for_and_ended() {
        let mut view = View::new("h:1".into());
        assert_eq!(press(&mut view, KeyCode::Char('p')), Next::Ask(Asked { paused: true, gid: None }));
        assert_eq!(press(&mut view, KeyCode::Char('p')), Next::Ask(Asked::default()));
        assert_eq!(press(&mut view, KeyCode::Char('q')), Next::End);
    }

    #[test]
    fn one_that_is_away_is_away_since_the_first_time() {
        let mut view = View::new("h:1".into());
        view.hear(News::Board(Box::new(board())), at(1));
        view.hear(News::Away("gone".into()), at(5));
        view.hear(News::Away("still gone".into()), at(9));
        assert_eq!(view.presence, Presence::Away { since: at(5), error: "still gone".into() });
        assert!(view.board.is_some(), "the last that was known stays");
        view.hear(News::Board(Box::new(board())), at(10));
        assert_eq!(view.presence, Presence::There);
    }
}
