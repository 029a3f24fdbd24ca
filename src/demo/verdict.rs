//! What the checkers say of the whole demo.
use crate::output::table;
use amends_checkers::Targets;
use amends_stack::{Role, Stack};
use anyhow::Context as _;

/// The verdict, told and counted.
pub struct Verdict {
    /// For people.
    pub text: String,
    /// What does not hold.
    pub violations: Vec<String>,
}

/// Runs the checkers over everything.
pub async fn ask(stack: &Stack) -> anyhow::Result<Verdict> {
    let targets =
        Targets::from_topology(&stack.address(Role::Orchestrator)).await.context("ask for the topology")?;
    let report = amends_checkers::run(&targets).await.context("run the checkers")?;
    let rows = report.lines.iter().map(|line| {
        let verdict = match line.violations.len() {
            0 => "holds".to_owned(),
            count => format!("{count} VIOLATIONS"),
        };
        vec![line.checker.id().to_owned(), line.title.to_owned(), line.checked.to_string(), verdict]
    });
    let text =
        table(&["", "what must hold", "rows looked at", "verdict"], &["rows looked at"], rows.collect());
    let violations = report.violations();
    let violations = violations.iter().map(|it| format!("{} {}: {}", it.checker.id(), it.subject, it.text));
    Ok(Verdict { text, violations: violations.collect() })
}
