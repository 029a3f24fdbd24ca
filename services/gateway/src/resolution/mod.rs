//! Operators and items in doubt (payments-domain §10): claim, propose, approve. Every act is one local transaction that
//! checks the fencing token of the lease and is written down; the payment moves by its state machine, never by hand.

mod acts;
mod carry_out;
mod lease;
mod statement;
mod watch;

use amends_participant::money::Currency;
use amends_participant::{Fault, Reason, Refusal, fields};
use amends_proto::pay::gateway::v1::{
    ApproveResolutionRequest, ClaimInDoubtRequest, InDoubtItem, ProposeResolutionRequest, Resolution,
};
use amends_serve::store::{LocalTransaction, Reads};
use sea_orm::{ColumnTrait, EntityTrait, IntoActiveModel, QueryFilter, Set};

use crate::cashier::Cashier;
use crate::entity::in_doubt_item;
use crate::in_doubt::{CLAIMED, Kind, OPEN, PROPOSED, RESOLVED};
use crate::queries::wire_item;
use crate::rows::known_payment;
use acts::Act;
use lease::Lease;
use statement::meaning;

pub use acts::{Act as DoneAct, PSP, add as note_act};
pub use statement::Statement;
pub use watch::watch;

const LONGEST_EVIDENCE: usize = 1_000;
const LONGEST_REFERENCE: usize = 200;
/// What the word of a processor fits into.
const LONGEST_TXN_ID: usize = 64;

/// An act that came through, and whether it moved anything.
type Acted = Result<InDoubtItem, Fault>;

/// Takes an item for a while.
pub async fn claim(cashier: &Cashier, caller: &str, request: &ClaimInDoubtRequest) -> Acted {
    let ttl_us = lease::ttl_us(request.ttl_s)?;
    let (guard, item_id) = (cashier.guard(), fields::uuid7(&request.item_id, "item_id")?);
    let tx = guard.store().transaction().await?;
    let now_us = guard.now_us();
    let item = unresolved(&tx, item_id).await?;
    let token = lease_of(&item).claim(caller, now_us)?;
    let state = if item.state == PROPOSED { PROPOSED } else { CLAIMED };
    let mut row = item.into_active_model();
    row.state = Set(state.to_owned());
    row.holder = Set(caller.to_owned());
    row.token = Set(token);
    row.held_until_us = Set(now_us.saturating_add(ttl_us));
    let item = tx.update(row).await?;
    acts::add(&tx, &item, (caller, Act::Claimed), String::new(), now_us).await?;
    tx.commit().await?;
    told(cashier, item)
}

/// States what is the case, and gives the item back for whoever approves.
pub async fn propose(cashier: &Cashier, caller: &str, request: &ProposeResolutionRequest) -> Acted {
    let proposal = Proposal::checked(request)?;
    let (guard, item_id) = (cashier.guard(), fields::uuid7(&request.item_id, "item_id")?);
    let tx = guard.store().transaction().await?;
    let now_us = guard.now_us();
    let item = unresolved(&tx, item_id).await?;
    if item.proposed_token == request.token && proposal.is_of(&item, caller) {
        // The answer to the first one was lost.
        tx.rollback().await?;
        return told(cashier, item);
    }
    lease_of(&item).check(caller, request.token, now_us)?;
    let payment = known_payment(&tx, &item.payment_id).await?;
    if meaning(Kind::of(&item)?, payment.stands()?, proposal.statement).is_none() {
        let text =
            format!("{} says nothing about a payment that is {}", proposal.statement.as_str(), payment.state);
        return Err(Refusal::new(Reason::IllegalTransition, text).into());
    }
    let detail = format!("{}: {} ({})", proposal.statement.as_str(), proposal.evidence, proposal.reference);
    let mut row = item.into_active_model();
    row.state = Set(PROPOSED.to_owned());
    row.proposed = Set(proposal.statement.as_str().to_owned());
    row.psp_txn_id = Set(proposal.psp_txn_id.to_owned());
    row.evidence = Set(proposal.evidence.to_owned());
    row.reference = Set(proposal.reference.to_owned());
    row.proposed_by = Set(caller.to_owned());
    row.proposed_token = Set(request.token);
    // Whoever approved an earlier statement has not approved this one.
    row.approved_by = Set(String::new());
    row.approved_token = Set(0);
    row.holder = Set(String::new());
    row.held_until_us = Set(0);
    let item = tx.update(row).await?;
    acts::add(&tx, &item, (caller, Act::Proposed), detail, now_us).await?;
    tx.commit().await?;
    told(cashier, item)
}

