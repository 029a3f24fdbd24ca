//! One page of Prometheus' text format, read back. Knows the format, and where a process says that it listens.
use amends_serve::metrics::{Kind, Metric};
use amends_stack::{Role, Stack};
use std::collections::{BTreeMap, BTreeSet};

/// What a process says when its figures can be read.
const LISTENS: &str = "metrics are served";
const LOOPBACK: &str = "127.0.0.1:";

/// Labels by name.
pub type Labels = BTreeMap<String, String>;

/// Everything that one process told at one moment.
#[derive(Debug)]
pub struct Page {
    pub text: String,
    kinds: BTreeMap<String, String>,
    series: Vec<(String, Labels, f64)>,
}

impl Page {
    /// Who tells figures in these tests.
    pub const ROLES: [Role; 4] = [Role::Orchestrator, Role::Gateway, Role::Order, Role::Psp];

    /// Asks a process.
    pub async fn of(stack: &Stack, role: Role) -> Page {
        let url = format!("http://{}/metrics", address(stack, role));
        let answer = reqwest::get(url).await.unwrap();
        assert!(answer.status().is_success(), "{role}: {}", answer.status());
        Page::parse(answer.text().await.unwrap())
    }

    pub fn parse(text: String) -> Page {
        let (mut kinds, mut series) = (BTreeMap::new(), Vec::new());
        for line in text.lines().filter(|line| !line.is_empty()) {
            if let Some(told) = line.strip_prefix("# TYPE ") {
                let (name, kind) = told.split_once(' ').unwrap();
                kinds.insert(name.to_owned(), kind.to_owned());
            } else if !line.starts_with('#') {
                let (name, value) = line.rsplit_once(' ').unwrap();
                let (name, labels) = name.split_once('{').unwrap_or((name, "}"));
                series.push((name.to_owned(), labels_of(labels), value.parse().unwrap()));
            }
        }
        Page { text, kinds, series }
    }

    /// The sum of all series of this name that have these labels.
    pub fn sum(&self, name: &str, labels: &[(&str, &str)]) -> f64 {
        let fits =
            |own: &Labels| labels.iter().all(|(name, value)| own.get(*name).is_some_and(|own| own == value));
        let fitting = self.series.iter().filter(|(own, labels, _)| own == name && fits(labels));
        fitting.map(|(.., value)| value).sum()
    }

    /// The one series of this name and these labels, if it is told.
    pub fn one(&self, name: &str, labels: &[(&str, &str)]) -> Option<f64> {
        let labels: Labels =
            labels.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        self.series.iter().find(|(own, told, _)| own == name && *told == labels).map(|(.., value)| *value)
    }

    /// Whether anything is told of this metric.
    pub fn has(&self, metric: &Metric) -> bool {
        self.kinds.contains_key(metric.name)
    }

    /// What is told and is not as the tables of metrics say.
    pub fn strangers(&self, registered: &[Metric]) -> BTreeSet<String> {
        let known = |name: &str| registered.iter().find(|metric| metric.name == base(name, &self.kinds));
        let wrong = |(name, labels, _): &(String, Labels, f64)| {
            let Some(metric) = known(name) else { return Some(format!("{name}: is in no table")) };
            let told: BTreeSet<&str> =
                labels.keys().map(String::as_str).filter(|name| *name != "le").collect();
            let kind = match metric.kind {
                Kind::Counter => "counter",
                Kind::Gauge => "gauge",
                Kind::Histogram(_) => "histogram",
            };
            let is_told = self.kinds.get(metric.name).map(String::as_str);
            (told != metric.labels.iter().copied().collect() || is_told != Some(kind))
                .then(|| format!("{name}: {told:?} {is_told:?}"))
        };
        self.series.iter().filter_map(wrong).collect()
    }
}

/// The metric that a series is of: of a histogram there are several.
fn base<'n>(name: &'n str, kinds: &BTreeMap<String, String>) -> &'n str {
    let parts = ["_bucket", "_sum", "_count"].iter();
    let mut bases = parts.filter_map(|part| name.strip_suffix(part));
    bases.find(|base| kinds.get(*base).is_some_and(|kind| kind == "histogram")).unwrap_or(name)
}

/// `a="x",b="y"}` as pairs. No value of ours has a quote or a comma in it.
fn labels_of(text: &str) -> Labels {
    let pairs = text.trim_end_matches('}').split(',').filter(|pair| !pair.is_empty());
    let pairs = pairs.map(|pair| pair.split_once('=').unwrap());
    pairs.map(|(name, value)| (name.to_owned(), value.trim_matches('"').to_owned())).collect()
}

/// Where the process that runs now said that it tells its figures.
pub fn address(stack: &Stack, role: Role) -> String {
    let log = std::fs::read_to_string(stack.log(role)).unwrap();
    let line = log.lines().rfind(|line| line.contains(LISTENS));
    let line = line.unwrap_or_else(|| panic!("{role} does not say where its figures are:\n{log}"));
    let (_, behind) = line.rsplit_once(LOOPBACK).unwrap();
    let port: String = behind.chars().take_while(char::is_ascii_digit).collect();
    format!("{LOOPBACK}{port}")
}
