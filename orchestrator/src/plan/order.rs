//! Which step of a plan waits for which: a chain, or the graph that its steps name.
//! Knows the wire form of a plan; must not know what a step does or where it stands.

use super::{MAX_STEPS, PlanError, StepIndex, pb};
use amends_dtm::BranchId;

/// Some steps of one plan. A plan has at most [`MAX_STEPS`] steps, so a set of them is one word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct StepSet(u64);

const _: () = assert!(MAX_STEPS <= u64::BITS as usize, "a step needs its bit");

impl StepSet {
    /// Whether a step is one of them.
    #[must_use]
    pub fn contains(self, step: StepIndex) -> bool {
        self.0 & bit(step) != 0
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// The steps, from the first to the last.
    pub fn iter(self) -> impl DoubleEndedIterator<Item = StepIndex> {
        (0..MAX_STEPS).filter(move |step| self.contains(*step))
    }

    fn insert(&mut self, step: StepIndex) {
        self.0 |= bit(step);
    }

    fn join(&mut self, other: Self) {
        self.0 |= other.0;
    }
}

fn bit(step: StepIndex) -> u64 {
    1 << step
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct Place {
    just_before: StepSet,
    before: StepSet,
    behind: StepSet,
}

/// The order of all steps of one plan.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Order {
    places: Vec<Place>,
}

impl Order {
    /// Reads the order of at most [`MAX_STEPS`] steps, whose branch ids count up.
    ///
    /// # Errors
    /// Names the step that waits for what it cannot wait for, or that is neither before nor behind the pivot.
    pub(super) fn of(body: &pb::Plan) -> Result<Self, PlanError> {
        let mut places: Vec<Place> = Vec::with_capacity(body.steps.len());
        for (index, step) in body.steps.iter().enumerate() {
            let just_before = if body.graph { named(index, step)? } else { previous(index, step)? };
            let mut before = just_before;
            just_before.iter().for_each(|earlier| before.join(places[earlier].before));
            before.iter().for_each(|earlier| places[earlier].behind.insert(index));
            places.push(Place { just_before, before, behind: StepSet::default() });
        }
        let order = Self { places };
        order.check_pivot(body)?;
        Ok(order)
    }

    pub(super) fn just_before(&self, step: StepIndex) -> StepSet {
        self.places[step].just_before
    }

    pub(super) fn before(&self, step: StepIndex) -> StepSet {
        self.places[step].before
    }

    pub(super) fn behind(&self, step: StepIndex) -> StepSet {
        self.places[step].behind
    }

    /// A step beside the pivot could refuse while the pivot passes: then neither way would be right.
    fn check_pivot(&self, body: &pb::Plan) -> Result<(), PlanError> {
        let Some(pivot) = body.steps.iter().position(|step| step.pivot) else { return Ok(()) };
        let place = self.places[pivot];
        for (index, step) in body.steps.iter().enumerate().filter(|(index, _)| *index != pivot) {
            if step.pivot {
                return Err(fail(step, "a plan has one pivot"));
            }
            if !place.before.contains(index) && !place.behind.contains(index) {
                return Err(fail(step, "a step is either before or behind the pivot"));
            }
        }
        Ok(())
    }
}

fn previous(index: StepIndex, step: &pb::PlanStep) -> Result<StepSet, PlanError> {
    if !step.after.is_empty() {
        return Err(fail(step, "only a step of a graph names what it waits for"));
    }
    let mut before = StepSet::default();
    if let Some(previous) = index.checked_sub(1) {
        before.insert(previous);
    }
    Ok(before)
}

fn named(index: StepIndex, step: &pb::PlanStep) -> Result<StepSet, PlanError> {
    let mut before = StepSet::default();
    for name in &step.after {
        let earlier = BranchId::parse(name).ok().and_then(|id| id.index()).filter(|earlier| *earlier < index);
        let Some(earlier) = earlier else {
            return Err(fail(step, "it waits for a step that is not an earlier one"));
        };
        if before.contains(earlier) {
            return Err(fail(step, "it waits for the same step twice"));
        }
        before.insert(earlier);
    }
    Ok(before)
}

fn fail(step: &pb::PlanStep, what: &'static str) -> PlanError {
    PlanError::Step { branch_id: step.branch_id.clone(), what }
}

#[cfg(test)]
#[path = "order_tests.rs"]
mod tests;
