//! When a process is asked to end.

use std::future::Future;

use tokio::signal::unix::{Signal, SignalKind, signal as listen};

/// Ends at the first SIGTERM or SIGINT. The handlers are in place when this returns, so a signal that arrives
/// before the future is polled is not lost. Must be called inside a tokio runtime.
pub fn signal() -> impl Future<Output = ()> + Send + 'static {
    let (term, interrupt) = (handler(SignalKind::terminate()), handler(SignalKind::interrupt()));
    async move {
        tokio::select! {
            () = received(term) => tracing::info!("asked to end by SIGTERM"),
            () = received(interrupt) => tracing::info!("asked to end by SIGINT"),
        }
    }
}

fn handler(kind: SignalKind) -> Option<Signal> {
    listen(kind).inspect_err(|error| tracing::error!(%error, "signal handler could not be set")).ok()
}

async fn received(signal: Option<Signal>) {
    match signal {
        Some(mut signal) => {
            signal.recv().await;
        }
        None => std::future::pending().await,
    }
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    #[tokio::test]
    async fn a_signal_sent_before_the_first_poll_is_not_lost() {
        let asked = super::signal();
        let pid = std::process::id().to_string();
        assert!(Command::new("kill").args(["-TERM", &pid]).status().unwrap().success());
        tokio::time::timeout(std::time::Duration::from_secs(5), asked).await.unwrap();
    }
}
