//! That README, ARCHITECTURE, CHANGELOG, the pages in docs, CI and compose say what the code does: their commands exist
//! with their flags, their settings are read by somebody, their paths lead somewhere.
use crate::runs::Targets;
use crate::{metadata, none, sources};
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::process::Command;

/// What a newcomer types first.
const COMMANDS: [&str; 2] = ["cargo run --release -- demo", "cargo test --workspace"];
/// Verbs that have words of their own before their flags.
const NESTED: [&str; 5] = ["bulk", "in-doubt", "lanes", "serve", "start"];
/// Roles of `amends serve`.
const ROLES: [&str; 7] = ["order", "account", "inventory", "points", "gateway", "psp", "orchestrator"];

/// `--help` of one verb, asked for once.
#[derive(Default)]
pub struct Manual(BTreeMap<Vec<String>, Option<String>>);

impl Manual {
    /// None: there is no such verb.
    fn page(&mut self, verb: &[String]) -> Option<&str> {
        let page = self.0.entry(verb.to_vec()).or_insert_with(|| {
            let output = Command::new(env!("CARGO_BIN_EXE_amends")).args(verb).arg("--help").output();
            let output = output.expect("Cargo built the program for this test");
            output.status.success().then(|| String::from_utf8_lossy(&output.stdout).into_owned())
        });
        page.as_deref()
    }

    /// Whether a command line can be run as it stands: its verb, flags and values are there, and so is all that the verb
    /// cannot do without. Given as the words after `amends`; the program itself is asked, and does nothing.
    pub fn runs(&self, words: &[String]) -> Result<(), String> {
        let mut asked = Command::new(env!("CARGO_BIN_EXE_amends"));
        let asked = asked.args(words).arg("--help").output().map_err(|error| error.to_string())?;
        if !asked.status.success() {
            let told = String::from_utf8_lossy(&asked.stderr);
            return Err(told.lines().next().unwrap_or("it is refused").to_owned());
        }
        let page = String::from_utf8_lossy(&asked.stdout).into_owned();
        let usage = page.lines().find(|line| line.starts_with("Usage: ")).unwrap_or_default();
        let must = usage.split_whitespace().filter(|word| word.starts_with("--"));
        let missing: Vec<&str> = must.filter(|flag| !words.iter().any(|word| word == flag)).collect();
        if missing.is_empty() { Ok(()) } else { Err(format!("it lacks {missing:?}")) }
    }

    /// What is wrong with a command line, given as the words after `amends`.
    fn judge(&mut self, words: &[String]) -> Vec<String> {
        let verb: Vec<String> = match words {
            [first, second, ..] if NESTED.contains(&first.as_str()) => vec![first.clone(), second.clone()],
            [first, ..] => vec![first.clone()],
            [] => return Vec::new(),
        };
        let line = words.join(" ");
        let Some(page) = self.page(&verb) else {
            return vec![format!("amends {line}: there is no such verb")];
        };
        let flags = words.iter().filter(|word| word.starts_with("--"));
        let flags = flags.map(|flag| flag.split('=').next().unwrap_or(flag));
        let known = |flag: &&str| page.split([' ', '\n', ',', '[', '=']).any(|word| word == *flag);
        flags.filter(|flag| !known(flag)).map(|flag| format!("amends {line}: there is no {flag}")).collect()
    }
}

/// The command lines of `amends` in a text's blocks for the shell, as words after the program's name.
fn command_lines(text: &str) -> Vec<Vec<String>> {
    let text = text.replace("\\\n", " ");
    let blocks = text.split("```sh\n").skip(1).filter_map(|rest| rest.split("```").next());
    let lines = blocks.flat_map(str::lines).flat_map(|line| line.split(" | ")).map(str::trim);
    let starts = ["amends ", "cargo run --release -- "];
    let words = lines.filter_map(|line| starts.iter().find_map(|start| line.strip_prefix(start)));
    let code = words.map(|line| line.split(" #").next().unwrap_or(line));
    code.map(|line| line.split_whitespace().map(ToOwned::to_owned).collect()).collect()
}

