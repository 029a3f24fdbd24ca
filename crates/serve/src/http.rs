//! One HTTP/1 server as all processes run it: so many connections, each with so much time for a request's head, and a drain
//! at the end. Somebody who opens connections and says nothing costs nobody else theirs. Knows no page.

use axum::Router;
use axum::serve::Listener;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};

/// What a server takes.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Connections at a time; others wait until one ends.
    pub connections: u32,
    /// Until the head of a request is there, from the connection's beginning or the last answer on.
    pub head: Duration,
    /// How long requests in flight may take to end once the server was asked to stop.
    pub drain: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Limits { connections: 1_000, head: Duration::from_secs(10), drain: Duration::from_secs(3) }
    }
}

/// Serves `routes` until `stop` ends, then lets requests in flight finish for at most `limits.drain`.
pub async fn serve(
    mut listener: TcpListener,
    routes: Router,
    limits: Limits,
    stop: impl Future<Output = ()>,
) {
    let room = Arc::new(Semaphore::new(limits.connections as usize));
    let (stopping, stopped) = watch::channel(false);
    let mut stop = pin!(stop);
    loop {
        let next = async {
            let place = Arc::clone(&room).acquire_owned().await;
            // A failed accept is logged and tried again: it must not end the server.
            (place, Listener::accept(&mut listener).await.0)
        };
        tokio::select! {
            (place, stream) = next => {
                let Ok(place) = place else { break };
                tokio::spawn(connection(stream, routes.clone(), limits.head, stopped.clone(), place));
            }
            () = &mut stop => break,
        }
    }
    drop(listener);
    stopping.send_replace(true);
    if tokio::time::timeout(limits.drain, room.acquire_many(limits.connections)).await.is_err() {
        tracing::warn!(
            drain_s = limits.drain.as_secs(),
            "pages still being sent after the drain were cut off"
        );
    }
}

async fn connection(
    stream: TcpStream,
    routes: Router,
    head: Duration,
    mut stopping: watch::Receiver<bool>,
    _place: OwnedSemaphorePermit,
) {
    let mut server = http1::Builder::new();
    server.timer(TokioTimer::new()).header_read_timeout(head);
    let mut served = pin!(server.serve_connection(TokioIo::new(stream), TowerToHyperService::new(routes)));
    let ended = tokio::select! {
        ended = served.as_mut() => Some(ended),
        () = async { drop(stopping.wait_for(|stopping| *stopping).await) } => None,
    };
    let ended = match ended {
        Some(ended) => ended,
        None => {
            served.as_mut().graceful_shutdown();
            served.await
        }
    };
    if let Err(error) = ended {
        // Whoever hangs up or says nothing is no fault of ours.
        tracing::debug!(%error, "a connection broke");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::routing::get;
    use std::net::SocketAddr;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::sync::Notify;
    use tokio::task::JoinHandle;

    /// One page, with room for one connection.
    struct Site {
        address: SocketAddr,
        /// Told by the page once somebody asks for it.
        asked: Arc<Notify>,
        /// The page is sent once this was told.
        go: Arc<Notify>,
        stop: watch::Sender<bool>,
        served: JoinHandle<()>,
    }

    impl Site {
        async fn open(head: Duration) -> Self {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let address = listener.local_addr().unwrap();
            let (asked, go) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
            let told = (Arc::clone(&asked), Arc::clone(&go));
            let page = async move || {
                told.0.notify_one();
                told.1.notified().await;
                "served"
            };
            let (stop, mut stopped) = watch::channel(false);
            let stopped = async move { drop(stopped.wait_for(|stop| *stop).await) };
            let limits = Limits { connections: 1, head, drain: Duration::from_secs(60) };
            let served = tokio::spawn(serve(listener, Router::new().route("/", get(page)), limits, stopped));
            Site { address, asked, go, stop, served }
        }

        async fn ask(&self, text: &str) -> TcpStream {
            let mut stream = TcpStream::connect(self.address).await.unwrap();
            stream.write_all(text.as_bytes()).await.unwrap();
            stream
        }
    }

    async fn answer(mut stream: TcpStream) -> String {
        let mut text = String::new();
        stream.read_to_string(&mut text).await.unwrap();
        text
    }

    #[tokio::test]
    async fn who_says_nothing_makes_place_for_others() {
        let site = Site::open(Duration::from_millis(200)).await;
        let silent = site.ask("GET / HT").await;
        site.go.notify_one();
        // The only place is taken until the silent one is cut off.
        let other = site.ask("GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").await;
        assert!(answer(other).await.ends_with("served"));
        assert!(!answer(silent).await.contains("served"));
    }

    #[tokio::test]
    async fn what_is_in_flight_is_answered_at_the_end() {
        let site = Site::open(Duration::from_secs(60)).await;
        let kept = site.ask("GET / HTTP/1.1\r\nhost: x\r\n\r\n").await;
        site.asked.notified().await;
        site.stop.send_replace(true);
        site.go.notify_one();
        assert!(
            answer(kept).await.ends_with("served"),
            "and the connection, which was to be kept, is closed"
        );
        site.served.await.unwrap();
        assert!(TcpStream::connect(site.address).await.is_err(), "nobody listens any more");
    }
}
