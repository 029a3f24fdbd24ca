//! What happens when the processor answers: success, decline, duplicates, bad input.

use amends_proto::pay::branch::v1::BranchOpStatus;
use amends_proto::pay::gateway::v1::{AttemptState, PayRequest, PaymentState};
use amends_proto::pay::money::v1::Money;
use tonic::Code;

use crate::world::{Deed, MODES, Mode, PATIENT, Settings, World, assert_refused};

#[tokio::test]
async fn a_payment_goes_through() {
    let world = World::new().await;
    for mode in MODES {
        let deed = Deed::new(mode, "tok_ok");
        let paid = world.forward(&deed).await.unwrap();
        assert_eq!((paid.state(), paid.auth_code.len(), paid.duplicate), (mode.paid(), 6, false));
        assert_eq!(world.forward(&deed).await.unwrap(), paid);
        if mode == Mode::Tcc {
            assert_eq!(world.money(&deed).await, (1000, 0));
            assert_eq!(world.confirm(&deed).await.unwrap().state(), PaymentState::Captured);
            assert_eq!(world.confirm(&deed).await.unwrap().state(), PaymentState::Captured);
        }
        assert_eq!(world.money(&deed).await, (0, 1000));
        let payment = world.payment(&deed).await;
        assert_eq!((payment.authorized, payment.captured, payment.refunded), (1000, 1000, 0));
        assert!(world.branch_ops(&deed).await.iter().all(|row| row.status() == BranchOpStatus::Done));
    }
}

#[tokio::test]
async fn a_decline_is_a_refusal_and_its_undo_has_nothing_to_do() {
    let world = World::new().await;
    for mode in MODES {
        let deed = Deed::new(mode, "tok_decline:stolen_card");
        for _ in 0..2 {
            assert_refused(world.forward(&deed).await, Code::Aborted, "PSP_DECLINED|stolen_card");
        }
        world.undo(&deed).await.unwrap();
        assert_eq!(world.payment(&deed).await.state(), PaymentState::Declined);
        assert_eq!(world.money(&deed).await, (0, 0));
    }
}

#[tokio::test]
async fn an_undo_gives_everything_back() {
    let world = World::new().await;
    for mode in MODES {
        let deed = Deed::new(mode, "tok_ok");
        world.forward(&deed).await.unwrap();
        for _ in 0..2 {
            assert_eq!(world.undo(&deed).await.unwrap().state(), mode.undone());
        }
        assert_eq!(world.money(&deed).await, (0, 0));
        let again = deed.again("tok_ok");
        assert_eq!(world.forward(&again).await.unwrap().state(), mode.paid());
    }
}

#[tokio::test]
async fn an_undo_without_a_payment_closes_the_branch() {
    let world = World::new().await;
    for mode in MODES {
        let deed = Deed::new(mode, "tok_ok");
        world.undo(&deed).await.unwrap();
        assert_refused(world.forward(&deed).await, Code::Aborted, "BRANCH_CLOSED");
    }
    assert!(world.facts().await.is_empty() && world.payments().await.is_empty());
}

#[tokio::test]
async fn a_hundred_duplicates_in_parallel_charge_once() {
    let world = World::with(Settings { timeout_ms: 3000, ..PATIENT }).await;
    for mode in MODES {
        let deed = Deed::new(mode, "tok_slow_200ms");
        let answers = futures::future::join_all((0..100).map(|_| world.forward(&deed))).await;
        assert_eq!(answers.iter().filter(|answer| answer.is_ok()).count(), 1);
        for answer in answers.into_iter().filter(Result::is_err) {
            assert_refused(answer, Code::FailedPrecondition, "IN_PROGRESS");
        }
        let undone = futures::future::join_all((0..100).map(|_| world.undo(&deed))).await;
        assert!(undone.iter().any(Result::is_ok));
        assert_eq!(world.undo_until_final(&deed).await.unwrap().state(), mode.undone());
        assert_eq!(world.money(&deed).await, (0, 0));
        let facts = world.facts().await;
        let own: Vec<_> = facts.iter().filter(|fact| fact.order_id == deed.request.order_id).collect();
        assert_eq!((own.len(), own.iter().map(|fact| fact.repeats).sum::<i32>()), (2, 0));
    }
}

