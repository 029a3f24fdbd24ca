//! How a checkout may end: payments-domain §14, examples 1 to 5, and the PSP's other habits.
use crate::stage::{all, story};
use amends_proto::pay::order::v1::OrderState;
use amends_testkit::{Mode, Status, World};
use std::fmt;

const SAGA_PAID: &str = "place deduct burn transfer charge mark_paid earn";
const SAGA_DECLINED: &str = "place deduct burn transfer charge(refused) reverse_transfer return_burn return_stock \
                             close_placed";
const TCC_PAID: &str = "try_place try_reserve try_earn try_burn try_transfer try_pay confirm_pay confirm_transfer \
                        confirm_burn confirm_earn confirm_reserve confirm_place";
const TCC_DECLINED: &str = "try_place try_reserve try_earn try_burn try_transfer try_pay(refused) cancel_transfer \
                            cancel_burn cancel_earn cancel_reserve cancel_place";

struct Case {
    mode: Mode,
    card: &'static str,
    end: Status,
    reason: &'static str,
    calls: &'static str,
}

const fn case(
    mode: Mode,
    card: &'static str,
    end: Status,
    reason: &'static str,
    calls: &'static str,
) -> Case {
    Case { mode, card, end, reason, calls }
}

const CASES: [Case; 22] = [
    // 1
    case(Mode::Saga, "tok_ok", Status::Succeeded, "", SAGA_PAID),
    case(Mode::Tcc, "tok_ok", Status::Succeeded, "", TCC_PAID),
    // 3
    case(Mode::Saga, "tok_decline", Status::Failed, "PSP_DECLINED", SAGA_DECLINED),
    case(Mode::Tcc, "tok_decline", Status::Failed, "PSP_DECLINED", TCC_DECLINED),
    case(Mode::Saga, "tok_decline:stolen_card", Status::Failed, "stolen_card", SAGA_DECLINED),
    case(Mode::Tcc, "tok_decline:stolen_card", Status::Failed, "stolen_card", TCC_DECLINED),
    // 4
    case(Mode::Saga, "tok_charge_then_timeout", Status::Succeeded, "", SAGA_PAID),
    case(Mode::Tcc, "tok_charge_then_timeout", Status::Succeeded, "", TCC_PAID),
    // 5
    case(Mode::Saga, "tok_timeout_not_charged", Status::Failed, "", SAGA_DECLINED),
    case(Mode::Tcc, "tok_timeout_not_charged", Status::Failed, "", TCC_DECLINED),
    // The rest of §13 that this PSP can do by a card's ending.
    case(Mode::Saga, "tok_5xx_after_charge", Status::Succeeded, "", SAGA_PAID),
    case(Mode::Tcc, "tok_5xx_after_charge", Status::Succeeded, "", TCC_PAID),
    case(Mode::Saga, "tok_5xx_before", Status::Failed, "", SAGA_DECLINED),
    case(Mode::Tcc, "tok_5xx_before", Status::Failed, "", TCC_DECLINED),
    case(Mode::Saga, "tok_processing_700ms", Status::Succeeded, "", SAGA_PAID),
    case(Mode::Tcc, "tok_processing_700ms", Status::Succeeded, "", TCC_PAID),
    case(Mode::Saga, "tok_slow_200ms", Status::Succeeded, "", SAGA_PAID),
    case(Mode::Tcc, "tok_slow_200ms", Status::Succeeded, "", TCC_PAID),
    case(Mode::Saga, "tok_slow_5s", Status::Failed, "", SAGA_DECLINED),
    case(Mode::Tcc, "tok_slow_5s", Status::Failed, "", TCC_DECLINED),
    case(Mode::Saga, "tok_late_charge_10m", Status::Failed, "", SAGA_DECLINED),
    case(Mode::Tcc, "tok_late_charge_10m", Status::Failed, "", TCC_DECLINED),
];

impl fmt::Display for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} with {}", self.mode, self.card)
    }
}

#[test]
fn a_checkout_ends_as_its_card_says() {
    story(async |world| {
        all(&CASES, async |case| play(world, case).await).await;
        world.check().await;
    });
}

async fn play(world: &World, case: &Case) {
    let shop = world.shop().await;
    let story = shop.checkout(case.mode).card(case.card).start().await;
    let end = story.ends(case.end).await;
    assert!(end.reason.contains(case.reason), "{}", end.reason);
    assert_eq!(without_waits(&story.calls().await), case.calls);
    let paid = case.end == Status::Succeeded;
    shop.holds_after(i64::from(paid)).await;
    assert_eq!(story.order().await, Some(if paid { OrderState::Paid } else { OrderState::Closed }));
    let charges =
        story.facts().await.into_iter().filter(|fact| ["sale", "authorize"].contains(&fact.op.as_str()));
    assert!(charges.count() <= 1, "the card was asked twice");
    story.dtm_says(if paid { "succeed" } else { "failed" }).await;
}

/// How often an unknown outcome was asked for depends on the moment.
fn without_waits(calls: &str) -> String {
    let done = calls.split(' ').filter(|word| !word.ends_with("(parked)") && !word.ends_with("(unknown)"));
    done.collect::<Vec<_>>().join(" ")
}

/// Example 2. All lines are taken or none; what is left over can still be bought.
#[test]
fn what_is_out_of_stock_is_not_sold_at_all() {
    story(async |world| {
        all(["saga", "tcc"], async |mode| {
            let saga = mode == "saga";
            let shop = world.shop().await;
            let mut greedy = shop.checkout(if saga { Mode::Saga } else { Mode::Tcc });
            greedy.input.lines[1].quantity = 21;
            let more = greedy.input.lines[1].unit_price.clone().expect("a price").minor_units * 20;
            greedy.input.total.as_mut().expect("a total").minor_units += more;
            let story = greedy.start().await;
            let end = story.ends(Status::Failed).await;
            assert!(end.reason.contains("INSUFFICIENT_STOCK"), "{}", end.reason);
            let calls = if saga {
                "place deduct(refused) close_placed"
            } else {
                "try_place try_reserve(refused) cancel_place"
            };
            assert_eq!(story.calls().await, calls);
            shop.holds_after(0).await;
            story.dtm_says("failed").await;
            let modest = shop.checkout(if saga { Mode::Saga } else { Mode::Tcc }).start().await;
            modest.ends(Status::Succeeded).await;
            shop.holds_after(1).await;
        })
        .await;
    });
}
