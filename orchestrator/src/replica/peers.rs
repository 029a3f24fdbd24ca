//! The ways to the other replicas. Knows who lives by asking the database, not oftener than need be.

use super::table::{Addresses, Table};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::Notify;
use tokio::time::Instant;
use tonic::transport::{Channel, Endpoint};

/// For so long a replica that lived is taken to live.
const BELIEVED: Duration = Duration::from_millis(250);
const CONNECT_TIMEOUT: Duration = Duration::from_millis(500);
/// A replica that does not answer a ping for so long cannot answer a forwarded call either.
const KEEP_ALIVE: Duration = Duration::from_secs(1);

/// Which of a replica's two listeners.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Door {
    /// What the coordinator calls.
    Relay,
    /// What clients and operators call.
    Api,
}

/// The other replicas.
#[derive(Debug)]
pub struct Peers {
    table: Table,
    known: Mutex<HashMap<String, Peer>>,
    wanted: Arc<Notify>,
}

#[derive(Debug, Clone)]
struct Peer {
    seen: Instant,
    relay: Channel,
    api: Channel,
}

impl Peers {
    pub(super) fn new(table: Table, wanted: Arc<Notify>) -> Self {
        Self { table, known: Mutex::default(), wanted }
    }

    /// This replica.
    #[must_use]
    pub fn me(&self) -> &str {
        &self.table.id
    }

    /// The way to a replica; `None` = it is gone, and what it had is being taken over.
    pub async fn reach(&self, id: &str, door: Door) -> Option<Channel> {
        let known = self.known().get(id).cloned();
        let peer = match known.filter(|peer| peer.seen.elapsed() < BELIEVED) {
            Some(peer) => peer,
            None => self.look(id).await?,
        };
        Some(match door {
            Door::Relay => peer.relay,
            Door::Api => peer.api,
        })
    }

    async fn look(&self, id: &str) -> Option<Peer> {
        let (seen, found) = (Instant::now(), self.table.find(id).await);
        match found {
            Ok(Some(addresses)) => {
                let mut known = self.known();
                let peer = match known.remove(id) {
                    Some(peer) => Peer { seen, ..peer },
                    None => Peer::at(&addresses, seen)?,
                };
                known.insert(id.to_owned(), peer.clone());
                Some(peer)
            }
            Ok(None) => {
                self.known().remove(id);
                self.wanted.notify_one();
                None
            }
            Err(error) => {
                tracing::warn!(replica = id, %error, "cannot tell whether it lives");
                None
            }
        }
    }

    fn known(&self) -> std::sync::MutexGuard<'_, HashMap<String, Peer>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Peer {
    fn at(addresses: &Addresses, seen: Instant) -> Option<Peer> {
        let channel = |address: &str| {
            let endpoint = Endpoint::from_shared(format!("http://{address}"));
            let endpoint = endpoint.inspect_err(|error| tracing::error!(address, %error, "is no address"));
            let endpoint = endpoint.ok()?.connect_timeout(CONNECT_TIMEOUT).tcp_nodelay(true);
            Some(endpoint.http2_keep_alive_interval(KEEP_ALIVE).keep_alive_timeout(KEEP_ALIVE).connect_lazy())
        };
        Some(Peer { seen, relay: channel(&addresses.relay)?, api: channel(&addresses.api)? })
    }
}
