//! Which acts have begun and not ended, also when nobody waits for them any more. Knows names only.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The acts of this process that are under way, by the reference of their errand and their gid.
#[derive(Debug, Default)]
pub struct UnderWay(Mutex<HashSet<(String, String)>>);

/// One of them, until it is dropped.
#[derive(Debug)]
pub struct Alone {
    all: Arc<UnderWay>,
    act: (String, String),
}

impl UnderWay {
    /// Begins one; `None` = it is under way.
    pub fn begin(all: &Arc<Self>, reference: &str, gid: &str) -> Option<Alone> {
        let act = (reference.to_owned(), gid.to_owned());
        all.lock().insert(act.clone()).then(|| Alone { all: Arc::clone(all), act })
    }

    fn lock(&self) -> MutexGuard<'_, HashSet<(String, String)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Alone {
    fn drop(&mut self) {
        self.all.lock().remove(&self.act);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_act_is_under_way_once_until_it_ends() {
        let all = Arc::<UnderWay>::default();
        let first = UnderWay::begin(&all, "bulk 1", "g").unwrap();
        assert!(UnderWay::begin(&all, "bulk 1", "g").is_none());
        assert!(
            UnderWay::begin(&all, "bulk 1", "h").is_some() && UnderWay::begin(&all, "bulk 2", "g").is_some()
        );
        drop(first);
        assert!(UnderWay::begin(&all, "bulk 1", "g").is_some());
    }
}
