//! I3: no sku is oversold or lost. Knows stock rows only; reservations are summed in `effects.rs`.
use crate::report::{Invariant, Violation};
use crate::snapshot::Snapshot;
use amends_proto::pay::inventory::v1::Stock;

/// For each sku 0 ≤ reserved ≤ on_hand, and received + returned = on_hand + sold.
#[must_use]
pub fn check(snapshot: &Snapshot) -> Vec<Violation> {
    snapshot.stock.iter().flat_map(sku).collect()
}

fn sku(stock: &Stock) -> Vec<Violation> {
    let mut found = Vec::new();
    let mut breach = |text: String| found.push(Violation::new(Invariant::I3, &stock.sku, text));
    if stock.reserved < 0 || stock.reserved > stock.on_hand {
        breach(format!("{} reserved of {} on hand", stock.reserved, stock.on_hand));
    }
    if stock.received < 0 || stock.sold < 0 || stock.returned < 0 {
        breach(format!("received {}, sold {}, returned {}", stock.received, stock.sold, stock.returned));
    }
    let came = i128::from(stock.received) + i128::from(stock.returned);
    let is = i128::from(stock.on_hand) + i128::from(stock.sold);
    if came != is {
        breach(format!("received + returned = {came}, on hand + sold = {is}"));
    }
    found
}

#[cfg(test)]
mod tests {
    use super::check;
    use crate::sample;

    #[test]
    fn a_clean_world_has_its_goods() {
        assert_eq!(check(&sample::world()), []);
    }

    #[test]
    fn an_oversold_sku_is_found() {
        let mut world = sample::world();
        world.stock[0].reserved = world.stock[0].on_hand + 1;
        assert!(sample::says(&check(&world), "reserved of"));
        world.stock[0].reserved = -1;
        assert!(sample::says(&check(&world), "-1 reserved of"));
    }

    #[test]
    fn lost_goods_are_found() {
        let mut world = sample::world();
        world.stock[0].on_hand -= 1;
        assert!(sample::says(&check(&world), "received + returned"));
    }

    #[test]
    fn a_negative_counter_is_found_even_if_the_sum_fits() {
        let mut world = sample::world();
        world.stock[0].on_hand += world.stock[0].sold + 1;
        world.stock[0].sold = -1;
        assert!(sample::says(&check(&world), "sold -1"));
    }
}
