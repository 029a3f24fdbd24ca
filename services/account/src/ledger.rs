//! Accounts inside a local transaction: found and locked in one order, changed by one statement, with their entries.
//! Knows no branches and no requests; whether a posting is allowed is decided by the callers.

use crate::balances::{Balances, OutOfRange, Posting, Side};
use crate::entity::{account, entry};
use crate::state::{AccountClosed, AccountEvent, AccountState};
use crate::validate::Opening;
use amends_participant::{Reason, Refusal};
use amends_serve::store::{LocalTransaction, Reads as _};
use sea_orm::sea_query::{CaseStatement, Expr, OnConflict, SimpleExpr};
use sea_orm::{ActiveValue::NotSet, ActiveValue::Set, ColumnTrait, DbErr};
use sea_orm::{EntityTrait, ExprTrait, QueryFilter, QueryOrder, QuerySelect};

/// One double entry about to be written.
pub struct Line<'a> {
    pub debit: &'a account::Model,
    pub credit: &'a account::Model,
    pub amount: i64,
    pub code: &'a str,
}

/// Where a ledger transaction comes from; names it for ever.
pub struct Origin {
    pub source: &'static str,
    pub source_id: String,
    /// The ledger transaction that this one corrects.
    pub corrects: Option<String>,
    pub now_us: i64,
}

impl Origin {
    /// Name of the ledger transaction.
    pub fn txn_id(&self) -> String {
        txn_id(self.source, &self.source_id)
    }
}

/// Name of the ledger transaction that `source` made as `source_id`.
pub fn txn_id(source: &str, source_id: &str) -> String {
    format!("{source}/{source_id}")
}

/// The named accounts that exist, locked in the order of their ids so that two transfers cannot wait for each other.
pub async fn lock(tx: &LocalTransaction, ids: &[&str]) -> Result<Vec<account::Model>, DbErr> {
    tx.all(
        account::Entity::find()
            .filter(account::Column::AccountId.is_in(ids.iter().copied()))
            .order_by_asc(account::Column::AccountId)
            .lock_exclusive(),
    )
    .await
}

/// Takes the account named `id` out of what [`lock`] found.
pub fn take(found: &mut Vec<account::Model>, id: &str) -> Result<account::Model, Refusal> {
    match found.iter().position(|account| account.account_id == id) {
        Some(index) => Ok(found.swap_remove(index)),
        None => Err(Refusal::new(Reason::AccountNotFound, format!("no account {id}"))),
    }
}

/// Finds and locks one account; opens it first if it is missing.
pub async fn lock_or_open(
    tx: &LocalTransaction,
    opening: &Opening,
    now_us: i64,
) -> Result<account::Model, DbErr> {
    let id = opening.account_id.as_str();
    if let Some(account) = lock(tx, &[id]).await?.pop() {
        return Ok(account);
    }
    open(tx, opening, now_us).await?;
    lock(tx, &[id]).await?.pop().ok_or_else(|| DbErr::RecordNotFound(format!("account {id}")))
}

/// Opens an account unless one of that name exists already.
pub async fn open(tx: &LocalTransaction, opening: &Opening, now_us: i64) -> Result<(), DbErr> {
    let row = account::ActiveModel {
        seq: NotSet,
        account_id: Set(opening.account_id.clone()),
        owner: Set(opening.owner.clone()),
        kind: Set(opening.kind.stored().to_owned()),
        currency: Set(opening.currency.clone()),
        debits_pending: Set(0),
        debits_posted: Set(0),
        credits_pending: Set(0),
        credits_posted: Set(0),
        floor: Set(opening.floor),
        state: Set(AccountState::Open.stored().to_owned()),
        version: Set(1),
        created_us: Set(now_us),
    };
    tx.run(
        account::Entity::insert(row)
            .on_conflict(OnConflict::column(account::Column::AccountId).do_nothing().to_owned()),
    )
    .await?;
    Ok(())
}

/// Puts `posting` of `amount` into both accounts, or into neither.
pub fn post(
    debit: &mut account::Model,
    credit: &mut account::Model,
    posting: Posting,
    amount: i64,
) -> Result<(), Refusal> {
    let debited = debit.balances().apply(Side::Debit, posting, amount).map_err(out_of_range)?;
    let credited = credit.balances().apply(Side::Credit, posting, amount).map_err(out_of_range)?;
    debit.set_balances(debited);
    credit.set_balances(credited);
    Ok(())
}

/// Applies an event to the account's state.
pub fn turn(account: &mut account::Model, event: AccountEvent) -> Result<Result<(), AccountClosed>, DbErr> {
    let before = account.account_state()?;
    Ok(before.next(event).map(|after| after.stored().clone_into(&mut account.state)))
}

/// Writes sums and state of locked accounts, all of them with one statement.
pub async fn save(tx: &LocalTransaction, accounts: &[&account::Model]) -> Result<(), DbErr> {
    use account::Column;
    let sum = |of: fn(&Balances) -> i64| per_account(accounts, |account| of(&account.balances()).into());
    let written = tx
        .run(
            account::Entity::update_many()
                .col_expr(Column::DebitsPending, sum(|sums| sums.debits_pending))
                .col_expr(Column::DebitsPosted, sum(|sums| sums.debits_posted))
                .col_expr(Column::CreditsPending, sum(|sums| sums.credits_pending))
                .col_expr(Column::CreditsPosted, sum(|sums| sums.credits_posted))
                .col_expr(Column::State, per_account(accounts, |account| account.state.clone().into()))
                .col_expr(Column::Version, Expr::col(Column::Version).add(1))
                .filter(Column::Seq.is_in(accounts.iter().map(|account| account.seq))),
        )
        .await?;
    if written == accounts.len() as u64 { Ok(()) } else { Err(DbErr::RecordNotUpdated) }
}

/// Writes the lines of one ledger transaction. Lines of 0 are left out: nothing moved.
pub async fn enter(tx: &LocalTransaction, origin: &Origin, lines: &[Line<'_>]) -> Result<(), DbErr> {
    let moved = lines.iter().filter(|line| line.amount > 0);
    let rows: Vec<_> = (1..)
        .zip(moved)
        .map(|(number, line)| entry::ActiveModel {
            seq: NotSet,
            txn_id: Set(origin.txn_id()),
            line: Set(number),
            debit_account_id: Set(line.debit.account_id.clone()),
            credit_account_id: Set(line.credit.account_id.clone()),
            amount: Set(line.amount),
            currency: Set(line.debit.currency.clone()),
            code: Set(line.code.to_owned()),
            source: Set(origin.source.to_owned()),
            source_id: Set(origin.source_id.clone()),
            corrects: Set(origin.corrects.clone()),
            created_us: Set(origin.now_us),
        })
        .collect();
    if !rows.is_empty() {
        tx.run(entry::Entity::insert_many(rows)).await?;
    }
    Ok(())
}

fn per_account(accounts: &[&account::Model], value: impl Fn(&account::Model) -> SimpleExpr) -> SimpleExpr {
    let cases = accounts.iter().fold(CaseStatement::new(), |cases, account| {
        cases.case(account::Column::Seq.eq(account.seq), value(account))
    });
    cases.into()
}

fn out_of_range(error: OutOfRange) -> Refusal {
    Refusal::new(Reason::AmountOutOfRange, error.to_string())
}
