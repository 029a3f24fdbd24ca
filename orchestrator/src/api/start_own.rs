//! StartSaga and StartTcc: from the caller's own steps to a durable global transaction, once.

use super::error::ApiError;
use super::start::{Asked, Caller, Started, launch, limits};
use crate::definitions::own::{self, OwnStep, Terms};
use crate::definitions::{Order, StepTimes};
use crate::engine::Engine;
use crate::history::{Reuse, Row};
use crate::plan::Mode;
use crate::trace;
use amends_dtm::Gid;
use amends_proto::amends::v1::{ReusePolicy, StartSagaRequest, StartTccRequest};
use prost::Message;
use prost_types::Any;
use sha2::{Digest as _, Sha256};
use std::sync::Arc;

/// What both requests have in common.
struct Own<'a> {
    mode: Mode,
    request_id: &'a str,
    business_key: &'a str,
    reuse: i32,
    steps: Vec<OwnStep<'a>>,
    wait_ms: i32,
    timeout_ms: i32,
    /// Digest of the steps as they stand in the request.
    steps_digest: Vec<u8>,
}

/// Starts a SAGA of the caller's own steps. Must run in a task that nobody drops half-way.
pub async fn saga(
    engine: &Arc<Engine>,
    times: StepTimes,
    caller: &Caller,
    request: &StartSagaRequest,
) -> Result<Started, ApiError> {
    let own = Own {
        mode: Mode::Saga,
        request_id: &request.request_id,
        business_key: &request.business_key,
        reuse: request.reuse,
        steps: request.steps.iter().map(OwnStep::from).collect(),
        wait_ms: request.wait_ms,
        timeout_ms: request.timeout_ms,
        steps_digest: digest(&request.steps),
    };
    start(engine, times, caller, &own).await
}

/// Starts a TCC of the caller's own steps. Must run in a task that nobody drops half-way.
pub async fn tcc(
    engine: &Arc<Engine>,
    times: StepTimes,
    caller: &Caller,
    request: &StartTccRequest,
) -> Result<Started, ApiError> {
    let own = Own {
        mode: Mode::Tcc,
        request_id: &request.request_id,
        business_key: &request.business_key,
        reuse: request.reuse,
        steps: request.steps.iter().map(OwnStep::from).collect(),
        wait_ms: request.wait_ms,
        timeout_ms: request.timeout_ms,
        steps_digest: digest(&request.steps),
    };
    start(engine, times, caller, &own).await
}

async fn start(
    engine: &Arc<Engine>,
    times: StepTimes,
    caller: &Caller,
    own: &Own<'_>,
) -> Result<Started, ApiError> {
    limits(own.request_id, own.business_key, own.wait_ms)?;
    let reuse = reuse(own.reuse)?;
    let participants: Vec<&str> = engine.lanes().addresses().map(|(name, _)| name).collect();
    let gid = Gid::generate();
    let traceparent = trace::of_new(&gid, caller.trace);
    let order = Order {
        gid,
        mode: own.mode,
        input: &Any::default(),
        business_key: own.business_key,
        traceparent: &traceparent,
        now_us: engine.now_us(),
        times,
        participants: &participants,
    };
    let planned = own::plan(&order, &own.steps, Terms { reuse, timeout_ms: own.timeout_ms })?;
    let rest = format!("{}|{reuse:?}|{}", own.mode.as_str_name(), own.business_key);
    let mut digest = [own.steps_digest.as_slice(), Sha256::digest(rest).as_slice()].concat();
    // Only where there is one: what was asked before there were any keeps its digest.
    if own.timeout_ms > 0 {
        digest.extend(own.timeout_ms.to_be_bytes());
    }
    launch(engine, &Asked { caller, request_id: own.request_id, digest }, planned).await
}

fn reuse(asked: i32) -> Result<Reuse, ApiError> {
    match ReusePolicy::try_from(asked) {
        Ok(ReusePolicy::Unspecified | ReusePolicy::RejectWhileRunning) => Ok(Reuse::RejectWhileRunning),
        Ok(ReusePolicy::AfterFailed) => Ok(Reuse::AfterFailed),
        Ok(ReusePolicy::Always) => Ok(Reuse::Always),
        Err(_) => Err(ApiError::Invalid { field: "reuse", what: "unknown policy".to_owned() }),
    }
}

/// Digest of the steps in the order of the request.
fn digest<M: Message>(steps: &[M]) -> Vec<u8> {
    let mut hasher = Sha256::new();
    for step in steps {
        hasher.update(step.encode_length_delimited_to_vec());
    }
    hasher.finalize().to_vec()
}

/// What differs between two requests that have mode and key in common: the parts of a digest, in their order.
pub fn difference(asked: &Row, earlier: &Row) -> &'static str {
    let whole = Sha256::output_size();
    let differs = |part: std::ops::Range<usize>| {
        asked.request_digest.get(part.clone()) != earlier.request_digest.get(part)
    };
    match (differs(0..whole), differs(whole..2 * whole)) {
        (true, _) => "steps",
        (false, true) => "reuse",
        (false, false) => "timeout_ms",
    }
}
