//! Whether a participant keeps the rules of branch calls: duplicates, calls in the wrong order, forged payloads, crashes.
//! Speaks to any gRPC server, in whatever language, by its reflection or its descriptors, as a DTM server and the
//! orchestrator do. Knows no service, no coordinator and no store: all it sees are answers, and what a probe says.
mod branch;
mod contract;
mod error;
mod form;
mod hook;
mod ids;
mod judgement;
mod reflection;
mod report;
mod rule;
mod rules;
mod session;
mod template;
mod wire;

pub use error::ConformError;
pub use form::Form;
pub use hook::{Hook, HookError, Hooks, Situation, command};
pub use ids::fresh_seed;
pub use report::{Finding, Report, Verdict};
pub use rule::Rule;
pub use session::Config;
pub use template::{Template, TemplateError};

use judgement::Stop;
use session::Session;

/// Judges the rules that `config` asks for, one after another; `told` hears of each as it is done.
///
/// # Errors
/// Nothing can be judged: the target is away, a method is unknown, a payload does not fit, or a hook failed.
pub async fn run(config: Config, mut told: impl FnMut(&Finding)) -> Result<Report, ConformError> {
    let session = Session::open(config).await?;
    let wanted = |rule: &Rule| session.config.rules.is_empty() || session.config.rules.contains(rule);
    let mut findings = Vec::new();
    for rule in Rule::ALL.into_iter().filter(wanted) {
        let judged = rules::judge(rule, &session).await;
        let (verdict, what) = match judged {
            Ok(what) => (Verdict::Pass, what),
            Err(Stop::Breach(what)) => (Verdict::Breach, what),
            Err(Stop::NotRun(what)) => (Verdict::NotRun, what),
            Err(Stop::Failed(error)) => return Err(error),
        };
        let finding = Finding { id: rule.id(), verdict, what, evidence: session.take_evidence() };
        told(&finding);
        findings.push(finding);
    }
    let Config { target, service, form, seed, .. } = &session.config;
    let methods = form.methods().into_iter().map(|(_, name)| name.to_owned()).collect();
    Ok(Report { target: target.clone(), service: service.clone(), methods, seed: *seed, rules: findings })
}
