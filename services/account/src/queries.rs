//! Reads: accounts, entries and holds as the wire shows them, page by page in the order in which they were made.
//! Changes nothing.

use crate::entity::{AccountKind, account, entry, hold};
use crate::state::{AccountState, HoldState};
use amends_participant::{Reason, Refusal, fields};
use amends_proto::pay::account::v1::{self as wire, ListRequest};
use amends_proto::pay::money::v1::Money;
use sea_orm::{ColumnTrait, DatabaseConnection, DbErr, EntityTrait, QueryFilter, QueryOrder, QuerySelect};

/// Where a page starts and how long it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Page {
    after_seq: i64,
    limit: u64,
}

impl Page {
    /// Checks cursor and limit.
    pub fn checked(request: &ListRequest) -> Result<Page, Refusal> {
        let after_seq = match request.cursor.as_str() {
            "" => 0,
            cursor => cursor.parse().map_err(|_| foreign_cursor())?,
        };
        Ok(Page { after_seq, limit: fields::page_size(request.limit)? })
    }

    /// Cuts the one row too many that was read, and says where the next page starts.
    fn cut<Row>(self, mut rows: Vec<Row>, seq: impl Fn(&Row) -> i64) -> (Vec<Row>, String) {
        let more = rows.len() as u64 > self.limit;
        if more {
            rows.pop();
        }
        let next = rows.last().filter(|_| more).map_or_else(String::new, |row| seq(row).to_string());
        (rows, next)
    }
}

/// One account, if it exists.
pub async fn account(db: &DatabaseConnection, account_id: &str) -> Result<Option<account::Model>, DbErr> {
    account::Entity::find().filter(account::Column::AccountId.eq(account_id)).one(db).await
}

/// A page of accounts.
pub async fn accounts(db: &DatabaseConnection, page: Page) -> Result<wire::ListResponse, DbErr> {
    let rows = account::Entity::find()
        .filter(account::Column::Seq.gt(page.after_seq))
        .order_by_asc(account::Column::Seq)
        .limit(page.limit + 1)
        .all(db)
        .await?;
    let (rows, next_cursor) = page.cut(rows, |row| row.seq);
    let accounts = rows.into_iter().map(show_account).collect::<Result<_, _>>()?;
    Ok(wire::ListResponse { accounts, next_cursor })
}

/// A page of ledger entries.
pub async fn entries(db: &DatabaseConnection, page: Page) -> Result<wire::ListEntriesResponse, DbErr> {
    let rows = entry::Entity::find()
        .filter(entry::Column::Seq.gt(page.after_seq))
        .order_by_asc(entry::Column::Seq)
        .limit(page.limit + 1)
        .all(db)
        .await?;
    let (rows, next_cursor) = page.cut(rows, |row| row.seq);
    let entries = rows.into_iter().map(show_entry).collect::<Result<_, _>>()?;
    Ok(wire::ListEntriesResponse { entries, next_cursor })
}

/// A page of holds.
pub async fn holds(db: &DatabaseConnection, page: Page) -> Result<wire::ListHoldsResponse, DbErr> {
    let rows = hold::Entity::find()
        .filter(hold::Column::Seq.gt(page.after_seq))
        .order_by_asc(hold::Column::Seq)
        .limit(page.limit + 1)
        .all(db)
        .await?;
    let (rows, next_cursor) = page.cut(rows, |row| row.seq);
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

fn foreign_cursor() -> Refusal {
    Refusal::new(Reason::InvalidRequest, "cursor: not from an earlier answer")
}