/// The `command: [a, b, …]` lines of docker-compose.yml that start `amends`.
fn compose_lines(text: &str) -> Vec<Vec<String>> {
    let lists = text.lines().filter_map(|line| line.trim().strip_prefix("command: [")?.strip_suffix(']'));
    let words = lists.map(|list| list.split(", ").map(|word| word.trim_matches('"').to_owned()).collect());
    words.filter(|words: &Vec<String>| words.first().is_some_and(|first| first == "serve")).collect()
}

/// What a text tells to run with `cargo test`, where it names a target: the words behind that.
fn test_commands(text: &str) -> Vec<Vec<&str>> {
    let commands = text.split("cargo test ").skip(1).filter_map(|rest| rest.split(['`', '\n', '#']).next());
    let words = commands.map(|command| command.split_whitespace().collect::<Vec<_>>());
    words.filter(|words| ["--test", "--lib"].iter().any(|target| words.contains(target))).collect()
}

/// Every word that starts with `AMENDS_`.
fn settings(text: &str) -> BTreeSet<&str> {
    let words = text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
    words.filter(|word| word.starts_with("AMENDS_")).collect()
}

/// Words in backticks that look like files or folders of the project.
fn paths(text: &str) -> BTreeSet<&str> {
    let quoted = text.split('`').skip(1).step_by(2);
    let plain = |word: &&str| word.chars().all(|c| c.is_ascii_alphanumeric() || "/._-".contains(c));
    let tops = [
        "crates/",
        "deploy/",
        "migrations/",
        "orchestrator/",
        "proto/",
        "services/",
        "src/",
        "tests/",
        ".ci/",
    ];
    quoted.filter(plain).filter(|word| tops.iter().any(|top| word.starts_with(top))).collect()
}

/// The papers that tell people what to type.
fn papers() -> Vec<sources::Source> {
    let tops = ["README.md", "ARCHITECTURE.md", "CONTRIBUTING.md"];
    let told = |path: &str| tops.contains(&path) || (path.starts_with("docs/") && path.ends_with(".md"));
    let papers: Vec<_> = sources::all().into_iter().filter(|source| told(&source.path)).collect();
    assert!(papers.len() > tops.len() + 5, "only {} papers were found", papers.len());
    papers
}

fn text(path: &str) -> String {
    sources::one(path).text
}

/// Where the links of a text lead to, but for those to other machines.
fn links(text: &str) -> impl Iterator<Item = &str> {
    let targets = text.split("](").skip(1).filter_map(|rest| rest.split(')').next());
    targets.filter(|target| !target.contains("://"))
}

/// The names under which headings can be linked to.
fn anchors(text: &str) -> BTreeSet<String> {
    let kept = |c: &char| c.is_alphanumeric() || "-_ ".contains(*c);
    let slug =
        |heading: &str| heading.to_lowercase().chars().filter(kept).collect::<String>().replace(' ', "-");
    let headings = text.lines().filter(|line| line.starts_with('#'));
    headings.map(|line| slug(line.trim_start_matches('#').trim())).collect()
}

/// The links of a paper that lead nowhere.
fn dead_links(paper: &sources::Source) -> Vec<String> {
    let folder = sources::root().join(&paper.path).parent().map(PathBuf::from).unwrap_or_default();
    let is_dead = |link: &&str| {
        let (path, anchor) = link.split_once('#').unwrap_or((link, ""));
        let place = folder.join(path);
        let told = match path {
            "" => Some(paper.text.clone()),
            _ if anchor.is_empty() => return !place.exists(),
            _ => std::fs::read_to_string(place).ok(),
        };
        !told.is_some_and(|text| anchors(&text).contains(anchor))
    };
    links(&paper.text).filter(is_dead).map(|link| format!("{}: {link} leads nowhere", paper.path)).collect()
}

