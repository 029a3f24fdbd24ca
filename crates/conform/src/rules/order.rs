//! Calls in an order that no plan has: undo first, action last, confirm and cancel of one branch.
use amends_dtm::Outcome;

use crate::form::Phase;
use crate::judgement::{Judgement, Stop, by, demand, demand_error, demand_ok, demand_same_effect, is_ok};
use crate::session::Session;

pub(super) async fn undo_before_action(session: &Session) -> Judgement {
    let branch = session.branch().await?;
    let untouched = branch.probe().await?;
    demand_ok("the undo of what never came", &branch.settle(Phase::Undo).await)?;
    let after = branch.probe().await?;
    demand_same_effect("the empty undo", untouched.as_ref(), after.as_ref())?;
    Ok(format!("the empty undo was answered OK ({})", by(after.as_ref())))
}

pub(super) async fn action_after_undo(session: &Session) -> Judgement {
    let usual = session.branch().await?;
    let usual_answer = usual.done(Phase::Forward).await?;
    let branch = session.branch().await?;
    branch.done(Phase::Undo).await?;
    let undone = branch.probe().await?;
    let late = branch.settle(Phase::Forward).await;
    let after = branch.probe().await?;
    demand_same_effect("the late call", undone.as_ref(), after.as_ref())?;
    match Outcome::of(late.code) {
        Outcome::Refused => Ok(format!("the late call was refused ({})", by(after.as_ref()))),
        Outcome::Succeeded if after.is_some() => {
            Ok("the late call was answered OK, and the probe shows no effect".to_owned())
        }
        Outcome::Succeeded if late.body.is_empty() => Err(Stop::NotRun(
            "the late call was answered OK, and only a probe can tell whether it had an effect".to_owned(),
        )),
        Outcome::Succeeded => {
            let alike = branch.unfilled(&late.body) == usual.unfilled(&usual_answer.body);
            let how = if alike { ", in the words of a call that took effect" } else { "" };
            Err(Stop::Breach(format!("the late call is answered {late}{how}; no probe shows otherwise")))
        }
        Outcome::InProgress | Outcome::Unknown => Err(Stop::Breach(format!(
            "the late call is answered {late}: neither refused nor done, so a coordinator asks for ever"
        ))),
    }
}

pub(super) async fn confirm_without_try(session: &Session) -> Judgement {
    let branch = session.branch().await?;
    let untouched = branch.probe().await?;
    demand_error("the confirm of what was never tried", &branch.call(Phase::Confirm).await)?;
    let after = branch.probe().await?;
    demand_same_effect("the confirm of what was never tried", untouched.as_ref(), after.as_ref())?;
    Ok(format!("the confirm was not served ({})", by(after.as_ref())))
}

pub(super) async fn confirm_after_cancel(session: &Session) -> Judgement {
    opposite(session, Phase::Undo, Phase::Confirm).await
}

pub(super) async fn cancel_after_confirm(session: &Session) -> Judgement {
    opposite(session, Phase::Confirm, Phase::Undo).await
}

async fn opposite(session: &Session, first: Phase, then: Phase) -> Judgement {
    let branch = session.branch().await?;
    branch.done(Phase::Forward).await?;
    branch.done(first).await?;
    let settled = branch.probe().await?;
    let op = session.config.form.op(then);
    demand_error(&format!("the {op}"), &branch.call(then).await)?;
    let after = branch.probe().await?;
    demand_same_effect(&format!("the {op}"), settled.as_ref(), after.as_ref())?;
    let again = branch.settle(first).await;
    demand(is_ok(&again), || format!("after the {op}, the repeat of what was done is answered {again}"))?;
    Ok(format!("the {op} was not served ({})", by(after.as_ref())))
}
