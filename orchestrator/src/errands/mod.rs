//! Acts in bulk: the global transactions that a filter finds now become the items of an errand, which is durable before
//! anything is done; then each is acted on like by hand, some a second. Whoever starts anew goes on with what is pending.
//! What an act recorded refers to its errand, so that nobody does it a second time. Errands are carried out beside each
//! other, each by its own rate.
//! Must not know participants, nor who may act.

mod preview;
mod turns;
mod under_way;

pub use preview::{MOST, Preview, TooMany, preview};

use crate::engine::{ActError, Cancelled, Engine, Live};
use crate::explain;
use crate::history::{Act, AppendError, Deadlines, Errand, ErrandBook, ErrandItem, ReadError, bounded};
use sea_orm::DbErr;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Notify;
use tokio::time::Instant;
use turns::{Ended, Turns};
use under_way::UnderWay;

/// Items looked up at once.
const AT_ONCE: u64 = 100;
/// A turn of one errand; then it is the turn of others that wait.
const TURN: Duration = Duration::from_secs(5);
/// Longest wait for one item: an act that hangs goes on by itself, and the errand with its other items.
const PATIENCE: Duration = Duration::from_secs(5);
/// Between two looks for what another replica's caller asked for.
const LOOK: Duration = Duration::from_secs(1);

/// What may be done to many.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Deed {
    /// The next attempt is made now.
    Retry,
    /// No new attempt; deadlines stand still.
    Pause,
    /// Another run goes on from where each failed.
    Redrive,
    /// Attempts go on.
    Resume,
    /// No new forward attempt, then undo.
    Cancel,
}

impl Deed {
    /// All there are.
    pub const ALL: [Self; 5] = [Self::Retry, Self::Redrive, Self::Pause, Self::Resume, Self::Cancel];

    /// Short lower-case name, as stored.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Retry => "retry",
            Self::Redrive => "redrive",
            Self::Pause => "pause",
            Self::Resume => "resume",
            Self::Cancel => "cancel",
        }
    }
}

/// What became of an item.
enum Outcome {
    /// With what is to be known of it; mostly nothing.
    Done(String),
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
    under_way: Arc<UnderWay>,
}

