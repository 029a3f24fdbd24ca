//! The gate of a lane with a clock, and with tasks that wait before it. One lock, held for no longer than the gate needs
//! to decide; no task for a call, and one for the lane while it is time that somebody waits for.

use super::breaker::{Phase, Sign};
use super::call::Answered;
use super::gate::{Asked, Figures, Gate, Hindrance, Pass};
use super::queue::{Ticket, Turn};
use super::rate::Rate;
use super::settings::LaneSettings;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::sync::{Notify, Semaphore, oneshot};
use tokio::time::Instant;

/// Who wants to make a call, and which of an op's calls it is.
#[derive(Debug, Clone, Copy)]
pub struct Ask<'a> {
    /// Name of the definition: none of them keeps the others out.
    pub definition: &'a str,
    /// Names the global transaction.
    pub gid: &'a str,
    /// Whether it is a repeat.
    pub turn: Turn,
}

/// The door to one participant.
#[derive(Debug)]
pub struct Door {
    name: String,
    state: Mutex<State>,
    began: Instant,
    sooner: Notify,
    leaving: Mutex<Rate>,
    /// Who leaves next, in the order in which they came.
    row: Semaphore,
}

#[derive(Debug)]
struct State {
    gate: Gate<oneshot::Sender<Admission>>,
    /// When time alone lets somebody in.
    opens_at: Option<Duration>,
    is_watched: bool,
}

/// The right to make one call, until it is dropped.
#[derive(Debug)]
pub struct Admission {
    door: Arc<Door>,
    pass: Option<Pass>,
}

/// The place of one who waits: a future of his admission. Dropping it gives the place up.
#[derive(Debug)]
pub struct Place {
    door: Arc<Door>,
    ticket: Option<Ticket>,
    admitted: oneshot::Receiver<Admission>,
}

impl Door {
    /// A door before which nobody waits, to the participant of this name.
    #[must_use]
    pub fn new(name: &str, settings: LaneSettings) -> Arc<Self> {
        let state = State { gate: Gate::new(settings, Duration::ZERO), opens_at: None, is_watched: false };
        Arc::new(Self {
            name: name.to_owned(),
            state: Mutex::new(state),
            began: Instant::now(),
            sooner: Notify::new(),
            leaving: Mutex::new(Rate::new(settings.rate, Duration::ZERO)),
            row: Semaphore::new(1),
        })
    }

    /// In at once, or a place before the door.
    pub fn ask(self: &Arc<Self>, ask: &Ask<'_>) -> Result<Admission, Place> {
        let asked = Asked { definition: ask.definition, turn: ask.turn, by: hash(ask.gid) };
        let mut state = self.lock();
        if let Some(pass) = state.gate.ask(&asked, self.now()) {
            drop(state);
            return Ok(Admission { door: Arc::clone(self), pass: Some(pass) });
        }
        let (told, admitted) = oneshot::channel();
        let ticket = state.gate.wait(&asked, told);
        self.let_in(state);
        Err(Place { door: Arc::clone(self), ticket: Some(ticket), admitted })
    }

    /// Other settings from now on.
    pub fn set(self: &Arc<Self>, settings: LaneSettings) {
        let mut state = self.lock();
        if state.gate.settings().rate != settings.rate {
            *self.leaving() = Rate::new(settings.rate, self.now());
        }
        state.gate.set(settings, self.now());
        self.let_in(state);
    }

    /// Its settings.
    #[must_use]
    pub fn settings(&self) -> LaneSettings {
        *self.lock().gate.settings()
    }

    /// For people; times are since the door was made.
    #[must_use]
    pub fn figures(&self) -> (Figures, Duration) {
        let now = self.now();
        (self.lock().gate.figures(now), now)
    }

    /// Why a call would have to wait now, and for how long at least.
    #[must_use]
    pub fn hindrance(&self) -> Option<(Hindrance, Option<Duration>)> {
        let now = self.now();
        let hindrance = self.lock().gate.hindrance(now)?;
        Some((hindrance, hindrance.until().map(|until| until.saturating_sub(now))))
    }

    /// Whether the participant is away, as far as its breaker knows.
    #[must_use]
    pub fn is_shut(&self) -> bool {
        let now = self.now();
        self.lock().gate.is_shut(now)
    }

    fn ended(self: &Arc<Self>, pass: &Pass, sign: impl FnOnce(&LaneSettings) -> Option<Sign>) {
        let mut state = self.lock();
        let (sign, before) = (sign(state.gate.settings()), state.gate.phase());
        state.gate.ended(pass, sign, self.now());
        let after = state.gate.phase();
        self.let_in(state);
        match (before, after) {
            (Phase::Closed, Phase::Open | Phase::HalfOpen) => {
                tracing::warn!(
                    participant = self.name,
                    "the breaker is open: too many calls failed or were slow"
                );
            }
            (Phase::Open | Phase::HalfOpen, Phase::Closed) => {
                tracing::info!(participant = self.name, "the breaker is closed again");
            }
            (Phase::Closed, Phase::Closed)
            | (Phase::Open | Phase::HalfOpen, Phase::Open | Phase::HalfOpen) => {}
        }
    }

