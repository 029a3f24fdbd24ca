//! A global transaction of the archive as clients see one of the history. Asks nobody.

use super::view;
use crate::coordinator::AbsentDtm;
use crate::engine::Live;
use crate::history::{Event, Fact, FlatFact, Loaded, State};
use crate::plan::Plan;
use crate::retention::Record;
use amends_proto::amends::v1 as pb;
use std::sync::Arc;

/// Everything that a record tells; `None` = this version cannot read it.
#[must_use]
pub fn archived(record: &Record) -> Option<(pb::GlobalTransaction, Vec<pb::Event>)> {
    let plan = Plan::decode(&hex::decode(&record.plan).ok()?).ok()?;
    let rows = record.events();
    let events: Option<Vec<Event>> = rows
        .iter()
        .map(|row| {
            let fact = Fact::read(&FlatFact::from(row.clone()), &plan).ok()?;
            Some(Event { seq: row.seq, time_us: row.time_us, fact })
        })
        .collect();
    let state = State::fold(&plan, &events?);
    let loaded = Loaded { row: record.row(), plan, state };
    let live = Live::new(loaded, String::new(), Arc::new(AbsentDtm));
    Some((view::transaction(&live), rows.into_iter().map(view::event).collect()))
}
