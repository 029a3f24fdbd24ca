//! The invariants of payments-domain §5 over read RPCs, history, DTM and the PSP: everything is read into a
//! `Snapshot`, and one pure function per invariant judges it. Writes nothing anywhere; knows no database.
//!
//! They judge whatever the stores hold: several runs, seeded data and global transactions of plain DTM clients alike.
//! What is not final (e.g. a payment in doubt) is noted, not judged.
//!
//! # Planted breaches
//! To see that each checker can fail: after a clean run with at least one paid and one refused SAGA, edit one row of a
//! running stack's SQLite store (`<role>.db`, as its schema stands), check, and expect the line named here.
//!
//! | line | store | edit |
//! |---|---|---|
//! | I1 | account | `UPDATE account SET credits_posted = credits_posted + 1 WHERE seq = (SELECT min(seq) FROM account WHERE account_id LIKE 'USER_WALLET:%')` (I9 too) |
//! | I1 | account | `UPDATE entry SET currency = 'EUR' WHERE seq = (SELECT max(seq) FROM entry)` |
//! | I3 | inventory | `UPDATE stock SET on_hand = on_hand - 1 WHERE sku = (SELECT min(sku) FROM stock)` |
//! | I3 | inventory | `UPDATE stock SET reserved = on_hand + 1 WHERE sku = (SELECT min(sku) FROM stock)` (I9 too) |
//! | I4 | psp | `UPDATE request SET kept_now = kept_now - 1 WHERE seq = (SELECT min(seq) FROM request WHERE kept_now > 0)` |
//! | I5 | psp | `UPDATE request SET kept_now = amount_minor + 1 WHERE seq = (SELECT min(seq) FROM request WHERE kept_now > 0)` (I4 too) |
//! | I4 | psp | `UPDATE request SET psp_request_id = 'unknown' WHERE seq = (SELECT min(seq) FROM request WHERE kept_now > 0)` |
//! | I5 | gateway | `UPDATE payment SET captured = captured + 1 WHERE payment_id = (SELECT min(payment_id) FROM payment WHERE state = 'captured')` (I4 too) |
//! | I6 | gateway | `UPDATE payment SET state = 'authorized' WHERE payment_id = (SELECT min(payment_id) FROM payment WHERE state = 'captured')` (I4 too) |
//! | I6 | account | `UPDATE hold SET state = 'held' WHERE seq = (SELECT min(seq) FROM hold WHERE state = 'settled' AND reversed = 0)` (I1, I9 too) |
//! | I6 | inventory | `UPDATE reservation SET state = 'reserved' WHERE seq = (SELECT max(seq) FROM reservation)` (I9 too) |
//! | I6 | points | `UPDATE points_op SET state = 'pending' WHERE seq = (SELECT max(seq) FROM points_op WHERE state = 'earned' AND kind = 'earn')` (I9 too) |
//! | I7 | order | `DELETE FROM branch_op WHERE op = 'action' AND gid = (SELECT gid FROM orders WHERE state = 'paid' LIMIT 1) AND branch_id = '01'` (I9 too) |
//! | I7 | order | `UPDATE branch_op SET status = 'running' WHERE op = 'compensate' AND gid = (SELECT gid FROM orders WHERE state = 'closed' LIMIT 1)` (I9 too) |
//! | I8 | order | `UPDATE orders SET state = 'closed' WHERE seq = (SELECT min(seq) FROM orders WHERE state = 'paid')` |
//! | I9 | account | `DELETE FROM entry WHERE seq = (SELECT max(seq) FROM entry WHERE source = 'branch')` |
//! | I9 | inventory | `DELETE FROM reservation WHERE seq = (SELECT max(seq) FROM reservation)` |
mod atomicity;
mod books;
mod coordinator;
mod disagreements;
mod effect_sums;
mod effects;
mod history;
mod holds;
mod money;
mod orders;
mod psp;
mod quiet;
mod read;
mod report;
mod snapshot;
mod stock;
mod targets;

#[cfg(test)]
mod sample;

pub use quiet::{Quiet, wait_quiet};
pub use read::read;
pub use report::{Invariant, Line, Report, Violation};
pub use snapshot::{CoordinatorStatus, Ending, Snapshot};
pub use targets::{ReadError, Targets, channel};

use std::time::Duration;

/// A breach counts if it is still there when everything is read again this often …
const REREADS: u32 = 2;
/// … after this pause each: rows of two services are not read at one instant.
const REREAD_PAUSE: Duration = Duration::from_millis(500);

