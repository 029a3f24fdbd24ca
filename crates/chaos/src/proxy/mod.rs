//! A proxy on one link: it carries bytes of TCP connections, in any weather. Knows no link's name and no protocol, but
//! for `twice`, which delivers gRPC requests again.
mod pump;
mod twice;

use crate::draw::Draw;
use crate::error::ChaosError;
use crate::fault::Weather;
use pump::Pump;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, OnceLock};
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};
use twice::Twice;

/// Whoever is called on this machine takes a connection at once, or is not there.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);

/// The weather, and how often it has changed: a connection knows whether it stood when it began.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct Forecast {
    weather: Weather,
    changes: u64,
}

/// Whether a proxy understands requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reading {
    /// Bytes are bytes.
    Bytes,
    /// gRPC, so that requests can be delivered twice.
    Requests,
}

/// A running proxy; dropping it closes it and its connections.
pub struct Proxy {
    address: SocketAddr,
    forecast: watch::Sender<Forecast>,
    upstream: Arc<OnceLock<String>>,
    twice: Option<Twice>,
    server: JoinHandle<()>,
}

impl Proxy {
    /// Opens a proxy on a free port, which leads nowhere yet. `seed` decides what it loses.
    ///
    /// # Errors
    /// There is no free port.
    pub async fn open(reading: Reading, seed: u64) -> Result<Proxy, ChaosError> {
        let listener = listen().await?;
        let address = listener.local_addr().map_err(ChaosError::Proxy)?;
        let (forecast, upstream) = (watch::Sender::<Forecast>::default(), Arc::new(OnceLock::new()));
        let twice = match reading {
            Reading::Bytes => None,
            Reading::Requests => Some(Twice::open(forecast.subscribe()).await?),
        };
        let way = Way { upstream: Arc::clone(&upstream), forecast: forecast.subscribe() };
        let server = tokio::spawn(accept(listener, way, seed));
        Ok(Proxy { address, forecast, upstream, twice, server })
    }

    /// host:port.
    #[must_use]
    pub fn address(&self) -> String {
        self.address.to_string()
    }

    /// Makes it lead to host:port; counts once.
    ///
    /// # Errors
    /// That is no address.
    pub fn lead_to(&self, address: &str) -> Result<(), ChaosError> {
        let next = match &self.twice {
            None => address.to_owned(),
            Some(twice) => {
                twice.lead_to(address)?;
                twice.address()
            }
        };
        self.upstream.get_or_init(|| next);
        Ok(())
    }

    /// From now on, what it carries meets this weather.
    pub fn set(&self, weather: Weather) {
        self.forecast.send_modify(|now| *now = Forecast { weather, changes: now.changes + 1 });
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.server.abort();
    }
}

async fn listen() -> Result<TcpListener, ChaosError> {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.map_err(ChaosError::Proxy)
}

/// Where connections lead, and through what.
#[derive(Clone)]
struct Way {
    upstream: Arc<OnceLock<String>>,
    forecast: watch::Receiver<Forecast>,
}

async fn accept(listener: TcpListener, way: Way, seed: u64) {
    let mut connections = JoinSet::new();
    let mut number = 0;
    loop {
        tokio::select! {
            // A listener that fails once (too many open files) may accept the next.
            accepted = listener.accept() => if let Ok((near, _)) = accepted {
                number += 1;
                connections.spawn(way.clone().carry(near, Draw::new(seed, number)));
            },
            Some(_) = connections.join_next(), if !connections.is_empty() => {}
        }
    }
}

impl Way {
    async fn carry(mut self, near: TcpStream, mut draw: Draw) {
        let born = *self.forecast.borrow_and_update();
        let lost = matches!(born.weather, Weather::Loss { percent } if draw.below(100) < percent);
        match self.reach().await {
            Some(far) if !lost => self.join(near, far, born, draw).await,
            Some(_) | None => reset(near),
        }
    }

    /// The far end of a new connection.
    async fn reach(&self) -> Option<TcpStream> {
        let connect = TcpStream::connect(self.upstream.get()?);
        tokio::time::timeout(CONNECT_TIMEOUT, connect).await.ok()?.ok()
    }

    async fn join(&mut self, mut near: TcpStream, mut far: TcpStream, born: Forecast, draw: Draw) {
        // Whoever speaks through it has set this too; a connection that is gone says so when it is read.
        near.set_nodelay(true).ok();
        far.set_nodelay(true).ok();
        let mut forecast = self.forecast.clone();
        let broken = {
            let ((from_near, to_near), (from_far, to_far)) = (near.split(), far.split());
            let requests = Pump::requests(self.forecast.clone(), draw.clone()).run(from_near, to_far);
            let answers = Pump::answers(self.forecast.clone(), draw).run(from_far, to_near);
            tokio::select! {
                carried = async { tokio::try_join!(requests, answers) } => carried.is_err(),
                () = loses_its_far_end(&mut forecast, born) => false,
            }
        };
        if is_half_open(*forecast.borrow(), born) {
            drop(far);
            // Silence, until somebody is there again who knows nothing of this connection.
            forecast.wait_for(|now| !is_half_open(*now, born)).await.ok();
            reset(near);
        } else if broken {
            reset(near);
            reset(far);
        }
    }
}

async fn loses_its_far_end(forecast: &mut watch::Receiver<Forecast>, born: Forecast) {
    if forecast.wait_for(|now| is_half_open(*now, born)).await.is_err() {
        // Nobody makes the weather any more.
        std::future::pending::<()>().await;
    }
}

/// Only what stood when it began is concerned.
fn is_half_open(now: Forecast, born: Forecast) -> bool {
    now.weather == Weather::HalfOpen && now.changes > born.changes
}

/// Ends a connection with a reset instead of an orderly end.
fn reset(stream: TcpStream) {
    // Fails only on a connection that is gone already.
    stream.set_zero_linger().ok();
    drop(stream);
}

#[cfg(test)]
mod tests;
