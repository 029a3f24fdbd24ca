//! What the participants say of one global transaction right now, for whoever looks at it. Asks all of them at once and
//! waits for none of them long; records nothing, and opens nothing: that is the auditor's, who looks twice.

use super::difference::Difference;
use super::participants::{self, Told};
use super::{against_rows, asked};
use crate::engine::{Engine, Live};
use futures::future::join_all;
use std::collections::BTreeMap;
use std::time::Duration;

/// Whoever has not answered by then is told as not reachable: somebody waits for the answer.
const PATIENCE: Duration = Duration::from_millis(700);

/// All of them at one look.
#[derive(Debug)]
pub struct Glance {
    /// Participant, service, and what it said; in the order of the plan.
    pub told: Vec<(String, String, Told)>,
    /// What differs from history. `None` = history moved meanwhile.
    pub differences: Option<Vec<Difference>>,
}

/// Asks every participant of a plan for its rows.
pub async fn glance(engine: &Engine, live: &Live) -> Glance {
    let gid = live.base().gid.as_str();
    let state = live.state();
    let one = async |participant: &str, service: &str| match engine.lanes().get(participant) {
        Some(lane) => participants::read(lane, service, gid, PATIENCE).await,
        None => Told::NoRows,
    };
    let told = join_all(asked(live).into_iter().map(|(participant, service)| {
        let answer = one(participant, service);
        async move { (participant.to_owned(), service.to_owned(), answer.await) }
    }));
    let told = told.await;
    if live.state().last_seq != state.last_seq {
        return Glance { told, differences: None };
    }
    let mut books: BTreeMap<String, Vec<_>> = BTreeMap::new();
    for (participant, _, answer) in &told {
        if let Told::Rows(rows) = answer {
            books.entry(participant.clone()).or_default().extend(rows.iter().filter_map(participants::row));
        }
    }
    let differences = Some(against_rows(live, &state, &books));
    Glance { told, differences }
}
