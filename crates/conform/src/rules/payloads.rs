//! What a payload may do: another one on the same branch, one that is refused, one whose values are far too long.
use amends_dtm::Outcome;
use serde_json::Value;

use super::repeats::same_answer;
use crate::branch::Branch;
use crate::form::Phase;
use crate::judgement::{Judgement, Stop, by, demand, demand_error, demand_ok, demand_same_effect, is_ok};
use crate::session::Session;
use crate::wire::Answer;

/// What DTM's SQL stores have room for.
const MESSAGE_MAX_BYTES: usize = 1_024;
/// What every gRPC implementation takes as trailers.
const TRAILERS_MAX_BYTES: usize = 8 * 1_024;
/// Far longer than any name, and far below every limit of a request.
const LONG_CHARS: usize = 4_000;
/// So many fields are made too long, one in each call.
const MAX_FIELDS: usize = 24;

pub(super) async fn other_payload(session: &Session) -> Judgement {
    let branch = session.branch().await?;
    let other = other(&branch)?;
    let first = branch.done(Phase::Forward).await?;
    let effect = branch.probe().await?;
    demand_error("another payload on the same branch", &other.settle(Phase::Forward).await)?;
    let after = branch.probe().await?;
    demand_same_effect("the other payload", effect.as_ref(), after.as_ref())?;
    same_answer("afterwards the first payload", &first, &branch.settle(Phase::Forward).await)?;
    Ok(format!("the other payload was not served ({})", by(after.as_ref())))
}

pub(super) async fn other_payload_undo(session: &Session) -> Judgement {
    let branch = session.branch().await?;
    let other = other(&branch)?;
    branch.done(Phase::Forward).await?;
    let effect = branch.probe().await?;
    demand_error("an undo with another payload", &other.call(Phase::Undo).await)?;
    let after = branch.probe().await?;
    demand_same_effect("the undo with another payload", effect.as_ref(), after.as_ref())?;
    demand_ok("afterwards the right undo", &branch.settle(Phase::Undo).await)?;
    Ok(format!("the undo with another payload was not served ({})", by(after.as_ref())))
}

fn other<'s>(branch: &Branch<'s>) -> Result<Branch<'s>, Stop> {
    let why = "there is no other payload: give one, change a value, or put ${uuid} into the payload";
    branch.with_other_payload()?.ok_or_else(|| Stop::NotRun(why.to_owned()))
}

pub(super) async fn refusal_repeated(session: &Session) -> Judgement {
    let (branch, first) = refused(session).await?;
    for _ in 0..2 {
        same_answer("the repeat of a refused call", &first, &branch.settle(Phase::Forward).await)?;
    }
    Ok(format!("the refusal was repeated: {first}"))
}

pub(super) async fn undo_after_refusal(session: &Session) -> Judgement {
    let (branch, _) = refused(session).await?;
    let before = branch.probe().await?;
    demand_ok("the undo of a refused call", &branch.settle(Phase::Undo).await)?;
    let after = branch.probe().await?;
    demand_same_effect("the undo of a refused call", before.as_ref(), after.as_ref())?;
    Ok(format!("the undo of a refused call was answered OK ({})", by(after.as_ref())))
}

/// A branch whose forward call was refused once, and how.
async fn refused(session: &Session) -> Result<(Branch<'_>, Answer), Stop> {
    let template = session.config.refused_payload.as_ref();
    let template = template.ok_or_else(|| Stop::NotRun("no payload was given that is refused".to_owned()))?;
    let branch = session.branch_with(template).await?;
    let answer = branch.settle(Phase::Forward).await;
    if Outcome::of(answer.code) == Outcome::Refused {
        return Ok((branch, answer));
    }
    Err(Stop::NotRun(format!("the payload that was to be refused is answered {answer}")))
}

pub(super) async fn message_fits(session: &Session) -> Judgement {
    let paths = texts(session.branch().await?.payload());
    for path in paths.iter().take(MAX_FIELDS) {
        let branch = session.branch().await?;
        let mut payload = branch.payload().clone();
        let Some(value) = payload.pointer_mut(path) else { continue };
        *value = Value::String("x".repeat(LONG_CHARS));
        // A field of an enumeration, or of bytes, takes no such text.
        let Ok(long) = branch.with_payload(payload) else { continue };
        session.tell(format!("{path} with {LONG_CHARS} characters:"));
        let answer = long.call(Phase::Forward).await;
        demand(answer.is_heard, || format!("with a too long {path} no answer comes through: {answer}"))?;
        if is_ok(&answer) {
            long.settle(Phase::Undo).await;
        }
    }
    let seen = session.seen();
    let (longest, call) = seen.longest_message;
    demand(longest <= MESSAGE_MAX_BYTES, || format!("the message of {call} has {longest} bytes"))?;
    let trailers = seen.largest_trailers;
    demand(trailers <= TRAILERS_MAX_BYTES, || format!("trailers of an answer take {trailers} bytes"))?;
    if longest == 0 {
        return Err(Stop::NotRun("no answer of the whole run had a message".to_owned()));
    }
    Ok(format!("the longest message of the run has {longest} bytes, the largest trailers {trailers}"))
}

/// JSON pointers of all texts.
fn texts(value: &Value) -> Vec<String> {
    let below = |key: &str, value: &Value| {
        let key = key.replace('~', "~0").replace('/', "~1");
        texts(value).into_iter().map(move |path| format!("/{key}{path}")).collect::<Vec<String>>()
    };
    match value {
        Value::String(_) => vec![String::new()],
        Value::Array(items) => {
            items.iter().enumerate().flat_map(|(at, item)| below(&at.to_string(), item)).collect()
        }
        Value::Object(fields) => fields.iter().flat_map(|(key, field)| below(key, field)).collect(),
        Value::Null | Value::Bool(_) | Value::Number(_) => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::texts;
    use serde_json::json;

    #[test]
    fn every_text_has_a_path_that_leads_to_it() {
        let value = json!({"a/b": "x", "lines": [{"sku": "y", "n": 1}, {"sku": "z"}], "flag": true});
        let paths = texts(&value);
        assert_eq!(paths.len(), 3, "{paths:?}");
        assert!(paths.iter().all(|path| value.pointer(path).is_some_and(serde_json::Value::is_string)));
    }
}
