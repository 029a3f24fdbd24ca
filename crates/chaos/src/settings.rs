//! What a run is asked for. Knows no process.
use crate::fault::Kind;
use amends_proto::amends::v1::Mode;
use amends_stack::CoordinatorChoice;

/// Checkouts in flight, where the run has so many.
const CLIENTS: usize = 56;
/// Of those, as far as clients know, when a fault strikes.
const OPEN_PERCENT: usize = 55;

/// What a run is asked for. Together with the coordinator that is found it decides the whole plan of faults.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// Of faults, orders and the PSP.
    pub seed: u64,
    /// At least so many are started; more where faults take longer than they do.
    pub checkouts: usize,
    /// So many faults strike, of all kinds together.
    pub faults: usize,
    /// The kinds, which strike in turn.
    pub kinds: Vec<Kind>,
    /// Modes of the checkouts, mixed.
    pub modes: Vec<Mode>,
    /// Who drives them.
    pub coordinator: CoordinatorChoice,
    /// How the PSP behaves, as it spells it; empty = as the cards say.
    pub psp_profile: String,
}

impl Settings {
    /// 300 checkouts of both modes on DTM where it can be had, and 40 kills.
    #[must_use]
    pub fn new(seed: u64) -> Settings {
        Settings {
            seed,
            checkouts: 300,
            faults: 40,
            kinds: vec![Kind::Kill],
            modes: vec![Mode::Saga, Mode::Tcc],
            coordinator: CoordinatorChoice::Auto,
            psp_profile: String::new(),
        }
    }

    /// Checkouts in flight.
    #[must_use]
    pub fn clients(&self) -> usize {
        CLIENTS.min(self.checkouts).max(1)
    }

    /// A fault waits until clients know of so many open ones, more than half: it must have something to break.
    #[must_use]
    pub fn open_wanted(&self) -> usize {
        (self.clients() * OPEN_PERCENT / 100).max(1)
    }
}
