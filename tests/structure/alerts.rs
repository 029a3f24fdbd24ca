//! That what Prometheus and Grafana are given goes by metrics that exist, that whoever is called finds a page that says
//! what to do, and that each rule fires when it should. The tables of metrics are the crates' own.
use crate::{none, sources};
use amends_serve::metrics::{self, Kind, Metric};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

const RULES: &str = "deploy/prometheus/alerts.yml";
const TESTS: &str = "deploy/prometheus/alerts_test.yml";
const CONFIG: &str = "deploy/prometheus/prometheus.yml";
const DASHBOARD: &str = "deploy/grafana/dashboards/amends.json";
const PAPER: &str = "docs/metrics.md";
const RUNBOOKS: &str = "docs/runbooks/";
/// Labels that Prometheus gives each series that it reads, and those of a bucket.
const GIVEN: [&str; 4] = ["job", "instance", "role", "le"];
/// What Prometheus itself records of whom it reads.
const ITS_OWN: &str = "up";

/// One rule, as far as it matters here.
struct Rule {
    name: String,
    expression: String,
    runbook: String,
}

fn registered() -> Vec<Metric> {
    [metrics::of_every_process(), amends_orchestrator::METRICS.to_vec(), amends_gateway::METRICS.to_vec()]
        .concat()
}

/// The rules of a file: YAML, of which only the plain form that ours has is read.
fn rules(text: &str) -> Vec<Rule> {
    let rule = |block: &str| {
        let name = block.lines().next().unwrap_or_default().trim().to_owned();
        let expression = block.split("expr:").nth(1).unwrap_or_default();
        let expression = expression.split("labels: {severity").next().unwrap_or_default();
        let expression = expression.split("\n        for:").next().unwrap_or_default().to_owned();
        let runbook = block.lines().find_map(|line| line.trim().strip_prefix("runbook: "));
        Rule { name, expression, runbook: runbook.unwrap_or_default().to_owned() }
    };
    text.split("- alert: ").skip(1).map(rule).collect()
}

/// Names of ours in a text, with the labels that are asked of each.
fn asked(expression: &str) -> BTreeMap<String, BTreeSet<String>> {
    let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let mut asked: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    let mut rest = expression;
    while let Some(start) = rest.find(is_name) {
        rest = &rest[start..];
        let end = rest.find(|c| !is_name(c)).unwrap_or(rest.len());
        let (name, behind) = rest.split_at(end);
        rest = behind;
        if !name.starts_with("amends_") && !name.starts_with("process_") {
            continue;
        }
        let labels = asked.entry(name.to_owned()).or_default();
        if let Some((matchers, _)) = behind.strip_prefix('{').and_then(|behind| behind.split_once('}')) {
            let names = matchers.split(',').filter_map(|matcher| matcher.split(['=', '!']).next());
            labels.extend(names.map(|name| name.trim().to_owned()).filter(|name| !name.is_empty()));
        }
    }
    asked
}

/// What an expression asks for that no process tells.
fn unknown(expression: &str, registered: &[Metric]) -> Vec<String> {
    let metric = |name: &str| {
        let histogram = |metric: &&Metric| {
            let part = name.strip_prefix(metric.name);
            matches!(metric.kind, Kind::Histogram(_)) && matches!(part, Some("_bucket" | "_sum" | "_count"))
        };
        let plain = |metric: &&Metric| metric.name == name && !matches!(metric.kind, Kind::Histogram(_));
        registered.iter().find(|metric| plain(metric) || histogram(metric))
    };
    let judge = |(name, labels): (String, BTreeSet<String>)| match metric(&name) {
        None => vec![format!("there is no {name}")],
        Some(metric) => {
            let is_known =
                |label: &String| GIVEN.contains(&label.as_str()) || metric.labels.contains(&label.as_str());
            labels
                .into_iter()
                .filter(|label| !is_known(label))
                .map(|label| format!("{name} has no {label}"))
                .collect()
        }
    };
    asked(expression).into_iter().flat_map(judge).collect()
}

