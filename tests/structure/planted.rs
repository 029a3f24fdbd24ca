//! That each planted bug can still be planted, in a source of today, and names a test that is there. Whether it is caught is
//! shown by `scripts/planted-bugs.sh`.
use crate::{none, sources};
use std::process::Command;

const FOLDER: &str = "tests/planted/";
/// Fewer would prove little.
const FEWEST: usize = 12;

/// One of the lines at the top of a patch.
fn told<'t>(text: &'t str, what: &str) -> Option<&'t str> {
    text.lines().take(3).find_map(|line| line.strip_prefix(what)?.strip_prefix(": "))
}

/// What is wrong with a patch, as far as it can be read.
fn breach(text: &str, has: impl Fn(&str) -> bool) -> Option<String> {
    let (bug, run, test) = (told(text, "Bug"), told(text, "Run"), told(text, "Caught by"));
    let (Some(_), Some(run), Some(test)) = (bug, run, test) else {
        return Some("does not tell its bug, its command and its test".to_owned());
    };
    if !run.starts_with("cargo test -p ") {
        return Some(format!("runs `{run}`, which is no test of one package"));
    }
    (!has(&format!("fn {test}("))).then(|| format!("there is no test {test}"))
}

#[test]
fn each_planted_bug_fits_the_sources_and_names_its_test() {
    let all = sources::all();
    let patches: Vec<_> = all.iter().filter(|file| file.path.starts_with(FOLDER)).collect();
    assert!(patches.len() >= FEWEST, "only {} bugs are planted", patches.len());
    let has =
        |function: &str| all.iter().any(|file| file.path.ends_with(".rs") && file.text.contains(function));
    let mut breaches = Vec::new();
    for patch in patches {
        let mut git = Command::new("git");
        let fits = git.current_dir(sources::root()).args(["apply", "--check"]).arg(&patch.path).output();
        let fits = fits.expect("who has the sources has git");
        let told = String::from_utf8_lossy(&fits.stderr).trim().to_owned();
        let wrong = (!fits.status.success()).then_some(told).or_else(|| breach(&patch.text, has));
        breaches.extend(wrong.map(|wrong| format!("{}: {wrong}", patch.path)));
    }
    none(&breaches);
}

#[test]
fn a_patch_that_tells_nothing_is_seen() {
    let whole = "Bug: x\nRun: cargo test -p amends-dtm --lib\nCaught by: a_test\n";
    let there = |function: &str| function == "fn a_test(";
    assert_eq!(breach(whole, there), None);
    assert!(breach(whole, |_| false).is_some());
    assert!(breach(&whole.replace("Bug", "Bag"), there).is_some());
    assert!(breach(&whole.replace("cargo test -p", "rm -r"), there).is_some());
}
