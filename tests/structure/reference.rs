//! That pages made from the code say what the code says now, and that each cause of attention has its runbook.
use crate::{none, sources};
use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

/// Files below a folder, as paths from it.
fn below(folder: &Path) -> BTreeSet<String> {
    let entries = std::fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let names = entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    names.filter(|name| name.ends_with(".md")).collect()
}

#[test]
fn generated_pages_are_those_of_this_code() {
    let made = tempfile::tempdir().expect("there is room for some pages");
    let mut verb = Command::new(env!("CARGO_BIN_EXE_amends"));
    let output =
        verb.args(["reference", "--dir"]).arg(made.path()).output().expect("Cargo built the program");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let kept = sources::root().join("docs");
    let names = below(&made.path().join("api"));
    assert!(names.len() >= 8, "only {names:?} were made");
    assert_eq!(below(&kept.join("api")), names, "docs/api has other pages");
    let pages = names.iter().map(|name| format!("api/{name}")).chain(["settings.md".to_owned()]);
    let stale = pages.filter(|page| {
        let text = |folder: &Path| std::fs::read_to_string(folder.join(page)).unwrap_or_default();
        text(made.path()) != text(&kept)
    });
    none(&stale.map(|page| format!("docs/{page} is stale: cargo run -- reference")).collect::<Vec<_>>());
}

/// The causes that docs/attention.md tells of: the first cells of its table.
fn told_causes() -> BTreeSet<String> {
    let page = sources::one("docs/attention.md").text;
    let table =
        page.split("\n## Causes\n").nth(1).and_then(|rest| rest.split("\n## ").next()).unwrap_or_default();
    let cells = table.lines().filter_map(|line| line.strip_prefix("| `")?.split('`').next());
    cells.map(ToOwned::to_owned).collect()
}

/// The causes that the engine opens needs with.
fn opened_causes() -> BTreeSet<String> {
    let opens = ["orchestrator/src/engine/op/attention.rs", "orchestrator/src/engine/auditor/mod.rs"];
    let files = opens.map(sources::one);
    let lines = files.iter().flat_map(sources::Source::code);
    let quoted = lines.flat_map(|line| line.split('"').skip(1).step_by(2));
    let is_word =
        |text: &&str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_');
    quoted
        .filter(is_word)
        .filter(|word| word.contains('_') || *word == "disagreement")
        .map(ToOwned::to_owned)
        .collect()
}

#[test]
fn each_cause_of_attention_has_its_runbook() {
    let causes = told_causes();
    assert!(causes.len() >= 9, "only {causes:?} were found");
    assert_eq!(opened_causes(), causes, "docs/attention.md tells of other causes than the engine opens");
    let folder = sources::root().join("docs/runbooks/attention");
    let pages = below(&folder);
    let pages = pages.iter().filter(|name| *name != "README.md");
    let runbooks: BTreeSet<String> = pages.map(|name| name.trim_end_matches(".md").to_owned()).collect();
    assert_eq!(runbooks, causes, "one runbook for each cause");
    let parts = ["## What it means", "## Look", "## Act", "## When it closes"];
    let mut missing = Vec::new();
    for cause in &causes {
        let path = format!("docs/runbooks/attention/{cause}.md");
        let text = sources::one(&path).text;
        let lacks = parts.iter().filter(|part| !text.contains(&format!("\n{part}\n")));
        missing.extend(lacks.map(|part| format!("{path} has no `{part}`")));
        if !text.contains("```sh\namends ") {
            missing.push(format!("{path} names no command"));
        }
    }
    none(&missing);
}
