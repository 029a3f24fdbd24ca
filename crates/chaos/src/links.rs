//! The links of one system with a proxy on each, where the faults of a run ask for any. Knows where each proxy is put
//! between; knows no fault's turn.
use crate::draw::Draw;
use crate::error::ChaosError;
use crate::fault::{Kind, Link, Weather};
use crate::proxy::{Proxy, Reading};
use amends_stack::{Coordinator, Role, Stack, StackConfig};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::task::JoinHandle;

/// The stream of draws of what proxies lose, away from those of plans and orders.
const STREAM: u64 = u64::MAX;

/// The proxies of one system; none where nothing strikes links.
pub struct Links {
    proxies: BTreeMap<Link, Arc<Proxy>>,
    bad: BTreeMap<Link, JoinHandle<()>>,
}

impl Links {
    /// Proxies that lead nowhere yet, on every link that a system can have.
    ///
    /// # Errors
    /// There are no free ports.
    pub async fn open(kinds: &[Kind], seed: u64) -> Result<Links, ChaosError> {
        let mut proxies = BTreeMap::new();
        if kinds.iter().any(|kind| kind.is_of_network()) {
            let reading = if kinds.contains(&Kind::Duplicate) { Reading::Requests } else { Reading::Bytes };
            let mut draw = Draw::new(seed, STREAM);
            for link in Link::all(Coordinator::Dtm) {
                proxies.insert(link, Arc::new(Proxy::open(reading, draw.number()).await?));
            }
        }
        Ok(Links { proxies, bad: BTreeMap::new() })
    }

    /// Puts them between the processes of a system that is not started yet.
    #[must_use]
    pub fn between(&self, mut config: StackConfig) -> StackConfig {
        for (link, proxy) in &self.proxies {
            let address = proxy.address();
            config = match link {
                Link::Client => config,
                Link::Dtm => config.detour(Role::Dtm, address),
                Link::Relay => config.args(Role::Orchestrator, ["--relay-url", &address]),
                Link::Participant(role) => config.detour(*role, address),
                Link::Psp => config.detour(Role::Psp, address),
            };
        }
        config
    }

    /// Makes them lead to where the processes of a system listen.
    ///
    /// # Errors
    /// One of those is no address.
    pub fn lead_to(&self, stack: &Stack) -> Result<(), ChaosError> {
        for (link, proxy) in &self.proxies {
            proxy.lead_to(&match link {
                Link::Client => stack.address(Role::Orchestrator),
                Link::Dtm => stack.address(Role::Dtm),
                Link::Relay => format!("127.0.0.1:{}", stack.ports().relay),
                Link::Participant(role) => stack.address(*role),
                Link::Psp => stack.address(Role::Psp),
            })?;
        }
        Ok(())
    }

    /// Where clients find the orchestrator.
    #[must_use]
    pub fn of_clients(&self, stack: &Stack) -> String {
        match self.proxies.get(&Link::Client) {
            Some(proxy) => proxy.address(),
            None => stack.address(Role::Orchestrator),
        }
    }

    /// Brings this weather over a link for so long, and goes on. A link that is in bad weather has that first.
    pub async fn strike(&mut self, link: Link, weather: Weather, time: Duration) {
        if let Some(earlier) = self.bad.remove(&link) {
            over(earlier).await;
        }
        if let Some(proxy) = self.proxies.get(&link) {
            let proxy = Arc::clone(proxy);
            proxy.set(weather);
            let clears = async move {
                tokio::time::sleep(time).await;
                proxy.set(Weather::Fair);
            };
            self.bad.insert(link, tokio::spawn(clears));
        }
    }

    /// Waits until the weather is fair everywhere.
    pub async fn clear(&mut self) {
        for (_, weather) in std::mem::take(&mut self.bad) {
            over(weather).await;
        }
    }
}

async fn over(weather: JoinHandle<()>) {
    // It cannot fail: it sleeps and sets a value.
    weather.await.ok();
}
