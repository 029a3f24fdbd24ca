//! A plain DTM client uses the five services as branches: raw requests to a real DTM server, no orchestrator. With the
//! plan MAC in BranchHeaders, and without it against services that want none.
use crate::deeds::Call;
use crate::plain_client::{RETRY_INTERVAL_S, branch_call, ends, prepared, saga, saga_steps, seen, tcc_steps};
use crate::purchase::{BOUGHT, Figures, Purchase, UNTOUCHED, branch_ops};
use crate::world::{Auth, PLAN_HASH, alone, run, unix_now_s};
use amends_dtm::client::{DtmError, DtmStatus, SagaRequest};
use amends_dtm::plan_mac::PlanMacKey;
use amends_dtm::{BranchId, Gid, metadata};
use amends_proto::pay::branch::v1::BranchOpStatus::{self, Done, Refused, Tombstone};
use amends_proto::pay::gateway::v1::PaymentState;
use amends_proto::pay::order::v1::OrderState;
use std::collections::BTreeMap;
use tonic::Code;

/// Steps of the SAGA that may refuse, in their order: the first five.
const REFUSABLE: usize = 5;

/// Makes the n-th step one that its service refuses; the order of both modes is the same so far.
fn break_at(purchase: &mut Purchase, step: usize) {
    match step {
        0 => purchase.place.total.as_mut().unwrap().minor_units += 1,
        1 => purchase.reserve.lines[0].quantity = UNTOUCHED.on_hand + 1,
        2 => purchase.burn.points = UNTOUCHED.points + 1,
        3 => purchase.transfer.amount.as_mut().unwrap().minor_units = UNTOUCHED.wallet + 1,
        4 => purchase.pay.card_token = "tok_decline".into(),
        other => panic!("step {other} must not refuse"),
    }
}

const REASONS: [&str; REFUSABLE] =
    ["TOTAL_MISMATCH", "INSUFFICIENT_STOCK", "INSUFFICIENT_POINTS", "INSUFFICIENT_FUNDS", "PSP_DECLINED"];

/// What is left when the n-th step refused and everything was undone.
fn undone(step: usize) -> Figures {
    let order = (step > 0).then_some(OrderState::Closed);
    let payment = (step == 4).then_some(PaymentState::Declined);
    Figures { order, payment, ..UNTOUCHED }
}

/// Rows as they must be: `op` of the first branches, each with its end.
fn rows(ops: &[(&str, &[BranchOpStatus])]) -> BTreeMap<String, BranchOpStatus> {
    let named = |op: &str, index: usize| format!("{} {op}", BranchId::of_index(index).as_str());
    let of = |(op, ends): &(&str, &[BranchOpStatus])| {
        ends.iter().enumerate().map(|(index, end)| (named(op, index), *end)).collect::<Vec<_>>()
    };
    ops.iter().flat_map(of).collect()
}

async fn a_saga_succeeds(auth: Auth) {
    let turn = alone(auth).await;
    let world = turn.world;
    let (purchase, gid) = (Purchase::prepared(world).await, Gid::generate());
    let steps = saga_steps(&purchase);
    let request = saga(world, &gid, &steps);
    let (first, duplicate) = tokio::join!(world.dtm.submit_saga(&request), world.dtm.submit_saga(&request));
    first.or(duplicate).unwrap();
    assert_eq!(ends(world, &gid).await, (DtmStatus::Succeed, String::new()));
    assert_eq!(purchase.figures(world).await, BOUGHT);
    let late = world.dtm.submit_saga(&request).await;
    assert!(matches!(late, Err(DtmError::Refused(_))), "{late:?}");
    for (index, step) in steps.iter().enumerate() {
        let again = branch_call(world, &gid, index, step, Call::Forward).await;
        assert_eq!((again.code, again.replayed), (Code::Ok, true), "{}: {again:?}", step.0.forward);
    }
    assert_eq!(purchase.figures(world).await, BOUGHT);
    assert_eq!(branch_ops(world, gid.as_str()).await, rows(&[("action", &[Done; 7])]));
}

async fn a_refused_saga_is_undone(auth: Auth) {
    let turn = alone(auth).await;
    let world = turn.world;
    for (refused, expected) in REASONS.into_iter().enumerate() {
        let (mut purchase, gid) = (Purchase::prepared(world).await, Gid::generate());
        break_at(&mut purchase, refused);
        let steps = saga_steps(&purchase);
        world.dtm.submit_saga(&saga(world, &gid, &steps)).await.unwrap();
        let (status, reason) = ends(world, &gid).await;
        assert_eq!(status, DtmStatus::Failed, "{reason}");
        assert!(reason.contains(expected), "{reason}");
        assert_eq!(purchase.figures(world).await, undone(refused), "{expected}");
        let forward = [vec![Done; refused], vec![Refused]].concat();
        let ops = rows(&[("action", &forward), ("compensate", &vec![Done; refused + 1])]);
        assert_eq!(branch_ops(world, gid.as_str()).await, ops, "{expected}");
        // The steps that were never called: an undo that comes all the same is empty, the call behind it hangs.
        for (index, step) in steps.iter().enumerate().skip(refused + 1) {
            let empty = branch_call(world, &gid, index, step, Call::Undo).await;
            assert_eq!(empty.code, Code::Ok, "{}: {empty:?}", step.0.undo);
            let hanging = branch_call(world, &gid, index, step, Call::Forward).await;
            assert_eq!(hanging.refusal(), (Code::Aborted, "BRANCH_CLOSED"), "{}", step.0.forward);
        }
        assert_eq!(purchase.figures(world).await, undone(refused), "{expected}");
    }
}

