//! Which trace a global transaction is in, and what its spans say. It has one span for itself, whose id comes of its gid:
//! whatever is done for it stands below, in any process, also after a crash, though the span is only sent at the end. Its
//! place among the client's spans is durable in the plan. Must not know how anything is decided or called.

use crate::engine::Answered;
use crate::history::State;
use crate::plan::{OpRef, Plan};
use amends_dtm::{Gid, Outcome};
use amends_serve::traces::{self, HEADER, Kind, Span, SpanContext};
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tonic::metadata::MetadataMap;
use uuid::Uuid;

/// Of a reason only its code is told: the text behind it may name goods and people.
const REASON_END: char = '|';

/// What a client says of its trace. Metadata that says it in no way that is understood is nobody's failure: it counts as
/// none.
#[must_use]
pub fn of_client(metadata: &MetadataMap) -> Option<SpanContext> {
    let mut values = metadata.get_all(HEADER).iter();
    let context = SpanContext::parse(values.next()?.to_str().ok()?);
    context.filter(|_| values.next().is_none())
}

/// What the plan of a new global transaction keeps of its trace: where the client stands or, if it stands nowhere and
/// traces are recorded here, the beginning of its own; empty = neither.
#[must_use]
pub fn of_new(gid: &Gid, client: Option<SpanContext>) -> String {
    let own = || {
        let (trace_id, span_id) = ids(gid)?;
        SpanContext::new(trace_id, span_id, traces::samples(trace_id)?)
    };
    client.or_else(own).map(|context| context.to_string()).unwrap_or_default()
}

/// The span of a global transaction itself; `None` = it is in no trace.
#[must_use]
pub fn of_plan(plan: &Plan) -> Option<SpanContext> {
    place(plan)?.with_span(ids(plan.gid())?.1)
}

/// Where work for a global transaction is done that nobody calls for; `None` also where this process sends nothing.
#[must_use]
pub fn of_work(plan: &Plan) -> Option<SpanContext> {
    if traces::is_on() { of_plan(plan) } else { None }
}

/// The trace of a global transaction, as tools write it. Where its plan keeps none it is the one that it would have.
#[must_use]
pub fn id_of(plan: &Plan) -> String {
    place(plan).map_or_else(|| plan.gid().as_str().replace('-', ""), |context| context.trace_id_hex())
}

fn place(plan: &Plan) -> Option<SpanContext> {
    SpanContext::parse(&plan.body().traceparent)
}

/// A gid is a UUIDv7: it serves as the id of a trace, and its random half as that of a span.
fn ids(gid: &Gid) -> Option<([u8; 16], [u8; 8])> {
    let trace_id = Uuid::parse_str(gid.as_str()).ok()?.into_bytes();
    let [.., a, b, c, d, e, f, g, h] = trace_id;
    Some((trace_id, [a, b, c, d, e, f, g, h]))
}

/// Begins the span of an attempt: below the call of the coordinator that wants it, or else below the global transaction.
#[must_use]
pub fn attempt(plan: &Plan, at: OpRef, attempt: u32) -> Span {
    // Where this process sends nothing, the participant stands below whom others know.
    let above = traces::current().or_else(|| of_work(plan)).or_else(|| place(plan));
    let Some(above) = above else { return Span::default() };
    let step = &plan.steps()[at.step];
    let mut span = Span::begin(Kind::Client, plan.method(at), Some(above));
    if span.is_recorded() {
        span.set("amends.gid", plan.gid().as_str());
        span.set("amends.branch_id", &step.branch_id);
        span.set("amends.op", at.op.as_str());
        span.set("amends.participant", &step.participant);
        span.count("amends.attempt", attempt);
    }
    span
}

/// Says what came of an attempt.
pub fn answered(span: &mut Span, answered: &Answered) {
    if !span.is_recorded() {
        return;
    }
    span.set("amends.outcome", outcome(answered.outcome));
    span.set("rpc.grpc.status", answered.code);
    let reason = answered.reason.split(REASON_END).next().unwrap_or_default();
    if !reason.is_empty() {
        span.set("amends.reason", reason);
    }
    match answered.outcome {
        Outcome::Succeeded | Outcome::InProgress => {}
        Outcome::Refused | Outcome::Unknown => span.fail(reason),
    }
}

/// As metrics and histories name it.
fn outcome(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Succeeded => "succeeded",
        Outcome::Refused => "refused",
        Outcome::InProgress => "in_progress",
        Outcome::Unknown => "unknown",
    }
}

/// Sends the span of a global transaction that has ended; of a further run its own, below the first.
pub fn ended(plan: &Plan, state: &State, coordinator: &str) {
    let (Some(place), Some(own)) = (place(plan), of_plan(plan)) else { return };
    let mut span = match &state.redrive {
        // A place that is its own span's is the beginning of a trace.
        None => {
            let parent = (place != own).then_some(place);
            let name = format!("global transaction {}", plan.body().definition);
            Span::past(&name, own, parent, time(plan.body().created_at_us))
        }
        Some(redrive) => {
            let mut id = own.span_id();
            for (byte, number) in id.iter_mut().zip(redrive.run.to_be_bytes()) {
                *byte ^= number;
            }
            let Some(run) = own.with_span(id) else { return };
            Span::past(&format!("run {}", redrive.run), run, Some(own), time(redrive.since_us))
        }
    };
    if span.is_recorded() {
        span.set("amends.gid", plan.gid().as_str());
        span.set("amends.coordinator", coordinator);
        span.set("amends.status", state.status().name());
        span.ended_at(time(state.finished_us));
    }
}

fn time(unix_us: i64) -> SystemTime {
    UNIX_EPOCH + Duration::from_micros(u64::try_from(unix_us).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::{Mode, samples};

    const TRACE: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

    fn metadata(values: &[&'static str]) -> MetadataMap {
        let mut metadata = MetadataMap::new();
        for value in values {
            metadata.append(HEADER, value.parse().unwrap());
        }
        metadata
    }

    #[test]
    fn what_a_client_says_is_taken_only_if_it_is_a_trace() {
        assert_eq!(of_client(&metadata(&[TRACE])).unwrap().to_string(), TRACE);
        for values in [vec![], vec![""], vec!["00-trace"], vec![&TRACE[..54]], vec![TRACE, TRACE]] {
            assert_eq!(of_client(&metadata(&values)), None, "{values:?}");
        }
    }

    #[test]
    fn a_clients_place_is_kept_and_none_is_made_up_where_nothing_is_recorded() {
        let gid = Gid::generate();
        assert_eq!(of_new(&gid, SpanContext::parse(TRACE)), TRACE);
        assert_eq!(of_new(&gid, None), "");
    }

    #[test]
    fn the_span_of_a_global_transaction_comes_of_its_gid() {
        let mut body = samples::plan(Mode::Saga, 2, None).body().clone();
        let plain = Plan::new(body.clone()).unwrap();
        assert_eq!(id_of(&plain), plain.gid().as_str().replace('-', ""));
        assert_eq!(of_plan(&plain), None);
        body.traceparent = TRACE.to_owned();
        let traced = Plan::new(body).unwrap();
        assert_eq!(id_of(&traced), "0af7651916cd43dd8448eb211c80319c");
        let digits = traced.gid().as_str().replace('-', "");
        let own = format!("00-0af7651916cd43dd8448eb211c80319c-{}-01", &digits[16..]);
        assert_eq!(of_plan(&traced).unwrap().to_string(), own);
    }
}
