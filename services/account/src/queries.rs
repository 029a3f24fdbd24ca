//! Reads: accounts, entries and holds as the wire shows them, page by page in the order in which they were made.
//! Changes nothing.

use crate::entity::{AccountKind, account, entry, hold};
use crate::state::{AccountState, HoldState};
use crate::validate;
use amends_participant::{Fault, Page, Reason, Refusal, fields};
use amends_proto::pay::account::v1::{self as wire, GetRequest, ListRequest};
use amends_proto::pay::money::v1::Money;
use sea_orm::{ColumnTrait, DatabaseConnection, DbErr, EntityTrait, QueryFilter};

/// One account.
pub async fn account(db: &DatabaseConnection, request: &GetRequest) -> Result<wire::Account, Fault> {
    let account_id = validate::account_id(&request.account_id, "account_id")?;
    let found = account::Entity::find().filter(account::Column::AccountId.eq(&account_id)).one(db).await?;
    let missing = || Refusal::new(Reason::AccountNotFound, format!("no account {account_id}"));
    Ok(show_account(found.ok_or_else(missing)?)?)
}

/// A page of accounts.
pub async fn accounts(db: &DatabaseConnection, request: &ListRequest) -> Result<wire::ListResponse, Fault> {
    let page = Page::checked(&request.cursor, request.limit)?;
    let (rows, next_cursor) =
        page.read(db, account::Entity::find(), account::Column::Seq, |row| row.seq).await?;
    let accounts = rows.into_iter().map(show_account).collect::<Result<_, _>>()?;
    Ok(wire::ListResponse { accounts, next_cursor })
}

/// A page of ledger entries.
pub async fn entries(
    db: &DatabaseConnection,
    request: &ListRequest,
) -> Result<wire::ListEntriesResponse, Fault> {
    let page = Page::checked(&request.cursor, request.limit)?;
    let (rows, next_cursor) = page.read(db, entry::Entity::find(), entry::Column::Seq, |row| row.seq).await?;
    let entries = rows.into_iter().map(show_entry).collect::<Result<_, _>>()?;
    Ok(wire::ListEntriesResponse { entries, next_cursor })
}

/// A page of holds.
pub async fn holds(db: &DatabaseConnection, request: &ListRequest) -> Result<wire::ListHoldsResponse, Fault> {
    let page = Page::checked(&request.cursor, request.limit)?;
    let (rows, next_cursor) = page.read(db, hold::Entity::find(), hold::Column::Seq, |row| row.seq).await?;
    let holds = rows.into_iter().map(show_hold).collect::<Result<_, _>>()?;
    Ok(wire::ListHoldsResponse { holds, next_cursor })
}

/// An account as the wire shows it.
pub fn show_account(row: account::Model) -> Result<wire::Account, DbErr> {
    let kind = match row.account_kind()? {
        AccountKind::UserWallet => wire::AccountType::UserWallet,
        AccountKind::Merchant => wire::AccountType::Merchant,
        AccountKind::Internal => wire::AccountType::Internal,
    };
    let state = match row.account_state()? {
        AccountState::Open => wire::AccountState::Open,
        AccountState::Frozen => wire::AccountState::Frozen,
        AccountState::Closed => wire::AccountState::Closed,
    };
    Ok(wire::Account {
        available: row.balances().available(),
        account_id: row.account_id,
        owner: row.owner,
        r#type: kind.into(),
        currency: row.currency,
        debits_pending: row.debits_pending,
        debits_posted: row.debits_posted,
        credits_pending: row.credits_pending,
        credits_posted: row.credits_posted,
        floor: row.floor,
        state: state.into(),
        version: row.version,
    })
}

/// A hold's state as the wire shows it: settled and given back in full is `REVERSED`.
pub fn show_hold_state(state: HoldState, amount: i64) -> wire::HoldState {
    match state {
        HoldState::Held => wire::HoldState::Held,
        HoldState::Settled { reversed } if reversed == amount => wire::HoldState::Reversed,
        HoldState::Settled { .. } => wire::HoldState::Settled,
        HoldState::Released => wire::HoldState::Released,
    }
}

fn show_entry(row: entry::Model) -> Result<wire::Entry, DbErr> {
    let line = i32::try_from(row.line).map_err(|_| DbErr::Custom("entry.line is out of range".to_owned()))?;
    Ok(wire::Entry {
        entry_id: format!("{}/{line}", row.txn_id),
        txn_id: row.txn_id,
        line,
        debit_account_id: row.debit_account_id,
        credit_account_id: row.credit_account_id,
        amount: Some(Money { minor_units: row.amount, currency: row.currency }),
        code: row.code,
        source: row.source,
        source_id: row.source_id,
        corrects: row.corrects.unwrap_or_default(),
        created_at: Some(fields::timestamp(row.created_us)),
    })
}

fn show_hold(row: hold::Model) -> Result<wire::Hold, DbErr> {
    let state = show_hold_state(row.hold_state()?, row.amount);
    Ok(wire::Hold {
        gid: row.gid,
        branch_id: row.branch_id,
        transfer_id: row.transfer_id,
        debit_account_id: row.debit_account_id,
        credit_account_id: row.credit_account_id,
        amount: Some(Money { minor_units: row.amount, currency: row.currency }),
        reversed: row.reversed,
        state: state.into(),
        order_id: row.order_id,
        expires_at: row.expires_us.map(fields::timestamp),
    })
}
