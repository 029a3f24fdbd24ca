//! I9: each effect of a branch happened at most once, and what was acknowledged is still there.
use crate::effect_sums;
use crate::report::{Invariant, Violation};
use crate::snapshot::{Snapshot, minor};
use amends_proto::amends::v1::OpState;
use amends_proto::pay::account::v1::HoldState;
use amends_proto::pay::branch::v1::BranchOpStatus;
use amends_proto::pay::gateway::v1::{AttemptOp, AttemptState};
use std::collections::{BTreeMap, BTreeSet};

/// What takes a forward call back.
const UNDOS: [&str; 2] = ["compensate", "cancel"];

/// No effect twice, none without its branch, none lost; balances are the sums of what made them.
#[must_use]
pub fn check(snapshot: &Snapshot) -> Vec<Violation> {
    let mut found = twice(snapshot);
    found.extend(rows_and_effects(snapshot));
    found.extend(acknowledged(snapshot));
    found.extend(postings(snapshot));
    found.extend(effect_sums::accounts(snapshot));
    found.extend(effect_sums::stock(snapshot));
    found.extend(effect_sums::points(snapshot));
    found
}

/// Keys that may occur once only.
fn twice(snapshot: &Snapshot) -> Vec<Violation> {
    let mut keys: Vec<(String, String)> = Vec::new();
    for entry in &snapshot.entries {
        let key = format!("entry {}/{}/{}", entry.source, entry.source_id, entry.line);
        keys.push((entry.source_id.clone(), key));
    }
    for order in &snapshot.orders {
        keys.push((order.order_id.clone(), format!("order {}/{}", order.merchant_id, order.out_trade_no)));
        keys.push((order.order_id.clone(), format!("order {}", order.order_id)));
    }
    for (what, gid, branch_id) in branch_effects(snapshot) {
        keys.push((gid.to_owned(), format!("{what} of branch {gid}/{branch_id}")));
    }
    let charged = [AttemptOp::Authorize, AttemptOp::Sale];
    for attempt in &snapshot.attempts {
        if attempt.state() == AttemptState::Succeeded && charged.contains(&attempt.op()) {
            keys.push((attempt.payment_id.clone(), format!("charge of payment {}", attempt.payment_id)));
        }
    }
    let mut seen = BTreeSet::new();
    keys.into_iter()
        .filter(|(_, key)| !seen.insert(key.clone()))
        .map(|(subject, key)| i9(&subject, format!("{key} exists twice")))
        .collect()
}

/// What branches made: (what, gid, branch_id). Gifts have no gid.
fn branch_effects(snapshot: &Snapshot) -> impl Iterator<Item = (&'static str, &str, &str)> {
    let transfers = snapshot.holds.iter().map(|row| ("transfer", row.gid.as_str(), row.branch_id.as_str()));
    let reserved =
        snapshot.reservations.iter().map(|row| ("reservation", row.gid.as_str(), row.branch_id.as_str()));
    let points = snapshot.points_ops.iter().filter(|row| !row.gid.is_empty());
    let points = points.map(|row| ("points op", row.gid.as_str(), row.branch_id.as_str()));
    let payments = snapshot.payments.iter().map(|row| ("payment", row.gid.as_str(), row.branch_id.as_str()));
    transfers.chain(reserved).chain(points).chain(payments)
}

/// Where a branch's forward row is DONE there is its effect, and the other way round. A payment exists earlier than
/// that, and also where it was declined.
fn rows_and_effects(snapshot: &Snapshot) -> Vec<Violation> {
    let participants = [("transfer", "account"), ("reservation", "inventory"), ("points op", "points")];
    let mut found = Vec::new();
    for (what, participant) in participants {
        let Some(ops) = snapshot.branch_ops.get(participant) else { continue };
        let done: BTreeSet<(&str, &str)> = ops
            .iter()
            .filter(|op| matches!(op.op.as_str(), "action" | "try") && op.status() == BranchOpStatus::Done)
            .map(|op| (op.gid.as_str(), op.branch_id.as_str()))
            .collect();
        let made: BTreeSet<(&str, &str)> = branch_effects(snapshot)
            .filter(|(kind, _, _)| *kind == what)
            .map(|(_, gid, branch_id)| (gid, branch_id))
            .collect();
        for (gid, branch_id) in done.difference(&made) {
            found.push(i9(
                gid,
                format!("branch {branch_id} was applied at {participant}, its {what} is gone"),
            ));
        }
        for (gid, branch_id) in made.difference(&done) {
            found.push(i9(
                gid,
                format!("{what} of branch {branch_id} at {participant} has no applied branch"),
            ));
        }
    }
    found
}

/// What history recorded as succeeded is DONE at the participant, also after crashes. A participant that was restored
/// from an earlier copy has closed the branch instead when it was undone again: there is nothing of it.
fn acknowledged(snapshot: &Snapshot) -> Vec<Violation> {
    let rows = snapshot.rows();
    let mut found = Vec::new();
    for transaction in snapshot.transactions.values() {
        for step in &transaction.steps {
            let Some(rows) = rows.get(step.participant.as_str()) else { continue };
            for op in step.ops.iter().filter(|op| op.state() == OpState::Succeeded) {
                let row =
                    |op: &str| rows.get(&(transaction.gid.as_str(), step.branch_id.as_str(), op)).copied();
                let is_done = |op: &str| row(op) == Some(BranchOpStatus::Done);
                let is_closed = row(&op.op) == Some(BranchOpStatus::Tombstone);
                let is_nothing = is_closed && UNDOS.into_iter().any(is_done);
                if !is_done(&op.op) && !is_nothing {
                    let text = format!(
                        "{} of branch {} succeeded, but {} does not have it done",
                        op.op, step.branch_id, step.participant
                    );
                    found.push(i9(&transaction.gid, text));
                }
            }
        }
    }
    found
}

