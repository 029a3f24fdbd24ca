//! A process that starts on a store of which the n-th call fails: it serves, or it ends and says why; the next start
//! on a store that is well finds everything as it was.
use crate::bodies;
use crate::layer::ways;
use crate::world::World;
use crate::{seed, tell, thorough};
use amends_proto::amends::v1::SetLaneRequest;
use amends_proto::pay::account::v1::DepositRequest;
use amends_stack::Role;
use amends_testkit::{Must as _, until};
use prost::Message as _;
use tonic::Code;

/// A start takes fewer calls on files.
const MOST: u32 = 400;
/// The two ways to open a store: as a participant, and as the history.
const TWO: [Role; 2] = [Role::Account, Role::Orchestrator];

/// A store that could only be opened for reading looks well until somebody writes: through a local transaction of a
/// participant, and through the pool of the history, whose other writer every other test feels.
async fn writes(world: &World, role: Role, name: &str) {
    let (path, body) = if role == Role::Orchestrator {
        let as_at_the_start =
            SetLaneRequest { participant: "account".to_owned(), reset: true, ..SetLaneRequest::default() };
        ("amends.v1.Operations/SetLane".to_owned(), as_at_the_start.encode_to_vec())
    } else {
        let request = DepositRequest {
            account_id: bodies::WALLET.to_owned(),
            amount: bodies::usd(1),
            idempotency_key: bodies::id(),
        };
        (bodies::path(Role::Account, "Deposit"), request.encode_to_vec())
    };
    // The first write may still find what failed at the start.
    until(name, async || {
        let reply = world.direct(role, &path, body.clone()).await;
        (reply.code == Code::Ok).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_start_on_a_failing_store_serves_or_says_why_not() {
    let _alone = crate::LOADED.lock().await;
    let seed = seed();
    tell(&format!("seed {seed} (AMENDS_TEST_SEED)"));
    let folder = tempfile::tempdir().unwrap();
    let world = World::start(folder.path()).await;
    let roles = if thorough() { crate::world::STORES.to_vec() } else { TWO.to_vec() };
    for role in roles {
        let (mut points, mut ended) = (0, 0);
        for nth in 1.. {
            assert!(nth < MOST, "{role} does not come to an end");
            let mut struck = false;
            for way in ways(nth, seed) {
                let before = world.store(role).snapshot().await;
                world.stack.halt(role).await.must("end a process");
                world.orders(role).arm(nth, way);
                world.stack.launch(role).await.must("start a process");
                let ready = world.stack.ready(role).await;
                if world.orders(role).disarm() > 0 {
                    struck = true;
                    points += 1;
                }
                if let Err(error) = ready {
                    ended += 1;
                    let text = error.to_string();
                    assert!(text.contains("ended with"), "{role}, {way:?} at {nth}: {text}");
                    assert!(
                        text.contains("disk") || text.contains("database"),
                        "{role}, {way:?} at {nth}: {text}"
                    );
                    world.stack.restart(role).await.must("start a process on a store that is well");
                }
                assert!(
                    world.store(role).snapshot().await == before,
                    "{role}, {way:?} at {nth}: it changed something"
                );
                if TWO.contains(&role) {
                    let name = format!("{role}, {way:?} at {nth}");
                    writes(&world, role, &name).await;
                }
            }
            if !struck {
                break;
            }
        }
        tell(&format!("{role}: {points} points in a start, which ended {ended} of them"));
        assert!(ended > 0, "{role} never felt it");
    }
    world.stack.stop().await;
}
