//! I8: an order counts as paid if and only if money is kept for it, by card or wallet.
use crate::report::{Invariant, Violation};
use crate::snapshot::{Snapshot, minor};
use amends_proto::pay::account::v1::HoldState;
use amends_proto::pay::order::v1::OrderState;
use std::collections::BTreeMap;

/// Orders whose global transaction is final. A payment in doubt keeps its global transaction open, so it is not judged.
#[must_use]
pub fn check(snapshot: &Snapshot) -> Vec<Violation> {
    let kept = kept(snapshot);
    let mut found = Vec::new();
    for order in snapshot.orders.iter().filter(|order| snapshot.is_final(&order.gid)) {
        let kept = kept.get(order.order_id.as_str()).copied().unwrap_or_default();
        let counts_as_paid = match order.state() {
            OrderState::Paid | OrderState::Fulfilled | OrderState::PartiallyRefunded => true,
            OrderState::Unspecified | OrderState::Pending | OrderState::Closed | OrderState::Refunded => {
                false
            }
        };
        if counts_as_paid != (kept > 0) {
            let text = format!("{} while {kept} minor units are kept for it", order.state().as_str_name());
            found.push(Violation::new(Invariant::I8, &order.order_id, text));
        }
    }
    found
}

/// Card captured + wallet settled − given back, by order.
fn kept(snapshot: &Snapshot) -> BTreeMap<&str, i128> {
    let mut kept: BTreeMap<&str, i128> = BTreeMap::new();
    for payment in &snapshot.payments {
        let card = i128::from(payment.captured) - i128::from(payment.refunded);
        *kept.entry(&payment.order_id).or_default() += card;
    }
    for hold in &snapshot.holds {
        let wallet = match hold.state() {
            HoldState::Settled | HoldState::Reversed => {
                minor(hold.amount.as_ref()) - i128::from(hold.reversed)
            }
            HoldState::Unspecified | HoldState::Held | HoldState::Released => 0,
        };
        *kept.entry(&hold.order_id).or_default() += wallet;
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::check;
    use crate::sample;
    use amends_proto::amends::v1::Status;
    use amends_proto::pay::order::v1::OrderState;

    #[test]
    fn a_clean_world_has_its_orders_paid_by_money() {
        assert_eq!(check(&sample::world()), []);
    }

    #[test]
    fn money_kept_for_a_closed_order_is_found() {
        let mut world = sample::world();
        world.orders[0].set_state(OrderState::Closed);
        assert!(sample::says(&check(&world), "ORDER_STATE_CLOSED while 900"));
    }

    #[test]
    fn a_paid_order_without_money_is_found() {
        let mut world = sample::world();
        let closed = world.orders.iter().position(|order| order.state() == OrderState::Closed).unwrap();
        world.orders[closed].set_state(OrderState::Paid);
        assert!(sample::says(&check(&world), "ORDER_STATE_PAID while 0"));
    }

    #[test]
    fn an_order_of_an_open_global_transaction_is_not_judged() {
        let mut world = sample::world();
        world.orders[0].set_state(OrderState::Pending);
        let gid = world.orders[0].gid.clone();
        world.transactions.get_mut(&gid).unwrap().set_status(Status::Compensating);
        assert_eq!(check(&world), []);
    }
}
