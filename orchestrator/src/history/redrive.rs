//! A further run of a global transaction, as its history keeps it: which one, from which ops it goes on, and who wanted
//! it. Knows words only; what a run leads to is the fold's.

use super::act::Act;
use crate::plan::{OpRef, Plan};
use amends_dtm::BranchId;
use serde::{Deserialize, Serialize};

/// The run that began last, where it is not the first one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Redrive {
    /// Its number, from 2; it continues the one before.
    pub run: u32,
    /// Unix microseconds.
    pub since_us: i64,
    /// The ops that it goes on from.
    pub from: Vec<OpRef>,
    /// By whom and why.
    pub act: Act,
}

/// A run as its event names it, for whoever has no plan at hand.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct RunDetail {
    /// Its number.
    pub run: u32,
    /// The one that it continues.
    pub continues: u32,
    /// The ops that it goes on from, each as `03 action`.
    pub from: Vec<String>,
    #[serde(flatten)]
    act: Act,
}

impl RunDetail {
    pub(super) fn of(run: u32, from: &[OpRef], act: &Act) -> Self {
        let from = from.iter().map(|at| op_name(*at)).collect();
        Self { run, continues: run.saturating_sub(1), from, act: act.clone() }
    }

    /// As the column `detail` has it.
    pub(super) fn text(&self) -> String {
        serde_json::to_string(self).unwrap_or_default()
    }

    /// As a stored event names it; `None` = it names none.
    #[must_use]
    pub fn stored(detail: &str) -> Option<Self> {
        serde_json::from_str(detail).ok().filter(|read: &Self| read.run > 0)
    }

    /// The ops by their places in the plan; `None` = it has not all of them.
    pub(super) fn ops(&self, plan: &Plan) -> Option<Vec<OpRef>> {
        self.from.iter().map(|name| op_named(name, plan)).collect()
    }
}

/// `03 action`.
#[must_use]
pub fn op_name(at: OpRef) -> String {
    format!("{} {}", BranchId::of_index(at.step).as_str(), at.op.as_str())
}

fn op_named(name: &str, plan: &Plan) -> Option<OpRef> {
    let (branch_id, op) = name.split_once(' ')?;
    let step = plan.step_of(&BranchId::parse(branch_id).ok()?)?;
    Some(OpRef { step, op: op.parse().ok()? })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::{Mode, samples};
    use amends_dtm::Op;

    #[test]
    fn a_run_reads_back_as_written_and_no_other_act_is_one() {
        let plan = samples::plan(Mode::Saga, 3, None);
        let from = [OpRef { step: 1, op: Op::Action }, OpRef { step: 2, op: Op::Action }];
        let detail = RunDetail::of(2, &from, &Act::of("ann", "x")).text();
        assert_eq!(detail, r#"{"run":2,"continues":1,"from":["02 action","03 action"],"subject":"ann"}"#);
        let read = RunDetail::stored(&detail).unwrap();
        assert_eq!((read.run, read.continues, read.ops(&plan)), (2, 1, Some(from.to_vec())));
        assert_eq!(Act::stored(&detail, "x"), Some(Act::of("ann", "x")), "who did it reads like any act");
        assert_eq!(RunDetail::stored(r#"{"subject":"ann"}"#), None);
        assert_eq!(RunDetail::stored(""), None);
        let foreign = RunDetail { from: vec!["09 action".into()], ..read };
        assert_eq!(foreign.ops(&plan), None);
    }
}
