//! What needs a person, beyond the events that say so: the rows that lists are made of, and the notices of each
//! opening and closing. Must not know how anything is decided, nor who called.

mod needs;

pub use needs::{Change, changes, event_id, needs};