    /// Lets everybody in who may go by now, and has somebody come back when time lets in the next.
    fn let_in(self: &Arc<Self>, mut state: MutexGuard<'_, State>) {
        if state.gate.depth() == 0 {
            state.opens_at = None;
            return;
        }
        let released = state.gate.release(self.now());
        let (before, next) = (state.opens_at, state.gate.next());
        state.opens_at = next;
        match next {
            Some(_) if !state.is_watched => {
                state.is_watched = true;
                tokio::spawn(Arc::clone(self).watch());
            }
            Some(next) if before.is_none_or(|before| next < before) => self.sooner.notify_one(),
            Some(_) | None => {}
        }
        drop(state);
        for (told, pass) in released {
            // Who has just gone drops it, which lets the next one in.
            drop(told.send(Admission { door: Arc::clone(self), pass: Some(pass) }));
        }
    }

    async fn watch(self: Arc<Self>) {
        while let Some(at) = self.opens_at() {
            tokio::select! {
                () = tokio::time::sleep_until(self.began + at) => self.let_in(self.lock()),
                () = self.sooner.notified() => {}
            }
        }
    }

    /// When it is time; `None` = nobody waits for that any more, and nobody watches.
    fn opens_at(&self) -> Option<Duration> {
        let mut state = self.lock();
        state.is_watched = state.opens_at.is_some();
        state.opens_at
    }

    fn leaving(&self) -> MutexGuard<'_, Rate> {
        self.leaving.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn now(&self) -> Duration {
        self.began.elapsed()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Admission {
    /// Returns when the call may be made: at once, unless many were let in evenly and then held up together, as by a
    /// commit that took long. They must not come to the participant as one crowd (the lane's rate).
    pub async fn leave(&self) {
        // The semaphore is never closed.
        let _first = self.door.row.acquire().await;
        loop {
            let taken = self.door.leaving().take(self.door.now());
            match taken {
                Ok(()) => return,
                Err(then) => tokio::time::sleep_until(self.door.began + then).await,
            }
        }
    }

    /// The call was made: what came of it, and how long it took.
    pub fn ended(mut self, answered: &Answered, took: Duration) {
        if let Some(pass) = self.pass.take() {
            self.door.ended(&pass, |settings| Some(answered.sign(took, settings.slow())));
        }
    }
}

impl Drop for Admission {
    fn drop(&mut self) {
        if let Some(pass) = self.pass.take() {
            self.door.ended(&pass, |_| None);
        }
    }
}

impl Future for Place {
    type Output = Admission;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Admission> {
        match Pin::new(&mut self.admitted).poll(context) {
            Poll::Ready(Ok(admission)) => {
                self.ticket = None;
                Poll::Ready(admission)
            }
            // Nobody drops the other end without a word: it stands in the queue until it is used.
            Poll::Ready(Err(_)) | Poll::Pending => Poll::Pending,
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if let Some(ticket) = self.ticket.take() {
            let mut state = self.door.lock();
            state.gate.leave(&ticket);
            self.door.let_in(state);
        }
    }
}

fn hash(gid: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    gid.hash(&mut hasher);
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn those_who_were_held_up_together_do_not_leave_as_a_crowd() {
        const RATE: usize = 50;
        let settings = "concurrency=200,rate=50".parse().unwrap();
        let door = Door::new("points", settings);
        let mut admitted = Vec::new();
        while admitted.len() < 2 * RATE {
            let gid = admitted.len().to_string();
            let ask = Ask { definition: "d", gid: &gid, turn: Turn::First };
            admitted.push(match door.ask(&ask) {
                Ok(admission) => admission,
                Err(place) => place.await,
            });
        }
        // All of them wait for one commit until now.
        let mut left = Vec::new();
        for admission in &admitted {
            admission.leave().await;
            left.push(door.now());
        }
        for (first, began) in left.iter().enumerate() {
            let within = left[first..].iter().filter(|at| **at < *began + Duration::from_secs(1)).count();
            assert!(within <= RATE, "{within} left within a second");
        }
        assert!(left[left.len() - 1] - left[0] < Duration::from_secs(3), "{left:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn who_was_not_held_up_leaves_at_once() {
        let door = Door::new("points", "rate=20".parse().unwrap());
        for gid in 0..60 {
            let gid = gid.to_string();
            let ask = Ask { definition: "d", gid: &gid, turn: Turn::First };
            let admission = match door.ask(&ask) {
                Ok(admission) => admission,
                Err(place) => place.await,
            };
            let admitted = door.now();
            admission.leave().await;
            assert_eq!(door.now(), admitted);
        }
    }
}
