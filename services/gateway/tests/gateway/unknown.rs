//! What happens when the processor does not answer (payments-domain §6.3): queries, closes, in-doubt items.

use amends_proto::pay::gateway::v1::{AttemptState, PaymentState};
use amends_proto::pay::psp::v1::PspStatus;
use tonic::Code;

use crate::world::{Deed, MODES, PATIENT, Settings, World, assert_refused, eventually};

#[tokio::test]
async fn a_charge_without_an_answer_is_found_by_query() {
    let world = World::new().await;
    for mode in MODES {
        for token in ["tok_charge_then_timeout", "tok_5xx_after_charge"] {
            let deed = Deed::new(mode, token);
            assert_refused(world.forward(&deed).await, Code::FailedPrecondition, "PAYMENT_UNKNOWN");
            assert_eq!(world.forward_until_final(&deed).await.unwrap().state(), mode.paid());
            let (authorized, kept) = world.money(&deed).await;
            assert_eq!(authorized + kept, 1000);
            assert_eq!(world.forward(&deed).await.unwrap().auth_code.len(), 6);
        }
    }
}

#[tokio::test]
async fn a_lost_request_is_closed_and_can_never_be_charged() {
    let world = World::new().await;
    for mode in MODES {
        for token in ["tok_timeout_not_charged", "tok_5xx_before", "tok_late_charge_2s", "tok_slow_2s"] {
            let deed = Deed::new(mode, token);
            assert_refused(world.forward(&deed).await, Code::FailedPrecondition, "PAYMENT_UNKNOWN");
            let refused = world.forward_until_final(&deed).await;
            assert_refused(refused, Code::Aborted, "PSP_DECLINED|closed");
            assert_eq!(world.payment(&deed).await.state(), PaymentState::Closed, "{token}");
            world.undo(&deed).await.unwrap();
        }
    }
    // The slow ones come through by now, and find the door shut.
    let repeated = async || {
        let facts = world.facts().await;
        (facts.iter().map(|fact| fact.repeats).sum::<i32>() == 2).then_some(facts)
    };
    let facts = eventually(repeated).await;
    assert!(facts.iter().all(|fact| fact.status() == PspStatus::Closed));
    assert!(facts.iter().all(|fact| fact.authorized_now + fact.kept_now == 0));
}

#[tokio::test]
async fn what_is_being_processed_is_waited_for() {
    let world = World::new().await;
    for mode in MODES {
        let deed = Deed::new(mode, "tok_processing_700ms");
        assert_refused(world.forward(&deed).await, Code::FailedPrecondition, "PAYMENT_UNKNOWN");
        assert_eq!(world.forward_until_final(&deed).await.unwrap().state(), mode.paid());
        assert_eq!(world.facts().await.iter().filter(|f| f.order_id == deed.request.order_id).count(), 1);
    }
}

#[tokio::test]
async fn an_undo_finds_out_at_once_and_gives_back_what_it_finds() {
    let world = World::with(PATIENT).await;
    for mode in MODES {
        for (token, state) in [
            ("tok_charge_then_timeout", mode.undone()),
            ("tok_5xx_after_charge", mode.undone()),
            ("tok_timeout_not_charged", PaymentState::Closed),
            ("tok_late_charge_1m", PaymentState::Closed),
        ] {
            let deed = Deed::new(mode, token);
            assert_refused(world.forward(&deed).await, Code::FailedPrecondition, "PAYMENT_UNKNOWN");
            assert_eq!(world.undo(&deed).await.unwrap().state(), state, "{token}");
            assert_eq!(world.money(&deed).await, (0, 0), "{token}");
        }
    }
}

#[tokio::test]
async fn an_undo_while_the_request_is_outside_waits_for_its_end() {
    let world = World::with(Settings { timeout_ms: 3000, ..PATIENT }).await;
    for mode in MODES {
        let deed = Deed::new(mode, "tok_slow_500ms");
        let undo = async {
            eventually(async || world.payments().await.iter().any(|p| p.gid == deed.gid).then_some(())).await;
            world.undo(&deed).await
        };
        let (forward, undo) = tokio::join!(world.forward(&deed), undo);
        assert_eq!(forward.unwrap().state(), mode.paid());
        assert_eq!(undo.unwrap().state(), mode.undone());
        assert_eq!(world.money(&deed).await, (0, 0));
    }
}

#[tokio::test]
async fn a_processor_that_is_away_gets_the_request_when_it_is_back() {
    for mode in MODES {
        let world = World::new().await;
        world.outage("outage(1s)").await;
        let deed = Deed::new(mode, "tok_ok");
        assert_refused(world.forward(&deed).await, Code::FailedPrecondition, "IN_PROGRESS");
        assert_eq!(world.forward_until_final(&deed).await.unwrap().state(), mode.paid());
        assert_eq!(world.facts().await.len(), 1);
    }
}

