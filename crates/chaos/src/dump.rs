//! Writes down what a failed run left, beside logs and stores: for whoever looks for the cause. Judges nothing.
use crate::error::ChaosError;
use crate::judge::Findings;
use crate::load::Load;
use crate::report::Report;
use amends_stack::{Role, Stack};
use std::collections::BTreeSet;
use std::path::Path;

/// Histories that are written down: those of what is open or concerned by a violation, up to so many.
const HISTORIES: usize = 200;

/// Writes processes, report, everything that was read, and histories into a new folder.
///
/// # Errors
/// A file cannot be written.
pub async fn dump(
    folder: &Path,
    stack: &Stack,
    load: &Load,
    findings: &Findings,
    report: &Report,
) -> Result<(), ChaosError> {
    let folder = folder.join("dump");
    std::fs::create_dir_all(&folder).map_err(ChaosError::file(&folder))?;
    write(&folder, "processes.json", &format!("{:#}", serde_json::json!(processes(stack))))?;
    write(&folder, "report.json", &format!("{:#}", serde_json::json!(report)))?;
    if let Some(snapshot) = &findings.snapshot {
        write(&folder, "snapshot.txt", &format!("{snapshot:#?}"))?;
    }
    for gid in suspects(findings, report) {
        let history = match load.history(&gid).await {
            Ok(events) => format!("{events:#?}"),
            Err(status) => status.to_string(),
        };
        write(&folder, &format!("history-{gid}.txt"), &history)?;
    }
    Ok(())
}

fn processes(stack: &Stack) -> Vec<serde_json::Value> {
    let process = |role: Role| {
        let pid = stack.pid(role);
        let status = pid.and_then(|pid| std::fs::read_to_string(format!("/proc/{pid}/status")).ok());
        serde_json::json!({
            "role": role.as_str(), "pid": pid, "address": stack.address(role), "log": stack.log(role),
            "status": status,
        })
    };
    stack.roles().map(process).collect()
}

/// What is not final, and what a failure or a violation names.
fn suspects(findings: &Findings, report: &Report) -> BTreeSet<String> {
    let violations = report.checkers.iter().flat_map(amends_checkers::Report::violations);
    let named: Vec<String> = violations.map(|it| format!("{} {}", it.subject, it.text)).collect();
    let is_named = |gid: &str| named.iter().chain(&report.failures).any(|text| text.contains(gid));
    let concerned = findings.transactions.iter().filter(|it| it.finished_at.is_none() || is_named(&it.gid));
    concerned.map(|it| it.gid.clone()).take(HISTORIES).collect()
}

fn write(folder: &Path, name: &str, text: &str) -> Result<(), ChaosError> {
    let path = folder.join(name);
    std::fs::write(&path, text).map_err(ChaosError::file(&path))
}
