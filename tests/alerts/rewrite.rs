//! Makes the shipped configuration of Prometheus quick and local, and changes nothing else of it: every length of time
//! is divided by one factor, and whoever is read is found on this machine. Knows no rule and no process.
use std::collections::BTreeMap;

/// Units of Prometheus' lengths of time in milliseconds, largest first.
const UNITS: [(&str, u64); 5] =
    [("h", 3_600_000), ("ms", 1), ("m", 60_000), ("s", 1_000), ("d", 24 * 3_600_000)];
/// Behind these a length of time stands.
const KEYS: [&str; 3] = ["for: ", "scrape_interval: ", "evaluation_interval: "];
/// Before a list of addresses.
const TARGETS: &str = "targets: [";

/// Milliseconds of a length of time as Prometheus writes it (`30s`, `1h30m`); `None` = it is none.
pub fn millis(text: &str) -> Option<u64> {
    let (mut rest, mut sum) = (text, 0);
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit())?;
        let number: u64 = rest[..digits].parse().ok()?;
        let letters = rest[digits..].find(|c: char| c.is_ascii_digit()).map_or(rest.len(), |at| digits + at);
        let (_, unit) = UNITS.into_iter().find(|(name, _)| *name == &rest[digits..letters])?;
        sum += number * unit;
        rest = &rest[letters..];
    }
    (sum > 0).then_some(sum)
}

/// Divides every length of time by `factor`: of rules, of ranges and between two looks.
pub fn shortened(text: &str, factor: u64) -> String {
    text.split_inclusive('\n').map(|line| ranges(&settings(line, factor), factor)).collect()
}

fn divided(length: &str, factor: u64) -> Option<String> {
    millis(length).map(|ms| format!("{}ms", ms / factor))
}

/// `for: 30s`
fn settings(line: &str, factor: u64) -> String {
    let changed = KEYS.into_iter().find_map(|key| {
        let value = line.trim().strip_prefix(key)?;
        Some(line.replacen(value, &divided(value, factor)?, 1))
    });
    changed.unwrap_or_else(|| line.to_owned())
}

/// `rate(x[5m])`
fn ranges(line: &str, factor: u64) -> String {
    let mut parts = line.split('[');
    let mut all = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let range = part.split_once(']').and_then(|(inside, rest)| Some((divided(inside, factor)?, rest)));
        match range {
            Some((length, rest)) => all.push_str(&format!("[{length}]{rest}")),
            None => all.push_str(&format!("[{part}")),
        }
    }
    all
}

/// Puts the addresses of this machine in the place of those of `docker-compose.yml`, by the name before the port. Whoever
/// is not here is not read.
pub fn aimed(text: &str, here: &BTreeMap<String, String>) -> String {
    text.split_inclusive('\n')
        .map(|line| {
            let parts =
                line.split_once(TARGETS).and_then(|(before, rest)| Some((before, rest.split_once(']')?)));
            let Some((before, (list, behind))) = parts else { return line.to_owned() };
            let names = list.split(',').filter_map(|one| one.trim().trim_matches('"').split(':').next());
            let found: Vec<String> =
                names.filter_map(|name| here.get(name)).map(|address| format!("\"{address}\"")).collect();
            format!("{before}{TARGETS}{}]{behind}", found.join(", "))
        })
        .collect()
}

#[test]
fn lengths_of_time_are_read_as_prometheus_writes_them() {
    for (text, expected) in
        [("30s", Some(30_000)), ("1h30m", Some(5_400_000)), ("250ms", Some(250)), ("1d", Some(86_400_000))]
    {
        assert_eq!(millis(text), expected, "{text}");
    }
    for text in ["", "30", "m", "5x", "alerts.yml", "\"a\"", "0s"] {
        assert_eq!(millis(text), None, "{text}");
    }
}

#[test]
fn only_lengths_of_time_are_changed() {
    let rule = "- alert: A\n  expr: |\n    rate(a{b=~\"x[0-9]|y\"}[5m]) > 300 and b[30m:15s] > 1\n  for: 10m\n  labels: {for: x}\n";
    let quick = "- alert: A\n  expr: |\n    rate(a{b=~\"x[0-9]|y\"}[10000ms]) > 300 and b[30m:15s] > 1\n  for: 20000ms\n  labels: {for: x}\n";
    assert_eq!(shortened(rule, 30), quick);
    let global = "global:\n  scrape_interval: 15s\n  evaluation_interval: 1m\nrule_files: [alerts.yml]\n";
    let expected =
        "global:\n  scrape_interval: 500ms\n  evaluation_interval: 2000ms\nrule_files: [alerts.yml]\n";
    assert_eq!(shortened(global, 30), expected);
}

#[test]
fn whoever_is_here_is_read_and_nobody_else() {
    let config = "      - targets: [\"orchestrator:9464\", \"orchestrator-2:9464\"]\n        labels: {role: orchestrator}\n";
    let here = BTreeMap::from([("orchestrator".to_owned(), "127.0.0.1:7".to_owned())]);
    let expected = "      - targets: [\"127.0.0.1:7\"]\n        labels: {role: orchestrator}\n";
    assert_eq!(aimed(config, &here), expected);
}
