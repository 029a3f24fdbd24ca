//! DTM attacked from its own network, with each defect of dtm.md §3 that can be provoked from there, while checkouts stand
//! at every kind of step: nothing happens at participants that history did not decide, and everything ends. (The stories
//! play the most dangerous blows one by one.)
use crate::AMENDS;
use crate::foe::{Blow, Foe};
use amends_stack::Role;
use amends_testkit::{Coordinator, Fault, Gate, MODES, Mode, On, Shop, Status, Story, World, WorldConfig};
use futures::future::join_all;
use std::time::{Duration, Instant};

/// DTM does not tell when it has done its worst; it acts within 20 ms (dtm.md D6), and its cron each second.
const ITS_WORST: Duration = Duration::from_millis(1_500);

/// The phases in which blows fall: what is held, what the script breaks before, and how it may end.
struct Phase {
    mode: Mode,
    held: &'static str,
    broken: Option<&'static str>,
    /// A TCC that is not decided yet may be taken back by whoever reaches DTM: history follows, and all is undone.
    ends: &'static [Status],
}

const PHASES: [Phase; 5] = [
    Phase { mode: Mode::Saga, held: "Transfer", broken: None, ends: &[Status::Succeeded] },
    Phase { mode: Mode::Saga, held: "ReturnStock", broken: Some("Charge"), ends: &[Status::Failed] },
    Phase { mode: Mode::Tcc, held: "TryTransfer", broken: None, ends: &[Status::Succeeded, Status::Failed] },
    Phase { mode: Mode::Tcc, held: "ConfirmPay", broken: None, ends: &[Status::Succeeded] },
    Phase { mode: Mode::Tcc, held: "CancelBurn", broken: Some("TryPay"), ends: &[Status::Failed] },
];

const BLOWS: [Blow; 12] = [
    Blow::LongerGid,
    Blow::OtherSteps,
    Blow::AsWorkflow("succeed"),
    Blow::AsWorkflow("failed"),
    Blow::PrepareWorkflow,
    Blow::Poison,
    Blow::ForceStop,
    Blow::TwoSubmits,
    Blow::ForeignBranch,
    Blow::Abort,
    Blow::ResetTimes,
    Blow::WaitResult,
];

#[tokio::test(flavor = "multi_thread")]
async fn whatever_dtm_is_told_history_decides() {
    let folder = tempfile::tempdir().unwrap();
    let world = World::start(&WorldConfig::new(AMENDS, folder.path(), Coordinator::Dtm)).await;
    for phase in &PHASES {
        // Boxed, like all that is done a dozen times at once: a test's stack is small.
        Box::pin(phase.play(&world)).await;
    }
    Box::pin(Foe::of(&world).await.make_trouble()).await;
    tokio::time::sleep(ITS_WORST).await;
    stays_up(&world).await;
    for mode in MODES {
        let shop = world.shop().await;
        shop.checkout(mode).start().await.ends(Status::Succeeded).await;
        shop.checkout(mode).card("tok_decline").start().await.ends(Status::Failed).await;
        shop.holds_after(1).await;
    }
    world.check().await;
    world.stop().await;
}

impl Phase {
    /// One checkout for each blow, all held; every blow falls; all are let go.
    async fn play(&self, world: &World) {
        let shops = join_all(BLOWS.map(|_| Box::pin(world.shop()))).await;
        let held = join_all(shops.iter().map(|shop| Box::pin(self.hold(shop)))).await;
        let foe = Foe::of(world).await;
        for (blow, (story, _)) in BLOWS.into_iter().zip(&held) {
            // DTM was made to lie: whatever its book says of this one is no breach.
            world.excuse(&story.gid);
            Box::pin(foe.strike(blow, story)).await;
            stays_up(world).await;
        }
        tokio::time::sleep(ITS_WORST).await;
        for (_, gate) in &held {
            gate.open();
        }
        let ends = BLOWS.into_iter().zip(&held).map(|(blow, (story, _))| Box::pin(self.judge(blow, story)));
        join_all(ends).await;
    }

    async fn hold<'s, 'w>(&self, shop: &'s Shop<'w>) -> (Story<'s, 'w>, Gate) {
        let gate = Gate::default();
        let mut checkout = shop.checkout(self.mode);
        if let Some(refusing) = self.broken {
            checkout = checkout.each(refusing, Fault::Refuse("PSP_DECLINED"));
        }
        shop.world.script().set(On::each(self.held, checkout.order_id()), Fault::Hold(gate.clone()));
        let story = checkout.start().await;
        gate.reached().await;
        (story, gate)
    }

    async fn judge(&self, blow: Blow, story: &Story<'_, '_>) {
        let let_go = Instant::now();
        let end = story.end().await;
        let (status, calls) = (end.status(), story.calls().await);
        let (held, took) = (self.held, let_go.elapsed().as_secs_f64());
        crate::tell(&format!("{blow:?} during {held}: {status:?} {took:.1} s after it was let go"));
        assert!(self.ends.contains(&status), "{blow:?} at {}: {status:?}, {calls}", self.held);
        story.shop.holds_after(i64::from(status == Status::Succeeded)).await;
        let op = |name: &str| story.journal().iter().any(|entry| entry.call.op == name);
        let (undone, confirmed) = (op("cancel") || op("compensate"), op("confirm"));
        match status == Status::Succeeded {
            true => assert!(!undone, "{blow:?} at {}: {calls}", self.held),
            false => assert!(!confirmed, "{blow:?} at {}: {calls}", self.held),
        }
    }
}

/// DTM may die of what it was told; whoever keeps it starts it again.
async fn stays_up(world: &World) {
    if world.stack().pid(Role::Dtm).is_none() {
        crate::tell("DTM died of it");
        world.stack().restart(Role::Dtm).await.unwrap();
    }
}
