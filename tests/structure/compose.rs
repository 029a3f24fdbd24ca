//! Who can reach whom in `docker-compose.yml`, as docker-compose itself reads it: nothing of others that people reach from
//! outside shares a network with processes of ours, which listen everywhere and ask nobody who he is.
use crate::{none, sources};
use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

/// May be on a network with ours: they ask or take, and nobody can make them ask others.
const BESIDE: [&str; 2] = ["prometheus", "otel-collector"];

const COLLECTOR: &str = "deploy/otel/collector.yaml";

/// Services with their networks, image and published ports; and the networks that lead out.
#[derive(Debug, Default)]
struct Compose {
    networks: BTreeMap<String, BTreeSet<String>>,
    images: BTreeMap<String, String>,
    published: BTreeSet<String>,
    open: BTreeSet<String>,
}

impl Compose {
    /// Of what `docker-compose config` prints: two spaces for each level, one thing on a line.
    fn parse(text: &str) -> Compose {
        let mut compose = Compose::default();
        let (mut top, mut name, mut key) = ("", "", "");
        for line in text.lines().filter(|line| !line.trim().is_empty()) {
            let (word, value) = line.trim().split_once(':').unwrap_or((line.trim(), ""));
            let word = word.trim_start_matches("- ");
            match (line.len() - line.trim_start().len(), top) {
                (0, _) => top = word,
                (2, "networks") => {
                    name = word;
                    compose.open.insert(name.to_owned());
                }
                (4, "networks") if line.trim() == "internal: true" => drop(compose.open.remove(name)),
                (2, "services") => name = word,
                (4, "services") => {
                    key = if line.trim().starts_with("- ") { key } else { word };
                    if key == "image" {
                        compose.images.insert(name.to_owned(), value.trim().to_owned());
                    }
                    if key == "ports" {
                        compose.published.insert(name.to_owned());
                    }
                }
                (6, "services") if key == "networks" => {
                    compose.networks.entry(name.to_owned()).or_default().insert(word.to_owned());
                }
                (_, _) => {}
            }
        }
        compose
    }

    fn is_ours(&self, name: &str) -> bool {
        self.images.get(name).is_some_and(|image| image.starts_with("amends:"))
    }

    /// Whoever is not ours, can be reached from outside, and shares a network with one of ours.
    fn breaches(&self) -> Vec<String> {
        let outside =
            self.published.iter().filter(|name| !self.is_ours(name) && !BESIDE.contains(&name.as_str()));
        let ours = || self.networks.iter().filter(|(name, _)| self.is_ours(name));
        let shared = |other: &String| {
            let others = &self.networks[other];
            let ours = ours().filter(|(_, networks)| !networks.is_disjoint(others));
            ours.map(|(name, _)| format!("{other} reaches {name}")).collect::<Vec<_>>()
        };
        outside.flat_map(shared).collect()
    }
}

/// What docker-compose makes of the file. Where it is not installed nothing is shown, but with CI=true that is an error.
fn compose() -> Option<Compose> {
    let output = Command::new("docker-compose").arg("config").current_dir(sources::root()).output();
    match output {
        Ok(output) => {
            assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
            Some(Compose::parse(&String::from_utf8_lossy(&output.stdout)))
        }
        Err(error) if std::env::var("CI").is_ok_and(|ci| ci == "true") => panic!("docker-compose: {error}"),
        Err(_) => {
            eprintln!("no docker-compose here: who can reach whom was not checked");
            None
        }
    }
}

#[test]
fn what_people_reach_from_outside_reaches_none_of_ours() {
    let Some(compose) = compose() else { return };
    let ours = compose.images.keys().filter(|name| compose.is_ours(name)).count();
    assert!(ours > 8 && compose.published.len() > 4, "the reading is broken: {compose:?}");
    none(&compose.breaches());
    for (name, only) in [("dtm", "coordination"), ("dtm-db", "coordination"), ("history-db", "history")] {
        assert_eq!(compose.networks[name], BTreeSet::from([only.to_owned()]), "{name}");
    }
    // Of ours the orchestrators alone can be reached from outside, and can reach it.
    let out = compose.networks.iter().filter(|(_, networks)| !networks.is_disjoint(&compose.open));
    let out: Vec<&str> = out.map(|(name, _)| name.as_str()).filter(|name| compose.is_ours(name)).collect();
    assert_eq!(out, ["orchestrator", "orchestrator-2"]);
}

#[test]
fn traces_are_sent_where_they_are_taken() {
    let compose = sources::one("docker-compose.yml").text;
    let endpoint = "  AMENDS_OTLP_ENDPOINT: \"${AMENDS_OTLP_ENDPOINT-http://otel-collector:4317}\"\n";
    assert!(compose.contains(endpoint));
    assert!(sources::one(COLLECTOR).text.contains("        endpoint: 0.0.0.0:4317\n"));
}

#[test]
fn whoever_reaches_one_of_ours_is_seen() {
    let text = "networks:\n  inside:\n    internal: true\n  way: {}\nservices:\n  graph:\n    image: g:1\n    networks:\n      inside: null\n      way: null\n    ports:\n    - 127.0.0.1:3000:3000/tcp\n  order:\n    command:\n    - networks\n    image: amends:0.1.0\n    networks:\n      inside: null\n  prometheus:\n    image: p:1\n    networks:\n      inside: null\n    ports:\n    - 127.0.0.1:9090:9090/tcp\n";
    let compose = Compose::parse(text);
    assert_eq!(compose.breaches(), ["graph reaches order"]);
    assert_eq!(compose.open, BTreeSet::from(["way".to_owned()]));
    assert_eq!(compose.published.len(), 2);
}
