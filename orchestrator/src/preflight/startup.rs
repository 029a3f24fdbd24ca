//! Preflight at the start of an orchestrator: a definition that cannot be carried out is found before a port opens.

use super::{Finding, Grounds, Report, Services, Weight, definitions};
use crate::definitions::StepTimes;
use std::fmt::Write as _;

/// Definitions that cannot be carried out; each line names definition, mode and step.
#[derive(Debug, thiserror::Error)]
#[error("preflight: {0}")]
pub struct Refused(String);

/// Checks every definition whose participants are on the allow-list. What the operator's own times make doubtful is
/// told in the log.
///
/// # Errors
/// Names what is refused.
pub fn at_start(participants: &[&str], times: StepTimes) -> Result<(), Refused> {
    let services = Services::of_this_build();
    judge(&definitions(&Grounds { services: &services, participants: Some(participants), times }))
}

fn judge(reports: &[Report]) -> Result<(), Refused> {
    let mut refused = String::new();
    for report in reports {
        for finding in &report.findings {
            let line = line(report, finding);
            match finding.weight {
                Weight::Refusal if refused.is_empty() => refused = line,
                Weight::Refusal => drop(write!(refused, "\n{line}")),
                Weight::Warning => tracing::warn!(finding = line, "preflight"),
            }
        }
    }
    if refused.is_empty() { Ok(()) } else { Err(Refused(refused)) }
}

fn line(report: &Report, finding: &Finding) -> String {
    let mode = report.mode.as_str_name().trim_start_matches("MODE_").to_lowercase();
    let step = if finding.step.is_empty() { String::new() } else { format!(" step {}:", finding.step) };
    format!("{} ({mode}):{step} {}", report.definition, finding.what)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::Mode;
    use crate::preflight::Kind;

    fn report(weight: Weight) -> Report {
        let step = "05 a.v1.Gateway/Charge".to_owned();
        let finding = Finding { weight, kind: Kind::Undo, step, what: "has no undo".to_owned() };
        Report { definition: "checkout".to_owned(), mode: Mode::Saga, steps: 7, findings: vec![finding] }
    }

    #[test]
    fn a_refusal_names_definition_mode_and_step() {
        let refused = judge(&[report(Weight::Refusal), report(Weight::Warning)]).unwrap_err();
        let line = "preflight: checkout (saga): step 05 a.v1.Gateway/Charge: has no undo";
        assert_eq!(refused.to_string(), line);
        let both = judge(&[report(Weight::Refusal), report(Weight::Refusal)]).unwrap_err();
        assert_eq!(both.to_string().lines().count(), 2);
    }

    #[test]
    fn warnings_keep_nobody_from_starting() {
        assert!(judge(&[report(Weight::Warning)]).is_ok());
        let short = StepTimes { pivot_timeout_ms: 100, try_timeout_ms: 100, transaction_timeout_ms: 0 };
        assert!(at_start(&["order", "inventory", "points", "account", "gateway"], short).is_ok());
    }
}
