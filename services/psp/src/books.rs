//! The processor's books: carries out requests in one local transaction each, durable before anything is answered.
//! What is right is decided in `state`; how a call behaves is decided before it comes here.

use amends_crash_points::{Place, around};
use amends_proto::pay::psp::v1::{PspResult, PspStatus};
use amends_serve::store::Store;
use amends_serve::store::{LocalTransaction, Reads as _};
use data_encoding::BASE32_NOPAD;
use sea_orm::{ColumnTrait, DbErr, EntityTrait, IntoActiveModel, QueryFilter, QueryOrder, Set};
use sha2::{Digest, Sha256};

use crate::behaviour::Effect;
use crate::entity::request;
use crate::money_call::MoneyCall;
use crate::op::Op;
use crate::profile::auth_code;
use crate::state::{self, Closing, Money, Original, Standing};

/// The books. A clone writes the same books.
#[derive(Debug, Clone)]
pub struct Books {
    store: Store,
    seed: u64,
}

impl Books {
    /// Opens the books of `store`; `seed` shapes auth codes.
    #[must_use]
    pub fn new(store: Store, seed: u64) -> Books {
        Books { store, seed }
    }

    /// Carries out a request with this effect, unless the same request id was seen before.
    /// `behaviour` is the text of a behaviour that also decides later calls about this payment, or empty.
    /// The second value says whether the id was seen before: the first result is then given without misbehaving.
    pub async fn carry_out(
        &self,
        call: &MoneyCall,
        effect: &Effect,
        behaviour: String,
        now_us: i64,
    ) -> Result<(PspResult, bool), DbErr> {
        let tx = self.store.transaction().await?;
        settle_due(&tx, now_us).await?;
        let result = match find(&tx, &call.request_id).await? {
            Some(row) => (repeat(&tx, row, call).await?, true),
            None => (self.first(&tx, call, effect, behaviour, now_us).await?, false),
        };
        around!(Place::Books, tx.commit().await)?;
        Ok(result)
    }

    async fn first(
        &self,
        tx: &LocalTransaction,
        call: &MoneyCall,
        effect: &Effect,
        behaviour: String,
        now_us: i64,
    ) -> Result<PspResult, DbErr> {
        let (standing, delay) = match effect {
            Effect::Nothing => return Ok(status_only(PspStatus::NotFound)),
            Effect::Judge | Effect::TurnDown(_) => (Standing::Processing, None),
            Effect::Process(delay) => (Standing::Processing, Some(delay)),
            Effect::Hide(delay) => (Standing::Late, Some(delay)),
        };
        let due =
            delay.map(|delay| now_us.saturating_add(i64::try_from(delay.as_micros()).unwrap_or(i64::MAX)));
        let row = self.blank(call, standing, behaviour, due, now_us);
        let row = match effect {
            Effect::Judge => judged(tx, call.op, row).await?,
            Effect::TurnDown(code) => turned_down(call.op, row, code),
            Effect::Process(_) | Effect::Hide(_) | Effect::Nothing => row,
        };
        Ok(result(&tx.insert(row).await?))
    }

    fn blank(
        &self,
        call: &MoneyCall,
        standing: Standing,
        behaviour: String,
        due_at_us: Option<i64>,
        now_us: i64,
    ) -> request::ActiveModel {
        request::ActiveModel {
            psp_request_id: Set(call.request_id.clone()),
            op: Set(call.op.as_str().to_owned()),
            merchant_id: Set(call.merchant_id.clone()),
            order_id: Set(call.order_id.clone()),
            amount_minor: Set(call.amount_minor),
            currency: Set(call.currency.clone()),
            original_request_id: Set(call.original_request_id.clone()),
            params_hash: Set(call.params_hash()),
            standing: Set(standing.as_str().to_owned()),
            code: Set(String::new()),
            behaviour: Set(behaviour),
            txn_id: Set(Some(self.txn_id(&call.request_id))),
            auth_code: Set(Some(auth_code(self.seed, &call.request_id))),
            authorized_now: Set(0),
            kept_now: Set(0),
            repeats: Set(0),
            queries: Set(0),
            due_at_us: Set(due_at_us),
            created_at_us: Set(now_us),
            ..Default::default()
        }
    }

