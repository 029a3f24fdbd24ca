//! Which histories one replica looks after besides those that it drives: what has ended has no driver any more.
//! Knows replicas by name only.

use super::entity::global_transaction::Column;
use sea_orm::{ColumnTrait as _, Condition};

/// The global transactions that one process looks after. Those of a replica are its own, ended ones too; those of
/// replicas that are gone are the eldest's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Scope {
    /// It is the only one.
    All,
    /// There is an elder one.
    Owned(String),
    /// It is the eldest: everything but what these have.
    NotOf(Vec<String>),
}

impl Scope {
    /// Of `replica` among all that are alive. Ids are UUIDv7: the smallest is the eldest.
    #[must_use]
    pub fn among(replica: &str, alive: Vec<String>) -> Self {
        let others: Vec<String> = alive.into_iter().filter(|other| other != replica).collect();
        if others.iter().any(|other| other.as_str() < replica) {
            Self::Owned(replica.to_owned())
        } else {
            Self::NotOf(others)
        }
    }

    /// What is left of the scope of `replica` without what it has itself: that of replicas that are gone. `None` = an elder
    /// one looks after it.
    pub(super) fn orphaned_of(self, replica: &str) -> Option<Self> {
        match self {
            // Whatever is there was begun by an earlier process, or is in this one's memory.
            Self::All => Some(Self::All),
            Self::Owned(_) => None,
            Self::NotOf(mut others) => {
                others.push(replica.to_owned());
                Some(Self::NotOf(others))
            }
        }
    }

    /// Whether what this replica has, or had, is among them.
    pub(super) fn has(&self, owner: &str) -> bool {
        match self {
            Self::All => true,
            Self::Owned(replica) => owner == replica,
            Self::NotOf(others) => !others.iter().any(|other| other == owner),
        }
    }

    pub(super) fn condition(&self) -> Condition {
        match self {
            Self::All => Condition::all(),
            Self::Owned(replica) => Condition::all().add(Column::Owner.eq(replica)),
            Self::NotOf(others) => Condition::all().add(Column::Owner.is_not_in(others)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_of_all_is_somebodys() {
        let alive = || vec!["b".to_owned(), "a".to_owned(), "c".to_owned()];
        assert_eq!(Scope::among("a", alive()), Scope::NotOf(vec!["b".into(), "c".into()]));
        assert_eq!(Scope::among("b", alive()), Scope::Owned("b".into()));
        assert_eq!(Scope::among("c", alive()), Scope::Owned("c".into()));
        assert_eq!(Scope::among("c", vec!["c".into()]), Scope::NotOf(Vec::new()));
        let eldest = Scope::among("a", alive());
        assert!(eldest.has("a") && eldest.has("gone") && !eldest.has("b") && Scope::All.has("b"));
        let youngest = Scope::among("c", alive());
        assert!(youngest.has("c") && !youngest.has("gone") && !youngest.has("a"));
        let orphaned = eldest.orphaned_of("a").unwrap();
        assert!(orphaned.has("gone") && !orphaned.has("a") && !orphaned.has("b"));
        assert_eq!((youngest.orphaned_of("c"), Scope::All.orphaned_of("")), (None, Some(Scope::All)));
    }
}
