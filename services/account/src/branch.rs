//! What branch calls do, inside the guard's local transaction. The guard has already decided that the call may run:
//! nothing here looks at duplicates, tombstones or metadata beyond the branch's name. A refusal in a second phase is
//! a defect (the guard answers INTERNAL): what could refuse was refused by the try.

use crate::balances::Posting;
use crate::entity::{account, hold};
use crate::ledger::{self, Line, Origin};
use crate::queries::show_hold_state;
use crate::state::{AccountEvent, AccountState, HoldEvent, HoldState, IllegalTransition};
use crate::validate::{Transfer, receivable_account};
use amends_participant::{Branch, Call, Fault, Reason, Refusal};
use amends_proto::pay::account::v1::{TransferRequest, TransferResponse};
use amends_serve::store::{LocalTransaction, Reads as _};
use sea_orm::{ActiveValue::NotSet, ActiveValue::Set, ColumnTrait, DbErr};
use sea_orm::{EntityTrait, ExprTrait, QueryFilter, sea_query::Expr};

const MICROS_PER_S: i64 = 1_000_000;
/// Source of entries that branches make.
const SOURCE: &str = "branch";

/// The two accounts of a transfer, locked.
struct Parties {
    debit: account::Model,
    credit: account::Model,
}

impl Parties {
    async fn lock(tx: &LocalTransaction, debit_id: &str, credit_id: &str) -> Result<Parties, Fault> {
        let mut found = ledger::lock(tx, &[debit_id, credit_id]).await?;
        Ok(Parties {
            debit: ledger::take(&mut found, debit_id)?,
            credit: ledger::take(&mut found, credit_id)?,
        })
    }

    fn post(&mut self, posting: Posting, amount: i64) -> Result<(), Refusal> {
        ledger::post(&mut self.debit, &mut self.credit, posting, amount)
    }

    async fn save(&self, tx: &LocalTransaction) -> Result<(), DbErr> {
        ledger::save(tx, &[&self.debit, &self.credit]).await
    }

    fn line<'a>(&'a self, amount: i64, code: &'a str) -> Line<'a> {
        Line { debit: &self.debit, credit: &self.credit, amount, code }
    }
}

/// TCC try: sets the amount aside on both accounts.
pub async fn try_transfer(
    tx: &LocalTransaction,
    call: Call<TransferRequest>,
) -> Result<TransferResponse, Fault> {
    start(tx, &call, HoldEvent::Try).await
}

/// SAGA action: posts the amount at once.
pub async fn transfer(tx: &LocalTransaction, call: Call<TransferRequest>) -> Result<TransferResponse, Fault> {
    start(tx, &call, HoldEvent::Post).await
}

/// TCC confirm: what is pending becomes posted. A frozen account does not stop it: the commit was decided.
pub async fn confirm_transfer(
    tx: &LocalTransaction,
    call: Call<TransferRequest>,
) -> Result<TransferResponse, Fault> {
    let (hold, state, mut parties) = find(tx, &call.branch, |_| HoldEvent::Confirm).await?;
    parties.post(Posting::Settle, hold.amount)?;
    parties.save(tx).await?;
    set_state(tx, &hold, state).await?;
    ledger::enter(tx, &origin(&call, None), &[parties.line(hold.amount, &hold.code)]).await?;
    Ok(answer(&hold.transfer_id, state, hold.amount, &parties.debit))
}

/// TCC cancel: what is pending is let go.
pub async fn cancel_transfer(
    tx: &LocalTransaction,
    call: Call<TransferRequest>,
) -> Result<TransferResponse, Fault> {
    let (hold, state, mut parties) = find(tx, &call.branch, |_| HoldEvent::Cancel).await?;
    parties.post(Posting::Release, hold.amount)?;
    parties.save(tx).await?;
    set_state(tx, &hold, state).await?;
    Ok(answer(&hold.transfer_id, state, hold.amount, &parties.debit))
}

