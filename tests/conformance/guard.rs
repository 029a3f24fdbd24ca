//! The branch guard of every participant (payments-domain §2), over the wire: parallel duplicates, hanging calls, empty
//! undos, other payloads. What was done is read from the stores: as much as one call does, never more.
use crate::deeds::{Branch, Call, DEEDS, Deed};
use crate::digest::{Footprint, difference};
use crate::steady::Steady;
use crate::wire::Reply;
use crate::world::{Auth, PATIENCE, World, alone, run};
use amends_stack::Role;
use futures::future::join_all;
use std::time::Duration;
use tonic::Code;

/// Duplicates at the same moment.
const DUPLICATES: usize = 100;

/// The two ways to go through a deed.
fn ways(deed: Deed) -> Vec<Vec<Call>> {
    let second = deed.calls().into_iter().filter(|call| *call != Call::Forward);
    second.map(|call| vec![Call::Forward, call]).collect()
}

#[test]
fn a_hundred_duplicates_at_once_do_what_one_call_does() {
    run(async {
        let turn = alone(Auth::Required).await;
        for deed in DEEDS {
            for way in ways(deed) {
                let expected = once(turn.world, deed, &way).await;
                let seen = hundredfold(turn.world, deed, &way).await;
                for ((call, expected), seen) in way.iter().zip(expected).zip(seen) {
                    assert_eq!(seen, expected, "{} × {DUPLICATES}", deed.method(*call));
                }
            }
        }
    });
}

/// What each call of the way changes when it comes once.
async fn once(world: &World, deed: Deed, way: &[Call]) -> Vec<Footprint> {
    let (branch, body) = (deed.branch(), deed.body.fresh(world).await);
    let mut changes = Vec::new();
    for call in way {
        let before = footprint(world, deed.role).await;
        let reply = branch.call(world, *call, &body).await;
        assert_eq!((reply.code, reply.replayed), (Code::Ok, false), "{}: {reply:?}", deed.method(*call));
        let change = difference(&before, &footprint(world, deed.role).await);
        assert!(!change.is_empty(), "{} does nothing", deed.method(*call));
        changes.push(change);
    }
    changes
}

async fn hundredfold(world: &World, deed: Deed, way: &[Call]) -> Vec<Footprint> {
    let (branch, body) = (deed.branch(), deed.body.fresh(world).await);
    let mut changes = Vec::new();
    for call in way {
        let before = footprint(world, deed.role).await;
        let calls = (0..DUPLICATES).map(|_| until_final(world, &branch, *call, &body));
        let replies = join_all(calls).await;
        let method = deed.method(*call);
        let fresh: Vec<&Reply> = replies.iter().filter(|reply| !reply.replayed).collect();
        // Who asks for a second phase that is on its way to the processor waits for it and gets the same answer.
        let joined = deed.role == Role::Gateway && *call != Call::Forward;
        assert!(fresh.len() == 1 || (joined && !fresh.is_empty()), "{method}: {fresh:?}");
        for reply in &replies {
            assert_eq!((reply.code, &reply.body), (Code::Ok, &fresh[0].body), "{method}: {reply:?}");
        }
        changes.push(difference(&before, &footprint(world, deed.role).await));
    }
    changes
}

