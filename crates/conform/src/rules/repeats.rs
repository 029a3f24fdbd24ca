//! Calls that come more than once: one after another, at the same moment, and after their caller gave up.
use amends_dtm::Outcome;
use futures::future::join_all;
use std::time::Duration;

use crate::branch::Branch;
use crate::form::{Form, Phase};
use crate::judgement::{Judgement, Stop, by, demand, demand_ok, demand_same_effect};
use crate::session::Session;
use crate::wire::Answer;

/// After so long the callers of `slow_call` give up: before the call arrives, in the middle of it, near its end.
const GIVE_UP_AFTER_MS: [u64; 5] = [1, 2, 5, 15, 50];

pub(super) async fn success(session: &Session) -> Judgement {
    let second: &[Phase] = match session.config.form {
        Form::Saga { .. } => &[Phase::Undo],
        Form::Tcc { .. } => &[Phase::Undo, Phase::Confirm],
    };
    for phase in second {
        let branch = session.branch().await?;
        demand_ok("the forward call", &branch.settle(Phase::Forward).await)?;
        demand_ok(&format!("its {}", session.config.form.op(*phase)), &branch.settle(*phase).await)?;
    }
    Ok("forward call and second phases succeed".to_owned())
}

pub(super) async fn duplicate(session: &Session) -> Judgement {
    let branch = session.branch().await?;
    let first = branch.done(Phase::Forward).await?;
    let effect = branch.probe().await?;
    for _ in 0..2 {
        same_answer("the repeat", &first, &branch.settle(Phase::Forward).await)?;
    }
    let after = branch.probe().await?;
    demand_same_effect("the repeat", effect.as_ref(), after.as_ref())?;
    Ok(format!("two repeats were answered as the first call ({})", by(effect.as_ref())))
}

pub(super) async fn concurrent_duplicates(session: &Session) -> Judgement {
    let (control, branch) = (session.branch().await?, session.branch().await?);
    control.done(Phase::Forward).await?;
    let answers = at_once(&branch, Phase::Forward).await;
    let last = branch.done(Phase::Forward).await?;
    for answer in &answers {
        same_answer("one of the calls at the same moment", &last, answer)?;
    }
    same_effect(&control, &branch, "calling at the same moment").await?;
    control.done(Phase::Undo).await?;
    for answer in at_once(&branch, Phase::Undo).await {
        demand_ok("one of the undos at the same moment", &answer)?;
    }
    let probe = same_effect(&control, &branch, "undoing at the same moment").await?;
    let count = session.config.concurrency;
    Ok(format!("{count} calls at the same moment and {count} undos were one each ({})", by(probe.as_ref())))
}

pub(super) async fn confirm_repeated(session: &Session) -> Judgement {
    second_phase_repeated(session, Phase::Confirm).await
}

pub(super) async fn undo_repeated(session: &Session) -> Judgement {
    second_phase_repeated(session, Phase::Undo).await
}

async fn second_phase_repeated(session: &Session, phase: Phase) -> Judgement {
    let branch = session.branch().await?;
    branch.done(Phase::Forward).await?;
    branch.done(phase).await?;
    let effect = branch.probe().await?;
    for _ in 0..2 {
        demand_ok("the repeat", &branch.settle(phase).await)?;
    }
    let after = branch.probe().await?;
    demand_same_effect("the repeat", effect.as_ref(), after.as_ref())?;
    Ok(format!("two repeats were answered OK ({})", by(effect.as_ref())))
}

pub(super) async fn slow_call(session: &Session) -> Judgement {
    let control = session.branch().await?;
    control.done(Phase::Forward).await?;
    let mut probe = None;
    for give_up in GIVE_UP_AFTER_MS.map(Duration::from_millis) {
        let branch = session.branch().await?;
        branch.call_within(Phase::Forward, give_up).await;
        let definite = branch.settle(Phase::Forward).await;
        demand(is_definite(&definite), || {
            format!("after its caller gave up, the call is still answered {definite}")
        })?;
        same_answer("the next repeat", &definite, &branch.settle(Phase::Forward).await)?;
        probe = same_effect(&control, &branch, "a call whose caller gave up, and its repeats,").await?;
        demand_ok("its undo", &branch.settle(Phase::Undo).await)?;
    }
    Ok(format!("repeats after callers gave up were answered definitely ({})", by(probe.as_ref())))
}

/// All calls are on their way before any is answered.
async fn at_once(branch: &Branch<'_>, phase: Phase) -> Vec<Answer> {
    join_all((0..branch.concurrency()).map(|_| branch.settle(phase))).await
}

pub(super) fn is_definite(answer: &Answer) -> bool {
    matches!(Outcome::of(answer.code), Outcome::Succeeded | Outcome::Refused)
}

pub(super) fn same_answer(what: &str, first: &Answer, again: &Answer) -> Result<(), Stop> {
    demand(again.equals(first), || match (is_definite(first), first.code == again.code) {
        (true, true) => format!("{what} is answered {again} with other bytes than {first}"),
        (_, _) => format!("{what} is answered {again}, where it was {first}"),
    })
}

/// Both branches have the same effect by now; what the probe says of it.
pub(super) async fn same_effect(
    control: &Branch<'_>,
    branch: &Branch<'_>,
    what: &str,
) -> Result<Option<String>, Stop> {
    let (once, seen) = (control.probe().await?, branch.probe().await?);
    demand_same_effect(what, once.as_ref(), seen.as_ref())?;
    Ok(seen)
}