impl Errands {
    /// Of the engine's own history.
    #[must_use]
    pub fn new(engine: Arc<Engine>) -> Self {
        let book = engine.history().reader.errands();
        Self { engine, book, new: Arc::default(), under_way: Arc::default() }
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
    /// Nothing is stored then, but where the store went away in between: that may be so or not.
    pub async fn begin(&self, errand: Errand, gids: &[String]) -> Result<(), DbErr> {
        self.book.create(errand, gids).await?;
        self.new.notify_one();
        Ok(())
    }

    /// Goes on until the process ends.
    pub async fn run(self) {
        let mut turns = Turns::default();
        loop {
            if let Err(error) = self.begin_turns(&mut turns).await {
                tracing::warn!(%error, "acts in bulk go on later");
            }
            tokio::select! {
                () = turns.ended() => {}
                _ = tokio::time::timeout(LOOK, self.new.notified()) => {}
            }
        }
    }

    /// Fills the free places with those whose turn it is.
    async fn begin_turns(&self, turns: &mut Turns) -> Result<(), DbErr> {
        let free = turns.free();
        if free == 0 {
            return Ok(());
        }
        for id in self.book.waiting(turns.last(), &turns.running(), free).await? {
            let (errands, errand) = (self.clone(), id.clone());
            turns.begin(id, |at| async move {
                match errands.turn(&errand, at).await {
                    Ok(at) => Ended { id: errand, at },
                    Err(error) => {
                        tracing::warn!(errand, %error, "an act in bulk goes on later");
                        tokio::time::sleep(LOOK).await;
                        Ended { id: errand, at: None }
                    }
                }
            });
        }
        Ok(())
    }

    /// One turn of an errand, from behind the item `at`; tells where the next one goes on.
    async fn turn(&self, id: &str, mut at: String) -> Result<Option<String>, DbErr> {
        let until = Instant::now() + TURN;
        let mut acted = false;
        while let Some(errand) = self.book.find(id).await? {
            let pending = self.book.pending(id, &at, AT_ONCE).await?;
            if pending.is_empty() {
                break;
            }
            for item in pending {
                at.clone_from(&item.gid);
                acted |= self.settle(&errand, item).await?;
                if Instant::now() >= until {
                    return Ok(Some(at));
                }
            }
        }
        if !acted {
            // What is left can be done later only.
            tokio::time::sleep(LOOK).await;
        }
        Ok(None)
    }

    /// Acts on one item, and keeps the errand's rate; false = it stays pending.
    async fn settle(&self, errand: &Errand, item: ErrandItem) -> Result<bool, DbErr> {
        let acted = tokio::time::timeout(PATIENCE, self.act(errand, &item.gid)).await;
        let (state, message) = match acted.unwrap_or(Outcome::Later) {
            Outcome::Done(note) => ("done", bounded(&note)),
            Outcome::Refused(why) => ("refused", bounded(&why)),
            Outcome::Later => return Ok(false),
        };
        let done_at_us = self.engine.now_us();
        self.book.settle(ErrandItem { state: state.to_owned(), message, done_at_us, ..item }).await?;
        let rate = f64::from(errand.per_second.max(1));
        tokio::time::sleep(Duration::from_secs(1).div_f64(rate)).await;
        Ok(true)
    }

    async fn act(&self, errand: &Errand, gid: &str) -> Outcome {
        let reference = format!("bulk {}", errand.id);
        // What nobody waited for any more may be recorded at any moment: it must not be done a second time.
        let Some(alone) = UnderWay::begin(&self.under_way, &reference, gid) else { return Outcome::Later };
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
        match self.is_recorded(gid, &reference).await {
            Ok(true) => return Outcome::Done(String::new()),
            Ok(false) => {}
            Err(error) => {
                tracing::warn!(%error, "whether an act was done is looked up again");
                return Outcome::Later;
            }
        }
        let act = Act { reference, ..Act::of(&errand.subject, &errand.reason) };
        let engine = Arc::clone(&self.engine);
        // Acts must not be dropped half-way.
        let acted = tokio::spawn(async move {
            let outcome = carry_out(&engine, &live, deed, &act).await;
            drop(alone);
            outcome
        });
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
        Deed::Redrive => engine.redrive(live, 0, act).await,
        Deed::Pause => engine.pause(live, 0, Deadlines::Stop, act).await,
        Deed::Resume => engine.resume(live, 0, act).await,
        Deed::Cancel => {
            return match engine.cancel(live, act).await {
                Ok(Cancelled::Decided | Cancelled::Already) => Outcome::Done(String::new()),
                Ok(Cancelled::PastPivot) => Outcome::Refused("PAST_PIVOT|it can only go forward".to_owned()),
                Ok(Cancelled::PivotInFlight) => {
                    Outcome::Refused("PIVOT_IN_FLIGHT|the outcome of the pivot decides".to_owned())
                }
                Err(error) => unstored(&error),
            };
        }
    };
    match outcome {
        Ok(()) if deed == Deed::Retry => Outcome::Done(waits(engine, live)),
        Ok(()) => Outcome::Done(String::new()),
        Err(ActError::Denied(why)) => Outcome::Refused(format!("{}|{why}", why.reason())),
        Err(ActError::Append(error)) => unstored(&error),
    }
}

/// What the attempt that was asked for waits for all the same.
fn waits(engine: &Engine, live: &Live) -> String {
    let held: Vec<String> =
        engine.holding(live).iter().map(|held| explain::scope(held, &live.plan).0).collect();
    if held.is_empty() {
        return String::new();
    }
    format!("HELD|the attempt waits until {} is resumed", held.join(" and "))
}

fn unstored(error: &AppendError) -> Outcome {
    tracing::warn!(%error, "an act was not recorded and is tried again");
    Outcome::Later
}
