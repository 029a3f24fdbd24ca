//! That the page on DTM's defects has a row with a test for each of them, that every test which it names exists, and that
//! no test of a defect is left out.
use crate::{none, sources};
use std::collections::BTreeSet;

const PAPER: &str = "docs/dtm-safety.md";
/// Where the defects are provoked, one test each, named after them.
const FOLDER: &str = "tests/dtm_safety/";
const DEFECTS: usize = 24;
/// What nobody else's name in backticks has: so many words, all in small letters.
const WORDS: usize = 4;

/// The names of tests in a text.
fn named(text: &str) -> BTreeSet<&str> {
    let quoted = text.split('`').skip(1).step_by(2);
    let plain = |word: &str| word.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_');
    quoted.filter(|word| plain(word) && word.split('_').count() >= WORDS).collect()
}

/// The names of functions in a source.
fn functions(text: &str) -> impl Iterator<Item = &str> {
    text.lines().filter_map(|line| line.trim().split_once("fn ")?.1.split('(').next())
}

/// What is wrong with the page, given all functions and those of its own tests.
fn breaches(paper: &str, all: &BTreeSet<&str>, own: &BTreeSet<&str>) -> Vec<String> {
    let named = named(paper);
    let lost = named.iter().filter(|name| !all.contains(*name)).map(|name| format!("no test {name}"));
    let untold = own.iter().filter(|name| !named.contains(*name)).map(|name| format!("{name} is not told"));
    let row = |defect: &usize| paper.lines().find(|line| line.starts_with(&format!("| D{defect} |")));
    let shown = |defect: &usize| row(defect).is_some_and(|row| row.contains(&format!("`d{defect:02}_")));
    let unshown =
        (1..=DEFECTS).filter(|defect| !shown(defect)).map(|defect| format!("D{defect} has no test"));
    lost.chain(untold).chain(unshown).collect()
}

#[test]
fn each_defect_of_dtm_has_its_row_and_its_test() {
    let rust = sources::rust();
    let all: BTreeSet<&str> = rust.iter().flat_map(|file| functions(&file.text)).collect();
    let own = rust.iter().filter(|file| file.path.starts_with(FOLDER));
    let own: BTreeSet<&str> =
        own.flat_map(|file| functions(&file.text)).filter(|name| is_defect(name)).collect();
    assert!(own.len() >= DEFECTS, "only {own:?} were found");
    none(&breaches(&sources::one(PAPER).text, &all, &own));
}

fn is_defect(name: &str) -> bool {
    let digits = name.strip_prefix('d').and_then(|rest| rest.split('_').next());
    digits.is_some_and(|digits| digits.len() == 2 && digits.chars().all(|c| c.is_ascii_digit()))
}

#[test]
fn an_untrue_page_is_seen() {
    let own = BTreeSet::from(["d01_is_told_here", "d02_is_not_told"]);
    let paper = "| D1 | x | `d01_is_told_here`, `a_test_that_is_gone`, `cargo test` |";
    let found = breaches(paper, &own, &own);
    assert_eq!(found.len(), 2 + DEFECTS - 1, "{found:?}");
    assert!(is_defect("d24_a_round") && !is_defect("dtm_says") && !is_defect("d2_x"));
    assert_eq!(functions("    pub async fn one(x: u8) {\nlet fn_ = 1;").collect::<Vec<_>>(), ["one"]);
}
