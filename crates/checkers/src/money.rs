//! I1: money is only moved. Knows accounts, entries and holds, nothing of who moved them.
use crate::report::{Invariant, Violation};
use crate::snapshot::{Snapshot, currency, minor};
use amends_proto::pay::account::v1::{Account, HoldState};
use std::collections::BTreeMap;

/// Per currency Σ debits = Σ credits: in each ledger transaction, over all posted and over all pending amounts.
#[must_use]
pub fn check(snapshot: &Snapshot) -> Vec<Violation> {
    let accounts: BTreeMap<&str, &Account> =
        snapshot.accounts.iter().map(|account| (account.account_id.as_str(), account)).collect();
    let mut found = entries(snapshot, &accounts);
    found.extend(totals(snapshot));
    found.extend(pending(snapshot));
    found
}

/// Each entry takes from one account what it gives to another, in one currency that both have.
fn entries(snapshot: &Snapshot, accounts: &BTreeMap<&str, &Account>) -> Vec<Violation> {
    let mut found = Vec::new();
    let mut sums: BTreeMap<(&str, &str), i128> = BTreeMap::new();
    for entry in &snapshot.entries {
        let amount = minor(entry.amount.as_ref());
        let said = currency(entry.amount.as_ref());
        if amount <= 0 {
            found.push(violation(&entry.entry_id, format!("moves {amount} minor units")));
        }
        for (account_id, signed) in [(&entry.debit_account_id, amount), (&entry.credit_account_id, -amount)] {
            match accounts.get(account_id.as_str()) {
                None => found
                    .push(violation(&entry.entry_id, format!("names {account_id}, which does not exist"))),
                Some(account) if account.currency != said => found.push(violation(
                    &entry.entry_id,
                    format!("moves {said} on {account_id}, which holds {}", account.currency),
                )),
                Some(account) => *sums.entry((&entry.txn_id, &account.currency)).or_default() += signed,
            }
        }
    }
    for ((txn_id, currency), sum) in sums {
        if sum != 0 {
            found.push(violation(txn_id, format!("{currency}: debits exceed credits by {sum}")));
        }
    }
    found
}

/// Over all accounts of a currency what was taken equals what was given.
fn totals(snapshot: &Snapshot) -> Vec<Violation> {
    let mut sums: BTreeMap<(&str, &str), i128> = BTreeMap::new();
    for account in &snapshot.accounts {
        let posted = i128::from(account.debits_posted) - i128::from(account.credits_posted);
        let pending = i128::from(account.debits_pending) - i128::from(account.credits_pending);
        *sums.entry((&account.currency, "posted")).or_default() += posted;
        *sums.entry((&account.currency, "pending")).or_default() += pending;
    }
    sums.into_iter()
        .filter(|(_, sum)| *sum != 0)
        .map(|((currency, kind), sum)| {
            violation(currency, format!("{kind} debits of all accounts exceed {kind} credits by {sum}"))
        })
        .collect()
}

/// What an account shows as pending is what its holds hold.
fn pending(snapshot: &Snapshot) -> Vec<Violation> {
    let mut held: BTreeMap<&str, (i128, i128)> = BTreeMap::new();
    for hold in snapshot.holds.iter().filter(|hold| hold.state() == HoldState::Held) {
        let amount = minor(hold.amount.as_ref());
        held.entry(&hold.debit_account_id).or_default().0 += amount;
        held.entry(&hold.credit_account_id).or_default().1 += amount;
    }
    let mut found = Vec::new();
    for account in &snapshot.accounts {
        let shown = (i128::from(account.debits_pending), i128::from(account.credits_pending));
        let expected = held.get(account.account_id.as_str()).copied().unwrap_or_default();
        if shown != expected {
            found.push(violation(
                &account.account_id,
                format!(
                    "shows pending debits/credits {}/{}, its holds say {}/{}",
                    shown.0, shown.1, expected.0, expected.1
                ),
            ));
        }
    }
    found
}

fn violation(subject: &str, text: String) -> Violation {
    Violation::new(Invariant::I1, subject, text)
}

#[cfg(test)]
mod tests {
    use super::check;
    use crate::sample;

    #[test]
    fn a_clean_world_only_moves_money() {
        assert_eq!(check(&sample::world()), []);
    }

    #[test]
    fn money_out_of_nowhere_is_found() {
        let mut world = sample::world();
        world.accounts[0].credits_posted += 1;
        assert!(sample::says(&check(&world), "posted debits of all accounts exceed"));
    }

    #[test]
    fn an_entry_in_a_foreign_currency_is_found() {
        let mut world = sample::world();
        world.entries[0].amount.as_mut().unwrap().currency = "EUR".into();
        assert!(sample::says(&check(&world), "moves EUR on"));
    }

    #[test]
    fn an_entry_of_an_account_that_is_not_there_is_found() {
        let mut world = sample::world();
        world.entries[0].credit_account_id = "NOBODY".into();
        assert!(sample::says(&check(&world), "does not exist"));
        assert!(sample::says(&check(&world), "debits exceed credits by"));
    }

    #[test]
    fn pending_money_without_a_hold_is_found() {
        let mut world = sample::world();
        world.accounts[1].debits_pending += 5;
        world.accounts[2].credits_pending += 5;
        assert!(sample::says(&check(&world), "shows pending"));
    }
}