    fn txn_id(&self, request_id: &str) -> String {
        let digest = Sha256::new()
            .chain_update("txn")
            .chain_update(self.seed.to_be_bytes())
            .chain_update(request_id)
            .finalize();
        format!("txn_{}", BASE32_NOPAD.encode(&digest[..15]).to_ascii_lowercase())
    }

    /// What became of a request.
    pub async fn query(&self, request_id: &str, now_us: i64) -> Result<PspResult, DbErr> {
        let tx = self.store.transaction().await?;
        settle_due(&tx, now_us).await?;
        let found = find(&tx, request_id).await?;
        around!(Place::BooksQuery, tx.commit().await)?;
        Ok(found.map_or_else(|| status_only(PspStatus::NotFound), |row| result(&row)))
    }

    /// Forbids a request for ever, unless it was paid.
    pub async fn close(&self, request_id: &str, now_us: i64) -> Result<PspResult, DbErr> {
        let tx = self.store.transaction().await?;
        settle_due(&tx, now_us).await?;
        let found = find(&tx, request_id).await?;
        let result = match (state::close(found.as_ref().and_then(standing)), found) {
            (Closing::Withdraw, Some(row)) => {
                let mut row = row.into_active_model();
                row.standing = Set(Standing::Closed.as_str().to_owned());
                row.due_at_us = Set(None);
                result(&tx.update(row).await?)
            }
            (Closing::Forbid | Closing::Withdraw, _) => {
                result(&tx.insert(self.forbidden(request_id, now_us)).await?)
            }
            (Closing::Stands(_), Some(row)) => PspResult { duplicate: true, ..result(&row) },
            (Closing::Stands(_), None) => status_only(PspStatus::NotFound),
            (Closing::Refuse(code), _) => refused(code),
        };
        around!(Place::BooksClose, tx.commit().await)?;
        Ok(result)
    }

    fn forbidden(&self, request_id: &str, now_us: i64) -> request::ActiveModel {
        let call = MoneyCall {
            op: Op::Close,
            request_id: request_id.to_owned(),
            merchant_id: String::new(),
            order_id: String::new(),
            amount_minor: 0,
            currency: String::new(),
            card_token: String::new(),
            original_request_id: String::new(),
        };
        request::ActiveModel {
            txn_id: Set(None),
            auth_code: Set(None),
            ..self.blank(&call, Standing::Closed, String::new(), None, now_us)
        }
    }
}

/// Carries out everything whose time has come, in the order in which it was due.
pub async fn settle_due(tx: &LocalTransaction, now_us: i64) -> Result<(), DbErr> {
    let due = tx
        .all(
            request::Entity::find()
                .filter(request::Column::DueAtUs.lte(now_us))
                .order_by_asc(request::Column::DueAtUs)
                .order_by_asc(request::Column::Seq),
        )
        .await?;
    for row in due {
        let op = Op::parse(&row.op).ok_or_else(|| corrupt(&row))?;
        let row = judged(tx, op, row.into_active_model()).await?;
        tx.update(row).await?;
    }
    Ok(())
}

async fn find(tx: &LocalTransaction, request_id: &str) -> Result<Option<request::Model>, DbErr> {
    tx.one(request::Entity::find().filter(request::Column::PspRequestId.eq(request_id))).await
}

