//! Carries out one fault on a running system, and mends what it broke. Knows no turn and no verdict.
use crate::error::ChaosError;
use crate::links::Links;
use crate::plan::Fault;
use amends_stack::{Role, Stack, StackError};
use std::time::{Duration, SystemTime};

/// Lets a fault strike. Processes are well again at the end; the weather of a link goes on beside what follows. Gives
/// the instant at which the blow had fallen.
///
/// # Errors
/// A process does not come back.
pub async fn strike(stack: &Stack, links: &mut Links, fault: Fault) -> Result<SystemTime, ChaosError> {
    let fallen;
    match fault {
        Fault::Kill(role) => {
            stack.kill9(role).await?;
            fallen = SystemTime::now();
            stack.restart(role).await?;
        }
        Fault::Stop(role, ms) => {
            stack.sigstop(role)?;
            fallen = SystemTime::now();
            tokio::time::sleep(Duration::from_millis(ms)).await;
            stack.sigcont(role)?;
        }
        Fault::Pair(one, other) => {
            tokio::try_join!(stack.kill9(one), stack.kill9(other))?;
            fallen = SystemTime::now();
            tokio::try_join!(stack.restart(one), stack.restart(other))?;
        }
        Fault::Recovery(role, ms) => {
            stack.kill9(role).await?;
            fallen = SystemTime::now();
            stack.launch(role).await?;
            tokio::time::sleep(Duration::from_millis(ms)).await;
            kill_if_there(stack, role).await?;
            stack.restart(role).await?;
        }
        Fault::Network(_, link, weather, ms) => {
            links.strike(link, weather, Duration::from_millis(ms)).await;
            fallen = SystemTime::now();
        }
    }
    Ok(fallen)
}

/// A process that ended by itself while it started shows when it is started once more.
async fn kill_if_there(stack: &Stack, role: Role) -> Result<(), StackError> {
    match stack.kill9(role).await {
        Ok(()) | Err(StackError::NotRunning { .. }) => Ok(()),
        Err(error) => Err(error),
    }
}
