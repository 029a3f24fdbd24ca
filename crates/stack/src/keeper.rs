//! Keeps one process: starts it, notices its end, restarts it or not. Knows no role's meaning and no readiness.
use crate::launch::Launch;
use crate::{Restarts, Role, StackError};
use rustix::process::{Pid, Signal};
use std::process::ExitStatus;
use std::time::Duration;
use tokio::process::{Child, ChildStdin};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinHandle;

/// Pause before the first automatic restart; doubles with each death.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
/// The longest pause.
const LONGEST_PAUSE: Duration = Duration::from_secs(5);
/// A process that lived this long starts again with the first pause.
const LIVED_WELL: Duration = Duration::from_secs(10);

/// Whether the process is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Presence {
    /// Running under this id, since the `start`-th start.
    Up { pid: Pid, start: u32 },
    /// Not running after so many starts.
    Down { end: Option<ExitStatus>, start: u32 },
}

enum Request {
    /// Start it if it is down.
    Start(oneshot::Sender<Result<(), StackError>>),
    /// End it: SIGTERM, then SIGKILL after the grace.
    Stop { grace: Duration, done: oneshot::Sender<()> },
}

/// The handle on one kept process. Dropping it kills the process.
pub(crate) struct Keeper {
    role: Role,
    requests: mpsc::Sender<Request>,
    presence: watch::Receiver<Presence>,
    task: JoinHandle<()>,
}

impl Keeper {
    /// Starts the process and keeps it.
    pub(crate) async fn start(launch: Launch, restarts: Restarts) -> Result<Keeper, StackError> {
        let role = launch.role;
        let (requests, inbox) = mpsc::channel(4);
        let (announce, presence) = watch::channel(Presence::Down { end: None, start: 0 });
        let work = Work { launch, restarts, inbox, announce, starts: 0, pause: FIRST_PAUSE };
        let keeper = Keeper { role, requests, presence, task: tokio::spawn(work.run()) };
        keeper.launch().await?;
        Ok(keeper)
    }

    /// Starts it if it is down.
    pub(crate) async fn launch(&self) -> Result<(), StackError> {
        let (done, answer) = oneshot::channel();
        let gone = |role| StackError::NotRunning { role };
        self.requests.send(Request::Start(done)).await.map_err(|_| gone(self.role))?;
        answer.await.map_err(|_| gone(self.role))?
    }

    /// Ends it and keeps it down.
    pub(crate) async fn stop(&self, grace: Duration) {
        let (done, answer) = oneshot::channel();
        if self.requests.send(Request::Stop { grace, done }).await.is_ok() {
            // An error means that the keeper is gone, and the process with it.
            answer.await.ok();
        }
    }

    /// Follows whether it is there.
    pub(crate) fn presence(&self) -> watch::Receiver<Presence> {
        self.presence.clone()
    }

    /// Its process id, while it runs.
    pub(crate) fn pid(&self) -> Option<Pid> {
        match *self.presence.borrow() {
            Presence::Up { pid, .. } => Some(pid),
            Presence::Down { .. } => None,
        }
    }

    /// Sends it a signal.
    pub(crate) fn signal(&self, signal: Signal) -> Result<(), StackError> {
        let pid = self.pid().ok_or(StackError::NotRunning { role: self.role })?;
        rustix::process::kill_process(pid, signal)
            .map_err(|source| StackError::Signal { role: self.role, source })
    }
}

impl Drop for Keeper {
    fn drop(&mut self) {
        if let Some(pid) = self.pid() {
            // Only fails when it has just ended by itself.
            rustix::process::kill_process(pid, Signal::KILL).ok();
        }
        self.task.abort();
    }
}

struct Work {
    launch: Launch,
    restarts: Restarts,
    inbox: mpsc::Receiver<Request>,
    announce: watch::Sender<Presence>,
    starts: u32,
    pause: Duration,
}

/// What the keeper does next; the process lives inside the variants in which there is one.
enum Next {
    Watch(Box<Alive>),
    Pause,
    Rest,
    End,
}

/// A running process. Closing `lifeline` tells it that its stack is gone.
struct Alive {
    child: Child,
    pid: Pid,
    since: tokio::time::Instant,
    _lifeline: Option<ChildStdin>,
    _watcher: Option<Child>,
}

