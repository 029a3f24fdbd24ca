//! Every branch call and every direct write of every participant, in which the n-th call on the store's files fails, for
//! n = 1, 2, 3 … until the answer no longer depends on it. Whatever is not done has changed nothing, the same call
//! does it once, and what was answered OK is there after the process was killed.
use crate::bodies::{self, id, path, usd};
use crate::deeds::{Branch, Call, DEEDS, Deed};
use crate::digest::{Footprint, Snapshot, difference};
use crate::layer::{Way, ways};
use crate::wire::Reply;
use crate::world::World;
use crate::{seed, tell, thorough};
use amends_proto::pay::account::v1::{AccountType, DepositRequest, OpenRequest};
use amends_proto::pay::inventory::v1::RestockRequest;
use amends_proto::pay::points::v1::GrantRequest;
use amends_stack::Role;
use amends_testkit::{Must as _, until};
use prost::Message as _;
use tonic::Code;

/// No call takes more calls on files; the test would never end.
const MOST: u32 = 400;
/// So many of them are tried one by one, of the others one in so many. Only payments take more.
const EACH: u32 = 14;
const STRIDE: u32 = 3;
/// What a caller may be told who is to ask again.
const AGAIN: [(Code, &str); 5] = [
    (Code::Unavailable, "STORAGE_UNAVAILABLE"),
    (Code::FailedPrecondition, "LOCKED"),
    (Code::FailedPrecondition, "IN_PROGRESS"),
    (Code::FailedPrecondition, "UNDO_IN_PROGRESS"),
    (Code::FailedPrecondition, "PAYMENT_UNKNOWN"),
];

/// What is called.
#[derive(Clone, Copy)]
enum Kind {
    Branch(Deed, Call),
    Direct(Role, &'static str),
}

/// One call that can be made again.
enum Asked {
    Branch(Branch, Call, Vec<u8>),
    Direct(Role, &'static str, Vec<u8>),
}

/// What a role went through.
#[derive(Default)]
struct Tally {
    calls: usize,
    points: usize,
    /// Of them, answered with an error.
    refused: usize,
    done: Vec<(Asked, Reply)>,
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_on_a_failing_store_is_done_or_has_changed_nothing() {
    let _alone = crate::LOADED.lock().await;
    let seed = seed();
    tell(&format!("seed {seed} (AMENDS_TEST_SEED)"));
    let folder = tempfile::tempdir().unwrap();
    let world = World::start(folder.path()).await;
    let before = Role::PARTICIPANTS.map(|role| world.stack.pid(role));
    let tallies = futures::future::join_all(Role::PARTICIPANTS.map(|role| suffer(&world, role, seed))).await;
    assert_eq!(Role::PARTICIPANTS.map(|role| world.stack.pid(role)), before, "nobody had to be restarted");
    for role in Role::PARTICIPANTS {
        world.stack.kill9(role).await.must("kill a participant");
        world.stack.restart(role).await.must("start it again");
    }
    for (role, tally) in Role::PARTICIPANTS.iter().zip(&tallies) {
        let Tally { calls, points, refused, done } = tally;
        tell(&format!("{role}: {points} points in {calls} kinds of calls, {refused} answered with an error"));
        assert!(*refused > 0, "{role} never felt it");
        for (asked, reply) in done {
            let again = asked.call(&world).await;
            assert_eq!(again.unmarked(), reply.unmarked(), "{} after a kill", asked.name());
        }
    }
    world.stack.stop().await;
}

async fn suffer(world: &World, role: Role, seed: u64) -> Tally {
    let mut tally = Tally::default();
    for kind in kinds(role) {
        tally.calls += 1;
        let expected = undisturbed(world, kind).await;
        let (mut nth, mut struck) = (1, true);
        while struck {
            assert!(nth < MOST, "{} does not come to an end", kind.name());
            struck = false;
            for way in ways(nth, seed) {
                struck |= point(world, kind, (nth, way), &expected, &mut tally).await;
            }
            nth += if thorough() || nth < EACH { 1 } else { STRIDE };
        }
    }
    tally
}

fn kinds(role: Role) -> Vec<Kind> {
    let branches = DEEDS.into_iter().filter(|deed| deed.role == role);
    let branches =
        branches.flat_map(|deed| deed.calls().into_iter().map(move |call| Kind::Branch(deed, call)));
    let direct: &[&str] = match role {
        Role::Account => &["Open", "Deposit"],
        Role::Inventory => &["Restock"],
        Role::Points => &["Grant"],
        Role::Order | Role::Gateway | Role::Dtm | Role::Psp | Role::Orchestrator => &[],
    };
    branches.chain(direct.iter().map(|method| Kind::Direct(role, method))).collect()
}

/// What one call changes when nothing fails.
async fn undisturbed(world: &World, kind: Kind) -> Footprint {
    let asked = kind.prepared(world).await;
    let before = footprint(world, kind.role()).await;
    let reply = asked.call(world).await;
    assert_eq!(reply.code, Code::Ok, "{}: {reply:?}", kind.name());
    difference(&before, &footprint(world, kind.role()).await)
}

/// One call with one failure; says whether anything failed.
async fn point(world: &World, kind: Kind, at: (u32, Way), expected: &Footprint, tally: &mut Tally) -> bool {
    let (role, (nth, way)) = (kind.role(), at);
    let what = format!("{} with {way:?} at {nth}", kind.name());
    let asked = kind.prepared(world).await;
    let (before, rows) = (footprint(world, role).await, world.store(role).snapshot().await);
    world.orders(role).arm(nth, way);
    let first = asked.call(world).await;
    let struck = world.orders(role).disarm() > 0;
    judge(&first, struck, &what);
    if first.code != Code::Ok {
        tally.refused += 1;
        unchanged(world, role, &rows, &what).await;
    }
    let done = until(&what, async || {
        let again = asked.call(world).await;
        if again.code != Code::Ok {
            judge(&again, true, &what);
        }
        (again.code == Code::Ok).then_some(again)
    })
    .await;
    if first.code == Code::Ok {
        assert_eq!(done.unmarked(), first.unmarked(), "{what}: the repetition");
    }
    let change = difference(&before, &footprint(world, role).await);
    assert_eq!(change, *expected, "{what}: {first:?}, then {done:?}");
    tally.points += usize::from(struck);
    tally.done.push((asked, done));
    struck
}

/// Done, or to be asked again: never a refusal.
fn judge(reply: &Reply, struck: bool, what: &str) {
    let again = AGAIN.contains(&(reply.code, reply.reason()));
    assert!(reply.code == Code::Ok || (struck && again), "{what}: {reply:?}");
}

/// Not a row, nor a memory of a call. The gateway goes on by itself with what it has begun outside.
async fn unchanged(world: &World, role: Role, before: &Snapshot, what: &str) {
    if role != Role::Gateway {
        assert!(world.store(role).snapshot().await == *before, "{what}: it has changed something");
    }
}

/// What was done so far by the service; of payments, what they came to and not how often somebody asked.
async fn footprint(world: &World, role: Role) -> Footprint {
    let own = world.store(role).footprint().await;
    if role != Role::Gateway {
        return own;
    }
    let psp = world.store(Role::Psp).footprint().await.into_iter();
    let kept =
        psp.filter(|(name, _)| ["request.kept_now", "request.authorized_now"].contains(&name.as_str()));
    own.into_iter().filter(|(name, _)| name.split('.').next() == Some("payment")).chain(kept).collect()
}

impl Kind {
    fn role(self) -> Role {
        match self {
            Kind::Branch(deed, _) => deed.role,
            Kind::Direct(role, _) => role,
        }
    }

