//! Acknowledge and ListAttention: needs for a person as operators see them. Checks limits, and translates.

use super::error::ApiError;
use super::start::text;
use super::view::time;
use crate::attention::{Listing, NeedFilter, NextAction, Outbox, Place, next as next_action, next_of_cause};
use crate::engine::{Engine, Live};
use crate::history::entity::attention;
use crate::history::{Act, Attention, State};
use amends_dtm::Gid;
use amends_proto::amends::v1 as pb;
use std::sync::Arc;

/// Rows of one page.
const MAX_PAGE: i32 = 1_000;
const DEFAULT_PAGE: i32 = 50;
/// Longest name of an owner, as of a caller.
const MAX_OWNER: usize = 64;
/// Longest note.
const MAX_NOTE: usize = 200;
/// Longest name of a cause that can be asked for.
const MAX_CAUSE: usize = 64;

/// What lists of needs are made of.
#[derive(Debug, Clone)]
pub struct Desk {
    /// What is open.
    pub listing: Listing,
    /// What is still to be told.
    pub outbox: Outbox,
    /// Whether this process tells it.
    pub webhook: bool,
}

/// Who acknowledges what.
pub struct Acknowledging {
    request: pb::AcknowledgeRequest,
    act: Act,
}

impl Acknowledging {
    /// Checks a request of `caller`.
    pub fn new(request: pb::AcknowledgeRequest, caller: &str) -> Result<Self, ApiError> {
        checked_gid(&request.gid)?;
        text("cause", &request.cause, 0, MAX_CAUSE)?;
        text("owner", &request.owner, 0, MAX_OWNER)?;
        text("note", &request.note, 0, MAX_NOTE)?;
        let owner = if request.owner.is_empty() { caller } else { &request.owner };
        let act = Act { owner: owner.to_owned(), ..Act::of(caller, &request.note) };
        Ok(Self { request, act })
    }

    /// Must run in a task that nobody drops half-way.
    pub async fn record(self, engine: &Arc<Engine>) -> Result<pb::AcknowledgeResponse, ApiError> {
        let pb::AcknowledgeRequest { gid, cause, .. } = self.request;
        let live = engine.find(&gid).await?.ok_or_else(|| ApiError::NotFound(gid.clone()))?;
        let state = engine.acknowledge(&live, &cause, &self.act).await?;
        if !state.attention.iter().any(|open| cause.is_empty() || open.cause == cause) {
            return Err(ApiError::NotOpen { gid, cause });
        }
        let open = state.attention.iter().map(|need| shown(&live, &state, need));
        Ok(pb::AcknowledgeResponse { gid, open: open.collect() })
    }
}

fn checked_gid(gid: &str) -> Result<(), ApiError> {
    let what = || "must be a lower-case UUIDv7 with hyphens".to_owned();
    Gid::parse(gid).map(drop).map_err(|_| ApiError::Invalid { field: "gid", what: what() })
}

/// One open need, with what happens next about it.
pub fn shown(live: &Live, state: &State, need: &Attention) -> pb::Attention {
    let NextAction { text, at_us } = next_action(need, &live.plan, state, &live.waits().all());
    let acknowledged = need.acknowledged.clone().unwrap_or_default();
    let branch_id = need.at.map(|at| live.plan.branch_id(at.step).as_str().to_owned());
    pb::Attention {
        cause: need.cause.clone(),
        since: time(need.since_us),
        branch_id: branch_id.unwrap_or_default(),
        op: need.at.map(|at| at.op.as_str().to_owned()).unwrap_or_default(),
        text: need.text.clone(),
        owner: acknowledged.owner,
        acknowledged_by: acknowledged.by,
        acknowledged_at: time(acknowledged.at_us),
        note: acknowledged.note,
        next_action: text,
        next_action_at: at_us.and_then(time),
    }
}

