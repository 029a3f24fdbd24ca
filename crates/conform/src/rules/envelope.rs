//! The metadata around a call, and what the codes of all answers say together.
use tonic::Code;

use crate::branch::{Branch, Words};
use crate::form::{Form, Phase};
use crate::judgement::{Judgement, Stop, by, demand, demand_same_effect, is_ok};
use crate::session::Session;

/// How a call's words are made to deviate.
type Change = fn(&mut Words);

pub(super) async fn missing_metadata(session: &Session) -> Judgement {
    let mut codes = Vec::new();
    let without: [(&str, Change); 3] = [
        ("without dtm-gid", |words| words.gid = None),
        ("with an empty dtm-gid", |words| words.gid = Some(String::new())),
        ("without dtm-branch_id", |words| words.branch_id = None),
    ];
    for (deviation, change) in without {
        let branch = session.branch().await?;
        let mut words = branch.words(Phase::Forward);
        change(&mut words);
        codes.push(not_served(&branch, words, deviation).await?);
    }
    Ok(format!("calls without a name were answered {}", told(codes)))
}

pub(super) async fn unknown_op(session: &Session) -> Judgement {
    let mut codes = Vec::new();
    let undo = session.config.form.op(Phase::Undo).as_str();
    for op in [None, Some("fly"), Some(undo)] {
        let branch = session.branch().await?;
        let words = Words { op: op.map(ToOwned::to_owned), ..branch.words(Phase::Forward) };
        let deviation = op.map_or("without dtm-op".to_owned(), |op| format!("with dtm-op {op}"));
        codes.push(not_served(&branch, words, &deviation).await?);
    }
    Ok(format!("forward calls with another op were answered {}", told(codes)))
}

/// The forward call is an error and has no effect; its code.
async fn not_served(branch: &Branch<'_>, words: Words, deviation: &str) -> Result<Code, Stop> {
    let untouched = branch.probe().await?;
    let answer = branch.call_with(Phase::Forward, words, deviation).await;
    demand(!is_ok(&answer), || format!("a forward call {deviation} is answered {answer}"))?;
    let after = branch.probe().await?;
    demand_same_effect(&format!("a forward call {deviation}"), untouched.as_ref(), after.as_ref())?;
    Ok(answer.code)
}

fn told(mut codes: Vec<Code>) -> String {
    codes.dedup();
    codes.into_iter().map(amends_dtm::code_name).collect::<Vec<_>>().join(", ")
}

pub(super) async fn plan_mac(session: &Session) -> Judgement {
    let branch = session.branch().await?;
    let words = branch.words(Phase::Forward);
    if words.mac.is_none() {
        return Err(Stop::NotRun("no key for plan MACs was given".to_owned()));
    }
    let untouched = branch.probe().await?;
    let elsewhere = session.mac(session.ids.gid().as_str());
    for (mac, deviation) in [(None, "without a plan MAC"), (elsewhere, "with the plan MAC of another gid")] {
        let answer = branch.call_with(Phase::Forward, Words { mac, ..words.clone() }, deviation).await;
        demand(answer.code == Code::Unauthenticated, || {
            format!("a forward call {deviation} is answered {answer}")
        })?;
    }
    let after = branch.probe().await?;
    demand_same_effect("a call without its plan MAC", untouched.as_ref(), after.as_ref())?;
    // A call without the right one must not have spoilt the branch.
    branch.done(Phase::Forward).await?;
    Ok(format!("calls without the right plan MAC were not served ({})", by(after.as_ref())))
}

pub(super) async fn second_phase_never_aborted(session: &Session) -> Judgement {
    let second: &[Phase] = match session.config.form {
        Form::Saga { .. } => &[Phase::Undo],
        Form::Tcc { .. } => &[Phase::Confirm, Phase::Undo],
    };
    for phase in second {
        let branch = session.branch().await?;
        let empty = branch.with_payload(serde_json::json!({}))?;
        session.tell("with an empty payload, and nothing before it:".to_owned());
        empty.call(*phase).await;
        let branch = session.branch().await?;
        branch.done(Phase::Forward).await?;
        if let Some(other) = branch.with_other_payload()? {
            session.tell("with another payload:".to_owned());
            other.call(*phase).await;
        }
        branch.settle(*phase).await;
    }
    let seen = session.seen();
    let aborted = seen.aborted_second_phases;
    demand(aborted.is_empty(), || format!("answered ABORTED: {}", aborted.join(", ")))?;
    Ok(format!("none of {} answers of second phases was ABORTED", seen.second_phases))
}