async fn a_tcc_is_confirmed(auth: Auth) {
    let turn = alone(auth).await;
    let world = turn.world;
    let (purchase, gid) = (Purchase::prepared(world).await, Gid::generate());
    let steps = tcc_steps(&purchase);
    let request = prepared(world, &gid, &steps).await;
    for (index, step) in steps.iter().enumerate() {
        for replayed in [false, true] {
            let tried = branch_call(world, &gid, index, step, Call::Forward).await;
            assert_eq!((tried.code, tried.replayed), (Code::Ok, replayed), "{}: {tried:?}", step.0.forward);
        }
    }
    assert_eq!(
        purchase.figures(world).await,
        Figures {
            order: Some(OrderState::Pending),
            wallet: BOUGHT.wallet,
            reserved: 3,
            frozen: 100,
            pending_earn: 14,
            payment: Some(PaymentState::Authorized),
            ..UNTOUCHED
        }
    );
    world.dtm.submit_tcc(&request).await.unwrap();
    assert_eq!(ends(world, &gid).await, (DtmStatus::Succeed, String::new()));
    for (index, step) in steps.iter().enumerate() {
        let again = branch_call(world, &gid, index, step, Call::Confirm).await;
        assert_eq!((again.code, again.replayed), (Code::Ok, true), "{}: {again:?}", step.0.confirm);
    }
    assert_eq!(purchase.figures(world).await, BOUGHT);
    assert_eq!(branch_ops(world, gid.as_str()).await, rows(&[("try", &[Done; 6]), ("confirm", &[Done; 6])]));
}

async fn a_refused_tcc_is_cancelled(auth: Auth) {
    let turn = alone(auth).await;
    let world = turn.world;
    for (refused, expected) in REASONS.into_iter().enumerate() {
        let (mut purchase, gid) = (Purchase::prepared(world).await, Gid::generate());
        break_at(&mut purchase, refused);
        let steps = tcc_steps(&purchase);
        prepared(world, &gid, &steps).await;
        for (index, step) in steps.iter().enumerate().take(refused + 1) {
            let tried = branch_call(world, &gid, index, step, Call::Forward).await;
            match index == refused {
                false => assert_eq!(tried.code, Code::Ok, "{}: {tried:?}", step.0.forward),
                true => assert_eq!(tried.refusal(), (Code::Aborted, expected), "{}", step.0.forward),
            }
        }
        world.dtm.abort(&gid, expected).await.unwrap();
        assert_eq!(ends(world, &gid).await, (DtmStatus::Failed, expected.to_owned()));
        for (index, step) in steps.iter().enumerate().skip(refused + 1) {
            let hanging = branch_call(world, &gid, index, step, Call::Forward).await;
            assert_eq!(hanging.refusal(), (Code::Aborted, "BRANCH_CLOSED"), "{}", step.0.forward);
        }
        assert_eq!(purchase.figures(world).await, undone(refused), "{expected}");
        let tries = [vec![Done; refused], vec![Refused], vec![Tombstone; steps.len() - refused - 1]].concat();
        let ops = rows(&[("try", &tries), ("cancel", &[Done; 6])]);
        assert_eq!(branch_ops(world, gid.as_str()).await, ops, "{expected}");
    }
}

#[test]
fn a_saga_of_somebody_without_the_key_does_nothing() {
    run(async {
        let turn = alone(Auth::Required).await;
        let world = turn.world;
        let foreign = PlanMacKey::generate().unwrap();
        let (purchase, gid) = (Purchase::prepared(world).await, Gid::generate());
        let mac = foreign.mint(&gid, &PLAN_HASH, unix_now_s() + 3_600);
        let headers = BTreeMap::from([(metadata::PLAN_MAC.to_owned(), mac)]);
        let request = SagaRequest { headers, ..saga(world, &gid, &saga_steps(&purchase)) };
        world.dtm.submit_saga(&request).await.unwrap();
        // DTM doubles the interval once the outcome of a call is unknown to it: then the call has been made.
        let view = seen(world, &gid, |view| view.next_cron_interval_s > RETRY_INTERVAL_S.into()).await;
        assert_eq!(view.status, DtmStatus::Submitted);
        assert_eq!(purchase.figures(world).await, UNTOUCHED);
        assert_eq!(branch_ops(world, gid.as_str()).await, rows(&[]));
    });
}

#[test]
fn a_saga_with_the_mac_in_its_headers_succeeds() {
    run(a_saga_succeeds(Auth::Required));
}

#[test]
fn a_saga_without_mac_succeeds_where_none_is_wanted() {
    run(a_saga_succeeds(Auth::Off));
}

#[test]
fn a_saga_with_the_mac_in_its_headers_is_undone_wherever_it_is_refused() {
    run(a_refused_saga_is_undone(Auth::Required));
}

#[test]
fn a_saga_without_mac_is_undone_wherever_it_is_refused() {
    run(a_refused_saga_is_undone(Auth::Off));
}

#[test]
fn a_tcc_with_the_mac_in_its_headers_is_confirmed() {
    run(a_tcc_is_confirmed(Auth::Required));
}

#[test]
fn a_tcc_without_mac_is_confirmed_where_none_is_wanted() {
    run(a_tcc_is_confirmed(Auth::Off));
}

#[test]
fn a_tcc_with_the_mac_in_its_headers_is_cancelled_wherever_it_is_refused() {
    run(a_refused_tcc_is_cancelled(Auth::Required));
}

#[test]
fn a_tcc_without_mac_is_cancelled_wherever_it_is_refused() {
    run(a_refused_tcc_is_cancelled(Auth::Off));
}