impl Work {
    async fn run(mut self) {
        let mut next = Next::Rest;
        loop {
            next = match next {
                Next::Watch(alive) => self.watch(alive).await,
                Next::Pause => self.pause().await,
                Next::Rest => self.rest().await,
                Next::End => return,
            }
        }
    }

    async fn watch(&mut self, mut alive: Box<Alive>) -> Next {
        loop {
            tokio::select! {
                end = alive.child.wait() => return self.died(&alive, end.ok()),
                request = self.inbox.recv() => match request {
                    None => return Next::End,
                    Some(Request::Start(done)) => { done.send(Ok(())).ok(); }
                    Some(Request::Stop { grace, done }) => {
                        let end = terminate(&mut alive, grace).await;
                        self.announce.send_replace(Presence::Down { end, start: self.starts });
                        done.send(()).ok();
                        return Next::Rest;
                    }
                },
            }
        }
    }

    fn died(&mut self, alive: &Alive, end: Option<ExitStatus>) -> Next {
        self.announce.send_replace(Presence::Down { end, start: self.starts });
        if alive.since.elapsed() > LIVED_WELL {
            self.pause = FIRST_PAUSE;
        }
        match self.restarts {
            Restarts::Automatic => {
                tracing::warn!(role = %self.launch.role, pid = alive.pid.as_raw_nonzero(), ?end, "died, starting again");
                Next::Pause
            }
            Restarts::ByHand => Next::Rest,
        }
    }

    async fn pause(&mut self) -> Next {
        let pause = self.pause;
        self.pause = (pause * 2).min(LONGEST_PAUSE);
        match tokio::time::timeout(pause, self.inbox.recv()).await {
            Ok(request) => self.answer_while_down(request),
            Err(_) => self.spawn().unwrap_or_else(|error| {
                tracing::error!(role = %self.launch.role, error = %error, "cannot be started again");
                Next::Pause
            }),
        }
    }

    async fn rest(&mut self) -> Next {
        let request = self.inbox.recv().await;
        self.answer_while_down(request)
    }

    fn answer_while_down(&mut self, request: Option<Request>) -> Next {
        match request {
            None => Next::End,
            Some(Request::Start(done)) => match self.spawn() {
                Ok(next) => {
                    done.send(Ok(())).ok();
                    next
                }
                Err(error) => {
                    done.send(Err(error)).ok();
                    Next::Rest
                }
            },
            Some(Request::Stop { done, .. }) => {
                done.send(()).ok();
                Next::Rest
            }
        }
    }

    fn spawn(&mut self) -> Result<Next, StackError> {
        let role = self.launch.role;
        let ended = || std::io::Error::other("ended at once");
        let failed = |source| StackError::Spawn { role, source };
        let mut child = self.launch.spawn().map_err(failed)?;
        let pid = child.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw);
        let pid = pid.ok_or_else(|| failed(ended()))?;
        // Taken out, because waiting for the child would close it.
        let lifeline = child.stdin.take();
        let watcher = self.launch.spawn_watcher(pid).map_err(failed)?;
        self.starts += 1;
        self.announce.send_replace(Presence::Up { pid, start: self.starts });
        let since = tokio::time::Instant::now();
        Ok(Next::Watch(Box::new(Alive { child, pid, since, _lifeline: lifeline, _watcher: watcher })))
    }
}

/// Asks it to end, then makes it. A stopped process is woken up, so that it can hear the request.
async fn terminate(alive: &mut Alive, grace: Duration) -> Option<ExitStatus> {
    // The child is not reaped yet, so the id is still its own; errors mean that it has ended.
    rustix::process::kill_process(alive.pid, Signal::TERM).ok();
    rustix::process::kill_process(alive.pid, Signal::CONT).ok();
    if let Ok(end) = tokio::time::timeout(grace, alive.child.wait()).await {
        return end.ok();
    }
    rustix::process::kill_process(alive.pid, Signal::KILL).ok();
    alive.child.wait().await.ok()
}

#[cfg(test)]
#[path = "keeper_tests.rs"]
mod tests;
