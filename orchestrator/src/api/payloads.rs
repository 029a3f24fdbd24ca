//! `Payloads`: what the steps of a global transaction carry, as it may be shown. A message whose type is not known, as of
//! a caller's own service, is told by its size and hash only.

use super::error::ApiError;
use crate::engine::Engine;
use crate::masking;
use amends_proto::amends::v1 as pb;
use sha2::{Digest as _, Sha256};
use std::sync::Arc;

/// Tells what the steps of `gid` carry.
///
/// # Errors
/// Where it is not known, or the store is away.
pub async fn answer(engine: &Arc<Engine>, gid: &str) -> Result<pb::PayloadsResponse, ApiError> {
    let live = engine.find(gid).await?.ok_or_else(|| ApiError::NotFound(gid.to_owned()))?;
    let payloads = live.plan.steps().iter().map(shown).collect();
    Ok(pb::PayloadsResponse { gid: gid.to_owned(), payloads })
}

fn shown(step: &pb::PlanStep) -> pb::Payload {
    let known = masking::request_of(&step.forward);
    let json = known.as_ref().and_then(|message| masking::json(message, &step.payload));
    pb::Payload {
        branch_id: step.branch_id.clone(),
        participant: step.participant.clone(),
        method: step.forward.clone(),
        r#type: known.map(|message| message.full_name().to_owned()).unwrap_or_default(),
        size: i64::try_from(step.payload.len()).unwrap_or(i64::MAX),
        sha256: hex::encode(Sha256::digest(&step.payload)),
        json: json.unwrap_or_default(),
    }
}
