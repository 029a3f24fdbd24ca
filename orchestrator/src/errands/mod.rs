//! Acts in bulk: the global transactions that a filter finds now become the items of an errand, which is durable before
//! anything is done; then each is acted on like by hand, some a second. Whoever starts anew goes on with what is pending.
//! What an act recorded refers to its errand, so that nobody does it a second time.
//! Must not know participants, nor who may act.

mod preview;

pub use preview::{MOST, Preview, TooMany, preview};

use crate::engine::{ActError, Cancelled, Engine, Live};
use crate::history::{Act, AppendError, Deadlines, Errand, ErrandBook, ErrandItem, ReadError, bounded};
use sea_orm::DbErr;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Notify;

/// Items looked up at once.
const AT_ONCE: u64 = 100;
/// Between two looks for what another replica's caller asked for.
const LOOK: Duration = Duration::from_secs(1);

/// What may be done to many.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Deed {
    /// The next attempt is made now.
    Retry,
    /// No new attempt; deadlines stand still.
    Pause,
    /// Attempts go on.
    Resume,
    /// No new forward attempt, then undo.
    Cancel,
}

    /// Another run goes on from where each failed.
    Redrive,
impl Deed {
    /// All there are.
    pub const ALL: [Self; 5] = [Self::Retry, Self::Redrive, Self::Pause, Self::Resume, Self::Cancel];

    /// Short lower-case name, as stored.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Retry => "retry",
            Self::Pause => "pause",
            Self::Resume => "resume",
            Self::Cancel => "cancel",
        }
    }
}
            Self::Redrive => "redrive",

/// What became of an item.
enum Outcome {
    Done,
    Refused(String),
    /// Nobody can tell now.
    Later,
}

/// Carries errands out.
#[derive(Clone)]
pub struct Errands {
    engine: Arc<Engine>,
    book: ErrandBook,
    new: Arc<Notify>,
}

impl Errands {
    /// Of the engine's own history.
    #[must_use]
    pub fn new(engine: Arc<Engine>) -> Self {
        let book = engine.history().reader.errands();
        Self { engine, book, new: Arc::default() }
    }

    /// The engine.
    #[must_use]
    pub fn engine(&self) -> &Engine {
        &self.engine
    }

    /// What is stored of them.
    #[must_use]
    pub fn book(&self) -> &ErrandBook {
        &self.book
    }

    /// Makes an errand durable; it begins at once.
    ///
    /// # Errors
    /// Nothing is stored then.
    pub async fn begin(&self, errand: Errand, gids: &[String]) -> Result<(), DbErr> {
        self.book.create(errand, gids).await?;
        self.new.notify_one();
        Ok(())
    }

    /// Goes on until the process ends.
    pub async fn run(self) {
        loop {
            match self.some().await {
                Ok(true) => {}
                Ok(false) => drop(tokio::time::timeout(LOOK, self.new.notified()).await),
                Err(error) => {
                    tracing::warn!(%error, "acts in bulk go on later");
                    tokio::time::sleep(LOOK).await;
                }
            }
        }
    }

    /// Acts on some; false = there is nothing to do.
    async fn some(&self) -> Result<bool, DbErr> {
        let pending = self.book.pending(AT_ONCE).await?;
        let mut acted = false;
        let mut current: Option<Errand> = None;
        for item in pending {
            if current.as_ref().is_none_or(|errand| errand.id != item.errand_id) {
                current = self.book.find(&item.errand_id).await?;
            }
            let Some(errand) = &current else { continue };
            let (state, message) = match self.act(errand, &item.gid).await {
                Outcome::Done => ("done", String::new()),
                Outcome::Refused(why) => ("refused", bounded(&why)),
                Outcome::Later => continue,
            };
            let done_at_us = self.engine.now_us();
            self.book.settle(ErrandItem { state: state.to_owned(), message, done_at_us, ..item }).await?;
            acted = true;
            let rate = f64::from(errand.per_second.max(1));
            tokio::time::sleep(Duration::from_secs(1).div_f64(rate)).await;
        }
        Ok(acted)
    }

    async fn act(&self, errand: &Errand, gid: &str) -> Outcome {
        let live = match self.engine.find(gid).await {
            Ok(Some(live)) => live,
            Ok(None) => return Outcome::Refused("GID_NOT_FOUND|it is gone".to_owned()),
            Err(ReadError::Store(_) | ReadError::Elsewhere { .. }) => return Outcome::Later,
            Err(error @ (ReadError::Plan(_) | ReadError::Event(_))) => {
                return Outcome::Refused(error.to_string());
            }
        };
        let Some(deed) = Deed::ALL.into_iter().find(|deed| deed.name() == errand.act) else {
            return Outcome::Refused("another version asked for it".to_owned());
        };
        let reference = format!("bulk {}", errand.id);
        match self.is_recorded(gid, &reference).await {
            Ok(true) => return Outcome::Done,
            Ok(false) => {}
            Err(error) => {
                tracing::warn!(%error, "whether an act was done is looked up again");
                return Outcome::Later;
            }
        }
        let act = Act { reference, ..Act::of(&errand.subject, &errand.reason) };
        let engine = Arc::clone(&self.engine);
        // Acts must not be dropped half-way.
        let acted = tokio::spawn(async move { carry_out(&engine, &live, deed, &act).await });
        acted.await.unwrap_or(Outcome::Later)
    }

    /// Whether an act with this reference stands in the history: it was done, and its item not settled.
    async fn is_recorded(&self, gid: &str, reference: &str) -> Result<bool, DbErr> {
        let events = self.engine.history().reader.rows(gid, 0).await?;
        let mut acts = events.iter().filter_map(|event| Act::stored(&event.detail, &event.reason));
        Ok(acts.any(|act| act.reference == reference))
    }
}

async fn carry_out(engine: &Arc<Engine>, live: &Arc<Live>, deed: Deed, act: &Act) -> Outcome {
    let outcome = match deed {
        Deed::Retry => engine.retry_now(live, 0, None, act).await,
        Deed::Pause => engine.pause(live, 0, Deadlines::Stop, act).await,
        Deed::Resume => engine.resume(live, 0, act).await,
        Deed::Cancel => {
            return match engine.cancel(live, act).await {
                Ok(Cancelled::Decided | Cancelled::Already) => Outcome::Done,
                Ok(Cancelled::PastPivot) => Outcome::Refused("PAST_PIVOT|it can only go forward".to_owned()),
                Ok(Cancelled::PivotInFlight) => {
                    Outcome::Refused("PIVOT_IN_FLIGHT|the outcome of the pivot decides".to_owned())
                }
                Err(error) => unstored(&error),
            };
        }
    };
    match outcome {
        Ok(()) => Outcome::Done,
        Err(ActError::Denied(why)) => Outcome::Refused(format!("{}|{why}", why.reason())),
        Err(ActError::Append(error)) => unstored(&error),
    }
}

fn unstored(error: &AppendError) -> Outcome {
    tracing::warn!(%error, "an act was not recorded and is tried again");
    Outcome::Later
}
        Deed::Redrive => engine.redrive(live, 0, act).await,