/// Carries out what was proposed.
pub async fn approve(cashier: &Cashier, caller: &str, request: &ApproveResolutionRequest) -> Acted {
    let item_id = fields::uuid7(&request.item_id, "item_id")?;
    let found = item(cashier.guard().store().reader(), item_id).await?;
    // Whoever talks to the processor about the payment is done before the statement counts.
    let held = cashier.lanes().hold(&found.payment_id).await;
    let tx = cashier.guard().store().transaction().await?;
    let now_us = cashier.guard().now_us();
    let item = item(&tx, item_id).await?;
    if item.state == RESOLVED && item.approved_by == caller && item.approved_token == request.token {
        tx.rollback().await?;
        return told(cashier, item);
    }
    let item = unresolved(&tx, item_id).await?;
    lease_of(&item).check(caller, request.token, now_us)?;
    if item.state != PROPOSED {
        return Err(Refusal::new(Reason::IllegalTransition, "nothing is proposed").into());
    }
    if item.proposed_by == caller && needs_second(cashier, &item)? {
        let text = "an amount like this is approved by somebody else than who proposed";
        return Err(Refusal::new(Reason::ApproverIsProposer, text).into());
    }
    let statement = Statement::parse(&item.proposed)
        .ok_or_else(|| Fault::Broken(Refusal::new(Reason::Broken, "an unknown statement")))?;
    let detail = format!("{}, as {} proposed", statement.as_str(), item.proposed_by);
    let mut row = item.into_active_model();
    row.approved_by = Set(caller.to_owned());
    row.approved_token = Set(request.token);
    row.holder = Set(String::new());
    row.held_until_us = Set(0);
    let item = tx.update(row).await?;
    acts::add(&tx, &item, (caller, Act::Approved), detail, now_us).await?;
    let item = carry_out::carry_out(cashier, &tx, item, statement, now_us).await?;
    tx.commit().await?;
    drop(held);
    cashier.wake().notify_one();
    told(cashier, item)
}

/// An item with everything that was done about it.
pub async fn get(cashier: &Cashier, item_id: &str) -> Acted {
    let reader = cashier.guard().store().reader();
    let item = item(reader, fields::uuid7(item_id, "item_id")?).await?;
    let acts = acts::of(reader, &item.item_id).await?;
    Ok(InDoubtItem { acts, ..told(cashier, item)? })
}

/// An item on the wire.
pub fn told(cashier: &Cashier, item: in_doubt_item::Model) -> Acted {
    let needs_second_person = needs_second(cashier, &item)?;
    Ok(InDoubtItem { needs_second_person, ..wire_item(item) })
}

/// Above a limit in whole units of its currency a second person approves.
fn needs_second(cashier: &Cashier, item: &in_doubt_item::Model) -> Result<bool, Fault> {
    let exponent = Currency::parse(&item.currency, "currency")?.exponent();
    let unit = 10_i64.saturating_pow(exponent.into());
    Ok(item.amount_minor > i64::from(cashier.tuning().approve_above).saturating_mul(unit))
}

/// A statement that was asked for, checked.
struct Proposal<'a> {
    statement: Statement,
    psp_txn_id: &'a str,
    evidence: &'a str,
    reference: &'a str,
}

impl<'a> Proposal<'a> {
    fn checked(request: &'a ProposeResolutionRequest) -> Result<Proposal<'a>, Refusal> {
        let missing = || Refusal::new(Reason::InvalidRequest, "resolution: missing");
        let statement = match request.resolution() {
            Resolution::Unspecified => return Err(missing()),
            Resolution::Charged => Statement::Charged,
            Resolution::NotCharged => Statement::NotCharged,
            Resolution::QueryAgain => Statement::QueryAgain,
        };
        let psp_txn_id = match statement {
            Statement::Charged => fields::required_text(&request.psp_txn_id, LONGEST_TXN_ID, "psp_txn_id")?,
            Statement::NotCharged | Statement::QueryAgain => {
                fields::text(&request.psp_txn_id, LONGEST_TXN_ID, "psp_txn_id")?
            }
        };
        Ok(Proposal {
            statement,
            psp_txn_id,
            evidence: fields::required_text(&request.evidence, LONGEST_EVIDENCE, "evidence")?,
            reference: fields::text(&request.reference, LONGEST_REFERENCE, "reference")?,
        })
    }

    fn is_of(&self, item: &in_doubt_item::Model, caller: &str) -> bool {
        item.state == PROPOSED
            && item.proposed_by == caller
            && item.proposed == self.statement.as_str()
            && item.psp_txn_id == self.psp_txn_id
            && item.evidence == self.evidence
            && item.reference == self.reference
    }
}

fn lease_of(item: &in_doubt_item::Model) -> Lease<'_> {
    Lease { holder: &item.holder, token: item.token, until_us: item.held_until_us }
}

async fn item(db: &impl Reads, item_id: &str) -> Result<in_doubt_item::Model, Fault> {
    let found =
        db.one(in_doubt_item::Entity::find().filter(in_doubt_item::Column::ItemId.eq(item_id))).await?;
    found.ok_or_else(|| Refusal::new(Reason::PaymentNotFound, "no item in doubt has this id").into())
}

async fn unresolved(tx: &LocalTransaction, item_id: &str) -> Result<in_doubt_item::Model, Fault> {
    let item = item(tx, item_id).await?;
    match item.state.as_str() {
        OPEN | CLAIMED | PROPOSED => Ok(item),
        _ => {
            Err(Refusal::new(Reason::IllegalTransition, format!("it is resolved: {}", item.resolution))
                .into())
        }
    }
}