/// A request decided on its merits, to be written; the money of an earlier request's payment is moved.
async fn judged(
    tx: &LocalTransaction,
    op: Op,
    mut row: request::ActiveModel,
) -> Result<request::ActiveModel, DbErr> {
    let payment = if op.opens_payment() { None } else { find(tx, row.original_request_id.as_ref()).await? };
    let payment =
        payment.filter(|payment| payment.currency.is_empty() || payment.currency == *row.currency.as_ref());
    let original = payment.as_ref().map(original).transpose()?;
    let money = match state::judge(op, *row.amount_minor.as_ref(), original) {
        Ok(money) => money,
        Err(code) => return Ok(turned_down(op, row, code)),
    };
    row.standing = Set(Standing::Succeeded.as_str().to_owned());
    row.due_at_us = Set(None);
    match payment {
        None => set_money(&mut row, money),
        Some(payment) => {
            let mut payment = payment.into_active_model();
            set_money(&mut payment, money);
            tx.update(payment).await?;
        }
    }
    Ok(row)
}

fn set_money(row: &mut request::ActiveModel, money: Money) {
    row.authorized_now = Set(money.authorized);
    row.kept_now = Set(money.kept);
}

fn turned_down(op: Op, mut row: request::ActiveModel, code: &str) -> request::ActiveModel {
    let standing = if op.opens_payment() { Standing::Declined } else { Standing::Refused };
    row.standing = Set(standing.as_str().to_owned());
    row.code = Set(code.to_owned());
    row.due_at_us = Set(None);
    row.txn_id = Set(None);
    row.auth_code = Set(None);
    row
}

/// The same request id again: the first result, unless it is not the same request.
async fn repeat(tx: &LocalTransaction, row: request::Model, call: &MoneyCall) -> Result<PspResult, DbErr> {
    let closed_unseen = row.op == Op::Close.as_str();
    if !closed_unseen && row.params_hash != call.params_hash() {
        tracing::warn!(psp_request_id = row.psp_request_id, "request id used again for another request");
        return Ok(refused("DUPLICATE_MISMATCH"));
    }
    let repeats = row.repeats;
    let mut row = row.into_active_model();
    row.repeats = Set(repeats.saturating_add(1));
    let row = tx.update(row).await?;
    let late = row.standing == Standing::Late.as_str();
    let status = if late { PspStatus::Processing.into() } else { result(&row).status };
    Ok(PspResult { status, duplicate: !closed_unseen, ..result(&row) })
}

fn original(row: &request::Model) -> Result<Original, DbErr> {
    Ok(Original {
        op: Op::parse(&row.op).ok_or_else(|| corrupt(row))?,
        standing: standing(row).ok_or_else(|| corrupt(row))?,
        money: Money { authorized: row.authorized_now, kept: row.kept_now },
    })
}

/// Where the request of `row` stands.
fn standing(row: &request::Model) -> Option<Standing> {
    Standing::parse(&row.standing)
}

fn corrupt(row: &request::Model) -> DbErr {
    DbErr::Custom(format!("row {} of request holds an unknown word", row.seq))
}

/// What the wire says of `row`.
#[must_use]
pub fn result(row: &request::Model) -> PspResult {
    let status = status(row);
    let paid = status == PspStatus::Success;
    PspResult {
        status: status.into(),
        psp_txn_id: row.txn_id.clone().filter(|_| paid).unwrap_or_default(),
        auth_code: row.auth_code.clone().filter(|_| paid).unwrap_or_default(),
        duplicate: false,
        code: row.code.clone(),
    }
}

/// The status on the wire of `row`.
#[must_use]
pub fn status(row: &request::Model) -> PspStatus {
    match standing(row) {
        Some(Standing::Late) | None => PspStatus::NotFound,
        Some(Standing::Processing) => PspStatus::Processing,
        Some(Standing::Succeeded) => PspStatus::Success,
        Some(Standing::Declined) => PspStatus::Declined,
        Some(Standing::Refused) => PspStatus::Refused,
        Some(Standing::Closed) => PspStatus::Closed,
    }
}

fn status_only(status: PspStatus) -> PspResult {
    PspResult { status: status.into(), ..PspResult::default() }
}

/// A refusal that is not stored.
#[must_use]
pub fn refused(code: &str) -> PspResult {
    PspResult { code: code.to_owned(), ..status_only(PspStatus::Refused) }
}
