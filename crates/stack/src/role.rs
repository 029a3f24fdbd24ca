//! The processes of the system by name. Knows nothing of how they are started.
use std::fmt;

/// One process of the system.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Role {
    /// The DTM server.
    Dtm,
    /// The simulated payment service provider.
    Psp,
    /// The order service.
    Order,
    /// The account service.
    Account,
    /// The inventory service.
    Inventory,
    /// The points service.
    Points,
    /// The payment gateway.
    Gateway,
    /// The orchestrator.
    Orchestrator,
}

impl Role {
    /// Every role, in the order in which people like to read them.
    pub const ALL: [Role; 8] = [
        Role::Dtm,
        Role::Psp,
        Role::Order,
        Role::Account,
        Role::Inventory,
        Role::Points,
        Role::Gateway,
        Role::Orchestrator,
    ];

    /// The five services that take part in global transactions.
    pub const PARTICIPANTS: [Role; 5] =
        [Role::Order, Role::Account, Role::Inventory, Role::Points, Role::Gateway];

    /// Its name on the command line, in file names and in the orchestrator's allow-list.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Role::Dtm => "dtm",
            Role::Psp => "psp",
            Role::Order => "order",
            Role::Account => "account",
            Role::Inventory => "inventory",
            Role::Points => "points",
            Role::Gateway => "gateway",
            Role::Orchestrator => "orchestrator",
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}
