//! Callers that leave before they have their answer: what was committed is sent, what is answered is recorded.

use std::time::Duration;

use amends_proto::pay::gateway::v1::{AttemptState, PaymentState};

use crate::world::{Deed, MODES, Mode, PATIENT, Settings, World, eventually, forward};

/// Nobody asks the processor in time: only the answer to the request itself can be the proof.
const LONG: Settings = Settings { timeout_ms: 15_000, ..PATIENT };

#[tokio::test]
async fn a_call_that_is_dropped_while_the_processor_is_slow_is_charged_and_recorded() {
    let world = World::with(LONG).await;
    for mode in MODES {
        let deed = Deed::new(mode, "tok_slow_700ms");
        let committed = async { payment_state(&world, &deed, None).await };
        tokio::select! {
            answer = forward(world.client.clone(), deed.clone()) => panic!("too early: {answer:?}"),
            _ = committed => {}
        }
        payment_state(&world, &deed, Some(mode.paid())).await;
    }
    assert_told_at_once(&world).await;
}

#[tokio::test]
async fn a_call_that_is_dropped_between_commit_and_request_is_sent_all_the_same() {
    let world = World::with(LONG).await;
    for mode in MODES {
        let deed = Deed::new(mode, "tok_ok");
        let mut client = world.direct();
        let mut call = Box::pin(async {
            match mode {
                Mode::Tcc => client.try_pay(deed.call("try")).await,
                Mode::Saga => client.charge(deed.call("action")).await,
            }
        });
        // Polled once, the call waits for its local transaction and goes no step further by itself.
        assert!(futures::poll!(&mut call).is_pending());
        payment_state(&world, &deed, None).await;
        drop(call);
        payment_state(&world, &deed, Some(mode.paid())).await;

        let mut client = world.direct();
        let mut call = Box::pin(async {
            match mode {
                Mode::Tcc => client.cancel_pay(deed.call("cancel")).await,
                Mode::Saga => client.reverse_charge(deed.call("compensate")).await,
            }
        });
        assert!(futures::poll!(&mut call).is_pending());
        drop(call);
        payment_state(&world, &deed, Some(mode.undone())).await;
        assert_eq!(world.money(&deed).await, (0, 0));
    }
    assert_told_at_once(&world).await;
}

/// Callers that leave at every moment, over the wire.
#[tokio::test]
async fn whenever_a_caller_leaves_its_payment_is_charged_or_was_never_begun() {
    let world = World::with(LONG).await;
    for ms in 0..30 {
        let deed = Deed::new(Mode::Saga, "tok_slow_5ms");
        let call = forward(world.client.clone(), deed);
        let _left = tokio::time::timeout(Duration::from_millis(ms), call).await;
    }
    let charged = async || {
        let payments = world.payments().await;
        payments.iter().all(|payment| payment.state() == PaymentState::Captured).then_some(payments.len())
    };
    assert!(eventually(charged).await > 0);
    assert_told_at_once(&world).await;
}

/// Waits for the payment to be there, in that state.
async fn payment_state(world: &World, deed: &Deed, wanted: Option<PaymentState>) {
    let there = async || {
        let payments = world.payments().await;
        let found = payments.iter().find(|payment| payment.gid == deed.gid)?;
        wanted.is_none_or(|wanted| found.state() == wanted).then_some(())
    };
    eventually(there).await;
}

async fn assert_told_at_once(world: &World) {
    let attempts = world.attempts().await;
    assert!(attempts.iter().all(|a| a.queries == 0 && a.state() == AttemptState::Succeeded), "{attempts:?}");
}
