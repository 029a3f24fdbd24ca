//! In which order the caller's steps stand in the plan: each behind those that it names, otherwise as written.
//! Knows names only.

use super::check::label;
use super::{OwnError, OwnStep};
use std::collections::HashMap;

/// The steps in the order of the plan.
#[derive(Debug, PartialEq, Eq)]
pub struct Arranged {
    /// Whether any step names what it waits for.
    pub graph: bool,
    /// Places in the request, in the order of the plan.
    pub order: Vec<usize>,
    /// For each place in the request, the places that it waits for; empty if it is no graph.
    pub after: Vec<Vec<usize>>,
}

/// Sorts the steps.
///
/// # Errors
/// A step waits for a name that no other has, for one twice, or for itself by whatever detour.
pub fn arrange(steps: &[OwnStep<'_>]) -> Result<Arranged, OwnError> {
    let named = steps.iter().enumerate().filter(|(_, step)| !step.name.is_empty());
    let places: HashMap<&str, usize> = named.map(|(index, step)| (step.name, index)).collect();
    let mut after = Vec::with_capacity(steps.len());
    for (index, step) in steps.iter().enumerate() {
        let wrong = |what| Err(OwnError::Field { step: label(steps, index), field: "after", what });
        let mut waits_for = Vec::with_capacity(step.after.len());
        for name in step.after {
            match places.get(name.as_str()) {
                None => return wrong(format!("no step is called `{name}`")),
                Some(place) if waits_for.contains(place) => return wrong(format!("names `{name}` twice")),
                Some(place) => waits_for.push(*place),
            }
        }
        after.push(waits_for);
    }
    let order = sort(&after).map_err(|cycle| {
        let names: Vec<&str> = cycle.into_iter().map(|step| steps[step].name).collect();
        OwnError::Cycle(names.join(" → "))
    })?;
    Ok(Arranged { graph: after.iter().any(|waits_for| !waits_for.is_empty()), order, after })
}

/// Each behind those that it waits for, otherwise in ascending order; or a way round, from a step to itself.
fn sort(after: &[Vec<usize>]) -> Result<Vec<usize>, Vec<usize>> {
    let mut order = Vec::with_capacity(after.len());
    while order.len() < after.len() {
        let ready = |step: &usize| {
            !order.contains(step) && after[*step].iter().all(|earlier| order.contains(earlier))
        };
        match (0..after.len()).find(ready) {
            Some(step) => order.push(step),
            None => return Err(way_round(after, &order)),
        }
    }
    Ok(order)
}

/// Every step that is not sorted waits for another such: whoever goes back from one to the next comes round.
fn way_round(after: &[Vec<usize>], sorted: &[usize]) -> Vec<usize> {
    let unsorted = |step: &usize| !sorted.contains(step);
    let mut way: Vec<usize> = (0..after.len()).find(unsorted).into_iter().collect();
    while let Some(next) = way.last().and_then(|last| after[*last].iter().copied().find(unsorted)) {
        let seen = way.iter().position(|step| *step == next);
        way.push(next);
        if let Some(first) = seen {
            return way.split_off(first);
        }
    }
    way
}
