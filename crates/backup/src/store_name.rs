//! The stores of a data folder by name, in the order in which a backup takes them. Knows no table.
use sea_orm_migration::MigratorTrait;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// One SQLite store of the system.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StoreName {
    /// The orchestrator's history.
    Orchestrator,
    /// The order service's.
    Order,
    /// The account service's.
    Account,
    /// The inventory service's.
    Inventory,
    /// The points service's.
    Points,
    /// The payment gateway's.
    Gateway,
    /// The simulated payment service provider's.
    Psp,
}

impl StoreName {
    /// All, who asks before who carries out: history, participants, and the provider that the gateway asks.
    pub const ALL: [StoreName; 7] = [
        StoreName::Orchestrator,
        StoreName::Order,
        StoreName::Account,
        StoreName::Inventory,
        StoreName::Points,
        StoreName::Gateway,
        StoreName::Psp,
    ];

    /// Its role's name.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Orchestrator => "orchestrator",
            Self::Order => "order",
            Self::Account => "account",
            Self::Inventory => "inventory",
            Self::Points => "points",
            Self::Gateway => "gateway",
            Self::Psp => "psp",
        }
    }

    /// Its file in a data folder and in a backup.
    #[must_use]
    pub fn file(self) -> String {
        format!("{self}.db")
    }

    /// Whether it writes down what it is going to ask of another store before it asks: such a store must not move on
    /// while the others are being caught.
    pub(crate) const fn asks_others(self) -> bool {
        match self {
            Self::Orchestrator | Self::Gateway => true,
            Self::Order | Self::Account | Self::Inventory | Self::Points | Self::Psp => false,
        }
    }

    /// The migrations that this version knows for it.
    pub(crate) fn known_migrations(self) -> Vec<String> {
        match self {
            Self::Orchestrator => names::<amends_migrations::history::Migrator>(),
            Self::Order => names::<amends_migrations::order::Migrator>(),
            Self::Account => names::<amends_migrations::account::Migrator>(),
            Self::Inventory => names::<amends_migrations::inventory::Migrator>(),
            Self::Points => names::<amends_migrations::points::Migrator>(),
            Self::Gateway => names::<amends_migrations::gateway::Migrator>(),
            Self::Psp => names::<amends_migrations::psp::Migrator>(),
        }
    }
}

fn names<M: MigratorTrait>() -> Vec<String> {
    M::migrations().iter().map(|migration| migration.name().to_owned()).collect()
}

impl fmt::Display for StoreName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl FromStr for StoreName {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let all = || Self::ALL.map(Self::as_str).join(", ");
        Self::ALL
            .into_iter()
            .find(|name| name.as_str() == text)
            .ok_or_else(|| format!("must be one of {}", all()))
    }
}

#[cfg(test)]
mod tests {
    use super::StoreName;

    #[test]
    fn names_are_read_as_they_are_written() {
        for name in StoreName::ALL {
            assert_eq!(name.as_str().parse(), Ok(name));
            assert_eq!(serde_json::to_value(name).unwrap(), name.as_str());
            assert!(!name.known_migrations().is_empty(), "{name}");
        }
        assert!("dtm".parse::<StoreName>().is_err());
    }
}
