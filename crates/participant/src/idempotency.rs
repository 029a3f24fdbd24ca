//! Guard of direct writes (deposits, restocking, grants, refunds): the same key and request give the same answer
//! (payments-domain §2, last paragraph). Knows no branch. Keys of money never expire, so no key does here.

use std::sync::Arc;

use amends_crash_points::{Place, around};
use amends_serve::store::{LocalTransaction, Reads as _, is_taken};
use prost::Message;
use sea_orm::ActiveValue::Set;
use sea_orm::entity::prelude::*;
use tonic::metadata::{MetadataMap, MetadataValue};
use tonic::{Code, Extensions, Request, Response, Status};

use crate::EffectFuture;
use crate::guard::{Guard, outlive};
use crate::hash::request_hash;
use crate::layer::{MethodPath, REPLAYED};
use crate::reason::Reason;
use crate::refusal::{Fault, Refusal};
use crate::rows::{roll_back, serialise};

/// Longest key.
const KEY_MAX: usize = 64;
/// Metadata that names the caller until authentication does.
const CALLER: &str = "amends-caller";
/// The caller who does not say who he is.
pub const ANONYMOUS: &str = "anonymous";

/// State of a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, EnumIter, DeriveActiveEnum)]
#[sea_orm(rs_type = "String", db_type = "String(StringLen::N(16))")]
pub enum KeyState {
    /// The write goes on outside the database. [`run`] never leaves this behind; writes with an outside part do.
    #[sea_orm(string_value = "running")]
    Running,
    /// `response` is the answer.
    #[sea_orm(string_value = "done")]
    Done,
    /// `response` is the `google.rpc.Status` of the answer.
    #[sea_orm(string_value = "refused")]
    Refused,
}

/// One key of one caller and method.
#[derive(Debug, Clone, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "idempotency")]
pub struct Model {
    /// `<caller> <method>`.
    #[sea_orm(primary_key, auto_increment = false)]
    pub scope: String,
    /// The caller's key.
    #[sea_orm(primary_key, auto_increment = false)]
    pub key: String,
    /// SHA-256 of the request.
    pub request_hash: Vec<u8>,
    /// State.
    pub state: KeyState,
    /// The answer, see [`KeyState`].
    pub response: Option<Vec<u8>>,
    /// When the row was made.
    pub created_at_us: i64,
}

/// Keys belong to no other table.
#[derive(Debug, Clone, Copy, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

/// A direct write as its effect sees it.
#[derive(Debug, Clone)]
pub struct DirectCall<Req> {
    /// Who calls.
    pub caller: Arc<str>,
    /// The request.
    pub body: Req,
    /// Now, by the guard's clock.
    pub now_us: i64,
}

/// Runs `effect` at most once per key, in one local transaction with the memory of its answer. Validate before: what
/// `effect` refuses is remembered, unless its direct code is UNAVAILABLE or RESOURCE_EXHAUSTED.
pub async fn run<Req, Resp, F>(
    guard: &Guard,
    request: Request<Req>,
    key: &str,
    effect: F,
) -> Result<Response<Resp>, Status>
where
    Req: Message + 'static,
    Resp: Message + Default + 'static,
    F: for<'t> FnOnce(&'t LocalTransaction, DirectCall<Req>) -> EffectFuture<'t, Resp> + Send + 'static,
{
    let (metadata, extensions, body) = request.into_parts();
    let caller: Arc<str> = caller(&metadata).map_err(Refusal::into_direct_status)?.into();
    let ticket =
        ticket(&caller, &extensions, key, request_hash(&body)).map_err(Refusal::into_direct_status)?;
    let guard = guard.clone();
    let call = move |now_us| DirectCall { caller, body, now_us };
    outlive(async move { once(&guard, &ticket, call, effect).await.map_err(Fault::into_direct_status)? })
        .await?
}

struct Ticket {
    scope: String,
    key: String,
    hash: Vec<u8>,
}

fn ticket(caller: &str, extensions: &Extensions, key: &str, hash: Vec<u8>) -> Result<Ticket, Refusal> {
    crate::fields::required_text(key, KEY_MAX, "idempotency_key")?;
    let MethodPath(method) = extensions
        .get::<MethodPath>()
        .ok_or_else(|| Refusal::new(Reason::Broken, "the service is not wrapped in GuardLayer"))?;
    Ok(Ticket { scope: format!("{caller} {method}"), key: key.to_owned(), hash })
}

/// The caller that the metadata names.
pub fn caller(metadata: &MetadataMap) -> Result<String, Refusal> {
    let Some(caller) = metadata.get(CALLER) else { return Ok(ANONYMOUS.to_owned()) };
    let bad = || Refusal::new(Reason::InvalidRequest, "amends-caller: not a name");
    let caller = caller.to_str().map_err(|_| bad())?;
    crate::fields::name(caller, CALLER).map(str::to_owned)
}

