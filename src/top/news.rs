//! Asks the orchestrator, once a second at most, and tells what it said. One that is away is asked again for ever.
use super::board::Board;
use crate::connect::{Connection, Target};
use crate::output::Paint;
use crate::show::Told;
use crate::timeline;
use std::time::Duration;
use tokio::sync::{mpsc, watch};
use tokio::time::MissedTickBehavior;

/// Between two looks.
const EVERY: Duration = Duration::from_secs(1);
/// An orchestrator that takes longer for one look counts as away.
const PATIENCE: Duration = Duration::from_secs(5);
/// Looks that may wait to be drawn.
const WAITING: usize = 4;

/// What is wanted.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Asked {
    /// Ask for nothing more.
    pub paused: bool,
    /// The story of this one too.
    pub gid: Option<String>,
}

/// What came of a look.
#[derive(Debug)]
pub enum News {
    /// The overview.
    Board(Box<Board>),
    /// The story of one global transaction, as painted text.
    Story { gid: String, text: String },
    /// Nobody answered; the text says how.
    Away(String),
}

/// Begins to ask. It ends with either end of the channels.
pub fn begin(target: Target) -> (mpsc::Receiver<News>, watch::Sender<Asked>) {
    let (told, news) = mpsc::channel(WAITING);
    let (asked, wanted) = watch::channel(Asked::default());
    tokio::spawn(Reporter { target, connection: None, told }.report(wanted));
    (news, asked)
}

struct Reporter {
    target: Target,
    /// None = there is none, or the last one broke.
    connection: Option<Connection>,
    told: mpsc::Sender<News>,
}

impl Reporter {
    async fn report(mut self, mut wanted: watch::Receiver<Asked>) {
        let mut ticks = tokio::time::interval(EVERY);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let is_new = tokio::select! {
                _ = ticks.tick() => false,
                changed = wanted.changed() => match changed {
                    Ok(()) => true,
                    Err(_) => return,
                },
            };
            let asked = wanted.borrow_and_update().clone();
            let heard = match (is_new, asked.paused) {
                // The overview keeps to its second. Somebody waits for the story.
                (true, _) => self.story(asked.gid).await,
                (false, true) => Ok(()),
                (false, false) => self.all(asked.gid).await,
            };
            if heard.is_err() {
                return;
            }
        }
    }

    async fn all(&mut self, gid: Option<String>) -> Result<(), Gone> {
        self.tell(None).await?;
        self.story(gid).await
    }

    async fn story(&mut self, gid: Option<String>) -> Result<(), Gone> {
        match gid {
            Some(gid) => self.tell(Some(&gid)).await,
            None => Ok(()),
        }
    }

    /// Tells what is heard of one global transaction, or of all.
    async fn tell(&mut self, gid: Option<&str>) -> Result<(), Gone> {
        let heard = match tokio::time::timeout(PATIENCE, self.hear(gid)).await {
            Ok(heard) => heard,
            Err(late) => Err(late.into()),
        };
        let news = heard.unwrap_or_else(|error| News::Away(format!("{error:#}")));
        self.told.send(news).await.map_err(|_| Gone)
    }

    /// One question, on the connection that there is or on a new one. It is kept where there was an answer.
    async fn hear(&mut self, gid: Option<&str>) -> anyhow::Result<News> {
        let connection = match self.connection.take() {
            Some(connection) => connection,
            None => self.target.connect().await?,
        };
        let asking = connection.clone();
        let news = match gid {
            None => News::Board(Box::new(Board::fetch(asking).await?)),
            Some(gid) => {
                let told = Told::fetch(asking, gid).await?;
                News::Story { gid: gid.to_owned(), text: timeline::full(&told.story(), Paint::Colour) }
            }
        };
        self.connection = Some(connection);
        Ok(news)
    }
}

/// Nobody listens any more.
struct Gone;
