//! Which crate may know which. A new arrow is a decision: it fails here until this table names it.
use crate::{metadata, none};
use serde_json::Value;

/// A crate, what it may be built on, and what only its tests may use besides.
struct Row {
    name: &'static str,
    uses: &'static [&'static str],
    tests_use: &'static [&'static str],
}

const fn row(name: &'static str, uses: &'static [&'static str], tests_use: &'static [&'static str]) -> Row {
    Row { name, uses, tests_use }
}

/// What each of the five services is built on.
const SERVICE: &[&str] = &["crash-points", "proto", "participant", "serve", "migrations"];

/// From those who know nothing to the one who knows all.
const ALLOWED: &[Row] = &[
    row("proto", &[], &[]),
    row("migrations", &[], &[]),
    row("card-number", &[], &[]),
    row("crash-points", &[], &[]),
    row("backup", &["migrations"], &[]),
    row("serve", &["crash-points", "proto"], &[]),
    row("dtm", &["proto"], &[]),
    row("participant", &["card-number", "crash-points", "proto", "dtm", "serve"], &["migrations"]),
    row("order", SERVICE, &["dtm"]),
    row("account", SERVICE, &["dtm"]),
    row("inventory", SERVICE, &["dtm"]),
    row("points", SERVICE, &["dtm"]),
    // The processor is no participant: the gateway's tests run against the real one.
    row("gateway", SERVICE, &["dtm", "psp"]),
    row("psp", &["crash-points", "proto", "serve", "migrations"], &[]),
    row(
        "orchestrator",
        &["card-number", "crash-points", "proto", "dtm", "serve", "migrations"],
        &["testkit"],
    ),
    // What a team outside would build: the kit, and nothing of the house.
    row("tutorial-hotel", &["participant", "migrations", "serve"], &[]),
    row("stack", &["proto", "dtm"], &[]),
    row("checkers", &["proto", "dtm"], &[]),
    row("conform", &["dtm"], &["proto"]),
    row("chaos", &["proto", "stack", "checkers"], &[]),
    row("testkit", &["proto", "dtm", "stack", "checkers"], &[]),
    row("wire-fuzz", &["proto", "dtm"], &[]),
    // Nobody is built on it: the fuzz targets outside the workspace are.
    row(
        "fuzz-bodies",
        &[
            "proto",
            "migrations",
            "dtm",
            "backup",
            "card-number",
            "participant",
            "serve",
            "orchestrator",
            "order",
            "account",
            "inventory",
            "points",
            "gateway",
            "psp",
        ],
        &["wire-fuzz"],
    ),
    row(
        "amends",
        &[
            "proto",
            "dtm",
            "serve",
            "participant",
            "card-number",
            "crash-points",
            "stack",
            "checkers",
            "chaos",
            "conform",
            "wire-fuzz",
            "backup",
            "orchestrator",
            "migrations",
            "order",
            "account",
            "inventory",
            "points",
            "gateway",
            "psp",
        ],
        &["testkit", "tutorial-hotel"],
    ),
];

/// One crate of ours that names another in its manifest.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Arrow {
    from: String,
    to: String,
    in_tests: bool,
}

/// Our own crates by the name without the common prefix.
fn short(name: &str) -> String {
    name.strip_prefix("amends-").unwrap_or(name).to_owned()
}

fn crates(metadata: &Value) -> Vec<String> {
    packages(metadata).map(|package| short(text(package, "name"))).collect()
}

fn arrows(metadata: &Value) -> Vec<Arrow> {
    let of = |package: &Value| -> Vec<Arrow> {
        let from = short(text(package, "name"));
        let dependencies = package["dependencies"].as_array().into_iter().flatten();
        let ours = dependencies.filter(|dependency| dependency["path"].is_string());
        ours.map(|dependency| Arrow {
            from: from.clone(),
            to: short(text(dependency, "name")),
            in_tests: dependency["kind"] == "dev",
        })
        .collect()
    };
    packages(metadata).flat_map(of).collect()
}

fn packages(metadata: &Value) -> impl Iterator<Item = &Value> {
    metadata["packages"].as_array().into_iter().flatten()
}

fn text<'a>(value: &'a Value, field: &str) -> &'a str {
    value[field].as_str().unwrap_or_default()
}

fn breaches(arrows: &[Arrow]) -> Vec<String> {
    let is_forbidden = |arrow: &&Arrow| {
        let row = ALLOWED.iter().find(|row| row.name == arrow.from);
        !row.is_some_and(|row| {
            let may = |list: &[&str]| list.contains(&arrow.to.as_str());
            may(row.uses) || (arrow.in_tests && may(row.tests_use))
        })
    };
    let tell = |arrow: &Arrow| format!("{} must not know {}", arrow.from, arrow.to);
    arrows.iter().filter(is_forbidden).map(tell).collect()
}

#[test]
fn crates_know_only_whom_they_may() {
    let metadata = metadata(&["--no-deps"]);
    let arrows = arrows(&metadata);
    assert!(arrows.len() > 30, "only {} arrows were found: the reading is broken", arrows.len());
    none(&breaches(&arrows));
}

#[test]
fn every_crate_has_its_row() {
    let mut named: Vec<String> = ALLOWED.iter().map(|row| row.name.to_owned()).collect();
    let mut there = crates(&metadata(&["--no-deps"]));
    named.sort();
    there.sort();
    assert_eq!(named, there);
}

#[test]
fn a_forbidden_arrow_is_seen() {
    let arrow = |from: &str, to: &str, in_tests| Arrow { from: from.into(), to: to.into(), in_tests };
    let forbidden = [
        arrow("order", "inventory", false),
        arrow("orchestrator", "order", false),
        arrow("orchestrator", "participant", true),
        arrow("order", "dtm", false),
        arrow("gateway", "psp", false),
        arrow("stranger", "proto", false),
        arrow("proto", "dtm", false),
    ];
    assert_eq!(breaches(&forbidden).len(), forbidden.len());
    none(&breaches(&[
        arrow("gateway", "psp", true),
        arrow("order", "dtm", true),
        arrow("dtm", "proto", false),
    ]));
}
