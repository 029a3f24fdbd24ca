//! Confirms and undos that do not go well at once.

use amends_proto::pay::gateway::v1::{Attempt, AttemptOp, PaymentState};
use tonic::Code;

use crate::world::{Deed, MODES, Mode, World, assert_refused};

#[tokio::test]
async fn a_capture_without_an_answer_is_found_or_sent_again() {
    let world = World::new().await;
    for behaviour in
        ["charge_then_timeout", "timeout_not_charged", "5xx_before", "processing(500ms)", "slow(1s)"]
    {
        let deed = Deed::new(Mode::Tcc, "tok_ok");
        world.forward(&deed).await.unwrap();
        world.script(&deed, "capture", 1, behaviour).await;
        assert_refused(world.confirm(&deed).await, Code::FailedPrecondition, "PAYMENT_UNKNOWN");
        assert_eq!(world.confirm_until_final(&deed).await.unwrap().state(), PaymentState::Captured);
        assert_eq!(world.money(&deed).await, (0, 1000), "{behaviour}");
    }
}

#[tokio::test]
async fn a_refused_capture_waits_for_an_operator_and_can_be_undone() {
    let world = World::new().await;
    let deed = Deed::new(Mode::Tcc, "tok_capture_refused:expired");
    world.forward(&deed).await.unwrap();
    for _ in 0..2 {
        assert_refused(world.confirm(&deed).await, Code::FailedPrecondition, "UNDER_REVIEW");
    }
    assert_eq!(world.payment(&deed).await.state(), PaymentState::InDoubt);
    let items = world.items().await;
    assert_eq!((items[0].kind.as_str(), items[0].state.as_str()), ("capture_refused", "open"));
    assert_eq!(world.undo(&deed).await.unwrap().state(), PaymentState::Voided);
    assert_eq!(world.money(&deed).await, (0, 0));
    assert_eq!(world.items().await[0].state, "resolved");
    assert_refused(world.confirm(&deed).await, Code::Internal, "PHASE_CONFLICT");
}

#[tokio::test]
async fn an_undo_goes_on_until_the_processor_proves_that_nothing_is_kept() {
    let world = World::new().await;
    for mode in MODES {
        for behaviour in
            ["charge_then_timeout", "timeout_not_charged", "5xx_after_charge", "processing(500ms)"]
        {
            let deed = Deed::new(mode, "tok_ok");
            world.forward(&deed).await.unwrap();
            world.script(&deed, if mode == Mode::Tcc { "void" } else { "refund" }, 1, behaviour).await;
            assert_refused(world.undo(&deed).await, Code::FailedPrecondition, "UNDO_IN_PROGRESS");
            assert_eq!(world.undo_until_final(&deed).await.unwrap().state(), mode.undone());
            assert_eq!(world.money(&deed).await, (0, 0), "{behaviour}");
        }
    }
}

#[tokio::test]
async fn the_other_undo_is_tried_when_the_processor_says_so() {
    let world = World::new().await;
    let deed = Deed::new(Mode::Tcc, "tok_ok");
    world.forward(&deed).await.unwrap();
    world.script(&deed, "void", 1, "void_refused:captured").await;
    // The refund finds out that the amount is only reserved, so it is released after all.
    assert_eq!(world.undo_until_final(&deed).await.unwrap().state(), PaymentState::Voided);
    assert_eq!(world.money(&deed).await, (0, 0));
    let ops: Vec<AttemptOp> = world.attempts().await.iter().map(Attempt::op).collect();
    assert_eq!(ops, [AttemptOp::Authorize, AttemptOp::Void, AttemptOp::Refund, AttemptOp::Void]);
}

#[tokio::test]
async fn a_refused_undo_is_tried_again_and_shown_to_people() {
    let world = World::new().await;
    for mode in MODES {
        let deed = Deed::new(mode, "tok_ok");
        world.forward(&deed).await.unwrap();
        world.script(&deed, if mode == Mode::Tcc { "void" } else { "refund" }, 1, "decline:cut_off").await;
        assert_refused(world.undo(&deed).await, Code::FailedPrecondition, "UNDO_IN_PROGRESS");
        assert_eq!(world.undo_until_final(&deed).await.unwrap().state(), mode.undone());
        assert_eq!(world.money(&deed).await, (0, 0));
    }
    let items = world.items().await;
    assert!(items.iter().all(|item| item.kind == "undo_refused" && item.state == "resolved"));
    assert_eq!(items.len(), 2);
}

#[tokio::test]
async fn an_undo_that_the_processor_turns_down_proves_nothing() {
    for mode in MODES {
        for behaviour in ["decline", "decline:closed", "decline:cut_off"] {
            let world = World::new().await;
            let deed = Deed::new(mode, "tok_ok");
            world.forward(&deed).await.unwrap();
            world.script(&deed, if mode == Mode::Tcc { "void" } else { "refund" }, 0, behaviour).await;
            let keeps = world.money(&deed).await;
            assert_eq!(keeps.0 + keeps.1, 1000);
            for _ in 0..3 {
                assert_refused(world.undo(&deed).await, Code::FailedPrecondition, "UNDO_IN_PROGRESS");
                assert_eq!(world.payment(&deed).await.state(), PaymentState::InDoubt, "{behaviour}");
                assert_eq!(world.money(&deed).await, keeps);
            }
            let items = world.items().await;
            let only = items.iter().map(|item| (item.kind.as_str(), item.state.as_str()));
            assert_eq!(only.collect::<Vec<_>>(), [("undo_refused", "open")]);

            world.reset_scripts().await;
            assert_eq!(world.undo_until_final(&deed).await.unwrap().state(), mode.undone());
            assert_eq!(world.money(&deed).await, (0, 0));
            assert_eq!(world.items().await[0].state, "resolved");
        }
    }
}