impl Desk {
    /// One page of what is open, and the figures of all.
    pub async fn list(
        &self,
        engine: &Engine,
        request: &pb::ListAttentionRequest,
    ) -> Result<pb::ListAttentionResponse, ApiError> {
        let filter = filter(request)?;
        let page = self.listing.page(&filter).await?;
        let full = u64::try_from(page.len()).is_ok_and(|count| count == filter.limit);
        let next = page.last().filter(|_| full).map(|(last, _)| {
            Place { since_us: last.since_us, gid: last.gid.clone(), cause: last.cause.clone() }.token()
        });
        let open = page.into_iter().map(|(need, deed)| {
            let NextAction { text, at_us } = next_of(engine, &need);
            pb::OpenAttention {
                definition: deed.definition,
                business_key: deed.business_key,
                status: deed.status,
                next_action: text,
                next_action_at: at_us.and_then(time),
                ..of_row(need)
            }
        });
        let open = open.collect();
        let counts = self.listing.counts().await?.into_iter().map(|count| pb::AttentionCount {
            cause: count.cause,
            open: count.open,
            unacknowledged: count.unacknowledged,
            since: time(count.since_us),
        });
        Ok(pb::ListAttentionResponse {
            open,
            next_page_token: next.unwrap_or_default(),
            counts: counts.collect(),
            notices: Some(self.notices().await?),
        })
    }

    async fn notices(&self) -> Result<pb::Notices, ApiError> {
        let pending = self.outbox.pending().await?;
        Ok(pb::Notices {
            webhook: self.webhook,
            pending: pending.count,
            oldest: time(pending.oldest_us),
            most_attempts: pending.most_attempts,
            last_error: pending.last_error,
        })
    }
}

/// Exact for what this process drives; of another's only what its cause tells.
fn next_of(engine: &Engine, need: &attention::Model) -> NextAction {
    let Some(live) = engine.in_memory(&need.gid) else { return next_of_cause(&need.cause) };
    let state = live.state();
    let open = state.attention.iter().find(|open| open.cause == need.cause);
    open.map_or_else(
        || next_of_cause(&need.cause),
        |open| next_action(open, &live.plan, &state, &live.waits().all()),
    )
}

fn of_row(row: attention::Model) -> pb::OpenAttention {
    pb::OpenAttention {
        gid: row.gid,
        cause: row.cause,
        since: time(row.since_us),
        branch_id: row.branch_id,
        op: row.op,
        text: row.reason,
        owner: row.owner,
        acknowledged_by: row.acknowledged_by,
        acknowledged_at: time(row.acknowledged_at_us),
        note: row.note,
        ..pb::OpenAttention::default()
    }
}

fn filter(request: &pb::ListAttentionRequest) -> Result<NeedFilter, ApiError> {
    let invalid = |field, what: &str| ApiError::Invalid { field, what: what.to_owned() };
    if !request.gid.is_empty() {
        checked_gid(&request.gid)?;
    }
    text("cause", &request.cause, 0, MAX_CAUSE)?;
    text("owner", &request.owner, 0, MAX_OWNER)?;
    let acknowledged = match pb::Acknowledgement::try_from(request.acknowledgement) {
        Ok(pb::Acknowledgement::Unspecified) => None,
        Ok(pb::Acknowledgement::Acknowledged) => Some(true),
        Ok(pb::Acknowledgement::Unacknowledged) => Some(false),
        Err(_) => return Err(invalid("acknowledgement", "is none of the known ones")),
    };
    let after = match request.page_token.as_str() {
        "" => None,
        token => {
            let place = Place::parse(token);
            Some(place.ok_or_else(|| invalid("page_token", "is not from an earlier answer"))?)
        }
    };
    let (gid, cause, owner) = (request.gid.clone(), request.cause.clone(), request.owner.clone());
    let limit = super::transactions::page_limit(request.page_size, DEFAULT_PAGE, MAX_PAGE)?;
    Ok(NeedFilter { gid, cause, owner, acknowledged, after, limit })
}
