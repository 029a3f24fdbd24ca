//! Cancel during each step: payments-domain §14, example 16. Before the pivot it is accepted and everything is undone;
//! from the pivot on it is refused and everything goes on.
use crate::every_step::{Planned, plan};
use crate::stage::{all, story};
use amends_proto::amends::v1::CancelRequest;
use amends_testkit::{Fault, Gate, MODES, Mode, Status, World, reason_of, snake};
use std::fmt;
use tonic::Code;

/// What a cancel must come to while this method is being called.
struct Case {
    mode: Mode,
    method: String,
    refused: Option<&'static str>,
}

impl fmt::Display for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "cancel during {}", self.method)
    }
}

#[test]
fn a_cancel_is_heard_up_to_the_pivot() {
    story(async |world| {
        let mut cases = Vec::new();
        for mode in MODES {
            let steps = plan(world, mode).await;
            let pivot = steps.iter().position(|step| step.pivot).unwrap_or(steps.len());
            for (index, step) in steps.into_iter().enumerate() {
                let refused = match index.cmp(&pivot) {
                    std::cmp::Ordering::Less => None,
                    std::cmp::Ordering::Equal => Some("PIVOT_IN_FLIGHT"),
                    std::cmp::Ordering::Greater => Some("PAST_PIVOT"),
                };
                let Planned { forward, confirm, .. } = step;
                cases.push(Case { mode, method: forward, refused });
                cases.extend(confirm.map(|method| Case { mode, method, refused: Some("PAST_PIVOT") }));
            }
        }
        all(cases, async |case| cancel_during(world, case).await).await;
        world.check().await;
    });
}

async fn cancel_during(world: &World, case: Case) {
    let shop = world.shop().await;
    let gate = Gate::default();
    let story = shop.checkout(case.mode).first(&case.method, Fault::Hold(gate.clone())).start().await;
    gate.reached().await;
    let answer = story.cancel("changed my mind").await;
    let Some(reason) = case.refused else {
        assert_eq!(answer.expect("before the pivot").status(), Status::Compensating);
        story.cancel("once more").await.expect("a cancel may be repeated");
        gate.open();
        let end = story.ends(Status::Cancelled).await;
        assert_eq!((end.undo_cause.as_str(), end.reason.as_str()), ("cancelled", "changed my mind"));
        story.cancel("and again").await.expect("a cancel may be repeated even at the end");
        let later = story.calls().await;
        let method = snake(&case.method);
        assert!(later.split(' ').any(|word| word.starts_with(&method)), "{later}");
        shop.holds_after(0).await;
        return story.dtm_says("failed").await;
    };
    let refused = answer.expect_err("from the pivot on");
    assert_eq!((refused.code(), reason_of(&refused).as_str()), (Code::FailedPrecondition, reason));
    gate.open();
    story.ends(Status::Succeeded).await;
    let refused = story.cancel("too late").await.expect_err("it is paid");
    assert_eq!((refused.code(), reason_of(&refused).as_str()), (Code::FailedPrecondition, "PAST_PIVOT"));
    shop.holds_after(1).await;
    story.dtm_says("succeed").await;
}

#[test]
fn what_nobody_started_cannot_be_cancelled() {
    story(async |world| {
        let cancel = CancelRequest { gid: uuid::Uuid::now_v7().to_string(), reason: "why not".to_owned() };
        let refused = world.clients().transactions.cancel(cancel).await.expect_err("an unknown gid");
        assert_eq!((refused.code(), reason_of(&refused).as_str()), (Code::NotFound, "GID_NOT_FOUND"));
    });
}

#[test]
fn what_failed_by_itself_stays_failed() {
    story(async |world| {
        let shop = world.shop().await;
        let story = shop.checkout(Mode::Saga).card("tok_decline").start().await;
        story.ends(Status::Failed).await;
        let answer = story.cancel("undo it").await.expect("it is undone already");
        assert_eq!((answer.status(), answer.undo_cause.as_str()), (Status::Failed, "refused"));
    });
}
