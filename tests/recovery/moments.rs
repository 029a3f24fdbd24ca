//! In the middle of each op once, before the participant heard of it and after it did its part, the orchestrator dies: global
//! transactions end as documented, and the call of the dead orchestrator that arrives afterwards has no effect. And in
//! the middle of each op once DTM loses its store: what history decided is what happens.
use crate::AMENDS;
use amends_proto::amends::v1::GlobalTransaction;
use amends_stack::Role;
use amends_testkit::{Checkout, Coordinator, Fault, Gate, Mode, On, Shop, Status, Story, World, WorldConfig};
use futures::future::join_all;

/// The moments of one kind: the ops that are held, what has gone wrong before, and how it all must end.
struct Moments {
    mode: Mode,
    /// What the script breaks, which makes the ops below come about.
    broken: Option<(&'static str, Fault)>,
    held: &'static [&'static str],
    status: Status,
    undo_cause: &'static str,
}

/// That a try began need not be durable before it is called. Where nothing else of the gid was recorded since, the
/// restarted orchestrator knows of no try and tries anew.
const FIRST_TRY: &str = "TryPlace";

/// Every op of a checkout is in here.
const MOMENTS: [Moments; 7] = [
    Moments {
        mode: Mode::Saga,
        broken: None,
        held: &["Place", "Deduct", "Burn", "Transfer", "Charge", "MarkPaid", "Earn"],
        status: Status::Succeeded,
        undo_cause: "",
    },
    Moments {
        mode: Mode::Saga,
        broken: Some(("Charge", Fault::Refuse("PSP_DECLINED"))),
        held: &["ReverseTransfer", "ReturnBurn", "ReturnStock", "ClosePlaced"],
        status: Status::Failed,
        undo_cause: "refused",
    },
    Moments {
        mode: Mode::Tcc,
        broken: None,
        held: &["TryPlace", "TryReserve", "TryEarn", "TryBurn", "TryTransfer", "TryPay"],
        status: Status::Failed,
        undo_cause: "crash",
    },
    Moments {
        mode: Mode::Tcc,
        broken: None,
        held: &[
            "ConfirmPay",
            "ConfirmTransfer",
            "ConfirmBurn",
            "ConfirmEarn",
            "ConfirmReserve",
            "ConfirmPlace",
        ],
        status: Status::Succeeded,
        undo_cause: "",
    },
    Moments {
        mode: Mode::Tcc,
        broken: Some(("TryPay", Fault::Refuse("PSP_DECLINED"))),
        held: &["CancelTransfer", "CancelBurn", "CancelEarn", "CancelReserve", "CancelPlace"],
        status: Status::Failed,
        undo_cause: "refused",
    },
    Moments {
        mode: Mode::Saga,
        broken: Some(("Charge", Fault::LoseReply)),
        held: &["ReverseCharge"],
        status: Status::Failed,
        undo_cause: "deadline",
    },
    Moments {
        mode: Mode::Tcc,
        broken: Some(("TryPay", Fault::LoseReply)),
        held: &["CancelPay"],
        status: Status::Failed,
        undo_cause: "deadline",
    },
];