async fn once<Req, Resp, F>(
    guard: &Guard,
    ticket: &Ticket,
    call: impl FnOnce(i64) -> DirectCall<Req>,
    effect: F,
) -> Result<Result<Response<Resp>, Status>, Fault>
where
    Resp: Message + Default,
    F: for<'t> FnOnce(&'t LocalTransaction, DirectCall<Req>) -> EffectFuture<'t, Resp>,
{
    let (tx, held) = open(guard, ticket).await?;
    if let Some(row) = held {
        roll_back(tx).await;
        return answer(&row, ticket);
    }
    let now_us = guard.now_us();
    match effect(&tx, call(now_us)).await {
        Ok(response) => {
            keep(tx, ticket, KeyState::Done, response.encode_to_vec(), now_us).await?;
            Ok(Ok(Response::new(response)))
        }
        Err(fault) => {
            roll_back(tx).await;
            refuse(guard, ticket, fault).await
        }
    }
}

/// Remembers a refusal, unless another call with the key was faster meanwhile.
async fn refuse<Resp: Message + Default>(
    guard: &Guard,
    ticket: &Ticket,
    fault: Fault,
) -> Result<Result<Response<Resp>, Status>, Fault> {
    let refusal = match fault {
        Fault::Refused(refusal) if is_final(refusal.reason.on_direct()) => refusal,
        Fault::Refused(_) | Fault::NotYet(_) | Fault::Broken(_) | Fault::Store(_) => return Err(fault),
    };
    let (tx, held) = open(guard, ticket).await?;
    if let Some(row) = held {
        roll_back(tx).await;
        return answer(&row, ticket);
    }
    let status = refusal.into_direct_status();
    keep(tx, ticket, KeyState::Refused, status.details().to_vec(), guard.now_us()).await?;
    Ok(Err(status))
}

/// A refusal that asking again cannot change.
fn is_final(code: Code) -> bool {
    !matches!(code, Code::Unavailable | Code::ResourceExhausted | Code::Internal | Code::Aborted)
}

async fn open(guard: &Guard, ticket: &Ticket) -> Result<(LocalTransaction, Option<Model>), DbErr> {
    let tx = guard.store().transaction().await?;
    serialise(&tx, "idempotency", &[&ticket.scope, &ticket.key]).await?;
    let held = tx.one(Entity::find_by_id((ticket.scope.clone(), ticket.key.clone()))).await?;
    Ok((tx, held))
}

async fn keep(
    tx: LocalTransaction,
    ticket: &Ticket,
    state: KeyState,
    response: Vec<u8>,
    now_us: i64,
) -> Result<(), Fault> {
    let row = ActiveModel {
        scope: Set(ticket.scope.clone()),
        key: Set(ticket.key.clone()),
        request_hash: Set(ticket.hash.clone()),
        state: Set(state),
        response: Set(Some(response)),
        created_at_us: Set(now_us),
    };
    match tx.run(Entity::insert(row)).await {
        Ok(_) => Ok(around!(Place::KeyedWrite, tx.commit().await)?),
        Err(error) => {
            roll_back(tx).await;
            Err(if is_taken(&error) { in_use() } else { Fault::Store(error) })
        }
    }
}

fn answer<Resp: Message + Default>(
    row: &Model,
    ticket: &Ticket,
) -> Result<Result<Response<Resp>, Status>, Fault> {
    if row.request_hash != ticket.hash {
        let refusal = Refusal::new(Reason::IdempotencyMismatch, "the key was used for another request");
        return Err(Fault::Refused(refusal));
    }
    let stored = row.response.as_deref().unwrap_or_default();
    let broken = || Fault::Broken(Refusal::new(Reason::Broken, "a stored answer cannot be read"));
    let marker = MetadataValue::from_static("1");
    match row.state {
        KeyState::Running => Err(in_use()),
        KeyState::Done => {
            let mut response = Response::new(Resp::decode(stored).map_err(|_| broken())?);
            response.metadata_mut().insert(REPLAYED, marker);
            Ok(Ok(response))
        }
        KeyState::Refused => {
            let status = tonic_types::pb::Status::decode(stored).map_err(|_| broken())?;
            let mut status =
                Status::with_details(Code::from_i32(status.code), status.message, stored.to_vec().into());
            status.metadata_mut().insert(REPLAYED, marker);
            Ok(Err(status))
        }
    }
}

fn in_use() -> Fault {
    Fault::Refused(Refusal::new(Reason::IdempotencyInUse, "a call with this key is running, ask again"))
}
