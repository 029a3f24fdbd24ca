//! The gateway dies while the PSP works for it: its request is committed, the answer is not (payments-domain §6.2).
//! What became of it is asked, never guessed, and nothing is charged twice.
use crate::AMENDS;
use crate::store::Store;
use amends_proto::pay::psp::v1::{Fact, PspStatus};
use amends_stack::Role;
use amends_testkit::{Coordinator, Mode, Shop, Status, Story, World, WorldConfig, until};

/// The PSP's answer may be recorded as lost before the signal comes; then another order is tried.
const TRIES: usize = 5;

/// What the PSP does with the request, and what must come of it.
struct Case {
    mode: Mode,
    op: &'static str,
    behaviour: &'static str,
    status: Status,
}

const CASES: [Case; 5] = [
    Case { mode: Mode::Saga, op: "sale", behaviour: "charge_then_timeout", status: Status::Succeeded },
    Case { mode: Mode::Saga, op: "sale", behaviour: "timeout_not_charged", status: Status::Failed },
    Case { mode: Mode::Tcc, op: "authorize", behaviour: "charge_then_timeout", status: Status::Succeeded },
    Case { mode: Mode::Tcc, op: "authorize", behaviour: "timeout_not_charged", status: Status::Failed },
    Case { mode: Mode::Tcc, op: "capture", behaviour: "charge_then_timeout", status: Status::Succeeded },
];

#[tokio::test(flavor = "multi_thread")]
async fn a_gateway_that_dies_between_request_and_record_asks_what_became_of_it() {
    die_between_request_and_record(Coordinator::Dtm).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gateway_that_dies_asks_what_became_of_it_on_the_embedded_coordinator_too() {
    die_between_request_and_record(Coordinator::Embedded).await;
}

async fn die_between_request_and_record(coordinator: Coordinator) {
    let folder = tempfile::tempdir().unwrap();
    let world = World::start(&WorldConfig::new(AMENDS, folder.path(), coordinator)).await;
    for case in &CASES {
        case.play(&world).await;
    }
    world.check().await;
    world.stop().await;
}

impl Case {
    async fn play(&self, world: &World) {
        for _ in 0..TRIES {
            let shop = world.shop().await;
            let story = shop.checkout(self.mode).psp(self.op, self.behaviour).await.start().await;
            self.sent(&story).await;
            world.stack().kill9(Role::Gateway).await.unwrap();
            let state = self.attempt(world, &story).await;
            world.stack().restart(Role::Gateway).await.unwrap();
            story.ends(self.status).await;
            self.charged_at_most_once(&story, &shop).await;
            if state.as_deref() == Some("initiated") {
                return;
            }
        }
        panic!("the gateway never died between request and record: {} {}", self.op, self.behaviour);
    }

    /// The PSP has the request, or, where it keeps nothing of it, the gateway has it on record.
    async fn sent(&self, story: &Story<'_, '_>) {
        let what = format!("{} is under way", self.op);
        if self.behaviour == "charge_then_timeout" {
            let is_there = |facts: Vec<Fact>| facts.iter().any(|fact| fact.op == self.op).then_some(());
            until(&what, async || is_there(story.facts().await)).await;
        } else {
            until(&what, async || self.attempt(story.shop.world, story).await).await;
        }
    }

    /// State of the gateway's request, as its store has it.
    async fn attempt(&self, world: &World, story: &Story<'_, '_>) -> Option<String> {
        let store = Store::open(world.stack(), Role::Gateway).await;
        let (op, gid) = (self.op, &story.gid);
        let of = format!("payment_id IN (SELECT payment_id FROM payment WHERE gid = '{gid}')");
        store.text(&format!("SELECT state FROM attempt WHERE op = '{op}' AND {of}")).await
    }

    async fn charged_at_most_once(&self, story: &Story<'_, '_>, shop: &Shop<'_>) {
        let done = story.facts().await.into_iter().filter(|fact| fact.status() == PspStatus::Success);
        let charges = done.filter(|fact| ["sale", "authorize"].contains(&fact.op.as_str())).count();
        let paid = usize::from(self.status == Status::Succeeded);
        assert_eq!(charges, paid, "{} {}", self.op, self.behaviour);
        shop.holds_after(i64::try_from(paid).unwrap()).await;
    }
}