#[tokio::test]
async fn confirms_in_parallel_capture_once() {
    let world = World::new().await;
    let deed = Deed::new(Mode::Tcc, "tok_ok");
    world.forward(&deed).await.unwrap();
    let answers = futures::future::join_all((0..100).map(|_| world.confirm(&deed))).await;
    assert!(answers.iter().any(Result::is_ok));
    world.confirm_until_final(&deed).await.unwrap();
    assert_eq!(world.money(&deed).await, (0, 1000));
    assert_eq!(world.attempts().await.len(), 2);
    assert_refused(world.undo(&deed).await, Code::Internal, "PHASE_CONFLICT");
}

#[tokio::test]
async fn an_order_has_one_live_payment() {
    let world = World::with(PATIENT).await;
    for token in ["tok_ok", "tok_charge_then_timeout"] {
        for mode in MODES {
            let first = Deed::new(mode, token);
            let _ = world.forward(&first).await;
            let second = first.again("tok_ok");
            assert_refused(world.forward(&second).await, Code::Aborted, "PAYMENT_ALREADY_LIVE");
            world.undo_until_final(&first).await.unwrap();
            assert_refused(world.forward(&second).await, Code::Aborted, "PAYMENT_ALREADY_LIVE");
            assert_eq!(world.forward(&first.again("tok_ok")).await.unwrap().state(), mode.paid());
        }
    }
}

#[tokio::test]
async fn a_bad_request_is_refused_and_changes_nothing() {
    let world = World::new().await;
    let money = |minor_units, currency: &str| Some(Money { minor_units, currency: currency.into() });
    for mode in MODES {
        let good = Deed::new(mode, "tok_ok").request;
        for (request, reason) in [
            (PayRequest { payment_id: "p".into(), ..good.clone() }, "INVALID_REQUEST"),
            (PayRequest { order_id: String::new(), ..good.clone() }, "INVALID_REQUEST"),
            (PayRequest { amount: None, ..good.clone() }, "INVALID_REQUEST"),
            (PayRequest { amount: money(-1, "USD"), ..good.clone() }, "AMOUNT_OUT_OF_RANGE"),
            (PayRequest { amount: money(1, "???"), ..good.clone() }, "CURRENCY_UNSUPPORTED"),
            (PayRequest { card_token: "4111111111111111".into(), ..good.clone() }, "PAN_REJECTED"),
        ] {
            let deed = Deed { request, ..Deed::new(mode, "tok_ok") };
            assert_refused(world.forward(&deed).await, Code::Aborted, reason);
            world.undo(&deed).await.unwrap();
        }
    }
    assert!(world.payments().await.is_empty() && world.attempts().await.is_empty());
    assert!(world.facts().await.is_empty());
}

#[tokio::test]
async fn another_request_under_the_same_branch_is_not_believed() {
    let world = World::new().await;
    for mode in MODES {
        let deed = Deed::new(mode, "tok_ok");
        world.forward(&deed).await.unwrap();
        let mut other = deed.clone();
        other.request.amount = Some(Money { minor_units: 999, currency: "USD".into() });
        assert_refused(world.forward(&other).await, Code::AlreadyExists, "IDEMPOTENCY_MISMATCH");
        assert_refused(world.undo(&other).await, Code::Internal, "IDEMPOTENCY_MISMATCH");
        assert_eq!(world.payment(&deed).await.state(), mode.paid());
    }
    assert!(world.attempts().await.iter().all(|attempt| attempt.state() == AttemptState::Succeeded));
}