/// A settled transfer was posted once and in full, and what was given back of it came back once; one that is held or
/// released was not posted.
fn postings(snapshot: &Snapshot) -> Vec<Violation> {
    let mut to_account: BTreeMap<(&str, &str, &str), i128> = BTreeMap::new();
    for entry in snapshot.entries.iter().filter(|entry| entry.source == "branch") {
        let mut parts = entry.source_id.split('/');
        if let (Some(gid), Some(branch_id)) = (parts.next(), parts.next()) {
            let key = (gid, branch_id, entry.credit_account_id.as_str());
            *to_account.entry(key).or_default() += minor(entry.amount.as_ref());
        }
    }
    let mut found = Vec::new();
    for hold in &snapshot.holds {
        let came_to = |account: &str| {
            let key = (hold.gid.as_str(), hold.branch_id.as_str(), account);
            to_account.get(&key).copied().unwrap_or_default()
        };
        let amount = minor(hold.amount.as_ref());
        let expected = match hold.state() {
            HoldState::Settled | HoldState::Reversed => (amount, i128::from(hold.reversed)),
            HoldState::Held | HoldState::Released | HoldState::Unspecified => (0, 0),
        };
        let posted = (came_to(&hold.credit_account_id), came_to(&hold.debit_account_id));
        if posted != expected {
            let (state, branch) = (hold.state().as_str_name(), &hold.branch_id);
            let text = format!(
                "branch {branch} of {amount} is {state}, posted {}, came back {}",
                posted.0, posted.1
            );
            found.push(i9(&hold.gid, text));
        }
    }
    found
}

/// A breach of I9.
pub(crate) fn i9(subject: &str, text: String) -> Violation {
    Violation::new(Invariant::I9, subject, text)
}

#[cfg(test)]
mod tests {
    use super::check;
    use crate::sample::{self, Row};
    use amends_proto::pay::account::v1::HoldState;
    use amends_proto::pay::branch::v1::BranchOpStatus;

    #[test]
    fn a_clean_world_has_each_effect_once() {
        assert_eq!(check(&sample::world()), []);
    }

    #[test]
    fn an_entry_posted_twice_is_found() {
        let mut world = sample::world();
        let entry = world.entries.last().unwrap().clone();
        world.entries.push(entry);
        let found = check(&world);
        assert!(sample::says(&found, "exists twice"));
        assert!(sample::says(&found, "its entries say"));
    }

    #[test]
    fn each_effect_made_twice_is_found() {
        let mut world = sample::world();
        world.holds.push(world.holds[0].clone());
        world.reservations.push(world.reservations[0].clone());
        let points_op = world.points_ops.last().unwrap().clone();
        world.points_ops.push(points_op);
        world.payments.push(world.payments[0].clone());
        world.orders.push(world.orders[0].clone());
        world.attempts.push(world.attempts[0].clone());
        let found = check(&world);
        for what in
            ["transfer of", "reservation of", "points op of", "payment of branch", "order ", "charge of"]
        {
            let twice = |text: &str| text.starts_with(what) && text.ends_with("exists twice");
            assert!(found.iter().any(|violation| twice(&violation.text)), "{what}");
        }
    }

    #[test]
    fn a_lost_effect_is_found() {
        let mut world = sample::world();
        world.reservations.remove(0);
        assert!(sample::says(&check(&world), "its reservation is gone"));
    }

    #[test]
    fn an_effect_without_a_branch_is_found() {
        let mut world = sample::world();
        world.reservations[0].branch_id = "17".into();
        assert!(sample::says(&check(&world), "has no applied branch"));
    }

    #[test]
    fn an_acknowledged_op_that_was_lost_is_found() {
        let mut world = sample::world();
        let row = Row { participant: "order", gid: sample::SAGA_PAID, op: "action" };
        sample::plant(&mut world, row, None);
        assert!(sample::says(
            &check(&world),
            "action of branch 01 succeeded, but order does not have it done"
        ));
    }

    #[test]
    fn a_branch_that_was_closed_when_it_was_undone_again_is_not_missed() {
        for (gid, missed) in [(sample::SAGA_DECLINED, false), (sample::SAGA_PAID, true)] {
            let mut world = sample::world();
            let row = Row { participant: "inventory", gid, op: "action" };
            sample::plant(&mut world, row, Some(BranchOpStatus::Tombstone));
            assert_eq!(sample::says(&check(&world), "does not have it done"), missed, "{gid}");
        }
    }

    #[test]
    fn a_released_hold_that_was_posted_is_found() {
        let mut world = sample::world();
        world.holds[0].set_state(HoldState::Released);
        assert!(sample::says(&check(&world), "is HOLD_STATE_RELEASED, posted 200, came back 0"));
    }

    #[test]
    fn a_reversal_that_gave_back_too_little_is_found() {
        let mut world = sample::world();
        let reversed = world.holds.iter().position(|hold| hold.state() == HoldState::Reversed).unwrap();
        world.holds[reversed].reversed -= 1;
        assert!(sample::says(&check(&world), "is HOLD_STATE_REVERSED, posted 200, came back 200"));
    }
}
