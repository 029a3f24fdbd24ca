//! `amends man` and `amends completions`: every verb is in them.
use std::collections::BTreeSet;
use std::process::Command;

fn amends(words: &[&str]) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_amends")).args(words).output().unwrap();
    assert!(output.status.success(), "{words:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// The verbs that `--help` tells of, below the words given.
fn verbs(words: &[&str]) -> BTreeSet<String> {
    let help = amends(&[words, &["--help"]].concat());
    let told = help.split("\nCommands:\n").nth(1).unwrap_or_default();
    let lines = told.lines().take_while(|line| line.starts_with("  "));
    let verbs = lines.filter_map(|line| line.split_whitespace().next()).filter(|verb| *verb != "help");
    verbs.map(ToOwned::to_owned).collect()
}

#[test]
fn every_verb_has_its_page() {
    let folder = tempfile::tempdir().unwrap();
    let pages = folder.path().join("man1");
    assert_eq!(amends(&["man", "--dir", pages.to_str().unwrap()]), "");
    let verbs = verbs(&[]);
    assert!(verbs.len() > 30, "only {verbs:?} were found");
    let text = |name: &str| {
        std::fs::read_to_string(pages.join(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
    };
    for verb in &verbs {
        let page = text(&format!("amends-{verb}.1"));
        for part in [".TH ", ".SH NAME", ".SH SYNOPSIS", ".SH OPTIONS"] {
            assert!(page.contains(part), "amends-{verb}.1 has no {part}");
        }
    }
    assert!(text("amends-serve-orchestrator.1").contains("participant"), "verbs of verbs have pages too");
    assert!(!pages.join("amends-reference.1").exists(), "what help does not tell of has no page");
    assert!(amends(&["man"]).contains("amends\\-serve"), "without a folder the first page is printed");
}

#[test]
fn every_shell_can_complete_every_verb() {
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let script = amends(&["completions", shell]);
        let missing: Vec<String> =
            verbs(&[]).into_iter().filter(|verb| !script.contains(verb.as_str())).collect();
        assert!(missing.is_empty(), "{shell}: {missing:?}");
    }
}
