//! That what the README promises is shown by what stands beside it: each command of the table can be typed as it stands,
//! each test that is named exists in what its row runs, and each invariant is one that `amends check` judges. Whether they
//! pass is the affair of those who run them.
use crate::papers::Manual;
use crate::runs::Targets;
use crate::{none, sources};
use amends_checkers::Invariant;

const PAPER: &str = "README.md";
const HEADING: &str = "\n## What it promises, and what shows it\n";
/// A promise, what to run, and what that demands.
const COLUMNS: usize = 3;
/// Fewer were not found, but lost.
const FEWEST: usize = 20;
/// What must be promised, in these words. None may go without a word in the list of what is not promised.
const PUBLISHED: [&str; 5] = [
    "An acknowledged start is never lost, and ends",
    "All or nothing for each order, or an open item in doubt",
    "No card is charged twice for an order",
    "When faults end, so does everything: within 60 s",
    "No request crashes a process",
];
/// What is not, and is said so.
const NOT_PROMISED: [&str; 4] = ["**Isolation**", "**A lost disk**", "**A provider**", "**Tampering**"];
/// What nobody else's name in backticks has: so many words, all in small letters.
const WORDS: usize = 4;

/// The section between its heading and the next one.
fn section(paper: &str) -> &str {
    let behind = paper.split_once(HEADING).map_or("", |(_, behind)| behind);
    behind.split("\n## ").next().unwrap_or_default()
}

/// The rows of all its tables, as cells.
fn rows(section: &str) -> Vec<Vec<&str>> {
    let lines = section.lines().filter_map(|line| line.strip_prefix("| ")?.strip_suffix(" |"));
    lines.map(|line| line.split(" | ").collect::<Vec<_>>()).filter(|cells| cells[0] != "promise").collect()
}

/// What stands in backticks.
fn quoted(text: &str) -> impl Iterator<Item = &str> {
    text.split('`').skip(1).step_by(2)
}

fn is_test_name(word: &str) -> bool {
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
    word.chars().all(plain) && word.split('_').count() >= WORDS
}

/// I1, A1 and their like.
fn invariants(text: &str) -> impl Iterator<Item = &str> {
    let words = text.split(|c: char| !c.is_ascii_alphanumeric());
    words.filter(|word| {
        let digits = word.strip_prefix(['A', 'I']).unwrap_or_default();
        !digits.is_empty() && digits.chars().all(|c| c.is_ascii_digit())
    })
}

/// Who knows what can be run.
struct Judge {
    manual: Manual,
    targets: Targets,
}

impl Judge {
    fn new() -> Judge {
        Judge { manual: Manual::default(), targets: Targets::of_the_workspace() }
    }

    /// What is wrong with one row.
    fn row(&mut self, cells: &[&str]) -> Vec<String> {
        let [promise, run, demands] = cells else {
            return vec![format!("{}: {} cells instead of {COLUMNS}", cells[0], cells.len())];
        };
        let commands: Vec<&str> = quoted(run).collect();
        let mut wrong = Vec::new();
        if commands.is_empty() || demands.trim().is_empty() {
            wrong.push("it has nothing to run, or nothing that this demands".to_owned());
        }
        let mut tests = Vec::new();
        for command in commands {
            match self.command(command) {
                Ok(run) => tests.extend(run),
                Err(what) => wrong.push(format!("`{command}`: {what}")),
            }
        }
        let is_run = |name: &str| tests.iter().any(|test: &String| test.rsplit("::").next() == Some(name));
        let named = quoted(demands).filter(|word| is_test_name(word));
        wrong
            .extend(named.filter(|name| !is_run(name)).map(|name| format!("no test {name} in what it runs")));
        let is_judged = |id: &str| Invariant::ALL.iter().any(|invariant| invariant.id() == id);
        let ids = cells.iter().flat_map(|cell| invariants(cell));
        wrong.extend(ids.filter(|id| !is_judged(id)).map(|id| format!("nobody judges {id}")));
        wrong.into_iter().map(|what| format!("{promise}: {what}")).collect()
    }

    /// The tests that a command runs, or what is wrong with it.
    fn command(&mut self, command: &str) -> Result<Vec<String>, String> {
        let words: Vec<String> = command.split_whitespace().map(ToOwned::to_owned).collect();
        match words.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
            ["cargo", "test", rest @ ..] => self.targets.run(rest),
            ["amends", ..] => self.manual.runs(&words[1..]).map(|()| Vec::new()),
            ["bash", script] if sources::root().join(script).is_file() => Ok(Vec::new()),
            _ => Err("it is no command of ours".to_owned()),
        }
    }
}

/// What is wrong with the section as a whole.
fn breaches(section: &str, judge: &mut Judge) -> Vec<String> {
    let rows = rows(section);
    let few = (rows.len() < FEWEST).then(|| format!("only {} promises were found", rows.len()));
    let promised = |what: &str| rows.iter().any(|cells| cells[0].trim_matches('*') == what);
    let lost =
        PUBLISHED.into_iter().filter(|what| !promised(what)).map(|what| format!("not promised: {what}"));
    let silent = NOT_PROMISED.into_iter().filter(|what| !section.contains(&format!("- {what}")));
    let silent = silent.map(|what| format!("nothing is said of {what}"));
    let own = few.into_iter().chain(lost).chain(silent).collect::<Vec<_>>();
    own.into_iter().chain(rows.iter().flat_map(|cells| judge.row(cells))).collect()
}

#[test]
fn each_promise_names_what_shows_it() {
    let paper = sources::one(PAPER).text;
    none(&breaches(section(&paper), &mut Judge::new()));
}

#[test]
fn a_promise_that_nothing_shows_is_seen() {
    let mut judge = Judge::new();
    let mut wrong = |row: &str| judge.row(&rows(row)[0]).len();
    let gate = "`cargo test -p amends --test structure promises::`";
    let name = "`each_promise_names_what_shows_it`";
    assert_eq!(
        wrong(&format!("| it holds | {gate}, `amends check`, `bash .ci/run` | {name}, I1 and A1 |")),
        0
    );
    for untrue in [
        format!("| two cells | {gate} |"),
        "| nothing to run | look | it holds |".to_owned(),
        "| another program | `rm -r x` | it holds |".to_owned(),
        "| no script | `bash scripts/nothing.sh` | it holds |".to_owned(),
        "| no verb | `amends fly` | it holds |".to_owned(),
        "| no flag | `amends check --high` | it holds |".to_owned(),
        "| no such value | `amends bench --store paper` | it holds |".to_owned(),
        "| a flag is missing | `amends replay --mode tcc` | it holds |".to_owned(),
        "| no package | `cargo test -p amends-nothing --test structure` | it holds |".to_owned(),
        "| no target | `cargo test -p amends --test nothing` | it holds |".to_owned(),
        "| no test fits | `cargo test -p amends --test structure nothing_like_this` | it holds |".to_owned(),
        "| which tests | `cargo test -p amends` | it holds |".to_owned(),
        format!("| a lost test | {gate} | `a_test_that_is_not_there` |"),
        format!("| not in what is run | {gate} | `an_untrue_paper_is_seen` |"),
        format!("| no invariant | {gate} | I2 |"),
    ] {
        assert_eq!(wrong(&untrue), 1, "{untrue}");
    }
    let all = breaches(
        section(&format!("x{HEADING}| it holds | {gate} | {name} |\n## Next\n| no | no |")),
        &mut judge,
    );
    assert_eq!(all.len(), 1 + PUBLISHED.len() + NOT_PROMISED.len(), "{all:#?}");
}
