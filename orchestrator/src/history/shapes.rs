//! The shape of a plan: what many plans have in common, stored once for all of them. A start costs a statement more only
//! where a writer meets a shape for the first time. Must not know who asks for shapes.

use super::entity::shape;
use super::marks::names;
use super::writer::Append;
use crate::plan::{Mode, Plan};
use sha2::{Digest as _, Sha256};
use std::collections::HashSet;

/// Shapes that a writer remembers to have stored. Callers who name steps anew each time must not fill the memory.
const REMEMBERED: usize = 10_000;

/// What many plans have in common: definition, mode, coordinator, participants and steps. A step goes by its name, and
/// by the name of its method.
#[must_use]
pub fn shape_of(plan: &Plan, coordinator: &str) -> shape::Model {
    let participants = names(plan.steps().iter().map(|step| step.participant.as_str()));
    let method = |full: &'_ str| full.rfind('/').map_or(0, |at| at + 1);
    let steps = names(plan.steps().iter().flat_map(|step| {
        [step.name.as_str(), &step.forward[method(&step.forward)..], step.branch_id.as_str()]
    }));
    let mode = match plan.mode() {
        Mode::Tcc => "tcc",
        Mode::Saga | Mode::Unspecified => "saga",
    };
    let definition = plan.body().definition.clone();
    let id = id_of(&[&definition, mode, coordinator, &participants, &steps]);
    shape::Model { id, definition, mode: mode.into(), coordinator: coordinator.into(), participants, steps }
}

/// The same on every machine, so that nobody needs to ask for it; never 0, which stands for one that is not known.
fn id_of(parts: &[&str]) -> i64 {
    let mut hasher = Sha256::new();
    for part in parts {
        hasher.update((part.len() as u64).to_be_bytes());
        hasher.update(part.as_bytes());
    }
    let digest: [u8; 32] = hasher.finalize().into();
    let first = digest.iter().take(8).fold(0_i64, |id, byte| (id << 8) | i64::from(*byte));
    (first & i64::MAX).max(1)
}

/// The shapes that a writer has stored already.
#[derive(Debug, Default)]
pub(super) struct Stored(HashSet<i64>);

impl Stored {
    /// Those of a batch's starts that are to be stored with it.
    pub(super) fn missing<'a>(&self, appends: impl Iterator<Item = &'a Append>) -> Vec<shape::Model> {
        let mut met = HashSet::new();
        let mut missing = Vec::new();
        for append in appends {
            let (Some(new), Some(row)) = (&append.new, &append.row) else { continue };
            if row.shape == 0 || self.0.contains(&row.shape) || !met.insert(row.shape) {
                continue;
            }
            // Whoever started it made the plan, so it decodes; if not, the list knows no steps of it.
            missing.extend(Plan::decode(&new.plan).ok().map(|plan| shape_of(&plan, &row.coordinator)));
        }
        missing
    }

    /// They are committed.
    pub(super) fn remember(&mut self, stored: &[shape::Model]) {
        if self.0.len() + stored.len() > REMEMBERED {
            self.0.clear();
        }
        self.0.extend(stored.iter().map(|shape| shape.id));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::samples;

    #[test]
    fn plans_of_the_same_steps_have_the_same_shape() {
        let (one, two) = (samples::plan(Mode::Saga, 3, None), samples::plan(Mode::Saga, 3, None));
        let shape = shape_of(&one, "dtm");
        assert_eq!(shape, shape_of(&two, "dtm"));
        assert_eq!(shape.participants, "\np0\np1\np2\n");
        assert_eq!(shape.steps, "\n01\n02\n03\nDo\n");
        assert_ne!(shape.id, shape_of(&one, "embedded").id);
        assert_ne!(shape.id, shape_of(&samples::plan(Mode::Saga, 2, None), "dtm").id);
    }
}
