//! The filter language of lists, counts and acts in bulk: `status = running and attention and age > 5m`. Text becomes a
//! tree, a tree becomes text again, and a tree is held against one global transaction. Pure: reads no clock and no
//! store; how a store is asked is the history's business (`history/search/`).

mod error;
mod fields;
mod parse;
mod print;
mod subject;
mod times;
mod tree;
mod words;

pub use error::FilterError;
pub use fields::{CODES, Flag, MODES, Quantity, STATUSES, TextField, TimeField};
pub use subject::{Need, Subject};
pub use times::Moment;
pub(crate) use times::duration as duration_us;
pub use tree::{Expr, Order, Test};

/// Longest filter, in bytes: several screens of conditions.
pub const MAX_BYTES: usize = 4_000;
/// Deepest nesting of parentheses and `not`: bounds the stack of whoever walks the tree.
pub const MAX_DEPTH: usize = 24;
/// Conditions, and values in lists, of one filter together: bounds the statement that a store is asked.
pub const MAX_TERMS: usize = 200;
/// Longest value: a business key has 160 characters, a reason 256 bytes.
pub const MAX_VALUE_BYTES: usize = 512;

/// Reads a filter; an empty one asks for everything.
///
/// # Errors
/// Points at the place that is wrong and says what could stand there.
pub fn parse(text: &str) -> Result<Expr, FilterError> {
    parse::filter(text)
}

#[cfg(test)]
mod tests;