#[test]
fn the_two_commands_are_told_and_run() {
    for paper in ["README.md", "CONTRIBUTING.md", ".ci/run"] {
        for command in COMMANDS {
            assert!(text(paper).contains(command), "{paper} lacks `{command}`");
        }
    }
}

#[test]
fn commands_in_the_papers_exist() {
    let mut manual = Manual::default();
    let mut breaches = Vec::new();
    for sources::Source { path, text } in papers() {
        let lines = command_lines(&text);
        assert!(path != "README.md" || lines.len() > 5, "only {} commands were found in {path}", lines.len());
        let judged = lines.iter().flat_map(|words| manual.judge(words));
        breaches.extend(judged.map(|breach| format!("{path}: {breach}")));
    }
    none(&breaches);
}

#[test]
fn tests_in_the_papers_exist() {
    let targets = Targets::of_the_workspace();
    let mut breaches = Vec::new();
    for sources::Source { path, text } in papers() {
        let commands = test_commands(&text);
        assert!(
            path != "README.md" || commands.len() > 20,
            "only {} tests are named in {path}",
            commands.len()
        );
        let judged = commands.iter().filter_map(|words| Some((words, targets.run(words).err()?)));
        breaches
            .extend(judged.map(|(words, wrong)| format!("{path}: cargo test {}: {wrong}", words.join(" "))));
    }
    none(&breaches);
}

/// A DTM server that somebody else starts must be set like those that we start ourselves.
#[test]
fn compose_sets_dtm_as_our_launcher_does() {
    let launcher = text("crates/dtm/src/launcher.rs");
    let settings = launcher.lines().filter_map(|line| line.trim().strip_prefix("(\"")?.strip_suffix("\"),"));
    let settings: Vec<_> = settings.filter_map(|setting| setting.split_once("\", \"")).collect();
    assert!(settings.len() >= 7, "only {settings:?} were found in the launcher");
    let compose = text("docker-compose.yml").replace('"', "");
    let lacks = |(name, value): &&(&str, &str)| !compose.contains(&format!(" {name}: {value}\n"));
    let missing: Vec<_> = settings.iter().filter(lacks).collect();
    assert!(missing.is_empty(), "docker-compose.yml lacks {missing:?}");
}

#[test]
fn compose_starts_every_role_with_flags_that_exist() {
    let compose = text("docker-compose.yml");
    let lines = compose_lines(&compose);
    let mut roles: Vec<&str> = lines.iter().filter_map(|words| words.get(1)).map(String::as_str).collect();
    roles.sort_unstable();
    let mut all = ROLES;
    all.sort_unstable();
    assert_eq!(roles, all);
    let mut manual = Manual::default();
    none(&lines.iter().flat_map(|words| manual.judge(words)).collect::<Vec<_>>());
}

#[test]
fn settings_in_the_papers_are_read_by_somebody() {
    let mut read = sources::rust()
        .iter()
        .flat_map(|file| settings(&file.text).into_iter().map(ToOwned::to_owned).collect::<Vec<_>>())
        .collect::<BTreeSet<_>>();
    read.retain(|name| name.len() > "AMENDS_".len());
    for paper in
        ["README.md", "ARCHITECTURE.md", "CONTRIBUTING.md", "docker-compose.yml", "Dockerfile", ".ci/run"]
    {
        let text = text(paper);
        let unread: Vec<_> = settings(&text).into_iter().filter(|name| !read.contains(*name)).collect();
        assert!(unread.is_empty(), "{paper} names settings that nobody reads: {unread:?}");
    }
}

#[test]
fn paths_in_the_papers_lead_somewhere() {
    for paper in ["README.md", "ARCHITECTURE.md", "CONTRIBUTING.md"] {
        let text = text(paper);
        let lost: Vec<_> =
            paths(&text).into_iter().filter(|path| !sources::root().join(path).exists()).collect();
        assert!(lost.is_empty(), "{paper} names what is not there: {lost:?}");
    }
}