    fn name(self) -> String {
        match self {
            Kind::Branch(deed, call) => deed.path(call),
            Kind::Direct(role, method) => path(role, method),
        }
    }

    /// A call that nobody has made yet, after whatever must come before it.
    async fn prepared(self, world: &World) -> Asked {
        match self {
            Kind::Branch(deed, call) => {
                let (branch, body) = (deed.branch(), deed.body.fresh(world).await);
                if call != Call::Forward {
                    let forward = branch.call(world, Call::Forward, &body).await;
                    assert_eq!(forward.code, Code::Ok, "{}: {forward:?}", deed.forward);
                }
                Asked::Branch(branch, call, body)
            }
            Kind::Direct(role, method) => Asked::Direct(role, method, direct(method)),
        }
    }
}

fn direct(method: &str) -> Vec<u8> {
    let idempotency_key = id();
    match method {
        "Open" => {
            let (owner, currency) = (format!("u-{}", id()), "USD".to_owned());
            let account_id = format!("USER_WALLET:{owner}:USD");
            let r#type = AccountType::UserWallet.into();
            OpenRequest { account_id, owner, r#type, currency, floor: 0 }.encode_to_vec()
        }
        "Deposit" => {
            let account_id = bodies::WALLET.to_owned();
            DepositRequest { account_id, amount: usd(7), idempotency_key }.encode_to_vec()
        }
        "Restock" => {
            RestockRequest { sku: bodies::SKU.to_owned(), quantity: 7, idempotency_key }.encode_to_vec()
        }
        "Grant" => {
            GrantRequest { user_id: bodies::USER.to_owned(), points: 7, idempotency_key }.encode_to_vec()
        }
        other => panic!("no body for {other}"),
    }
}

impl Asked {
    async fn call(&self, world: &World) -> Reply {
        match self {
            Asked::Branch(branch, call, body) => branch.call(world, *call, body).await,
            Asked::Direct(role, method, body) => {
                world.direct(*role, &path(*role, method), body.clone()).await
            }
        }
    }

    fn name(&self) -> String {
        match self {
            Asked::Branch(branch, call, _) => branch.deed.path(*call),
            Asked::Direct(role, method, _) => path(*role, method),
        }
    }
}
