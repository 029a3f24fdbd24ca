//! Start: once for a request, once for an order, however often and by whomever it is asked (payments-domain §14,
//! example 14; orchestration item 1).
use crate::stage::{all, story};
use amends_proto::pay::money::v1::Money;
use amends_testkit::{Checkout, Fault, Gate, MODES, Mode, Status, World, error_gid, reason_of};
use std::collections::BTreeSet;
use tonic::Code;

/// What differs in the other request, and what the orchestrator must name.
type Other = (&'static str, fn(&mut Checkout<'_, '_>));

const OTHERS: [Other; 4] = [
    ("mode", |checkout| checkout.request.mode = Mode::Tcc.into()),
    ("business_key", |checkout| checkout.request.business_key = "another".to_owned()),
    ("input", |checkout| checkout.input.pay_ttl_s = 60),
    ("input", |checkout| checkout.input.order_id = uuid::Uuid::now_v7().to_string()),
];

#[test]
fn the_same_request_again_is_the_same_global_transaction() {
    story(async |world| {
        let shop = world.shop().await;
        let checkout = shop.checkout(Mode::Saga);
        let first = checkout.try_start().await.expect("the first start");
        assert!(!first.existing);
        let running = checkout.try_start().await.expect("the second start");
        assert_eq!((running.gid.as_str(), running.existing), (first.gid.as_str(), true));
        let story = checkout.story(first.gid.clone());
        story.ends(Status::Succeeded).await;
        let ended = checkout.try_start().await.expect("the third start");
        assert_eq!((ended.gid.as_str(), ended.existing), (first.gid.as_str(), true));
        assert_eq!(ended.status(), Status::Succeeded);
        for (named, change) in OTHERS {
            let mut other = checkout.clone();
            change(&mut other);
            let refused = other.try_start().await.expect_err("another content");
            assert_eq!(
                (refused.code(), reason_of(&refused).as_str()),
                (Code::AlreadyExists, "IDEMPOTENCY_MISMATCH")
            );
            assert_eq!(error_gid(&refused), first.gid);
            assert!(refused.message().contains(named), "must name {named}: {}", refused.message());
        }
        shop.holds_after(1).await;
    });
}

#[test]
fn a_request_id_belongs_to_its_caller() {
    story(async |world| {
        let shop = world.shop().await;
        let mine = shop.checkout(Mode::Saga).request_id("shared").caller("me");
        let yours = shop.checkout(Mode::Saga).request_id("shared").caller("you");
        let (mine, yours) = (mine.start().await, yours.start().await);
        assert_ne!(mine.gid, yours.gid);
        mine.ends(Status::Succeeded).await;
        yours.ends(Status::Succeeded).await;
        shop.holds_after(2).await;
    });
}

#[test]
fn of_fifty_callers_with_one_order_one_runs() {
    story(async |world| {
        all(["saga", "tcc"], async |mode| {
            fifty(world, if mode == "saga" { Mode::Saga } else { Mode::Tcc }).await;
        })
        .await;
        world.check().await;
    });
}

async fn fifty(world: &World, mode: Mode) {
    let shop = world.shop().await;
    let order = shop.checkout(mode);
    let callers = (0..50).map(|number| {
        let name = format!("{}-caller-{number}", shop.user);
        let mut checkout = order.clone().caller(&name);
        if number % 2 == 1 {
            checkout.input.order_id = uuid::Uuid::now_v7().to_string();
        }
        async move { checkout.try_start().await }
    });
    let answers = futures::future::join_all(callers).await;
    let started: Vec<_> = answers.iter().filter_map(|answer| answer.as_ref().ok()).collect();
    assert_eq!(started.len(), 1, "exactly one starts it");
    let refused: Vec<_> = answers.iter().filter_map(|answer| answer.as_ref().err()).collect();
    assert_eq!(refused.len(), 49);
    assert!(refused.iter().all(|it| it.code() == Code::AlreadyExists), "{refused:?}");
    let named: BTreeSet<String> = refused.iter().map(|it| error_gid(it)).collect();
    assert_eq!(named, BTreeSet::from([started[0].gid.clone()]));
    order.story(started[0].gid.clone()).ends(Status::Succeeded).await;
    shop.holds_after(1).await;
}

/// Example 14 at the order service itself: whoever gives the deed another name does not get a second order.
#[test]
fn one_number_of_the_merchant_is_one_order() {
    story(async |world| {
        all(["same amount", "other amount"], async |amount| {
            for mode in MODES {
                twice(world, mode, amount == "same amount").await;
            }
        })
        .await;
        world.check().await;
    });
}

async fn twice(world: &World, mode: Mode, same_amount: bool) {
    let shop = world.shop().await;
    let first = shop.checkout(mode);
    let mut again = first.clone().request_id(&format!("{}-again", shop.user));
    again.input.order_id = uuid::Uuid::now_v7().to_string();
    if !same_amount {
        again.input.lines[1].quantity = 2;
        again.input.total =
            again.input.total.map(|total| Money { minor_units: total.minor_units + 2_000, ..total });
    }
    let paid = first.start().await;
    paid.ends(Status::Succeeded).await;
    let refused = again.try_start().await.expect_err("the key is taken");
    assert_eq!((refused.code(), reason_of(&refused).as_str()), (Code::AlreadyExists, "BUSINESS_KEY_TAKEN"));
    assert_eq!(error_gid(&refused), paid.gid);
    again.request.business_key = format!("another-{}", again.order_id());
    let second = again.start().await;
    let end = second.ends(Status::Failed).await;
    assert!(end.reason.contains("DUPLICATE_OUT_TRADE_NO"), "{}", end.reason);
    shop.holds_after(1).await;
}

#[test]
fn start_waits_as_long_as_it_is_asked_to() {
    story(async |world| {
        let shop = world.shop().await;
        let ended = shop.checkout(Mode::Saga).wait_ms(60_000).try_start().await.expect("start");
        assert_eq!(ended.status(), Status::Succeeded);
        let declined =
            shop.checkout(Mode::Tcc).card("tok_decline").wait_ms(60_000).try_start().await.expect("start");
        assert_eq!(declined.status(), Status::Failed);
        assert!(declined.reason.contains("PSP_DECLINED"), "{}", declined.reason);
        let gate = Gate::default();
        let held = shop.checkout(Mode::Saga).each("Deduct", Fault::Hold(gate.clone())).wait_ms(300);
        let running = held.try_start().await.expect("start");
        assert_eq!(running.status(), Status::Running, "not over, and not said to be");
        gate.open();
        held.story(running.gid).ends(Status::Succeeded).await;
        shop.holds_after(2).await;
    });
}

/// What is wrong with the request, and how.
type Wrong = (&'static str, fn(&mut Checkout<'_, '_>));

const WRONG: [Wrong; 8] = [
    ("request_id", |it| it.request.request_id = String::new()),
    ("request_id", |it| it.request.request_id = "x".repeat(65)),
    ("mode", |it| it.request.mode = 0),
    ("definition", |it| it.request.definition = "nonsense".to_owned()),
    ("order_id", |it| it.input.order_id = "not-a-uuid".to_owned()),
    ("total", |it| it.input.total = None),
    ("wallet", |it| it.input.wallet = Some(Money { minor_units: 2_900, currency: "USD".to_owned() })),
    ("wallet", |it| it.input.wallet = Some(Money { minor_units: 600, currency: "EUR".to_owned() })),
];

#[test]
fn a_wrong_request_starts_nothing() {
    story(async |world| {
        let shop = world.shop().await;
        for (field, spoil) in WRONG {
            let mut checkout = shop.checkout(Mode::Saga);
            spoil(&mut checkout);
            let refused = checkout.try_start().await.expect_err(field);
            assert_eq!(refused.code(), Code::InvalidArgument, "{field}: {refused}");
            assert!(refused.message().contains(field), "must name {field}: {}", refused.message());
        }
        shop.holds_after(0).await;
    });
}
