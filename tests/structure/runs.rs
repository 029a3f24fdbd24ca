//! Which tests `cargo test` would run for the words behind it, as far as the sources tell: packages and targets as Cargo
//! knows them, tests by their attribute or by the macro that makes them. Compiles and runs nothing.
use crate::{metadata, sources};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// The macro that makes tests of its cases.
const CASES: &str = "on_every_store!";

/// What can be chosen with the words of `cargo test`.
#[derive(Default)]
pub struct Targets {
    /// By package and by the words that choose a target, its first source file.
    sources: BTreeMap<(String, String), PathBuf>,
    /// By the same, the feature without which Cargo does not build it.
    required: BTreeMap<(String, String), String>,
    /// Each with its package.
    features: BTreeSet<(String, String)>,
}

/// The words of one command, sorted.
#[derive(Default)]
struct Chosen<'w> {
    package: &'w str,
    target: String,
    feature: Option<&'w str>,
    filter: Option<&'w str>,
}

impl<'w> Chosen<'w> {
    fn of(words: &[&'w str]) -> Result<Chosen<'w>, String> {
        let words = words.strip_suffix(&["--", "--nocapture"]).unwrap_or(words);
        let mut chosen = Chosen::default();
        let mut words = words.iter();
        while let Some(word) = words.next() {
            let mut value = || words.next().copied().ok_or_else(|| format!("{word} has no value"));
            match *word {
                "--release" => {}
                "-p" => chosen.package = value()?,
                "--features" => chosen.feature = Some(value()?),
                "--test" => chosen.target = format!("--test {}", value()?),
                "--lib" => chosen.target = "--lib".to_owned(),
                other if other.starts_with('-') || chosen.filter.is_some() => {
                    return Err(format!("nobody knows what {other} is"));
                }
                filter => chosen.filter = Some(filter),
            }
        }
        if chosen.target.is_empty() { Err("it names no target".to_owned()) } else { Ok(chosen) }
    }
}

impl Targets {
    /// What `cargo metadata` tells.
    pub fn of_the_workspace() -> Targets {
        let metadata = metadata(&["--no-deps"]);
        let mut all = Targets::default();
        let text = |value: &serde_json::Value| value.as_str().unwrap_or_default().to_owned();
        for package in metadata["packages"].as_array().into_iter().flatten() {
            let name = text(&package["name"]);
            for target in package["targets"].as_array().into_iter().flatten() {
                let words = match target["kind"][0].as_str() {
                    Some("test") => format!("--test {}", text(&target["name"])),
                    Some("lib") => "--lib".to_owned(),
                    // Programs, examples and build scripts.
                    Some(_) | None => continue,
                };
                let required = target["required-features"].as_array().into_iter().flatten().map(text);
                let key = (name.clone(), words);
                all.required.extend(required.map(|feature| (key.clone(), feature)));
                all.sources.insert(key, text(&target["src_path"]).into());
            }
            let features = package["features"].as_object().into_iter().flatten();
            all.features.extend(features.map(|(feature, _)| (name.clone(), feature.clone())));
        }
        all
    }

    /// The tests that `cargo test` with these words runs; an error where that is none, or not to be told.
    pub fn run(&self, words: &[&str]) -> Result<Vec<String>, String> {
        let Chosen { package, target, feature, filter } = Chosen::of(words)?;
        let of_package = |what: &str| (package.to_owned(), what.to_owned());
        let Some(source) = self.sources.get(&of_package(&target)) else {
            return Err("there is no such target".to_owned());
        };
        let required = self.required.get(&of_package(&target)).map(String::as_str);
        if let Some(missing) = required.filter(|required| feature != Some(*required)) {
            return Err(format!("it needs --features {missing}"));
        }
        if let Some(unknown) = feature.filter(|feature| !self.features.contains(&of_package(feature))) {
            return Err(format!("there is no feature {unknown}"));
        }
        let mut tests = Vec::new();
        collect(source, "", true, &mut tests);
        tests.retain(|test| filter.is_none_or(|filter| test.contains(filter)));
        if tests.is_empty() { Err("no test fits it".to_owned()) } else { Ok(tests) }
    }
}

/// The tests of a source file and of its modules, each with the path of its module.
fn collect(source: &Path, module: &str, is_root: bool, tests: &mut Vec<String>) {
    let Ok(text) = std::fs::read_to_string(source) else { return };
    tests.extend(tests_in(&text).into_iter().map(|test| format!("{module}{test}")));
    let folder = source.parent().unwrap_or(sources::root());
    let named_after = source.file_stem().map(|stem| folder.join(stem)).unwrap_or_default();
    let own = if is_root || source.ends_with("mod.rs") { folder } else { &named_after };
    for (name, path) in modules(&text) {
        let places = match path {
            Some(path) => vec![folder.join(path)],
            None => vec![own.join(format!("{name}.rs")), own.join(name).join("mod.rs")],
        };
        if let Some(place) = places.iter().find(|place| place.is_file()) {
            collect(place, &format!("{module}{name}::"), false, tests);
        }
    }
}

/// The modules that a source declares, with the path where it names one.
fn modules(text: &str) -> Vec<(&str, Option<&str>)> {
    let mut modules = Vec::new();
    let mut path = None;
    for line in text.lines().map(str::trim) {
        if let Some(named) = line.strip_prefix("#[path = \"") {
            path = named.strip_suffix("\"]");
        } else if !line.starts_with("#[") {
            let declared = line.strip_suffix(';').and_then(|line| line.rsplit_once("mod "));
            if let Some((_, name)) =
                declared.filter(|(before, _)| before.is_empty() || before.starts_with("pub"))
            {
                modules.push((name, path));
            }
            path = None;
        }
    }
    modules
}

/// The names of the tests in a source: functions with an attribute that says so, and the cases of [`CASES`].
fn tests_in(text: &str) -> Vec<String> {
    let mut tests = Vec::new();
    let mut is_test = false;
    for line in text.lines().map(str::trim) {
        if line.starts_with("#[") {
            is_test |= line.starts_with("#[test]") || line.starts_with("#[tokio::test");
        } else if let Some((_, rest)) = line.split_once("fn ").filter(|_| is_test) {
            tests.extend(rest.split('(').next().map(ToOwned::to_owned));
            is_test = false;
        }
    }
    let cases = text.split_once(CASES).filter(|(before, _)| before.ends_with('\n'));
    let cases = cases.and_then(|(_, rest)| rest.split(['}', ')']).next()).unwrap_or_default();
    let names = cases.split([',', '\n', '{', '(']).map(str::trim).filter(|name| !name.is_empty());
    tests.extend(names.map(ToOwned::to_owned));
    tests
}

#[test]
fn tests_are_found_where_they_are() {
    let targets = Targets::of_the_workspace();
    let run = |words: &str| targets.run(&words.split(' ').collect::<Vec<_>>());
    let own = run("--release -p amends --test structure runs:: -- --nocapture");
    assert_eq!(own, Ok(vec!["runs::tests_are_found_where_they_are".to_owned()]));
    let shared = run("-p amends-orchestrator --test engine_embedded a_saga_succeeds_and_dtm_agrees");
    assert_eq!(shared, Ok(vec!["deeds::a_saga_succeeds_and_dtm_agrees".to_owned()]));
    let made = run("-p amends-orchestrator --test history an_acknowledged_append_is_there_after_reopening");
    assert_eq!(made.map(|tests| tests.len()), Ok(1));
    let inline = run("-p amends-chaos --lib what_was_seen_is_in_the_file_and_a_used_file_is_refused");
    assert_eq!(inline.map(|tests| tests.len()), Ok(1));
    let featured = run("-p amends --features crash-points --test crash_points -- --nocapture");
    assert_eq!(featured.map(|tests| tests.len()), Ok(1));
    for nothing in [
        "-p amends",
        "-p amends --test",
        "-p amends --test structure no_such_test",
        "-p amends --test structure one two",
        "-p amends --features nothing --test structure",
        "-p amends --test crash_points",
        "-p amends --bins --test structure",
    ] {
        assert!(run(nothing).is_err(), "{nothing}");
    }
    assert_eq!(
        modules("mod a;\n#[path = \"../b.rs\"]\n#[allow(x)]\nmod b;\npub mod c;\nuse mod_d;"),
        [("a", None), ("b", Some("../b.rs")), ("c", None)]
    );
    assert_eq!(
        tests_in("#[test]\n#[allow(x)]\nfn one() {\nfn two() {\non_every_store! {\n  three,\n  four,\n}"),
        ["one", "three", "four"]
    );
}
