//! That crash points are where they must be and nowhere else: the registry and the sources name the same places, each commit
//! is at one of them, and a build without the feature has no trace of them.
use crate::none;
use crate::sources::{self, Source};
use std::collections::BTreeMap;
use std::process::Command;

const REGISTRY: &str = "crates/crash-points/src/place.rs";
/// What runs in the processes of the system.
const PROCESSES: &[&str] =
    &["crates/serve/src/", "crates/participant/src/", "services/", "orchestrator/src/"];
/// How a durable write looks: a commit, or a statement on the connection that writes.
const WRITES: &[&str] = &[".commit()", ".writer()"];
/// Writes that have no place, how many of them, and why.
const EXCEPTIONS: &[(&str, usize, &str)] = &[
    ("crates/serve/src/store/transaction.rs", 2, "what all of the others call"),
    ("orchestrator/src/history/generate.rs", 1, "made-up histories: no process of the system has it"),
    ("orchestrator/src/history/search/counts.rs", 1, "ends a read"),
    ("orchestrator/src/history/search/mod.rs", 1, "ends a read"),
    ("orchestrator/src/attention/outbox.rs", 1, "what the marked ones call"),
    ("orchestrator/src/replica/keeper.rs", 1, "PostgreSQL only: tests/replicas kills replicas"),
    ("orchestrator/src/replica/table.rs", 1, "PostgreSQL only: tests/replicas kills replicas"),
    (
        "services/gateway/src/resolution/mod.rs",
        3,
        "acts of people about a payment in doubt, which no run has in time",
    ),
    ("services/gateway/src/resolution/watch.rs", 1, "what follows from such an act"),
];

fn is_of_a_process(file: &&Source) -> bool {
    PROCESSES.iter().any(|folder| file.path.starts_with(folder)) && !file.is_test()
}

/// The places that a registry names.
fn registered(registry: &str) -> Vec<&str> {
    let entries = registry.lines().filter(|line| line.contains("\" in "));
    entries.filter_map(|line| line.trim().split_once(" = ").map(|(place, _)| place)).collect()
}

/// The lines before the tests at the end of a file, but for comments.
fn code(file: &Source) -> Vec<&str> {
    let before_tests = file.text.split("#[cfg(test)]\nmod tests").next().unwrap_or_default();
    before_tests.lines().filter(|line| !line.trim_start().starts_with("//")).collect()
}

/// The places that sources name, and how often.
fn marked<'f>(files: &[&'f Source]) -> BTreeMap<&'f str, usize> {
    let mut marked = BTreeMap::new();
    for line in files.iter().flat_map(|file| code(file)) {
        for place in line.split("Place::").skip(1) {
            let end = place.find(|c: char| !c.is_alphanumeric()).unwrap_or(place.len());
            *marked.entry(&place[..end]).or_default() += 1;
        }
    }
    marked
}

/// Lines that write and are not at a place. A mark may stand at the end of the line before.
fn unmarked(file: &Source) -> Vec<&str> {
    let lines = code(file);
    let writes = |line: &str| WRITES.iter().any(|write| line.contains(write));
    let is_mark = |at: usize| lines[at].contains("around!(");
    let goes_on = |at: usize| !lines[at].trim_end().ends_with(';');
    let is_marked = |at: usize| is_mark(at) || (at > 0 && goes_on(at - 1) && is_mark(at - 1));
    (0..lines.len()).filter(|at| writes(lines[*at]) && !is_marked(*at)).map(|at| lines[at].trim()).collect()
}

#[test]
fn each_registered_place_is_in_the_sources() {
    let registry = sources::one(REGISTRY);
    let all = sources::rust();
    let files: Vec<&Source> = all.iter().filter(is_of_a_process).collect();
    let (places, marked) = (registered(&registry.text), marked(&files));
    assert!(places.len() > 40, "only {} places were found: the reading is broken", places.len());
    let missing = places.iter().filter(|place| !marked.contains_key(**place));
    none(&missing.map(|place| format!("nobody comes by {place}")).collect::<Vec<_>>());
}

#[test]
fn each_commit_is_at_a_place() {
    let all = sources::rust();
    let mut breaches = Vec::new();
    for file in all.iter().filter(is_of_a_process) {
        let unmarked = unmarked(file);
        let excepted =
            EXCEPTIONS.iter().find(|(path, ..)| *path == file.path).map_or(0, |(_, count, _)| *count);
        if unmarked.len() != excepted {
            breaches.push(format!("{}: {excepted} may be without a place: {unmarked:?}", file.path));
        }
    }
    none(&breaches);
}

#[test]
fn a_write_without_a_place_is_seen() {
    let file = |text: &str| Source { path: "services/order/src/x.rs".to_owned(), text: text.to_owned() };
    assert_eq!(unmarked(&file("tx.commit().await?;")), ["tx.commit().await?;"]);
    assert!(unmarked(&file("around!(Place::Guard, tx.commit().await)?;")).is_empty());
    let masked = "around!(Place::Guard, a.commit().await)?;\nb.commit().await?;";
    assert_eq!(unmarked(&file(masked)), ["b.commit().await?;"]);
    assert_eq!(registered("    Guard = \"guard.commit\" in PARTICIPANTS,"), ["Guard"]);
    assert_eq!(marked(&[&file("around!(Place::Guard, x)")]), BTreeMap::from([("Guard", 1)]));
}

/// What only a build with the feature has: the name of the variable that it reads.
const TRACE: &str = concat!("AMENDS_CRASH", "_POINTS");

#[test]
fn a_build_has_crash_points_if_it_was_asked_for_them() {
    let mut search = Command::new("grep");
    let found = search.args(["--quiet", "--fixed-strings", TRACE, env!("CARGO_BIN_EXE_amends")]).status();
    let found = found.expect("every machine has it").code();
    assert_eq!(found, Some(if cfg!(feature = "crash-points") { 0 } else { 1 }));
}
