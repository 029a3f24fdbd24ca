//! Break every step once, repeat every op once, repeat every undo once, lose every reply once: by loop over the plan.
use crate::stage::{all, story};
use amends_testkit::{Fault, MODES, Mode, Repeat, Shop, Status, Story, World, snake};
use std::fmt;
use tonic::Code;

/// A step of a plan by its method names, without their service.
#[derive(Debug, Clone)]
pub struct Planned {
    /// Action or try.
    pub forward: String,
    /// Confirm of a TCC.
    pub confirm: Option<String>,
    /// Compensation or cancel, if there is one.
    pub undo: Option<String>,
    /// The point of no return of a SAGA.
    pub pivot: bool,
}

/// The steps of a checkout, as the orchestrator tells them of one that is paid.
pub async fn plan(world: &World, mode: Mode) -> Vec<Planned> {
    let shop = world.shop().await;
    let paid = shop.checkout(mode).start().await.ends(Status::Succeeded).await;
    let bare = |name: &str| Some(name.rsplit_once('/')?.1.to_owned());
    let steps = paid.steps.iter().map(|step| Planned {
        forward: bare(&step.forward).expect("every step goes forward"),
        confirm: bare(&step.confirm),
        undo: bare(&step.undo),
        pivot: step.pivot,
    });
    steps.collect()
}

/// What happens to one call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Break {
    UnavailableOnce,
    TwiceInTurn,
    TwiceAtOnce,
    ReplyLost,
}

impl Break {
    const ALL: [Break; 4] =
        [Break::UnavailableOnce, Break::TwiceInTurn, Break::TwiceAtOnce, Break::ReplyLost];

    fn fault(self) -> Fault {
        match self {
            Break::UnavailableOnce => Fault::Answer(Code::Unavailable),
            Break::TwiceInTurn => Fault::Repeat(Repeat::InTurn(2)),
            Break::TwiceAtOnce => Fault::Repeat(Repeat::AtOnce(2)),
            Break::ReplyLost => Fault::LoseReply,
        }
    }
}

/// One method, broken in one way.
struct Case {
    mode: Mode,
    steps: Vec<Planned>,
    index: usize,
    method: String,
    broken: Break,
}

impl fmt::Display for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {:?}", self.method, self.broken)
    }
}

/// Every method that `pick` names, broken in every way.
async fn cases(world: &World, pick: fn(&Planned) -> Vec<String>) -> Vec<Case> {
    let mut cases = Vec::new();
    for mode in MODES {
        let steps = plan(world, mode).await;
        for (index, step) in steps.iter().enumerate() {
            for method in pick(step) {
                cases.extend(Break::ALL.map(|broken| {
                    let (steps, method) = (steps.clone(), method.clone());
                    Case { mode, steps, index, method, broken }
                }));
            }
        }
    }
    cases
}

#[test]
fn a_refused_step_undoes_exactly_what_was_done() {
    story(async |world| {
        let mut refusals = Vec::new();
        for mode in MODES {
            let steps = plan(world, mode).await;
            let last = steps.iter().position(|step| step.pivot).unwrap_or(steps.len() - 1);
            refusals.extend((0..=last).map(|index| Refusal { mode, steps: steps.clone(), index }));
        }
        all(refusals, async |case| refused(world, case).await).await;
        world.check().await;
    });
}

/// One step that refuses.
struct Refusal {
    mode: Mode,
    steps: Vec<Planned>,
    index: usize,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} refuses", self.steps[self.index].forward)
    }
}

async fn refused(world: &World, case: Refusal) {
    let shop = world.shop().await;
    let checkout = shop.checkout(case.mode);
    let story = checkout.first(&case.steps[case.index].forward, Fault::Refuse("BY_TEST")).start().await;
    let end = story.ends(Status::Failed).await;
    assert!(end.reason.starts_with("BY_TEST"), "{}", end.reason);
    let (done, refusing) = (&case.steps[..case.index], snake(&case.steps[case.index].forward));
    let forward = done.iter().map(|step| snake(&step.forward));
    let undone = done.iter().rev().filter_map(|step| step.undo.as_deref().map(snake));
    let told: Vec<String> = forward.chain([format!("{refusing}(refused)")]).chain(undone).collect();
    assert_eq!(story.calls().await, told.join(" "));
    undone_in_full(&shop, &story).await;
}

async fn undone_in_full(shop: &Shop<'_>, story: &Story<'_, '_>) {
    shop.holds_after(0).await;
    story.dtm_says("failed").await;
}

#[test]
fn no_broken_call_of_a_paid_checkout_is_felt() {
    story(async |world| {
        let forward_and_confirm = |step: &Planned| {
            let confirm = step.confirm.iter().cloned();
            [step.forward.clone()].into_iter().chain(confirm).collect()
        };
        all(cases(world, forward_and_confirm).await, async |case| paid_all_the_same(world, case).await).await;
        world.check().await;
    });
}

async fn paid_all_the_same(world: &World, case: Case) {
    let shop = world.shop().await;
    let story = shop.checkout(case.mode).first(&case.method, case.broken.fault()).start().await;
    story.ends(Status::Succeeded).await;
    struck(&story, &case);
    shop.holds_after(1).await;
    story.dtm_says("succeed").await;
}

#[test]
fn no_broken_undo_is_felt() {
    story(async |world| {
        let undo = |step: &Planned| step.undo.iter().cloned().collect();
        all(cases(world, undo).await, async |case| undone_all_the_same(world, case).await).await;
        world.check().await;
    });
}

/// The step behind refuses; where there is none that could, the step's own outcome is never heard of, so that it is
/// taken back at its deadline.
async fn undone_all_the_same(world: &World, case: Case) {
    let shop = world.shop().await;
    let checkout = shop.checkout(case.mode).first(&case.method, case.broken.fault());
    let step = &case.steps[case.index];
    let behind = case.steps.get(case.index + 1).filter(|_| !step.pivot);
    let checkout = match behind {
        Some(behind) => checkout.each(&behind.forward, Fault::Refuse("BY_TEST")),
        None => checkout.each(&step.forward, Fault::LoseReply),
    };
    let story = checkout.start().await;
    let end = story.ends(Status::Failed).await;
    let cause = if behind.is_some() { "refused" } else { "deadline" };
    assert_eq!(end.undo_cause, cause);
    struck(&story, &case);
    undone_in_full(&shop, &story).await;
}

/// The fault was met, and the participant told the same each time.
fn struck(story: &Story<'_, '_>, case: &Case) {
    let calls = story.calls_of(&case.method);
    let first = calls.first().unwrap_or_else(|| panic!("{} was never called", case.method));
    let wanted = match case.broken {
        Break::UnavailableOnce => 0,
        Break::ReplyLost => 1,
        Break::TwiceInTurn | Break::TwiceAtOnce => 2,
    };
    assert_eq!(first.replies.len(), wanted, "{} did not meet its fault", case.method);
    let all = calls.iter().flat_map(|entry| &entry.replies);
    let final_ones: Vec<_> = all.filter(|reply| reply.code != Code::FailedPrecondition).collect();
    assert!(!final_ones.is_empty(), "{} has no outcome", case.method);
    for reply in &final_ones {
        assert_eq!(*reply, final_ones[0], "{} was answered in two ways", case.method);
    }
}
