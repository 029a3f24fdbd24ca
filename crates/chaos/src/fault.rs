//! What can go wrong, where, by name. Performs nothing.
use amends_stack::{Coordinator, Role};
use std::fmt;
use std::str::FromStr;

/// A kind of fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// One process gets SIGKILL and is started again.
    Kill,
    /// One process is frozen for 0.1 s to 10 s (SIGSTOP, SIGCONT).
    Stop,
    /// Two processes are killed at once.
    Pair,
    /// A process is killed, started, and killed again within 1 s of that.
    Recovery,
    /// Bytes on a link arrive late.
    Delay,
    /// Connections of a link break now and then, and new ones are turned away now and then.
    Loss,
    /// Every connection of a link is reset in the middle of what it carries.
    Reset,
    /// The connections of a link lose their far end, and nobody tells the near one.
    HalfOpen,
    /// Every request on a link is delivered twice.
    Duplicate,
    /// A link carries bytes in one direction only.
    OneWay,
    /// A link carries one byte a second in each direction.
    Slow,
}

impl Kind {
    /// All of them.
    pub const ALL: [Kind; 11] = [
        Kind::Kill,
        Kind::Stop,
        Kind::Pair,
        Kind::Recovery,
        Kind::Delay,
        Kind::Loss,
        Kind::Reset,
        Kind::HalfOpen,
        Kind::Duplicate,
        Kind::OneWay,
        Kind::Slow,
    ];

    /// Those that strike processes.
    pub const PROCESS: [Kind; 4] = [Kind::Kill, Kind::Stop, Kind::Pair, Kind::Recovery];

    /// Its name on the command line and in reports.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Kind::Kill => "kill",
            Kind::Stop => "stop",
            Kind::Pair => "pair",
            Kind::Recovery => "recovery",
            Kind::Delay => "delay",
            Kind::Loss => "loss",
            Kind::Reset => "reset",
            Kind::HalfOpen => "half-open",
            Kind::Duplicate => "duplicate",
            Kind::OneWay => "one-way",
            Kind::Slow => "slow",
        }
    }

    /// Whether it strikes a link between processes.
    #[must_use]
    pub fn is_of_network(self) -> bool {
        !Kind::PROCESS.contains(&self)
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// No kind of fault has this name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("there is no fault `{0}`")]
pub struct UnknownKind(String);

impl FromStr for Kind {
    type Err = UnknownKind;

    fn from_str(text: &str) -> Result<Kind, UnknownKind> {
        Kind::ALL.into_iter().find(|kind| kind.as_str() == text).ok_or_else(|| UnknownKind(text.to_owned()))
    }
}

/// The way from one process to another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Link {
    /// From clients to the orchestrator.
    Client,
    /// From the orchestrator to DTM.
    Dtm,
    /// From DTM to the orchestrator's relay.
    Relay,
    /// From the orchestrator to this participant.
    Participant(Role),
    /// From the gateway to the PSP.
    Psp,
}

impl Link {
    /// Every link of a system on this coordinator.
    #[must_use]
    pub fn all(coordinator: Coordinator) -> Vec<Link> {
        let of_dtm: &[Link] = match coordinator {
            Coordinator::Dtm => &[Link::Dtm, Link::Relay],
            Coordinator::Embedded => &[],
        };
        let participants = Role::PARTICIPANTS.into_iter().map(Link::Participant);
        [Link::Client]
            .into_iter()
            .chain(of_dtm.iter().copied())
            .chain(participants)
            .chain([Link::Psp])
            .collect()
    }
}

impl fmt::Display for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Link::Client => f.pad("client-orchestrator"),
            Link::Dtm => f.pad("orchestrator-dtm"),
            Link::Relay => f.pad("dtm-relay"),
            Link::Participant(role) => f.pad(&format!("orchestrator-{role}")),
            Link::Psp => f.pad("gateway-psp"),
        }
    }
}

/// The way of bytes over a link.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// From who calls to who is called.
    Requests,
    /// Back.
    Answers,
}

/// What a link is like.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Weather {
    /// It carries everything at once.
    #[default]
    Fair,
    /// Every byte arrives so many milliseconds late.
    Delay {
        /// How late.
        ms: u64,
    },
    /// So many percent of what is sent, and of new connections, end their connection.
    Loss {
        /// How many.
        percent: u64,
    },
    /// The next bytes of each connection arrive by half, then it is reset.
    Reset,
    /// Connections that stand are silent in both directions; new ones work.
    HalfOpen,
    /// Each request is delivered once more, so many milliseconds later.
    Twice {
        /// How much later.
        lag_ms: u64,
    },
    /// Nothing arrives in this direction, until the weather is better.
    OneWay {
        /// The silent one.
        silent: Direction,
    },
    /// One byte a second.
    Slow,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_is_read_by_its_name() {
        for kind in Kind::ALL {
            assert_eq!(kind.as_str().parse(), Ok(kind));
        }
        assert_eq!("rain".parse::<Kind>(), Err(UnknownKind("rain".to_owned())));
    }

    #[test]
    fn a_system_without_dtm_has_no_link_to_it() {
        assert_eq!(Link::all(Coordinator::Dtm).len(), 9);
        assert!(!Link::all(Coordinator::Embedded).contains(&Link::Relay));
    }
}
