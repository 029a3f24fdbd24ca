//! One lane for each payment: whoever talks to the processor about a payment, or records an answer, holds its lane.
//! Within this process only; across processes the rows decide.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use tokio::sync::OwnedMutexGuard;

type Lane = tokio::sync::Mutex<()>;

/// The right to work on a payment; given back when dropped.
pub type Held = OwnedMutexGuard<()>;

/// Lanes that nobody holds are forgotten when there are more than this.
const PRUNE_ABOVE: usize = 1024;

/// All lanes of this process.
#[derive(Debug, Default)]
pub struct Lanes(Mutex<HashMap<String, Weak<Lane>>>);

impl Lanes {
    /// Waits for the lane of a payment.
    pub async fn hold(&self, payment_id: &str) -> Held {
        self.lane(payment_id).lock_owned().await
    }

    /// The lane of a payment, unless somebody holds it.
    pub fn try_hold(&self, payment_id: &str) -> Option<Held> {
        self.lane(payment_id).try_lock_owned().ok()
    }

    fn lane(&self, payment_id: &str) -> Arc<Lane> {
        let mut lanes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(lane) = lanes.get(payment_id).and_then(Weak::upgrade) {
            return lane;
        }
        if lanes.len() > PRUNE_ABOVE {
            lanes.retain(|_, lane| lane.strong_count() > 0);
        }
        let lane = Arc::new(Lane::default());
        lanes.insert(payment_id.to_owned(), Arc::downgrade(&lane));
        lane
    }
}
