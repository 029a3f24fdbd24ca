//! Start: from a request to a durable global transaction, once (orchestration.md item 1).

use super::error::ApiError;
use super::view::mode_name;
use crate::definitions::{self, DefinitionError, Order, Planned, StepTimes, own};
use crate::engine::{Engine, Live};
use crate::history::{AppendError, Conflict, NewTransaction, Row, Status, shape_of};
use crate::plan::Mode;
use crate::trace;
use amends_card_number::holds_card_number;
use amends_dtm::Gid;
use amends_proto::amends::v1::StartRequest;
use amends_serve::traces::SpanContext;
use sha2::{Digest as _, Sha256};
use std::sync::Arc;

/// Longest request id (payments-domain.md §2: keys have at most 64 characters).
const MAX_REQUEST_ID: usize = 64;
/// Longest business key: two names of 64 characters and some room.
const MAX_BUSINESS_KEY: usize = 160;

/// Who asks, and in which trace.
#[derive(Debug, Clone, Default)]
pub struct Caller {
    /// Metadata `amends-caller`.
    pub name: String,
    /// Metadata `traceparent`; `None` = none that is understood.
    pub trace: Option<SpanContext>,
}

/// The global transaction that answers a start.
pub struct Started {
    /// It.
    pub live: Arc<Live>,
    /// An earlier request with the same id had started it.
    pub existing: bool,
}

/// What makes one request another (orchestration.md item 1).
pub struct Asked<'a> {
    /// Who asks.
    pub caller: &'a Caller,
    /// The caller's name of the request.
    pub request_id: &'a str,
    /// Digest of all that was asked.
    pub digest: Vec<u8>,
}

/// Checks, plans and makes durable. Must run in a task that nobody drops half-way.
pub async fn start(
    engine: &Arc<Engine>,
    times: StepTimes,
    caller: &Caller,
    request: &StartRequest,
) -> Result<Started, ApiError> {
    if request.mode() == Mode::Unspecified {
        return Err(ApiError::Invalid { field: "mode", what: "must be SAGA or TCC".to_owned() });
    }
    limits(&request.request_id, &request.business_key, request.wait_ms)?;
    let input = request.input.clone().unwrap_or_default();
    let participants: Vec<&str> = engine.lanes().addresses().map(|(name, _)| name).collect();
    let gid = Gid::generate();
    let traceparent = trace::of_new(&gid, caller.trace);
    let order = Order {
        gid,
        mode: request.mode(),
        input: &input,
        business_key: &request.business_key,
        traceparent: &traceparent,
        now_us: engine.now_us(),
        times,
        participants: &participants,
    };
    let planned = definitions::plan(&request.definition, &order)?;
    let asked = Asked { caller, request_id: &request.request_id, digest: digest(request) };
    launch(engine, &asked, planned).await
}

/// Makes a plan durable and sets it going, or finds the one that an earlier request with the same id started.
pub async fn launch(engine: &Arc<Engine>, asked: &Asked<'_>, planned: Planned) -> Result<Started, ApiError> {
    let Planned { plan, reuse } = planned;
    let coordinator = engine.coordinators().own().name();
    let row = Row {
        gid: plan.gid().as_str().to_owned(),
        caller: asked.caller.name.clone(),
        request_id: asked.request_id.to_owned(),
        request_digest: asked.digest.clone(),
        definition: plan.body().definition.clone(),
        definition_version: plan.body().definition_version,
        mode: mode_name(plan.mode()).to_owned(),
        business_key: plan.body().business_key.clone(),
        status: Status::Accepted.name().to_owned(),
        reason: String::new(),
        is_open: true,
        needs_attention: false,
        coordinator: coordinator.to_owned(),
        created_at_us: plan.body().created_at_us,
        finished_at_us: 0,
        shape: shape_of(&plan, coordinator).id,
        ..Row::default()
    };
    let new = NewTransaction { plan: plan.encode(), reuse };
    match engine.start(row.clone(), plan, new).await {
        Ok(live) => Ok(Started { live, existing: false }),
        Err(AppendError::Conflict(conflict)) => resolve(engine, &row, *conflict).await,
        Err(error @ (AppendError::Store(_) | AppendError::Closed)) => Err(error.into()),
    }
}

async fn resolve(engine: &Arc<Engine>, asked: &Row, conflict: Conflict) -> Result<Started, ApiError> {
    match conflict {
        Conflict::Request(earlier) if earlier.request_digest == asked.request_digest => {
            let live = engine.find(&earlier.gid).await?;
            let live = live.ok_or_else(|| ApiError::NotFound(earlier.gid.clone()))?;
            Ok(Started { live, existing: true })
        }
        Conflict::Request(earlier) => {
            let differs = differences(asked, &earlier);
            Err(ApiError::RequestReused { gid: earlier.gid, differs })
        }
        Conflict::BusinessKey(other) => Err(ApiError::KeyTaken { gid: other.gid, status: other.status }),
    }
}

fn differences(asked: &Row, earlier: &Row) -> String {
    let fields = [
        ("definition", asked.definition != earlier.definition),
        ("mode", asked.mode != earlier.mode),
        ("business_key", key(asked) != key(earlier)),
    ];
    let named: Vec<&str> = fields.into_iter().filter_map(|(name, differs)| differs.then_some(name)).collect();
    match named.is_empty() {
        true if asked.definition == own::NAME => super::start_own::difference(asked, earlier).to_owned(),
        true => "input".to_owned(),
        false => named.join(", "),
    }
}

/// The key that the caller named: where that was none, the definition may have taken the gid.
fn key(row: &Row) -> &str {
    if row.business_key == row.gid { "" } else { &row.business_key }
}

/// Limits of what every start has.
pub fn limits(request_id: &str, business_key: &str, wait_ms: i32) -> Result<(), ApiError> {
    text("request_id", request_id, 1, MAX_REQUEST_ID)?;
    text("business_key", business_key, 0, MAX_BUSINESS_KEY)?;
    if wait_ms < 0 {
        return Err(ApiError::Invalid { field: "wait_ms", what: "must not be negative".to_owned() });
    }
    Ok(())
}

/// Length and characters of a short text.
pub fn text(field: &'static str, value: &str, least: usize, most: usize) -> Result<(), ApiError> {
    let invalid = |what: String| Err(ApiError::Invalid { field, what });
    let length = value.chars().count();
    if length < least || length > most {
        return invalid(format!("must have {least} to {most} characters, has {length}"));
    }
    if value.chars().any(char::is_control) {
        return invalid("must not have control characters".to_owned());
    }
    if holds_card_number(value) {
        return Err(DefinitionError::CardNumber(field).into());
    }
    Ok(())
}

/// Digest of what was asked: the same id with another digest is another request.
fn digest(request: &StartRequest) -> Vec<u8> {
    let mut hasher = Sha256::new();
    let input = request.input.clone().unwrap_or_default();
    let mode = request.mode.to_be_bytes();
    let parts: [&[u8]; 5] = [
        request.definition.as_bytes(),
        &mode,
        request.business_key.as_bytes(),
        input.type_url.as_bytes(),
        input.value.as_ref(),
    ];
    for part in parts {
        hasher.update((part.len() as u64).to_be_bytes());
        hasher.update(part);
    }
    hasher.finalize().to_vec()
}