#[test]
fn links_in_the_papers_are_alive() {
    let all = sources::all();
    let papers = all.iter().filter(|source| source.path.ends_with(".md"));
    none(&papers.flat_map(dead_links).collect::<Vec<_>>());
}

/// A page that nobody links to is read by nobody.
#[test]
fn the_readme_leads_to_every_page() {
    let pages: BTreeMap<String, String> =
        papers().into_iter().map(|source| (source.path, source.text)).collect();
    let mut seen = BTreeSet::from(["README.md".to_owned()]);
    let mut next = vec!["README.md".to_owned()];
    while let Some(path) = next.pop() {
        for link in links(&pages[&path]) {
            let target = within(&path, link.split('#').next().unwrap_or_default());
            if pages.contains_key(&target) && seen.insert(target.clone()) {
                next.push(target);
            }
        }
    }
    let unseen: Vec<_> = pages.keys().filter(|path| !seen.contains(*path)).collect();
    assert!(unseen.is_empty(), "the README does not lead to {unseen:?}");
}

/// Where a link of that page leads to, below the root.
fn within(page: &str, link: &str) -> String {
    let folder = page.rsplit_once('/').map_or("", |(folder, _)| folder);
    let mut parts: Vec<&str> = folder.split('/').filter(|part| !part.is_empty()).collect();
    for part in link.split('/') {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop()),
            part => parts.push(part),
        }
    }
    parts.join("/")
}

#[test]
fn the_code_map_has_every_crate() {
    let map = text("ARCHITECTURE.md");
    let metadata = metadata(&["--no-deps"]);
    let names =
        metadata["packages"].as_array().into_iter().flatten().filter_map(|package| package["name"].as_str());
    let missing: Vec<_> = names.filter(|name| !map.contains(&format!("`{name}`"))).collect();
    assert!(missing.is_empty(), "ARCHITECTURE.md has no word on {missing:?}");
}

#[test]
fn the_changelog_knows_this_version() {
    let version = format!("[{}]", env!("CARGO_PKG_VERSION"));
    let changelog = text("CHANGELOG.md");
    assert!(changelog.contains("## [Unreleased]") || changelog.contains(&version));
    assert!(changelog.contains(env!("CARGO_PKG_VERSION")), "CHANGELOG.md does not name {version}");
}

#[test]
fn an_untrue_paper_is_seen() {
    let mut manual = Manual::default();
    let paper = "```sh\namends demo\namends fly --high\namends replay --data x --backwards # no\necho x | amends serve nobody\n```";
    let breaches: Vec<String> = command_lines(paper).iter().flat_map(|words| manual.judge(words)).collect();
    assert_eq!(breaches.len(), 3, "{breaches:?}");
    let compose = "command: [serve, order, --listen, \"0.0.0.0:7411\", --colour]\ncommand: [psql, -c, x]";
    let lines = compose_lines(compose);
    assert_eq!(lines.len(), 1);
    assert_eq!(manual.judge(&lines[0]).len(), 1);
    assert_eq!(paths("see `src/nowhere.rs`, `cargo`, `services/*/src`"), BTreeSet::from(["src/nowhere.rs"]));
    let told =
        test_commands("`cargo test -p a --test b c::`, cargo test --workspace\ncargo test -p a --lib # all");
    assert_eq!(told, [vec!["-p", "a", "--test", "b", "c::"], vec!["-p", "a", "--lib"]]);
    assert_eq!(within("docs/a/b.md", "../c.md"), "docs/c.md");
    assert_eq!(settings("x AMENDS_COLOUR=1"), BTreeSet::from(["AMENDS_COLOUR"]));
    let text = "# What it is, now\n[a](#what-it-is-now) [b](#nothing) [c](README.md) [d](nothing.md) [e](README.md#nothing) \
                [f](https://example.com)"
        .to_owned();
    assert_eq!(dead_links(&sources::Source { path: "x.md".to_owned(), text }).len(), 3);
}
