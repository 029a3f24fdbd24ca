//! What operators and seeds do to accounts outside of any branch: open, deposit, freeze. Each is one local transaction;
//! who may call them is not decided here.

use crate::balances::Posting;
use crate::entity::account;
use crate::ledger::{self, Line, Origin};
use crate::state::{AccountEvent, AccountState};
use crate::validate::{Deposit, Opening, funding_account, receivable_account};
use amends_participant::{Fault, Reason, Refusal};
use amends_serve::store::LocalTransaction;
use sea_orm::DbErr;

/// Opens an account; the same content again answers the account as it is now.
pub async fn open(tx: &LocalTransaction, opening: &Opening, now_us: i64) -> Result<account::Model, Fault> {
    let account = ledger::lock_or_open(tx, opening, now_us).await?;
    match difference(&account, opening) {
        None => Ok(account),
        Some(field) => {
            let text = format!("{} is open already with another {field}", opening.account_id);
            Err(Refusal::new(Reason::IdempotencyMismatch, text).into())
        }
    }
}

/// Moves money from the funding account of its currency, opened at its first use, to the account.
/// `source_id` names the deposit for ever.
pub async fn deposit(
    tx: &LocalTransaction,
    deposit: &Deposit,
    source_id: String,
    now_us: i64,
) -> Result<account::Model, Fault> {
    let (amount, currency) = (deposit.amount.minor_units, deposit.amount.currency.code());
    let mut account = one(tx, &deposit.account_id).await?;
    if account.currency != currency {
        let text = format!("{} holds {}", account.account_id, account.currency);
        return Err(Refusal::new(Reason::CurrencyMismatch, text).into());
    }
    if account.account_state()? == AccountState::Closed {
        return Err(Refusal::new(Reason::AccountFrozen, format!("{} is closed", account.account_id)).into());
    }
    let mut funding = ledger::lock_or_open(tx, &funding_account(currency), now_us).await?;
    ledger::post(&mut funding, &mut account, Posting::Post, amount)?;
    ledger::save(tx, &[&funding, &account]).await?;
    let origin = Origin { source: "deposit", source_id, corrects: None, now_us };
    let line = Line { debit: &funding, credit: &account, amount, code: "DEPOSIT" };
    ledger::enter(tx, &origin, &[line]).await?;
    one(tx, &deposit.account_id).await
}

/// Freezes or thaws spending. What is owed to a receivable has to be paid before the account can be thawed.
pub async fn change_state(
    tx: &LocalTransaction,
    account_id: &str,
    event: AccountEvent,
) -> Result<account::Model, Fault> {
    let mut account = one(tx, account_id).await?;
    if event == AccountEvent::Thaw && owes(tx, &account).await? {
        let text = format!("{account_id} stays frozen until its receivable is paid");
        return Err(Refusal::new(Reason::IllegalTransition, text).into());
    }
    ledger::turn(&mut account, event)?
        .map_err(|closed| Refusal::new(Reason::IllegalTransition, closed.to_string()))?;
    ledger::save(tx, &[&account]).await?;
    one(tx, account_id).await
}

async fn one(tx: &LocalTransaction, account_id: &str) -> Result<account::Model, Fault> {
    let mut found = ledger::lock(tx, &[account_id]).await?;
    Ok(ledger::take(&mut found, account_id)?)
}

async fn owes(tx: &LocalTransaction, account: &account::Model) -> Result<bool, DbErr> {
    let owed = receivable_account(&account.owner, &account.currency);
    let found = ledger::lock(tx, &[&owed.account_id]).await?;
    Ok(found.iter().any(|receivable| receivable.balances().available() < 0))
}

/// The first field in which an account that exists differs from the one asked for.
fn difference(account: &account::Model, opening: &Opening) -> Option<&'static str> {
    [
        ("owner", account.owner == opening.owner),
        ("type", account.kind == opening.kind.stored()),
        ("currency", account.currency == opening.currency),
        ("floor", account.floor == opening.floor),
    ]
    .into_iter()
    .find_map(|(field, equal)| (!equal).then_some(field))
}
