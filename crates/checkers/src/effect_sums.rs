//! I9, second half: every balance is the sum of the effects that made it, so none was applied twice or lost.
use crate::effects::i9;
use crate::report::Violation;
use crate::snapshot::{Snapshot, minor};
use amends_proto::pay::inventory::v1::ReservationState;
use amends_proto::pay::points::v1::{PointsKind, PointsState};
use std::collections::BTreeMap;

/// Posted debits and credits of each account are the sums of its entries.
#[must_use]
pub fn accounts(snapshot: &Snapshot) -> Vec<Violation> {
    let mut sums: BTreeMap<&str, (i128, i128)> = BTreeMap::new();
    for entry in &snapshot.entries {
        let amount = minor(entry.amount.as_ref());
        sums.entry(&entry.debit_account_id).or_default().0 += amount;
        sums.entry(&entry.credit_account_id).or_default().1 += amount;
    }
    let mut found = Vec::new();
    for account in &snapshot.accounts {
        let (debits, credits) = sums.get(account.account_id.as_str()).copied().unwrap_or_default();
        let shown = (i128::from(account.debits_posted), i128::from(account.credits_posted));
        if shown != (debits, credits) {
            let text = format!("posted {}/{}, its entries say {debits}/{credits}", shown.0, shown.1);
            found.push(i9(&account.account_id, text));
        }
    }
    found
}

/// What each sku shows as reserved, sold and returned is the sum of its reservations.
#[must_use]
pub fn stock(snapshot: &Snapshot) -> Vec<Violation> {
    let mut sums: BTreeMap<&str, (i128, i128, i128)> = BTreeMap::new();
    for reservation in &snapshot.reservations {
        for line in &reservation.lines {
            let quantity = i128::from(line.quantity);
            let sum = sums.entry(&line.sku).or_default();
            match reservation.state() {
                ReservationState::Reserved => sum.0 += quantity,
                ReservationState::Committed => sum.1 += quantity,
                ReservationState::Returned => {
                    sum.1 += quantity;
                    sum.2 += quantity;
                }
                ReservationState::Released | ReservationState::Unspecified => {}
            }
        }
    }
    let mut found = Vec::new();
    for stock in &snapshot.stock {
        let made = sums.remove(stock.sku.as_str()).unwrap_or_default();
        let shown = (i128::from(stock.reserved), i128::from(stock.sold), i128::from(stock.returned));
        if shown != made {
            let text = format!("reserved/sold/returned are {shown:?}, its reservations say {made:?}");
            found.push(i9(&stock.sku, text));
        }
    }
    found.extend(sums.keys().map(|sku| i9(sku, "has reservations but no stock".to_owned())));
    found
}

/// Points earned and granted = balance + burnt − debt; frozen and pending are the sums of their ops.
#[must_use]
pub fn points(snapshot: &Snapshot) -> Vec<Violation> {
    let mut sums: BTreeMap<&str, PointsSums> = BTreeMap::new();
    for op in &snapshot.points_ops {
        sums.entry(&op.user_id).or_default().add(op.kind(), op.state(), i128::from(op.points));
    }
    let mut found = Vec::new();
    for account in &snapshot.points_accounts {
        let made = sums.remove(account.user_id.as_str()).unwrap_or_default();
        let net = i128::from(account.balance) - i128::from(account.debt);
        let shown =
            PointsSums { net, frozen: i128::from(account.frozen), pending: i128::from(account.pending_earn) };
        if shown != made {
            found.push(i9(&account.user_id, format!("points are {shown}, its ops say {made}")));
        }
    }
    found.extend(sums.keys().map(|user| i9(user, "has points ops but no points account".to_owned())));
    found
}

/// Of one user: balance − debt, frozen, not yet earned.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct PointsSums {
    net: i128,
    frozen: i128,
    pending: i128,
}

impl std::fmt::Display for PointsSums {
    fn fmt(&self, to: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(to, "net {}, frozen {}, pending {}", self.net, self.frozen, self.pending)
    }
}

impl PointsSums {
    fn add(&mut self, kind: PointsKind, state: PointsState, points: i128) {
        match (kind, state) {
            (PointsKind::Grant, _) | (_, PointsState::Earned) => self.net += points,
            (_, PointsState::Burnt) => self.net -= points,
            (_, PointsState::Frozen) => self.frozen += points,
            (_, PointsState::Pending) => self.pending += points,
            (
                PointsKind::Burn | PointsKind::Earn | PointsKind::Unspecified,
                PointsState::Thawed
                | PointsState::Returned
                | PointsState::Voided
                | PointsState::Revoked
                | PointsState::Unspecified,
            ) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{accounts, points, stock};
    use crate::sample;

    #[test]
    fn a_clean_world_adds_up() {
        let world = sample::world();
        assert_eq!((accounts(&world), stock(&world), points(&world)), (vec![], vec![], vec![]));
    }

    #[test]
    fn a_balance_that_no_entry_made_is_found() {
        let mut world = sample::world();
        world.accounts[1].credits_posted += 7;
        assert!(sample::says(&accounts(&world), "its entries say"));
    }

    #[test]
    fn goods_that_no_reservation_sold_are_found() {
        let mut world = sample::world();
        world.stock[0].sold += 1;
        assert!(sample::says(&stock(&world), "its reservations say"));
        world.stock.clear();
        assert!(sample::says(&stock(&world), "no stock"));
    }

    #[test]
    fn points_that_no_op_made_are_found() {
        for edit in 0..4 {
            let mut world = sample::world();
            let account = &mut world.points_accounts[0];
            let field = match edit {
                0 => &mut account.balance,
                1 => &mut account.frozen,
                2 => &mut account.pending_earn,
                _ => &mut account.debt,
            };
            *field += 1;
            assert!(sample::says(&points(&world), "its ops say"), "field {edit}");
        }
        let mut world = sample::world();
        world.points_accounts.clear();
        assert!(sample::says(&points(&world), "no points account"));
    }
}