/// Reads everything and judges it. What looks like a breach is read again before it is called one.
///
/// # Errors
/// Something did not answer.
pub async fn run(targets: &Targets) -> Result<Report, ReadError> {
    let mut report = judge(&read(targets).await?);
    for _ in 0..REREADS {
        if report.is_clean() {
            break;
        }
        tokio::time::sleep(REREAD_PAUSE).await;
        report = judge(&read(targets).await?).lasting(&report);
    }
    Ok(report)
}

/// Judges what was read.
#[must_use]
pub fn judge(snapshot: &Snapshot) -> Report {
    let lines = Invariant::ALL.map(|checker| {
        let (checked, violations) = match checker {
            Invariant::I1 => (snapshot.entries.len() + snapshot.accounts.len(), money::check(snapshot)),
            Invariant::I3 => (snapshot.stock.len(), stock::check(snapshot)),
            Invariant::I4 => (snapshot.facts.len(), psp::one_charge(snapshot)),
            Invariant::I5 => (snapshot.payments.len(), psp::amounts(snapshot)),
            Invariant::I6 => (held_rows(snapshot), holds::check(snapshot)),
            Invariant::I7 => (snapshot.transactions.len(), atomicity::check(snapshot)),
            Invariant::I8 => (snapshot.orders.len(), orders::check(snapshot)),
            Invariant::I9 => (snapshot.branch_ops.values().map(Vec::len).sum(), effects::check(snapshot)),
            Invariant::A1 => (snapshot.transactions.len(), disagreements::check(snapshot)),
        };
        Line { checker, title: checker.title(), checked, violations }
    });
    Report { lines: lines.into(), notes: notes(snapshot) }
}

fn held_rows(snapshot: &Snapshot) -> usize {
    snapshot.holds.len() + snapshot.reservations.len() + snapshot.points_ops.len() + snapshot.payments.len()
}

/// What is not judged, in words.
fn notes(snapshot: &Snapshot) -> Vec<String> {
    let mut notes = Vec::new();
    for transaction in snapshot.transactions.values() {
        if snapshot.ending(&transaction.gid) == Ending::Open {
            let why =
                transaction.attention.as_ref().map_or("not final", |attention| attention.cause.as_str());
            notes.push(format!("{} is open: {why}", transaction.gid));
        }
    }
    notes.extend(books::notes(snapshot));
    for item in snapshot.in_doubt.iter().filter(|item| item.state == "open") {
        notes.push(format!("payment {} of {} is in doubt: {}", item.payment_id, item.gid, item.kind));
    }
    let foreign: std::collections::BTreeSet<&str> = snapshot
        .branch_ops
        .values()
        .flatten()
        .map(|op| op.gid.as_str())
        .filter(|gid| snapshot.ending(gid) == Ending::Foreign)
        .collect();
    if !foreign.is_empty() {
        notes.push(format!("{} gids with branch rows are known to nobody and not judged", foreign.len()));
    }
    notes
}

#[cfg(test)]
mod tests {
    use super::{Invariant, judge, sample};
    use amends_proto::amends::v1::{Attention, Status};

    #[test]
    fn a_clean_world_gets_a_clean_report_with_all_lines() {
        let report = judge(&sample::world());
        assert!(report.is_clean(), "{:?}", report.violations());
        assert_eq!(report.lines.iter().map(|line| line.checker).collect::<Vec<_>>(), Invariant::ALL);
        assert!(report.lines.iter().all(|line| line.checked > 0), "{:?}", report.lines);
        assert_eq!(report.notes, Vec::<String>::new());
    }

    #[test]
    fn an_empty_world_is_clean() {
        assert!(judge(&super::Snapshot::default()).is_clean());
    }

    #[test]
    fn a_payment_in_doubt_is_a_note() {
        let mut world = sample::world();
        let transaction = world.transactions.get_mut(sample::SAGA_PAID).unwrap();
        transaction.set_status(Status::Compensating);
        transaction.attention = Some(Attention { cause: "payment_in_doubt".into(), ..Attention::default() });
        let report = judge(&world);
        assert!(report.is_clean(), "{:?}", report.violations());
        assert_eq!(report.notes, ["saga-paid is open: payment_in_doubt"]);
    }

    #[test]
    fn only_what_lasts_is_a_breach() {
        let clean = judge(&sample::world());
        let mut world = sample::world();
        world.stock[0].sold += 1;
        let broken = judge(&world);
        assert!(!broken.is_clean());
        assert!(broken.clone().lasting(&clean).is_clean());
        assert_eq!(broken.clone().lasting(&broken), broken);
    }
}
