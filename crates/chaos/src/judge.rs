//! What must hold once all faults are over: everything ends, what was acknowledged is there, no invariant is broken.
//! Knows no fault.
use crate::load::Load;
use crate::report::{Doubt, Struck};
use amends_checkers::{Quiet, Targets};
use amends_proto::amends::v1::GlobalTransaction;
use amends_stack::{Role, Stack};
use futures::StreamExt as _;
use prost::Message as _;
use std::collections::BTreeSet;
use std::time::Duration;
use tokio::task::JoinSet;

/// Everything is final this long after the last fault.
pub const SOON: Duration = Duration::from_secs(60);
/// A process that died serves again within this, from its death on. A debug build on a machine that others use, too, may
/// take three times as long.
const BACK: Duration = Duration::from_secs(if cfg!(debug_assertions) { 30 } else { 10 });
/// The one reason for which a global transaction may stay open.
const IN_DOUBT: &str = "payment_in_doubt";
/// Repetitions at one time.
const AT_ONCE: usize = 16;

/// What was found.
#[derive(Debug, Default)]
pub struct Findings {
    /// Everything that was acknowledged, as the orchestrator has it.
    pub transactions: Vec<GlobalTransaction>,
    /// Not final, and explained.
    pub in_doubt: Vec<Doubt>,
    /// Verdict of the checkers.
    pub checkers: Option<amends_checkers::Report>,
    /// Everything that was read, for a dump.
    pub snapshot: Option<amends_checkers::Snapshot>,
    /// What is wrong.
    pub failures: Vec<String>,
}

/// What is wrong with how soon those who died served again.
pub fn all_came_back(strikes: &[Struck]) -> Vec<String> {
    let late = strikes.iter().filter(|struck| u128::from(struck.back_ms) > BACK.as_millis());
    late.map(|struck| format!("{}: it served again only after {} ms", struck.row.fault, struck.back_ms))
        .collect()
}

/// Waits until no client waits for an end any more.
pub async fn all_end(load: &Load, mut clients: JoinSet<()>) -> Result<(), String> {
    let ended = async { while clients.join_next().await.is_some() {} };
    match tokio::time::timeout(SOON, ended).await {
        Ok(()) => Ok(()),
        Err(_) => Err(format!("not final {} s after the last fault: {}", SOON.as_secs(), load.stuck().await)),
    }
}

/// Waits until the coordinator has come to an end with everything, too; `patience` is for all of them together.
pub async fn comes_to_rest(targets: &Targets, patience: Duration) -> Result<(), String> {
    match amends_checkers::wait_quiet(targets, patience).await {
        Ok(Quiet::Reached) => Ok(()),
        Ok(Quiet::StillOpen(gids)) => Err(format!("still open: {}", gids.join(" "))),
        Ok(Quiet::CoordinatorBehind(gids)) => Err(format!("the coordinator is behind: {}", gids.join(" "))),
        Err(error) => Err(told(&error)),
    }
}

/// Whom the checkers ask: everybody straight, not through a proxy.
pub async fn targets(stack: &Stack) -> Result<Targets, amends_checkers::ReadError> {
    let mut targets = Targets::from_topology(&stack.address(Role::Orchestrator)).await?;
    for role in Role::PARTICIPANTS {
        let channel = amends_checkers::channel(&stack.address(role))?;
        targets.participants.insert(role.to_string(), channel);
    }
    Ok(targets)
}

/// Judges everything that clients were told and everything that the services hold.
pub async fn judge(load: &Load, targets: &Targets) -> Findings {
    let mut findings = Findings { failures: load.complaints(), ..Findings::default() };
    let witnessed = load.witness().all();
    let looks = futures::stream::iter(&witnessed).map(|(number, gid)| look(load, *number, gid));
    let mut looks = looks.buffered(AT_ONCE);
    while let Some(look) = looks.next().await {
        match look {
            Ok(transaction) => findings.note(transaction),
            Err(failure) => findings.failures.push(failure),
        }
    }
    let gids: BTreeSet<&String> = witnessed.values().collect();
    if gids.len() != witnessed.len() {
        findings.failures.push("two requests were told the same gid".to_owned());
    }
    match amends_checkers::read(targets).await {
        Ok(snapshot) => {
            let others = load.witness().others();
            let is_unknown = |gid: &&String| !gids.contains(gid) && !others.contains(*gid);
            let unknown: Vec<&str> =
                snapshot.transactions.keys().filter(is_unknown).map(String::as_str).collect();
            if !unknown.is_empty() {
                findings.failures.push(format!("nobody was told of {}", unknown.join(" ")));
            }
            findings.snapshot = Some(snapshot);
        }
        Err(error) => findings.failures.push(told(&error)),
    }
    match amends_checkers::run(targets).await {
        Ok(report) => findings.checkers = Some(report),
        Err(error) => findings.failures.push(told(&error)),
    }
    findings
}

impl Findings {
    /// Final, or in doubt: anything else is wrong.
    fn note(&mut self, transaction: GlobalTransaction) {
        if transaction.finished_at.is_none() {
            let attention = transaction.attention.clone().unwrap_or_default();
            let gid = transaction.gid.clone();
            if attention.cause == IN_DOUBT {
                self.in_doubt.push(Doubt { gid, cause: attention.cause, text: attention.text });
            } else {
                let status = transaction.status().as_str_name();
                self.failures.push(format!("{gid} is {status}: {} {}", attention.cause, attention.text));
            }
        }
        self.transactions.push(transaction);
    }
}

/// It is there, and its request names it again, each time in the same bytes.
async fn look(load: &Load, number: u64, gid: &str) -> Result<GlobalTransaction, String> {
    let failed = |status: tonic::Status| format!("order {number}, {gid}: {status}");
    let transaction = load.get(gid).await.map_err(failed)?;
    let (first, second) =
        (load.start(number).await.map_err(failed)?, load.start(number).await.map_err(failed)?);
    if (first.gid.as_str(), first.existing) != (gid, true) {
        return Err(format!("order {number} was acknowledged as {gid}, and its repetition as {}", first.gid));
    }
    if transaction.finished_at.is_some() && first.encode_to_vec() != second.encode_to_vec() {
        return Err(format!("order {number}, {gid}: two repetitions were answered {first:?} and {second:?}"));
    }
    Ok(transaction)
}

/// An error with its causes.
pub fn told(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(deeper) = cause {
        text.push_str(&format!(": {deeper}"));
        cause = deeper.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::Fault;
    use crate::report::struck;
    use std::time::SystemTime;

    #[test]
    fn who_serves_again_too_late_is_told() {
        let struck = |before: SystemTime| {
            struck(1, 0, Fault::Kill(Role::Order), Duration::ZERO, (before, SystemTime::now()))
        };
        let now = SystemTime::now();
        let told = all_came_back(&[struck(now), struck(now - BACK - Duration::from_secs(1))]);
        assert_eq!(told.len(), 1, "{told:?}");
        assert!(told[0].starts_with("kill order: it served again only after "), "{told:?}");
    }
}
