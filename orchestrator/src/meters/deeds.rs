//! Starts and ends, by definition. Must not know who drives.

use super::table::{ENDED, SECONDS, STARTED};
use crate::history::Status;
use crate::plan::Mode;
use amends_serve::metrics::{Counter, Histogram};
use std::collections::HashMap;
use std::sync::{Arc, LazyLock, PoisonError, RwLock};
use std::time::Duration;

static DEEDS: LazyLock<RwLock<HashMap<String, Arc<Deed>>>> = LazyLock::new(RwLock::default);

/// The figures of one definition: all of them, so that the first failure is a step from 0 to 1.
struct Deed {
    saga: InMode,
    tcc: InMode,
    seconds: [Histogram; 3],
}

struct InMode {
    started: Counter,
    ended: [Counter; 3],
}

impl InMode {
    fn new(definition: &str, mode: &str) -> Self {
        let started = STARTED.counter(&[definition, mode]);
        let ended = ENDS.map(|status| ENDED.counter(&[definition, mode, status.name()]));
        Self { started, ended }
    }
}

impl Deed {
    fn new(definition: &str) -> Self {
        let (saga, tcc) = (InMode::new(definition, "saga"), InMode::new(definition, "tcc"));
        Self { saga, tcc, seconds: ENDS.map(|status| SECONDS.histogram(&[definition, status.name()])) }
    }

    fn of(definition: &str) -> Arc<Self> {
        let known = DEEDS.read().unwrap_or_else(PoisonError::into_inner).get(definition).cloned();
        known.unwrap_or_else(|| {
            let mut all = DEEDS.write().unwrap_or_else(PoisonError::into_inner);
            let deed = all.entry(definition.to_owned());
            Arc::clone(deed.or_insert_with(|| Arc::new(Self::new(definition))))
        })
    }

    fn in_mode(&self, mode: Mode) -> &InMode {
        match mode {
            Mode::Tcc => &self.tcc,
            Mode::Saga | Mode::Unspecified => &self.saga,
        }
    }
}

/// The ends that there are.
const ENDS: [Status; 3] = [Status::Succeeded, Status::Failed, Status::Cancelled];

/// Notes one that was accepted.
pub(crate) fn started(definition: &str, mode: Mode) {
    Deed::of(definition).in_mode(mode).started.increment(1);
}

/// Notes one that has ended, so long after it was accepted.
pub(crate) fn ended(definition: &str, mode: Mode, status: Status, took: Duration) {
    let Some(place) = ENDS.iter().position(|end| *end == status) else { return };
    let deed = Deed::of(definition);
    deed.in_mode(mode).ended[place].increment(1);
    deed.seconds[place].record(took);
}
