//! A participant with an address of its own that is there at times, and counts its calls. Knows no orchestrator.
use super::wire;
use amends_proto::amends::v1::noop_server::{Noop, NoopServer};
use amends_serve::listener;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use tokio::task::JoinHandle;
use tonic::{Request, Response, Status};

/// The participant; while it is closed, connections to it are refused.
pub struct Quay {
    pub address: SocketAddr,
    calls: Calls,
    server: Option<JoinHandle<()>>,
}

type Calls = Arc<Mutex<Vec<Instant>>>;

impl Quay {
    /// Finds an address that is free, and is not there yet.
    pub async fn reserve() -> anyhow::Result<Quay> {
        let listener = listener::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, 0))).await?;
        Ok(Quay { address: listener.local_addr()?, calls: Calls::default(), server: None })
    }

    /// Is there from now on.
    pub async fn open(&mut self) -> anyhow::Result<()> {
        let listener = listener::bind(self.address).await?;
        self.server = Some(wire::serve(listener, NoopServer::new(Service(Arc::clone(&self.calls)))));
        Ok(())
    }

    /// Is away from now on, and whoever is connected is cut off.
    pub fn close(&mut self) {
        if let Some(server) = self.server.take() {
            server.abort();
        }
    }

    /// Most calls that came within a second, wherever that began.
    pub fn most_in_a_second(&self) -> usize {
        let calls = self.calls.lock().unwrap_or_else(PoisonError::into_inner);
        most_in_a_second(&calls)
    }
}

impl Drop for Quay {
    fn drop(&mut self) {
        self.close();
    }
}

fn most_in_a_second(calls: &[Instant]) -> usize {
    let (mut last, mut most) = (0, 0);
    for (first, began) in calls.iter().enumerate() {
        while last < calls.len() && calls[last] < *began + Duration::from_secs(1) {
            last += 1;
        }
        most = most.max(last - first);
    }
    most
}

struct Service(Calls);

impl Service {
    fn called(&self) -> Result<Response<()>, Status> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(Instant::now());
        Ok(Response::new(()))
    }
}

#[tonic::async_trait]
impl Noop for Service {
    async fn r#do(&self, _: Request<()>) -> Result<Response<()>, Status> {
        self.called()
    }

    async fn confirm(&self, _: Request<()>) -> Result<Response<()>, Status> {
        self.called()
    }

    async fn undo(&self, _: Request<()>) -> Result<Response<()>, Status> {
        self.called()
    }

    async fn refuse(&self, _: Request<()>) -> Result<Response<()>, Status> {
        self.called()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_fullest_second_is_found_wherever_it_begins() {
        let now = Instant::now();
        let calls: Vec<Instant> =
            [0, 900, 1_000, 1_100, 1_899, 1_900, 5_000].map(|ms| now + Duration::from_millis(ms)).to_vec();
        assert_eq!(most_in_a_second(&calls), 4);
        assert_eq!(most_in_a_second(&[]), 0);
    }
}
