//! Where dependencies come from, under which licences, and that versions and lints are decided in one place.
use crate::{metadata, none, sources};
use std::collections::BTreeSet;
use std::process::Command;

/// Licences that may be linked into a program under Apache-2.0.
const LICENCES: &[&str] = &[
    "Apache-2.0",
    "Apache-2.0 WITH LLVM-exception",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "BSL-1.0",
    "CC0-1.0",
    "CDLA-Permissive-2.0",
    "ISC",
    "MIT",
    "Unicode-3.0",
    "Unlicense",
    "Zlib",
];
/// Crates that we name ourselves and that a process we ship is made of. Each one is somebody else's release to follow.
const MAX_DIRECT: usize = 60;
/// Packages of which nothing is shipped: tests only.
const NOT_SHIPPED: [&str; 2] = ["amends-testkit", "amends-fuzz-bodies"];
const REGISTRY: &str = "registry+https://github.com/rust-lang/crates.io-index";

/// Whether the expression can be met: of each part joined by AND, one alternative is allowed.
fn may_be_linked(expression: &str) -> bool {
    let expression = expression.replace(" / ", " OR ").replace('/', " OR ");
    expression.split(" AND ").all(|part| {
        let alternatives = part.trim_matches(['(', ')', ' ']).split(" OR ");
        alternatives.map(str::trim).any(|licence| LICENCES.contains(&licence))
    })
}

/// The platform that this test was built for: other platforms' dependencies may not be on this machine.
fn host() -> String {
    let rustc = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let output = Command::new(rustc).arg("-vV").output().expect("whoever builds this has a compiler");
    let text = String::from_utf8_lossy(&output.stdout);
    text.lines().find_map(|line| line.strip_prefix("host: ")).expect("rustc -vV names its host").to_owned()
}

#[test]
fn every_licence_allows_our_use() {
    let metadata = metadata(&["--filter-platform", &host()]);
    let packages: Vec<_> = metadata["packages"].as_array().into_iter().flatten().collect();
    assert!(packages.len() > 100, "only {} packages were found: the reading is broken", packages.len());
    let breach = |package: &&serde_json::Value| {
        let licence = package["license"].as_str().unwrap_or("no licence named");
        (!may_be_linked(licence)).then(|| format!("{}: {licence}", package["name"]))
    };
    none(&packages.iter().filter_map(breach).collect::<Vec<_>>());
}

#[test]
fn a_licence_that_forbids_our_use_is_seen() {
    for allowed in ["MIT", "MIT/Apache-2.0", "(MIT OR GPL-3.0) AND Unicode-3.0", "Apache-2.0 / MIT"] {
        assert!(may_be_linked(allowed), "{allowed}");
    }
    for forbidden in ["GPL-3.0", "MIT AND GPL-3.0", "AGPL-3.0 OR SSPL-1.0", "", "no licence named"] {
        assert!(!may_be_linked(forbidden), "{forbidden}");
    }
}

#[test]
fn everything_comes_from_the_one_registry() {
    let lock = sources::one("Cargo.lock");
    let sources = lock.text.lines().filter_map(|line| line.strip_prefix("source = "));
    let foreign = sources.filter(|source| source.trim_matches('"') != REGISTRY);
    none(&foreign.map(ToOwned::to_owned).collect::<Vec<_>>());
}

#[test]
fn direct_dependencies_stay_few() {
    let metadata = metadata(&["--no-deps"]);
    let packages = metadata["packages"].as_array().into_iter().flatten();
    let shipped = packages.filter(|package| NOT_SHIPPED.iter().all(|name| package["name"] != **name));
    let dependencies = shipped.flat_map(|package| package["dependencies"].as_array().into_iter().flatten());
    // Neither for tests nor for building.
    let normal = dependencies.filter(|dependency| dependency["kind"].is_null());
    let foreign = normal.filter(|dependency| !dependency["path"].is_string());
    let names: BTreeSet<_> = foreign.filter_map(|dependency| dependency["name"].as_str()).collect();
    assert!(names.len() <= MAX_DIRECT, "{} direct dependencies: {names:?}", names.len());
}

/// Manifests of all crates but the root's, which is where versions stand. Those of the fuzz targets are no workspace's.
fn manifests() -> Vec<sources::Source> {
    let manifests: Vec<_> = sources::all()
        .into_iter()
        .filter(|file| file.path.ends_with("/Cargo.toml") && file.path != "fuzz/Cargo.toml")
        .collect();
    assert!(manifests.len() >= 15, "only {} manifests were found", manifests.len());
    manifests
}

#[test]
fn versions_stand_in_the_workspace_only() {
    let mut breaches = Vec::new();
    for manifest in manifests() {
        let mut in_dependencies = false;
        for line in manifest.text.lines() {
            if line.starts_with('[') {
                in_dependencies = line.ends_with("dependencies]");
            } else if in_dependencies && line.contains('=') && !line.contains("workspace = true") {
                breaches.push(format!("{}: {line}", manifest.path));
            }
        }
    }
    none(&breaches);
}

#[test]
fn lints_are_the_workspaces() {
    let lacks = |manifest: &sources::Source| !manifest.text.contains("[lints]\nworkspace = true");
    let breaches = manifests().into_iter().filter(lacks).map(|manifest| manifest.path);
    none(&breaches.collect::<Vec<_>>());
}