/// SAGA compensation: posts the opposite and cannot refuse. What the credited account no longer has above its floor is
/// paid by `RECEIVABLE:<owner>:<currency>` instead, and spending from that account stops.
pub async fn reverse_transfer(
    tx: &LocalTransaction,
    call: Call<TransferRequest>,
) -> Result<TransferResponse, Fault> {
    let (hold, state, parties) = find(tx, &call.branch, |amount| HoldEvent::Reverse { part: amount }).await?;
    let Parties { debit: mut taker, credit: mut giver } = parties;
    let short = giver.balances().shortfall(giver.floor, hold.amount);
    let kept = hold.amount - short;
    ledger::post(&mut giver, &mut taker, Posting::Post, kept)?;
    let receivable = match short {
        0 => None,
        _ => Some(owe(tx, &mut giver, &mut taker, short, call.now_us).await?),
    };
    let mut changed = vec![&giver, &taker];
    let mut lines = vec![Line { debit: &giver, credit: &taker, amount: kept, code: &hold.code }];
    if let Some(receivable) = &receivable {
        changed.push(receivable);
        lines.push(Line { debit: receivable, credit: &taker, amount: short, code: "RECEIVABLE" });
    }
    ledger::save(tx, &changed).await?;
    ledger::enter(tx, &origin(&call, Some(&hold)), &lines).await?;
    set_state(tx, &hold, state).await?;
    Ok(answer(&hold.transfer_id, state, hold.amount, &taker))
}

/// Books what `giver` is short of to its owner's receivable and stops spending from it.
async fn owe(
    tx: &LocalTransaction,
    giver: &mut account::Model,
    taker: &mut account::Model,
    short: i64,
    now_us: i64,
) -> Result<account::Model, Fault> {
    let owed = receivable_account(&giver.owner, &giver.currency);
    let mut receivable = ledger::lock_or_open(tx, &owed, now_us).await?;
    ledger::post(&mut receivable, taker, Posting::Post, short)?;
    ledger::turn(giver, AccountEvent::FellShort)?
        .map_err(|closed| Fault::Broken(Refusal::new(Reason::Broken, closed.to_string())))?;
    Ok(receivable)
}

async fn start(
    tx: &LocalTransaction,
    call: &Call<TransferRequest>,
    event: HoldEvent,
) -> Result<TransferResponse, Fault> {
    let transfer = Transfer::checked(&call.body)?;
    let amount = transfer.amount.minor_units;
    let state = HoldState::next(None, event, amount).map_err(illegal)?;
    let mut parties = Parties::lock(tx, &transfer.debit_account_id, &transfer.credit_account_id).await?;
    may_pay(&parties, &transfer)?;
    let posting = match state {
        HoldState::Held => Posting::Hold,
        HoldState::Settled { .. } | HoldState::Released => Posting::Post,
    };
    parties.post(posting, amount)?;
    parties.save(tx).await?;
    tx.run(hold::Entity::insert(new_hold(call, &transfer, state))).await?;
    if posting == Posting::Post {
        ledger::enter(tx, &origin(call, None), &[parties.line(amount, &transfer.code)]).await?;
    }
    Ok(answer(&transfer.transfer_id, state, amount, &parties.debit))
}

/// A frozen account may still be paid; a closed one takes part in nothing new.
fn may_pay(parties: &Parties, transfer: &Transfer) -> Result<(), Fault> {
    for account in [&parties.debit, &parties.credit] {
        if account.currency != transfer.amount.currency.code() {
            let text = format!("{} holds {}", account.account_id, account.currency);
            return Err(Refusal::new(Reason::CurrencyMismatch, text).into());
        }
        if account.account_state()? == AccountState::Closed {
            let text = format!("{} is closed", account.account_id);
            return Err(Refusal::new(Reason::AccountFrozen, text).into());
        }
    }
    if parties.debit.account_state()? == AccountState::Frozen {
        let text = format!("{} is frozen", parties.debit.account_id);
        return Err(Refusal::new(Reason::AccountFrozen, text).into());
    }
    if parties.debit.balances().shortfall(parties.debit.floor, transfer.amount.minor_units) > 0 {
        let text = format!("{} has too little", parties.debit.account_id);
        return Err(Refusal::new(Reason::InsufficientFunds, text).into());
    }
    Ok(())
}