fn expressions(dashboard: &Value) -> Vec<String> {
    match dashboard {
        Value::Object(fields) => {
            let own = fields.get("expr").and_then(Value::as_str).map(ToOwned::to_owned);
            own.into_iter().chain(fields.values().flat_map(expressions)).collect()
        }
        Value::Array(items) => items.iter().flat_map(expressions).collect(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => Vec::new(),
    }
}

/// The rules that a file of tests demands to fire, and those that it demands to be silent.
fn demanded(text: &str) -> (BTreeSet<&str>, BTreeSet<&str>) {
    let (mut firing, mut silent) = (BTreeSet::new(), BTreeSet::new());
    let mut last = "";
    for line in text.lines() {
        if let Some((_, behind)) = line.split_once("alertname: ") {
            last = behind.split(',').next().unwrap_or_default().trim();
            if line.contains("exp_alerts: []") {
                silent.insert(last);
            }
        } else if line.contains("exp_labels:") {
            firing.insert(last);
        }
    }
    (firing, silent)
}

/// Runs Prometheus' tool on a file. Where it is not installed nothing is shown, but with CI=true that is an error.
fn promtool(arguments: &[&str], file: &str) {
    let output = Command::new("promtool").args(arguments).arg(sources::root().join(file)).output();
    match output {
        Ok(output) => {
            let said = [output.stdout, output.stderr].map(|said| String::from_utf8_lossy(&said).into_owned());
            assert!(output.status.success(), "promtool {arguments:?} {file}:\n{}", said.concat());
        }
        Err(error) if std::env::var("CI").is_ok_and(|ci| ci == "true") => panic!("promtool: {error}"),
        Err(_) => eprintln!("no promtool here: {file} was not checked"),
    }
}

#[test]
fn alerts_and_dashboard_go_by_metrics_that_exist() {
    let registered = registered();
    let rules = rules(&sources::one(RULES).text);
    assert!(rules.len() > 15, "only {} rules were found: the reading is broken", rules.len());
    let mut breaches = Vec::new();
    for rule in &rules {
        let asked = asked(&rule.expression);
        if asked.is_empty() && !rule.expression.contains(ITS_OWN) {
            breaches.push(format!("{}: asks for nothing of ours", rule.name));
        }
        breaches.extend(
            unknown(&rule.expression, &registered).iter().map(|breach| format!("{}: {breach}", rule.name)),
        );
    }
    let dashboard: Value =
        serde_json::from_str(&sources::one(DASHBOARD).text).expect("the dashboard is JSON");
    let shown = expressions(&dashboard);
    assert!(shown.len() > 30, "only {} expressions were found in the dashboard", shown.len());
    breaches.extend(
        shown.iter().flat_map(|one| unknown(one, &registered)).map(|breach| format!("dashboard: {breach}")),
    );
    none(&breaches);
}

#[test]
fn whoever_is_called_finds_a_page() {
    let rules = rules(&sources::one(RULES).text);
    let pages: BTreeMap<String, String> = sources::all()
        .into_iter()
        .filter(|page| page.path.starts_with(RUNBOOKS))
        .map(|page| (page.path, page.text))
        .collect();
    let mut breaches = Vec::new();
    for rule in &rules {
        match pages.get(&rule.runbook) {
            Some(page) if page.starts_with(&format!("# {}\n", rule.name)) => {}
            Some(_) => breaches.push(format!("{}: {} is about something else", rule.name, rule.runbook)),
            None => breaches.push(format!("{}: there is no `{}`", rule.name, rule.runbook)),
        }
        let page = pages.get(&rule.runbook).map(String::as_str).unwrap_or_default();
        let parts = ["## What it means", "## How to look", "## What to do", "## When it is over"];
        breaches.extend(
            parts
                .iter()
                .filter(|part| !page.contains(**part))
                .map(|part| format!("{}: lacks `{part}`", rule.runbook)),
        );
    }
    let named: BTreeSet<&str> = rules.iter().map(|rule| rule.runbook.as_str()).collect();
    let beside = |path: &&String| !path[RUNBOOKS.len()..].contains('/') && !path.ends_with("README.md");
    let orphans = pages.keys().filter(beside).filter(|path| !named.contains(path.as_str()));
    breaches.extend(orphans.map(|path| format!("{path}: no rule leads there")));
    none(&breaches);
}

#[test]
fn every_rule_is_tried_firing_and_silent() {
    let rules = rules(&sources::one(RULES).text);
    let tests = sources::one(TESTS).text;
    let (firing, silent) = demanded(&tests);
    let untried = |rule: &&Rule| !firing.contains(rule.name.as_str()) || !silent.contains(rule.name.as_str());
    none(
        &rules
            .iter()
            .filter(untried)
            .map(|rule| format!("{}: is not tried both ways", rule.name))
            .collect::<Vec<_>>(),
    );
    promtool(&["check", "rules"], RULES);
    promtool(&["check", "config"], CONFIG);
    promtool(&["test", "rules"], TESTS);
}

#[test]
fn the_paper_has_every_metric() {
    let paper = sources::one(PAPER).text;
    let row = |metric: &Metric| {
        let kind = match metric.kind {
            Kind::Counter => "counter",
            Kind::Gauge => "gauge",
            Kind::Histogram(_) => "histogram",
        };
        let labels: Vec<String> = metric.labels.iter().map(|label| format!("`{label}`")).collect();
        let labels = if labels.is_empty() { "–".to_owned() } else { labels.join(", ") };
        format!("| `{}` | {kind} | {labels} | {} |\n", metric.name, metric.help)
    };
    let registered = registered();
    let missing = registered.iter().map(row).filter(|row| !paper.contains(row.as_str()));
    none(&missing.map(|row| format!("{PAPER} lacks: {row}")).collect::<Vec<_>>());
    let rows = paper
        .lines()
        .filter(|line| line.starts_with("| `amends_") || line.starts_with("| `process_"))
        .count();
    assert_eq!(rows, registered.len(), "{PAPER} tells of metrics that are not there");
}

#[test]
fn metrics_are_named_by_convention() {
    let mut seen = BTreeSet::new();
    let judge = |metric: &Metric| {
        let name = metric.name;
        let plain = name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_');
        let ours = name.starts_with("amends_") || name.starts_with("process_");
        let total = (metric.kind == Kind::Counter) == name.ends_with("_total");
        let told = metric.help.ends_with('.') && !metric.help.contains('|');
        let first = seen.insert(name);
        (!(plain && ours && total && told && first))
            .then(|| format!("{name}: {plain} {ours} {total} {told} {first}"))
    };
    none(&registered().iter().filter_map(judge).collect::<Vec<_>>());
}

#[test]
fn a_rule_that_leads_nowhere_is_seen() {
    let table = [
        Metric::new("amends_a_total", Kind::Counter, &["cause"], "A."),
        Metric::new("amends_b_seconds", Kind::Histogram(&[1.0]), &[], "B."),
    ];
    let wrong = |expression: &str| unknown(expression, &table);
    assert!(
        wrong("sum by (x) (rate(amends_a_total{job=\"a\", cause=~\"x|y\"}[5m])) > 0 and up == 1").is_empty()
    );
    assert!(wrong("histogram_quantile(0.9, rate(amends_b_seconds_bucket{le=\"1\"}[5m]))").is_empty());
    assert_eq!(wrong("amends_a_total{gid=\"x\"}"), ["amends_a_total has no gid"]);
    assert_eq!(wrong("amends_c_total > 1"), ["there is no amends_c_total"]);
    assert_eq!(wrong("amends_b_seconds > 1"), ["there is no amends_b_seconds"]);
    let text = "- alert: A\n        expr: amends_a_total > 1\n        for: 1m\n          runbook: docs/runbooks/a.md\n";
    let found = rules(text);
    assert_eq!((found[0].name.as_str(), found[0].expression.trim()), ("A", "amends_a_total > 1"));
    assert_eq!(found[0].runbook, "docs/runbooks/a.md");
    let tests = "- {eval_time: 1m, alertname: A, exp_alerts: []}\n- eval_time: 2m\n  alertname: B\n  exp_alerts:\n    - exp_labels: {}\n";
    assert_eq!(demanded(tests), (BTreeSet::from(["B"]), BTreeSet::from(["A"])));
}
