//! A filter as a tree. What it can say, not how it is written.

use super::fields::{Flag, Quantity, TextField, TimeField};
use super::times::Moment;

/// A condition on one global transaction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Expr {
    /// All of these; of none: everything fits.
    And(Vec<Expr>),
    /// One of these; of none: nothing fits.
    Or(Vec<Expr>),
    /// Not this.
    Not(Box<Expr>),
    /// One field.
    Test(Test),
}

/// A condition on one field.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Test {
    /// It is so.
    Flag(Flag),
    /// The text, or one of several, is one of these.
    Is(TextField, Vec<String>),
    /// The text, or one of several, has this in it. Letters count as they are written.
    Contains(TextField, String),
    /// The count compares so.
    Count(Quantity, Order, i32),
    /// So many microseconds since its start compare so.
    Age(Order, i64),
    /// The moment compares so.
    Time(TimeField, Order, Moment),
}

/// How two values compare.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    /// `<`
    Less,
    /// `<=`
    AtMost,
    /// `>`
    More,
    /// `>=`
    AtLeast,
    /// `=`
    Equal,
}

impl Order {
    /// As a filter writes it.
    #[must_use]
    pub fn sign(self) -> &'static str {
        match self {
            Self::Less => "<",
            Self::AtMost => "<=",
            Self::More => ">",
            Self::AtLeast => ">=",
            Self::Equal => "=",
        }
    }

    /// Whether `left` and `right` compare so.
    #[must_use]
    pub fn holds<T: Ord>(self, left: &T, right: &T) -> bool {
        match self {
            Self::Less => left < right,
            Self::AtMost => left <= right,
            Self::More => left > right,
            Self::AtLeast => left >= right,
            Self::Equal => left == right,
        }
    }
}

impl Expr {
    /// What everything fits.
    #[must_use]
    pub fn everything() -> Self {
        Self::And(Vec::new())
    }

    /// This and that.
    #[must_use]
    pub fn and(self, other: Expr) -> Self {
        match (self, other) {
            (Self::And(mut parts), Self::And(more)) => {
                parts.extend(more);
                Self::And(parts)
            }
            (Self::And(mut parts), other) => {
                parts.push(other);
                Self::And(parts)
            }
            (first, Self::And(mut parts)) => {
                parts.insert(0, first);
                Self::And(parts)
            }
            (first, other) => Self::And(vec![first, other]),
        }
    }

    /// The conditions of which each must hold.
    #[must_use]
    pub fn conjuncts(&self) -> &[Expr] {
        match self {
            Self::And(parts) => parts,
            Self::Or(_) | Self::Not(_) | Self::Test(_) => std::slice::from_ref(self),
        }
    }
}
