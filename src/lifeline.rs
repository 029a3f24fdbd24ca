//! When a served process has to end: a signal, or the end of the parent that holds its standard input open.
use std::future::Future;
use std::io::Read as _;
use std::time::Duration;
use tokio::sync::oneshot;

/// How long a process may drain once its parent is gone; nobody is left to kill it.
const ORPHAN_GRACE: Duration = Duration::from_secs(5);

/// What ends the process besides SIGTERM and SIGINT.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lifeline {
    /// Nothing.
    None,
    /// The end of standard input.
    Stdin,
}

/// Ends when the process has to.
pub fn shutdown(lifeline: Lifeline) -> impl Future<Output = ()> + Send + 'static {
    let signal = amends_serve::shutdown::signal();
    let orphaned = match lifeline {
        Lifeline::None => None,
        Lifeline::Stdin => Some(stdin_closed()),
    };
    async move {
        match orphaned {
            None => signal.await,
            Some(orphaned) => {
                tokio::select! {
                    () = signal => {}
                    _ = orphaned => {}
                }
            }
        }
    }
}

/// A thread of its own reads, because a blocking read on tokio's threads would hold up the runtime's end.
fn stdin_closed() -> oneshot::Receiver<()> {
    let (closed, told) = oneshot::channel();
    std::thread::spawn(move || {
        let mut bytes = [0; 64];
        while matches!(std::io::stdin().read(&mut bytes), Ok(count) if count > 0) {}
        tracing::info!("the parent is gone");
        // Nobody listens any more when a signal came first.
        closed.send(()).ok();
        std::thread::sleep(ORPHAN_GRACE);
        std::process::exit(1);
    });
    told
}
