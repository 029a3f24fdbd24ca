//! The global transactions in memory: all that are open, and those finished ones that somebody may soon ask for again.
//! Must not know the store, nor why anybody asks.

use super::Live;
use prost::Message as _;
use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Finished ones that are kept: whoever waits for the end, and a coordinator that repeats its last call, come soon.
const KEPT: usize = 2_000;
/// Bytes of their plans together. Payloads may be large, and an auditor may need them again: rather fewer are kept whole
/// than many in part.
const KEPT_BYTES: usize = 16 << 20;

/// One `Live` for each open gid, whoever asks.
#[derive(Default)]
pub struct Cache(Mutex<Shelves>);

#[derive(Default)]
struct Shelves {
    open: HashMap<String, Arc<Live>>,
    finished: HashMap<String, Arc<Live>>,
    /// The finished ones with the bytes of their plans, oldest first.
    order: VecDeque<(String, usize)>,
    bytes: usize,
}

impl Cache {
    fn shelves(&self) -> MutexGuard<'_, Shelves> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The one in memory, open or finished.
    pub fn get(&self, gid: &str) -> Option<Arc<Live>> {
        let shelves = self.shelves();
        shelves.open.get(gid).or_else(|| shelves.finished.get(gid)).cloned()
    }

    /// All that are open and durable: one that is not yet durable is nobody's business but its start's.
    pub fn all_open(&self) -> Vec<Arc<Live>> {
        self.shelves().open.values().filter(|live| live.state().last_seq > 0).cloned().collect()
    }

    /// Takes an open one in.
    ///
    /// # Errors
    /// Somebody was quicker, and may even have brought it to its end: that one is the one.
    pub fn take_in(&self, live: &Arc<Live>) -> Result<(), Arc<Live>> {
        let gid = &live.base().gid;
        let mut shelves = self.shelves();
        match shelves.open.get(gid).or_else(|| shelves.finished.get(gid)) {
            Some(known) => Err(Arc::clone(known)),
            None => {
                shelves.open.insert(gid.clone(), Arc::clone(live));
                Ok(())
            }
        }
    }

    /// Takes out one that never came to be.
    pub fn forget(&self, gid: &str) {
        self.shelves().open.remove(gid);
    }

    /// Keeps an open one as finished, in place of the oldest; false = it is not among the open ones.
    pub fn retire(&self, gid: &str) -> bool {
        let mut shelves = self.shelves();
        let open = shelves.open.remove(gid);
        let is_new = open.is_some();
        if let Some(live) = open {
            shelves.keep(gid, live);
        }
        is_new
    }
}

impl Shelves {
    fn keep(&mut self, gid: &str, live: Arc<Live>) {
        let bytes = live.plan.body().encoded_len();
        self.bytes += bytes;
        self.order.push_back((gid.to_owned(), bytes));
        self.finished.insert(gid.to_owned(), live);
        while self.order.len() > KEPT || self.bytes > KEPT_BYTES {
            let Some((oldest, bytes)) = self.order.pop_front() else { return };
            self.bytes -= bytes;
            self.finished.remove(&oldest);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::coordinator::{AbsentDtm, Coordinator};
    use crate::history::{Loaded, Row, State};
    use crate::plan::{Mode, Plan, samples};

    fn live(payload: usize) -> Arc<Live> {
        let mut body = samples::plan(Mode::Saga, 1, None).body().clone();
        amends_dtm::Gid::generate().as_str().clone_into(&mut body.gid);
        body.steps[0].payload = vec![7; payload].into();
        let plan = Plan::new(body).unwrap();
        let state = State { last_seq: 1, ..State::empty(&plan) };
        let row = row(plan.gid().as_str());
        let absent: Arc<dyn Coordinator> = Arc::new(AbsentDtm);
        Arc::new(Live::new(Loaded { row, plan, state }, String::new(), absent))
    }

    fn row(gid: &str) -> Row {
        Row {
            gid: gid.to_owned(),
            caller: String::new(),
            request_id: String::new(),
            request_digest: Vec::new(),
            definition: String::new(),
            definition_version: 1,
            mode: "saga".into(),
            business_key: String::new(),
            status: "running".into(),
            reason: String::new(),
            is_open: true,
            needs_attention: false,
            coordinator: "dtm".into(),
            created_at_us: 0,
            finished_at_us: 0,
            ..Row::default()
        }
    }

    fn finish(cache: &Cache, payload: usize) -> String {
        let live = live(payload);
        assert!(cache.take_in(&live).is_ok());
        assert!(cache.retire(&live.base().gid));
        live.base().gid.clone()
    }

    #[test]
    fn there_is_one_for_each_open_gid() {
        let cache = Cache::default();
        let (one, two) = (live(1), live(1));
        assert!(cache.take_in(&one).is_ok());
        assert!(Arc::ptr_eq(&cache.take_in(&one).unwrap_err(), &one));
        assert!(cache.take_in(&two).is_ok());
        cache.forget(&two.base().gid);
        assert!(cache.get(&two.base().gid).is_none());
        assert_eq!(cache.all_open().len(), 1);
        assert!(cache.retire(&one.base().gid) && !cache.retire(&one.base().gid), "it ends once");
        assert!(cache.all_open().is_empty());
        assert!(cache.get(&one.base().gid).is_some(), "whoever waited still finds it");
        assert!(cache.take_in(&one).is_err(), "what was read before the end comes too late");
    }

    #[test]
    fn the_newest_finished_ones_are_kept() {
        let cache = Cache::default();
        let gids: Vec<String> = (0..KEPT + 5).map(|_| finish(&cache, 1)).collect();
        let kept = gids.iter().map(|gid| cache.get(gid).is_some());
        assert_eq!(kept.clone().filter(|kept| *kept).count(), KEPT);
        assert!(kept.take(5).all(|kept| !kept), "the oldest went");
        let shelves = cache.shelves();
        assert_eq!(shelves.order.len(), shelves.finished.len());
    }

    #[test]
    fn large_payloads_do_not_fill_the_memory() {
        let cache = Cache::default();
        let small = finish(&cache, 1);
        let large: Vec<String> = (0..40).map(|_| finish(&cache, 1_000_000)).collect();
        assert!(cache.get(&small).is_none() && cache.get(&large[0]).is_none());
        assert!(cache.get(&large[39]).is_some());
        let held = |gid: &&String| cache.get(gid).is_some();
        assert!(large.iter().filter(held).count() * 1_000_000 <= KEPT_BYTES);
    }
}