/// Calls until there is an answer that is not `ask again`.
async fn until_final(world: &World, branch: &Branch, call: Call, body: &[u8]) -> Reply {
    let asked = tokio::time::Instant::now();
    loop {
        let reply = branch.call(world, call, body).await;
        if reply.code != Code::FailedPrecondition {
            return reply;
        }
        let busy = ["LOCKED", "IN_PROGRESS", "UNDO_IN_PROGRESS"];
        assert!(busy.contains(&reply.refusal().1), "{reply:?}");
        assert!(asked.elapsed() < PATIENCE, "still {reply:?}");
        // There is no event to wait for: the contract is that the caller asks again.
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// What was done so far by the service and by whom it asks.
async fn footprint(world: &World, role: Role) -> Footprint {
    let mut footprint = world.store(role).footprint().await;
    if role == Role::Gateway {
        let psp = world.store(Role::Psp).footprint().await;
        let kept = psp.into_iter().filter(|(name, _)| !name.ends_with(".repeats"));
        footprint.extend(kept.map(|(name, value)| (format!("psp.{name}"), value)));
    }
    footprint
}

/// What several changes come to.
fn total(changes: Vec<Footprint>) -> Footprint {
    let mut total = Footprint::new();
    for (name, change) in changes.into_iter().flatten() {
        *total.entry(name).or_default() += change;
    }
    total.retain(|_, change| *change != 0);
    total
}

#[test]
fn a_forward_call_that_comes_after_its_undo_is_closed_out() {
    run(async {
        let turn = alone(Auth::Required).await;
        for deed in DEEDS {
            let (branch, body) = (deed.branch(), deed.body.fresh(turn.world).await);
            let before = Steady::of(turn.world, deed.role).await;
            let empty = branch.call(turn.world, Call::Undo, &body).await;
            assert_eq!((empty.code, empty.replayed), (Code::Ok, false), "{}: {empty:?}", deed.undo);
            let hanging = branch.call(turn.world, Call::Forward, &body).await;
            assert_eq!(hanging.refusal(), (Code::Aborted, "BRANCH_CLOSED"), "{}", deed.forward);
            let again = branch.call(turn.world, Call::Undo, &body).await;
            assert_eq!((again.code, again.replayed), (Code::Ok, true), "{}: {again:?}", deed.undo);
            before.still(2, deed.undo).await;
        }
    });
}

#[test]
fn a_forward_call_and_its_undo_at_the_same_moment_leave_nothing() {
    run(async {
        let turn = alone(Auth::Required).await;
        for deed in DEEDS {
            let (branch, body) = (deed.branch(), deed.body.fresh(turn.world).await);
            let both = total(once(turn.world, deed, &[Call::Forward, Call::Undo]).await);
            let before = footprint(turn.world, deed.role).await;
            let forward = until_final(turn.world, &branch, Call::Forward, &body);
            let undo = until_final(turn.world, &branch, Call::Undo, &body);
            let (forward, undo) = tokio::join!(forward, undo);
            assert_eq!(undo.code, Code::Ok, "{}: {undo:?}", deed.undo);
            let closed = (Code::Aborted, "BRANCH_CLOSED");
            assert!(forward.code == Code::Ok || forward.refusal() == closed, "{}: {forward:?}", deed.forward);
            let after = Steady::of(turn.world, deed.role).await;
            branch.call(turn.world, Call::Forward, &body).await;
            branch.call(turn.world, Call::Undo, &body).await;
            after.still(0, deed.undo).await;
            let change = difference(&before, &footprint(turn.world, deed.role).await);
            if forward.code == Code::Ok {
                assert_eq!(change, both, "{} and {}", deed.forward, deed.undo);
            } else if deed.role != Role::Gateway {
                assert_eq!(change, Footprint::new(), "{} and {}", deed.forward, deed.undo);
            }
        }
    });
}

#[test]
fn the_same_branch_with_another_valid_payload_is_a_mismatch() {
    run(async {
        let turn = alone(Auth::Required).await;
        for deed in DEEDS {
            let (branch, body) = (deed.branch(), deed.body.fresh(turn.world).await);
            let other = deed.body.fresh(turn.world).await;
            assert_eq!(
                branch.call(turn.world, Call::Forward, &body).await.code,
                Code::Ok,
                "{}",
                deed.forward
            );
            let before = Steady::of(turn.world, deed.role).await;
            let forged = branch.call(turn.world, Call::Forward, &other).await;
            assert_eq!(forged.refusal(), (Code::AlreadyExists, "IDEMPOTENCY_MISMATCH"), "{}", deed.forward);
            before.still(0, deed.forward).await;
            let last = deed.calls()[1];
            assert_eq!(branch.call(turn.world, last, &body).await.code, Code::Ok, "{}", deed.method(last));
            let before = Steady::of(turn.world, deed.role).await;
            let forged = branch.call(turn.world, last, &other).await;
            assert_eq!(forged.refusal(), (Code::Internal, "IDEMPOTENCY_MISMATCH"), "{}", deed.method(last));
            before.still(0, deed.method(last)).await;
        }
    });
}

#[test]
fn confirm_and_cancel_exclude_each_other() {
    run(async {
        let turn = alone(Auth::Required).await;
        for deed in DEEDS.into_iter().filter(|deed| !deed.confirm.is_empty()) {
            for (first, second) in [(Call::Confirm, Call::Undo), (Call::Undo, Call::Confirm)] {
                let (branch, body) = (deed.branch(), deed.body.fresh(turn.world).await);
                for call in [Call::Forward, first] {
                    let reply = branch.call(turn.world, call, &body).await;
                    assert_eq!(reply.code, Code::Ok, "{}: {reply:?}", deed.method(call));
                }
                let before = Steady::of(turn.world, deed.role).await;
                let late = branch.call(turn.world, second, &body).await;
                let what = format!("{} after {}", deed.method(second), deed.method(first));
                assert_eq!(late.refusal(), (Code::Internal, "PHASE_CONFLICT"), "{what}");
                before.still(0, &what).await;
            }
        }
    });
}