#[tokio::test]
async fn what_never_left_is_undone_without_the_processor() {
    for mode in MODES {
        let world = World::new().await;
        world.outage("outage(1500ms)").await;
        let deed = Deed::new(mode, "tok_ok");
        assert_refused(world.forward(&deed).await, Code::FailedPrecondition, "IN_PROGRESS");
        assert_eq!(world.undo(&deed).await.unwrap().state(), PaymentState::Closed);
        assert_refused(world.forward(&deed).await, Code::Aborted, "PSP_DECLINED|closed");
        assert!(world.facts().await.is_empty());
    }
}

#[tokio::test]
async fn an_outage_in_the_middle_of_an_undo_only_delays_it() {
    for mode in MODES {
        let world = World::new().await;
        let deed = Deed::new(mode, "tok_ok");
        world.forward(&deed).await.unwrap();
        world.outage("outage(1s)").await;
        assert_refused(world.undo(&deed).await, Code::FailedPrecondition, "UNDO_IN_PROGRESS");
        assert_eq!(world.undo_until_final(&deed).await.unwrap().state(), mode.undone());
        assert_eq!(world.money(&deed).await, (0, 0));
    }
}

#[tokio::test]
async fn without_proof_a_payment_stays_in_doubt_until_the_proof_comes() {
    for mode in MODES {
        let world = World::with(Settings { schedule: "50ms,50ms", ..Settings::default() }).await;
        let deed = Deed::new(mode, "tok_charge_then_timeout");
        world.script(&deed, "query", 0, "query_unknown(1000)").await;
        assert_refused(world.forward(&deed).await, Code::FailedPrecondition, "PAYMENT_UNKNOWN");
        let item = eventually(async || world.items().await.pop()).await;
        assert_eq!((item.kind.as_str(), item.state.as_str()), ("payment_unknown", "open"));
        assert_eq!(item.payment_id, deed.request.payment_id);
        assert_eq!(world.payment(&deed).await.state(), PaymentState::InDoubt);
        assert_refused(world.forward(&deed).await, Code::FailedPrecondition, "PAYMENT_UNKNOWN");
        assert_refused(world.undo(&deed).await, Code::FailedPrecondition, "UNDO_IN_PROGRESS");
        assert_refused(world.forward(&deed.again("tok_ok")).await, Code::Aborted, "PAYMENT_ALREADY_LIVE");
        let (authorized, kept) = world.money(&deed).await;
        assert_eq!(authorized + kept, 1000);

        world.reset_scripts().await;
        assert_eq!(world.queried_payment(&deed).await.state(), mode.undone());
        assert_eq!(world.undo(&deed).await.unwrap().state(), mode.undone());
        assert_eq!(world.money(&deed).await, (0, 0));
        let items = world.items().await;
        assert_eq!((items.len(), items[0].state.as_str()), (1, "resolved"));
        assert!(world.attempts().await.iter().all(|attempt| attempt.state() == AttemptState::Succeeded));
    }
}

#[tokio::test]
async fn a_request_that_cannot_be_closed_is_not_declined_while_it_may_still_be_charged() {
    for mode in MODES {
        for code in ["busy", "declined", "paid"] {
            let world = World::new().await;
            let deed = Deed::new(mode, "tok_late_charge_1500ms");
            world.script(&deed, "close", 0, &format!("close_refused:{code}")).await;
            assert_refused(world.forward(&deed).await, Code::FailedPrecondition, "PAYMENT_UNKNOWN");
            // Asked about and to be closed more than once before it is charged.
            eventually(async || (world.attempts().await[0].queries >= 2).then_some(())).await;
            assert_eq!(world.money(&deed).await, (0, 0));
            assert_eq!(world.payment(&deed).await.state(), PaymentState::InDoubt, "{code}");
            assert_refused(world.undo(&deed).await, Code::FailedPrecondition, "UNDO_IN_PROGRESS");
            assert_eq!(world.undo_until_final(&deed).await.unwrap().state(), mode.undone(), "{code}");
            assert_eq!(world.money(&deed).await, (0, 0));
            let facts = world.facts().await;
            assert!(facts.iter().all(|fact| fact.status() == PspStatus::Success), "{facts:?}");
            assert_eq!(facts.len(), 2);
        }
        let world = World::new().await;
        let deed = Deed::new(mode, "tok_late_charge_1s");
        world.script(&deed, "close", 0, "close_refused:busy").await;
        world.script(&deed, "query", 3, "decline").await;
        assert_eq!(world.forward_until_final(&deed).await.unwrap().state(), mode.paid());
        let (authorized, kept) = world.money(&deed).await;
        assert_eq!(authorized + kept, 1000);
    }
}
