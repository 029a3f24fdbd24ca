//! What the overview shows, gathered while somebody looks: figures, lanes, needs, pauses, who answers. Asks the API and
//! the health of processes; a page never waits for any of them. Must not know how it is shown.

use super::api::Api;
use super::rates::{self, Rates};
use crate::history::Pulse;
use amends_proto::amends::v1::{
    Hold, Lane, LanesRequest, ListAttentionRequest, ListAttentionResponse, ListHoldsRequest, StatsRequest,
    StatsResponse, TopologyRequest, TopologyResponse,
};
use futures::future::join_all;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::{Notify, watch};
use tokio::time::Instant;
use tonic::Code;
use tonic::transport::{Channel, Endpoint};
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;

/// Between two looks while somebody looks.
pub(super) const EVERY: Duration = Duration::from_secs(1);
/// Nobody has looked for so long: the next who comes waits for a fresh sight.
const IDLE: Duration = Duration::from_secs(20);
/// Whoever has not answered by then is away, as far as a sight goes.
pub(super) const PATIENCE: Duration = Duration::from_millis(1_500);
/// A page waits so long for the first sight after nobody looked.
const FIRST: Duration = Duration::from_millis(150);

/// How things stand at one moment. `None` = the API could not say.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Sight {
    /// Figures of all global transactions.
    pub stats: Option<StatsResponse>,
    /// The lanes to participants.
    pub lanes: Vec<Lane>,
    /// Open needs for a person, the oldest few, and the figures of all.
    pub needs: Option<ListAttentionResponse>,
    /// Pauses in force.
    pub holds: Vec<Hold>,
    /// Who is where.
    pub topology: Option<TopologyResponse>,
    /// Whether each participant says that it serves; those that say nothing of it are missing.
    pub serving: BTreeMap<String, bool>,
    /// What began and ended.
    pub rates: Rates,
}

/// Looks around while anybody wants to know.
pub struct Lookout {
    api: Api,
    pulse: Arc<Pulse>,
    healths: Vec<(String, HealthClient<Channel>)>,
    seen: watch::Sender<Option<Arc<Sight>>>,
    asked: Notify,
    began: Instant,
    asked_ms: AtomicU64,
    streams: AtomicUsize,
    rates: Mutex<Rates>,
}

/// Counts as somebody who looks for as long as it lives.
pub struct Looking(Arc<Lookout>);

impl Drop for Looking {
    fn drop(&mut self) {
        self.0.streams.fetch_sub(1, Ordering::SeqCst);
    }
}

impl Lookout {
    /// Over this API; `participants` by name and address.
    #[must_use]
    pub fn new(api: Api, pulse: Arc<Pulse>, participants: &BTreeMap<String, String>) -> Self {
        let client = |(name, address): (&String, &String)| {
            let endpoint = Endpoint::from_shared(format!("http://{address}")).ok()?;
            let endpoint = endpoint.connect_timeout(PATIENCE).tcp_nodelay(true);
            Some((name.clone(), HealthClient::new(endpoint.connect_lazy())))
        };
        Self {
            api,
            pulse,
            healths: participants.iter().filter_map(client).collect(),
            seen: watch::Sender::new(None),
            asked: Notify::new(),
            began: Instant::now(),
            asked_ms: AtomicU64::new(0),
            streams: AtomicUsize::new(0),
            rates: Mutex::default(),
        }
    }

    /// Looks for ever. Counts are taken down whether anybody looks or not.
    pub async fn run(self: Arc<Self>) {
        tokio::join!(self.count(), self.look());
    }

    async fn count(&self) {
        let mut due = tokio::time::interval(rates::EVERY);
        loop {
            due.tick().await;
            let counted = self.pulse.counted();
            self.rates.lock().unwrap_or_else(PoisonError::into_inner).sample(counted);
        }
    }

    async fn look(&self) {
        loop {
            while !self.is_watched() {
                self.seen.send_replace(None);
                self.asked.notified().await;
            }
            let began = Instant::now();
            let sight = Some(Arc::new(self.gather().await));
            self.seen.send_if_modified(|seen| {
                let news = *seen != sight;
                *seen = sight;
                news
            });
            tokio::time::sleep_until(began + EVERY).await;
        }
    }