/// The branch's hold, what the event makes of it, and its accounts. None of it may be missing in the second phase.
async fn find(
    tx: &LocalTransaction,
    branch: &Branch,
    event: impl FnOnce(i64) -> HoldEvent,
) -> Result<(hold::Model, HoldState, Parties), Fault> {
    let found = tx
        .one(
            hold::Entity::find()
                .filter(hold::Column::Gid.eq(branch.gid.as_str()))
                .filter(hold::Column::BranchId.eq(branch.branch_id.as_str())),
        )
        .await?;
    let Some(hold) = found else {
        let text = "the guard knows the branch, but it holds nothing";
        return Err(Fault::Broken(Refusal::new(Reason::Broken, text)));
    };
    let state =
        HoldState::next(Some(hold.hold_state()?), event(hold.amount), hold.amount).map_err(illegal)?;
    let parties = Parties::lock(tx, &hold.debit_account_id, &hold.credit_account_id).await?;
    Ok((hold, state, parties))
}

async fn set_state(tx: &LocalTransaction, hold: &hold::Model, state: HoldState) -> Result<(), DbErr> {
    use hold::Column;
    let written = tx
        .run(
            hold::Entity::update_many()
                .col_expr(Column::State, state.stored().into())
                .col_expr(Column::Reversed, state.reversed().into())
                .col_expr(Column::Version, Expr::col(Column::Version).add(1))
                .filter(Column::Seq.eq(hold.seq))
                .filter(Column::Version.eq(hold.version)),
        )
        .await?;
    if written == 1 { Ok(()) } else { Err(DbErr::RecordNotUpdated) }
}

fn new_hold(call: &Call<TransferRequest>, transfer: &Transfer, state: HoldState) -> hold::ActiveModel {
    let expires_us = match state {
        HoldState::Held => Some(call.now_us.saturating_add(transfer.hold_ttl_s * MICROS_PER_S)),
        HoldState::Settled { .. } | HoldState::Released => None,
    };
    hold::ActiveModel {
        seq: NotSet,
        gid: Set(call.branch.gid.as_str().to_owned()),
        branch_id: Set(call.branch.branch_id.as_str().to_owned()),
        transfer_id: Set(transfer.transfer_id.clone()),
        debit_account_id: Set(transfer.debit_account_id.clone()),
        credit_account_id: Set(transfer.credit_account_id.clone()),
        amount: Set(transfer.amount.minor_units),
        currency: Set(transfer.amount.currency.code().to_owned()),
        reversed: Set(state.reversed()),
        state: Set(state.stored().to_owned()),
        code: Set(transfer.code.clone()),
        order_id: Set(transfer.order_id.clone()),
        expires_us: Set(expires_us),
        version: Set(1),
        created_us: Set(call.now_us),
    }
}

/// Entries are named after the branch op that makes them; a reversal names the action that it corrects.
fn origin(call: &Call<TransferRequest>, corrected: Option<&hold::Model>) -> Origin {
    let branch = &call.branch;
    let source_id = |op: &str| format!("{}/{}/{op}", branch.gid.as_str(), branch.branch_id.as_str());
    Origin {
        source: SOURCE,
        source_id: source_id(branch.op.as_str()),
        corrects: corrected.map(|_| ledger::txn_id(SOURCE, &source_id(branch.op.forward().as_str()))),
        now_us: call.now_us,
    }
}

fn answer(transfer_id: &str, state: HoldState, amount: i64, debit: &account::Model) -> TransferResponse {
    TransferResponse {
        transfer_id: transfer_id.to_owned(),
        state: show_hold_state(state, amount).into(),
        available_after: debit.balances().available(),
    }
}

fn illegal(error: IllegalTransition) -> Fault {
    Fault::Broken(Refusal::new(Reason::Broken, error.to_string()))
}
