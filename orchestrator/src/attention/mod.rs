//! What needs a person, beyond the events that say so: the rows that lists are made of, what happens by itself
//! meanwhile, and the notices of each opening and closing, sent to one receiver until it has them.
//! Must not know how anything is decided, nor who called.

mod flags;
mod listing;
mod needs;
mod next;
mod outbox;
mod sender;
mod signature;
mod webhook;

pub use flags::WebhookArgs;
pub use listing::{Count, Deed, Listing, NeedFilter, Place};
pub use needs::{Change, changes, event_id, needs};
pub use next::{NextAction, next, next_of_cause};
pub use outbox::{Outbox, Pending};
pub use sender::{Intervals, Sender, forget_old};
pub use signature::{Key, KeyError};
pub use webhook::{Trust, Undelivered, Webhook, WebhookError};