#[tokio::test(flavor = "multi_thread")]
async fn an_orchestrator_that_dies_during_any_op_finishes_afterwards() {
    die_during_any_op(Coordinator::Dtm).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_embedded_coordinator_that_dies_during_any_op_finishes_afterwards() {
    die_during_any_op(Coordinator::Embedded).await;
}

async fn die_during_any_op(coordinator: Coordinator) {
    let folder = tempfile::tempdir().unwrap();
    let world = World::start(&WorldConfig::new(AMENDS, folder.path(), coordinator)).await;
    for moments in MOMENTS {
        for hold in [Fault::Hold, Fault::HoldReply] {
            moments.play(&world, hold).await;
        }
    }
    world.check().await;
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_dtm_has_lost_ends_as_history_decided() {
    let folder = tempfile::tempdir().unwrap();
    let world = World::start(&WorldConfig::new(AMENDS, folder.path(), Coordinator::Dtm)).await;
    for moments in MOMENTS {
        moments.play_without_store(&world).await;
    }
    world.check().await;
    let told = world.verdict().await.notes;
    assert!(told.iter().any(|note| note.contains("DTM has no entry for")), "what was lost is told: {told:?}");
    world.stop().await;
}

/// One checkout that stands before a gate.
struct Held<'s, 'w> {
    method: &'static str,
    story: Story<'s, 'w>,
    gate: Gate,
}

impl Moments {
    /// One checkout for each op, all held there; then the orchestrator dies, once for all of them.
    async fn play(&self, world: &World, hold: fn(Gate) -> Fault) {
        let shops = join_all(self.held.iter().map(|_| world.shop())).await;
        let held = self.hold_all(&shops, hold).await;
        world.stack().kill9(Role::Orchestrator).await.unwrap();
        for held in &held {
            // Calls that come from now on pass; the one that stands at the gate stays there.
            world.script().heal(&held.story.order_id);
        }
        world.stack().restart(Role::Orchestrator).await.unwrap();
        for held in &held {
            let end = held.story.end().await;
            self.judge(held, &end).await;
            let calls = held.story.calls_of(held.method).len();
            held.gate.open();
            held.story.called(held.method, calls + 1).await;
            held.story.shop.holds_after(paid(&end)).await;
        }
    }

    /// The same, but DTM dies, and comes back without its store. One more checkout has ended before.
    async fn play_without_store(&self, world: &World) {
        let shops = join_all(self.held.iter().map(|_| world.shop())).await;
        shops[0].checkout(self.mode).start().await.ends(Status::Succeeded).await;
        let held = self.hold_all(&shops, Fault::Hold).await;
        world.stack().kill9(Role::Dtm).await.unwrap();
        std::fs::remove_file(world.stack().data_dir().join("dtm").join("dtm.bolt")).unwrap();
        for held in &held {
            held.gate.open();
        }
        world.stack().restart(Role::Dtm).await.unwrap();
        for (held, before) in held.iter().zip((0..).map(|place| i64::from(place == 0))) {
            let end = held.story.end().await;
            self.judge_lost(held, &end).await;
            held.story.shop.holds_after(before + paid(&end)).await;
        }
    }

    /// Only what was not decided yet may be decided otherwise than it would have been.
    async fn judge_lost(&self, held: &Held<'_, '_>, end: &GlobalTransaction) {
        let (decisions, calls) = (held.story.decisions().await, held.story.calls().await);
        let trying = self.undo_cause == "crash";
        let expected = if trying { Status::Succeeded } else { self.status };
        let taken_back = trying && end.status() == Status::Failed && decisions.ends_with("abort_decided");
        let told = format!("lost during {}: {:?} {decisions}; {calls}", held.method, end.status());
        assert!(end.status() == expected || taken_back, "{told}");
    }

    async fn hold_all<'s, 'w>(&self, shops: &'s [Shop<'w>], hold: fn(Gate) -> Fault) -> Vec<Held<'s, 'w>> {
        join_all(self.held.iter().zip(shops).map(|(method, shop)| self.hold(method, shop, hold))).await
    }

    async fn hold<'s, 'w>(
        &self,
        method: &'static str,
        shop: &'s Shop<'w>,
        hold: fn(Gate) -> Fault,
    ) -> Held<'s, 'w> {
        let gate = Gate::default();
        let mut checkout: Checkout<'s, 'w> = shop.checkout(self.mode);
        if let Some((method, fault)) = &self.broken {
            checkout = checkout.each(method, fault.clone());
        }
        shop.world.script().set(On::each(method, checkout.order_id()), hold(gate.clone()));
        let story = checkout.start().await;
        gate.reached().await;
        Held { method, story, gate }
    }

    async fn judge(&self, held: &Held<'_, '_>, end: &GlobalTransaction) {
        let seen = (end.status(), end.undo_cause.as_str());
        let calls = held.story.calls().await;
        let goes_on = held.method == FIRST_TRY && end.status() == Status::Succeeded;
        let as_told = seen == (self.status, self.undo_cause);
        assert!(as_told || goes_on, "killed during {}: {seen:?} {calls}", held.method);
        held.story.shop.holds_after(paid(end)).await;
    }
}

fn paid(end: &GlobalTransaction) -> i64 {
    i64::from(end.status() == Status::Succeeded)
}