    fn is_watched(&self) -> bool {
        let idle_ms = self.now_ms().saturating_sub(self.asked_ms.load(Ordering::SeqCst));
        self.streams.load(Ordering::SeqCst) > 0
            || (self.asked_ms.load(Ordering::SeqCst) > 0 && Duration::from_millis(idle_ms) < IDLE)
    }

    /// Milliseconds since it was made, from 1.
    fn now_ms(&self) -> u64 {
        u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX).saturating_add(1)
    }

    /// The newest sight, if there is one: for pages on which it is not what matters.
    pub fn glance(&self) -> Option<Arc<Sight>> {
        self.asked_ms.store(self.now_ms(), Ordering::SeqCst);
        self.asked.notify_one();
        self.seen.borrow().clone()
    }

    /// The newest sight; for the first one waits a moment. `None` = it is not there yet.
    pub async fn sight(&self) -> Option<Arc<Sight>> {
        if let Some(seen) = self.glance() {
            return Some(seen);
        }
        let mut seen = self.seen.subscribe();
        let first = tokio::time::timeout(FIRST, seen.wait_for(Option::is_some)).await;
        first.ok()?.ok()?.clone()
    }

    /// Tells of each sight that differs from the one before, and keeps looking until it is dropped.
    #[must_use]
    pub fn watch(self: &Arc<Self>) -> (watch::Receiver<Option<Arc<Sight>>>, Looking) {
        self.streams.fetch_add(1, Ordering::SeqCst);
        self.asked.notify_one();
        (self.seen.subscribe(), Looking(Arc::clone(self)))
    }

    /// What was counted so far.
    fn rates(&self) -> Rates {
        self.rates.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    async fn gather(&self) -> Sight {
        let (mut one, mut two, mut three) =
            (self.api.operations(), self.api.operations(), self.api.operations());
        let (mut four, mut five) = (self.api.operations(), self.api.operations());
        let needs = ListAttentionRequest { page_size: 10, ..ListAttentionRequest::default() };
        let (stats, lanes, needs, holds, topology, serving) = tokio::join!(
            in_time(one.stats(StatsRequest {})),
            in_time(two.lanes(LanesRequest::default())),
            in_time(three.list_attention(needs)),
            in_time(four.list_holds(ListHoldsRequest::default())),
            in_time(five.topology(TopologyRequest {})),
            join_all(self.healths.iter().map(|(name, client)| serves(name, client.clone()))),
        );
        Sight {
            stats,
            lanes: lanes.unwrap_or_default().lanes,
            needs,
            holds: holds.unwrap_or_default().holds,
            topology,
            serving: serving.into_iter().filter_map(|(name, serves)| Some((name, serves?))).collect(),
            rates: self.rates(),
        }
    }
}

async fn in_time<T>(asked: impl Future<Output = Result<tonic::Response<T>, tonic::Status>>) -> Option<T> {
    tokio::time::timeout(PATIENCE, asked).await.ok()?.ok().map(tonic::Response::into_inner)
}

/// Whether a participant says that it serves. `None` = it does not speak of its health, which nobody has to.
async fn serves(name: &str, mut client: HealthClient<Channel>) -> (String, Option<bool>) {
    let asked = tokio::time::timeout(PATIENCE, client.check(HealthCheckRequest::default())).await;
    let serves = match asked {
        Ok(Ok(answer)) => Some(answer.get_ref().status() == ServingStatus::Serving),
        Ok(Err(status)) if matches!(status.code(), Code::Unimplemented | Code::NotFound) => None,
        Ok(Err(_)) | Err(_) => Some(false),
    };
    (name.to_owned(), serves)
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::net::TcpListener;
    use tokio_stream::wrappers::TcpListenerStream;
    use tonic::service::Routes;

    #[tokio::test]
    async fn whoever_does_not_speak_of_its_health_is_not_called_away() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let mut server = tonic::transport::Server::builder();
        let serving =
            server.add_routes(Routes::default()).serve_with_incoming(TcpListenerStream::new(listener));
        let serving = tokio::spawn(serving);
        let client = || {
            let endpoint = Endpoint::from_shared(format!("http://{address}")).unwrap();
            HealthClient::new(endpoint.connect_lazy())
        };
        assert_eq!(serves("other", client()).await.1, None);
        serving.abort();
        // It has ended: its listener is gone.
        assert!(serving.await.is_err());
        assert_eq!(serves("other", client()).await.1, Some(false));
    }
}
