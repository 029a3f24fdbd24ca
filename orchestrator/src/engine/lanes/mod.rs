//! Lanes: the one bounded way to each participant. Width, rate, breaker, slow start, retry budget and turns are pure
//! state machines; `door` gives them a clock. Must not know history or what an outcome leads to.

mod book;
mod breaker;
mod budget;
mod call;
mod door;
mod gate;
mod queue;
mod rate;
mod settings;
mod slow_start;
mod view;

#[cfg(test)]
mod breaker_tests;
#[cfg(test)]
mod gate_tests;

pub use book::{LaneBook, LaneChange, LaneError, Reset};
pub use breaker::Phase;
pub use call::{Answered, Attempt, branch_headers};
pub use door::{Admission, Ask, Place};
pub use gate::Hindrance;
pub use queue::Turn;
pub use settings::{LaneSettings, SettingsError};
pub use view::LaneView;

use super::wire::Wire;
use crate::meters::LaneMeters;
use door::Door;
use http::Uri;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// All participants by name: the allow-list (payments-domain.md §3). Nothing else is ever called.
#[derive(Debug, Clone)]
pub struct Lanes {
    by_name: Arc<BTreeMap<String, Lane>>,
}

/// The way to one participant.
#[derive(Debug, Clone)]
pub struct Lane {
    address: String,
    origin: Uri,
    wire: Wire,
    door: Arc<Door>,
    /// Settings that hold where nobody has set others while it runs.
    given: LaneSettings,
    is_set: Arc<AtomicBool>,
    meters: Arc<LaneMeters>,
}

/// A participant's address that is not one.
#[derive(Debug, thiserror::Error)]
#[error("participant {name}: {address} is not host:port")]
pub struct AddressError {
    name: String,
    address: String,
    #[source]
    source: http::uri::InvalidUri,
}

impl Lanes {
    /// Lanes to `participants`, name and host:port each, with default settings. Connects when first used.
    ///
    /// # Errors
    /// Where an address is malformed.
    pub fn new(participants: &BTreeMap<String, String>) -> Result<Self, AddressError> {
        Self::with_settings(participants, &BTreeMap::new())
    }

    /// Lanes to `participants`, with settings of their own for those that have any.
    ///
    /// # Errors
    /// Where an address is malformed.
    pub fn with_settings(
        participants: &BTreeMap<String, String>,
        settings: &BTreeMap<String, LaneSettings>,
    ) -> Result<Self, AddressError> {
        let lane = |(name, address): (&String, &String)| {
            let origin = Uri::from_maybe_shared(format!("http://{address}"))
                .map_err(|source| AddressError { name: name.clone(), address: address.clone(), source })?;
            let given = settings.get(name).copied().unwrap_or_default();
            let (wire, door) = (Wire::new(address), Door::new(name, given));
            let (address, is_set) = (address.clone(), Arc::default());
            let meters = Arc::new(LaneMeters::new(name));
            Ok((name.clone(), Lane { address, origin, wire, door, given, is_set, meters }))
        };
        let by_name = participants.iter().map(lane).collect::<Result<_, _>>()?;
        Ok(Self { by_name: Arc::new(by_name) })
    }

    /// The lane of a participant, if it is on the allow-list.
    #[must_use]
    pub fn get(&self, participant: &str) -> Option<&Lane> {
        self.by_name.get(participant)
    }

    /// Names and addresses.
    pub fn addresses(&self) -> impl Iterator<Item = (&str, &str)> {
        self.by_name.iter().map(|(name, lane)| (name.as_str(), lane.address.as_str()))
    }

    /// The settings that were set while it runs, of all lanes; the others are as they were given at the start.
    pub fn apply(&self, set: &BTreeMap<String, LaneSettings>) {
        for (name, lane) in &*self.by_name {
            let wanted = set.get(name).copied();
            lane.is_set.store(wanted.is_some(), Ordering::SeqCst);
            let wanted = wanted.unwrap_or(lane.given);
            if lane.door.settings() != wanted {
                tracing::info!(participant = name, settings = %wanted, "the lane has other settings now");
                lane.door.set(wanted);
            }
        }
    }

    /// Each lane for people, at this moment.
    #[must_use]
    pub fn views(&self) -> Vec<LaneView> {
        self.by_name.iter().map(|(name, lane)| LaneView::of(name, lane)).collect()
    }
}

impl Lane {
    /// A client on the lane's connection. What it asks besides attempts takes no room.
    pub(super) fn client(&self) -> tonic::client::Grpc<Wire> {
        tonic::client::Grpc::with_origin(self.wire.clone(), self.origin.clone())
    }

    /// The right to make one call: at once, or when it is this one's turn.
    ///
    /// # Errors
    /// A place before the door, which is a future of the admission. Before an open breaker it may take days.
    pub fn ask(&self, ask: &Ask<'_>) -> Result<Admission, Place> {
        self.door.ask(ask)
    }

    /// Why a call would have to wait now, and for how long at least if that is known.
    #[must_use]
    pub fn hindrance(&self) -> Option<(Hindrance, Option<Duration>)> {
        self.door.hindrance()
    }

    /// Whether the participant is away, as far as its breaker knows: nobody should be held up for it.
    #[must_use]
    pub fn is_shut(&self) -> bool {
        self.door.is_shut()
    }

    /// The settings that hold now, and those of the start.
    #[must_use]
    pub fn settings(&self) -> (LaneSettings, LaneSettings) {
        (self.door.settings(), self.given)
    }
}
