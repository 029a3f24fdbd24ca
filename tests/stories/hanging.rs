//! Undo that comes before, or without, the forward call: payments-domain §14, examples 9 and 10.
use crate::stage::{all, story};
use amends_testkit::{Fault, Gate, Mode, Status, World, until};
use std::fmt;
use tonic::Code;

/// A step whose participant does not hear the forward call in time.
struct Case {
    mode: Mode,
    forward: &'static str,
    undo: &'static str,
}

impl fmt::Display for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.forward)
    }
}

const fn saga(forward: &'static str, undo: &'static str) -> Case {
    Case { mode: Mode::Saga, forward, undo }
}

const fn tcc(forward: &'static str, undo: &'static str) -> Case {
    Case { mode: Mode::Tcc, forward, undo }
}

const CASES: [Case; 10] = [
    saga("Place", "ClosePlaced"),
    saga("Deduct", "ReturnStock"),
    saga("Burn", "ReturnBurn"),
    saga("Transfer", "ReverseTransfer"),
    tcc("TryPlace", "CancelPlace"),
    tcc("TryReserve", "CancelReserve"),
    tcc("TryEarn", "CancelEarn"),
    tcc("TryBurn", "CancelBurn"),
    tcc("TryTransfer", "CancelTransfer"),
    tcc("TryPay", "CancelPay"),
];

/// Example 9: the undo of what never arrived is answered OK and leaves nothing behind.
#[test]
fn an_empty_undo_is_harmless() {
    story(async |world| {
        all(&CASES, async |case| empty(world, case).await).await;
        world.check().await;
    });
}

async fn empty(world: &World, case: &Case) {
    let shop = world.shop().await;
    let story = shop.checkout(case.mode).each(case.forward, Fault::Answer(Code::Unavailable)).start().await;
    story.called(case.forward, 1).await;
    story.cancel("it never arrives").await.expect("no pivot was attempted");
    story.ends(Status::Cancelled).await;
    let undone = story.calls_of(case.undo);
    assert!(undone.iter().any(|entry| entry.told.code == Code::Ok), "the undo went to the participant");
    shop.holds_after(0).await;
    story.dtm_says("failed").await;
}

/// Example 10: the forward call that arrives after its undo is refused and changes nothing.
#[test]
fn a_forward_call_after_its_undo_is_refused() {
    story(async |world| {
        all(&CASES, async |case| hanging(world, case).await).await;
        world.check().await;
    });
}

async fn hanging(world: &World, case: &Case) {
    let shop = world.shop().await;
    let gate = Gate::default();
    let checkout = shop.checkout(case.mode).first(case.forward, Fault::Hold(gate.clone()));
    let story = checkout.each(case.forward, Fault::Answer(Code::Unavailable)).start().await;
    gate.reached().await;
    story.cancel("it hangs").await.expect("no pivot was attempted");
    story.ends(Status::Cancelled).await;
    shop.holds_after(0).await;
    gate.open();
    let late = until("the late call arrives", async || {
        story.calls_of(case.forward).into_iter().flat_map(|entry| entry.replies).next()
    });
    let late = late.await;
    assert_eq!((late.code, late.reason()), (Code::Aborted, "BRANCH_CLOSED"));
    shop.holds_after(0).await;
    story.dtm_says("failed").await;
}
