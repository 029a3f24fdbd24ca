//! Crashes between the two local transactions, and a store that is away at the second.

use std::time::Duration;

use amends_proto::pay::gateway::v1::{AttemptState, PaymentState};
use sea_orm::ConnectionTrait as _;
use tonic::Code;

use crate::world::{Deed, MODES, Mode, PATIENT, Settings, World, assert_refused, eventually, forward};

#[tokio::test]
async fn a_crash_while_the_request_is_outside_is_made_good_by_a_query() {
    for mode in MODES {
        for (token, charged) in [("tok_charge_then_timeout", true), ("tok_timeout_not_charged", false)] {
            let mut world = World::with(Settings { timeout_ms: 60_000, ..PATIENT }).await;
            let deed = Deed::new(mode, token);
            let caller = tokio::spawn(forward(world.client.clone(), deed.clone()));
            if charged {
                eventually(async || (!world.facts().await.is_empty()).then_some(())).await;
            } else {
                eventually(async || (!world.attempts().await.is_empty()).then_some(())).await;
            }
            assert_eq!(world.attempts().await[0].state(), AttemptState::Initiated);
            world.crash().await;
            assert!(caller.await.unwrap().is_err());
            let answer = world.forward_until_final(&deed).await;
            if charged {
                assert_eq!(answer.unwrap().state(), mode.paid());
                let (authorized, kept) = world.money(&deed).await;
                assert_eq!(authorized + kept, 1000);
            } else {
                assert_refused(answer, Code::Aborted, "PSP_DECLINED|closed");
                assert_eq!(world.money(&deed).await, (0, 0));
            }
            assert_eq!(world.facts().await.len(), 1);
        }
    }
}

#[tokio::test]
async fn a_crash_in_the_middle_of_an_undo_does_not_stop_it() {
    for mode in MODES {
        let mut world = World::with(Settings { timeout_ms: 60_000, ..PATIENT }).await;
        let deed = Deed::new(mode, "tok_ok");
        world.forward(&deed).await.unwrap();
        world
            .script(&deed, if mode == Mode::Tcc { "void" } else { "refund" }, 1, "charge_then_timeout")
            .await;
        let undo = async { world.undo(&deed).await };
        let outside = eventually(async || (world.attempts().await.len() == 2).then_some(()));
        tokio::select! {
            answer = undo => panic!("the undo cannot end: {answer:?}"),
            () = outside => {}
        }
        eventually(async || (world.money(&deed).await == (0, 0)).then_some(())).await;
        world.crash().await;
        // Nobody calls: the worker finds out by itself.
        eventually(async || (world.payment(&deed).await.state() == mode.undone()).then_some(())).await;
        assert_eq!(world.undo(&deed).await.unwrap().state(), mode.undone());
    }
}

/// More undos that cannot be worked on than the worker takes in hand at once, and one behind them that can.
#[tokio::test]
async fn undos_that_fail_do_not_keep_others_waiting() {
    let world = World::with(PATIENT).await;
    let deeds: Vec<Deed> = (0..40).map(|_| Deed::new(Mode::Saga, "tok_ok")).collect();
    for deed in &deeds {
        world.forward(deed).await.unwrap();
    }
    let (last, broken) = deeds.split_last().unwrap();
    let store = world.foreign_store().await;
    let planting = store.begin().await.unwrap();
    for deed in broken {
        let id = &deed.request.payment_id;
        // An open request that nobody can read: whoever works on the payment ends with a fault.
        let unreadable = format!(
            "UPDATE attempt SET op = 'unreadable', next_query_at_us = 9000000000000000 WHERE payment_id = '{id}'"
        );
        planting.execute_unprepared(&unreadable).await.unwrap();
    }
    planting.execute_unprepared("UPDATE payment SET undo_wanted = TRUE").await.unwrap();
    planting.commit().await.unwrap();
    eventually(async || (world.payment(last).await.state() == PaymentState::Reversed).then_some(())).await;
    assert_eq!(world.money(last).await, (0, 0));
}

#[tokio::test]
async fn a_store_that_is_away_when_the_processor_answers_loses_nothing() {
    for mode in MODES {
        let world = World::with(Settings { timeout_ms: 1500, ..Settings::default() }).await;
        let deed = Deed::new(mode, "tok_slow_700ms");
        let store = world.foreign_store().await;
        let lock = async {
            eventually(async || (!world.attempts().await.is_empty()).then_some(())).await;
            let lock = store.begin().await.unwrap();
            tokio::time::sleep(Duration::from_millis(3200)).await;
            lock.rollback().await.unwrap();
        };
        let (answer, ()) = tokio::join!(world.forward(&deed), lock);
        assert_refused(answer, Code::Unavailable, "STORAGE_UNAVAILABLE");
        assert_eq!(world.forward_until_final(&deed).await.unwrap().state(), mode.paid());
        let facts = world.facts().await;
        assert_eq!((facts.len(), facts[0].repeats), (1, 0));
        assert_eq!(world.payment(&deed).await.state(), mode.paid());
        assert_ne!(world.payment(&deed).await.state(), PaymentState::InDoubt);
    }
}
