//! The server dies: after an answer, and in the middle of a call.
use std::time::Duration;

use super::repeats::{is_definite, same_answer, same_effect};
use crate::form::Phase;
use crate::judgement::{Judgement, Stop, by, demand, demand_ok, demand_same_effect};
use crate::session::Session;

/// So long after the call was sent the server dies; one of them is likely to lie between commit and answer.
const DIES_AFTER: [Duration; 4] =
    [Duration::ZERO, Duration::from_millis(1), Duration::from_millis(3), Duration::from_millis(8)];

pub(super) async fn crash(session: &Session) -> Judgement {
    let hook = session.config.hooks.crash.as_ref();
    let hook = hook.ok_or_else(|| Stop::NotRun("no command was given that kills the server".to_owned()))?;
    let control = session.branch().await?;
    let first = control.done(Phase::Forward).await?;
    let once = control.probe().await?;
    control.run_hook("crash", hook).await?;
    session.tell("the server was killed and is back".to_owned());
    same_answer(
        "after a crash, the repeat of what was answered",
        &first,
        &control.settle(Phase::Forward).await,
    )?;
    let effect = control.probe().await?;
    demand_same_effect("after a crash, the repeat of what was answered", once.as_ref(), effect.as_ref())?;
    let mut probe = None;
    for after in DIES_AFTER {
        let branch = session.branch().await?;
        let dies = async {
            tokio::time::sleep(after).await;
            branch.run_hook("crash", hook).await
        };
        let (in_flight, died) = tokio::join!(branch.call(Phase::Forward), dies);
        died?;
        session.tell(format!("the server was killed {} ms after that call", after.as_millis()));
        let answer = branch.settle(Phase::Forward).await;
        demand(is_definite(&answer), || format!("after a crash the call is still answered {answer}"))?;
        if is_definite(&in_flight) {
            same_answer("after a crash, the repeat of what was answered", &in_flight, &answer)?;
        }
        same_answer("after a crash, the next repeat", &answer, &branch.settle(Phase::Forward).await)?;
        probe =
            same_effect(&control, &branch, "a call during which the server died, and its repeats,").await?;
        demand_ok("its undo", &branch.settle(Phase::Undo).await)?;
    }
    let crashes = DIES_AFTER.len() + 1;
    Ok(format!("repeats after {crashes} crashes were answered as if there was none ({})", by(probe.as_ref())))
}
