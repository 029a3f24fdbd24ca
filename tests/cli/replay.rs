//! The same orders come to the same figures on both coordinators and in both modes. A short piece of the sample, in its
//! order; the whole of it is run by `amends replay`.
use crate::terminal::Terminal;
use serde_json::Value;
use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

/// Orders of the sample that are run.
const ORDERS: usize = 24;
/// By then some goods are sold out, and some cards were declined.
const SCARCE: [&str; 4] = ["--stock-factor", "0.3", "--decline-every", "6"];
const SAMPLE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/northwind");

/// Copies the sample, but only its first orders with their lines.
fn cut(folder: &Path) {
    let read = |file: &str| std::fs::read_to_string(Path::new(SAMPLE).join(file)).unwrap();
    let write = |file: &str, text: String| std::fs::write(folder.join(file), text).unwrap();
    for whole in ["products.csv", "customers.csv"] {
        write(whole, read(whole));
    }
    let orders: Vec<String> = read("orders.csv").lines().take(1 + ORDERS).map(str::to_owned).collect();
    let number = |line: &str| line.split(',').next().unwrap().to_owned();
    let kept: BTreeSet<String> = orders.iter().map(|line| number(line)).collect();
    let lines = read("order_lines.csv");
    let lines: Vec<&str> = lines.lines().filter(|line| kept.contains(&number(line))).collect();
    write("orders.csv", orders.join("\n") + "\n");
    write("order_lines.csv", lines.join("\n") + "\n");
}

/// What comes of it, without what a clock says; one at a time, so that it is always the same order that goes without.
fn replay(data: &Path, coordinator: &str, mode: &str) -> Value {
    let output = Command::new(env!("CARGO_BIN_EXE_amends"))
        .args(["replay", "--output", "json", "--concurrency", "1", "--data"])
        .arg(data)
        .args(SCARCE)
        .args(["--coordinator", coordinator, "--mode", mode])
        .output()
        .unwrap();
    assert!(output.status.success(), "{coordinator} {mode}: {}", String::from_utf8_lossy(&output.stderr));
    let mut told: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(told["coordinator"], coordinator);
    let fields = told.as_object_mut().unwrap();
    for field in ["coordinator", "elapsed_s", "per_second"] {
        assert!(fields.remove(field).is_some(), "{field}");
    }
    told
}

#[test]
fn the_same_orders_come_to_the_same_figures_everywhere() {
    let folder = tempfile::tempdir().unwrap();
    cut(folder.path());
    let everywhere = [("dtm", "saga"), ("dtm", "tcc"), ("embedded", "saga"), ("embedded", "tcc")];
    let told: Vec<Value> = std::thread::scope(|scope| {
        let data = folder.path();
        let runs = everywhere.map(|(coordinator, mode)| scope.spawn(move || replay(data, coordinator, mode)));
        runs.into_iter().map(|run| run.join().unwrap()).collect()
    });
    let first = &told[0];
    assert_eq!((&first["orders"], &first["violations"]), (&ORDERS.into(), &serde_json::json!([])));
    let failed = &first["failed_by_reason"];
    assert!(failed["PSP_DECLINED"].as_u64() > Some(0), "{first}");
    assert!(failed["INSUFFICIENT_STOCK"].as_u64() > Some(0), "{first}");
    for (told, (coordinator, mode)) in told.iter().zip(everywhere) {
        assert_eq!(told, first, "{coordinator} {mode}");
    }
}

#[tokio::test]
async fn on_a_terminal_it_shows_how_far_it_is_and_when_stopped_tells_that_it_is_partial() {
    let words = ["replay", "--data", SAMPLE, "--coordinator", "embedded", "--concurrency", "1"];
    let mut replay = Terminal::start("", &words, &[]);
    let moves = |text: &str| text.contains("/830 orders") && !text.contains(" 0/830 orders");
    replay.shows("a bar that moves", moves).await;
    replay.press("\u{3}");
    let (code, written) = replay.end();
    assert_eq!(code, 1, "{written}");
    for part in ["seeding", "succeeded", "Stopped before its end: partial figures of the ", " of 830 orders"]
    {
        assert!(written.contains(part), "{part} in {written}");
    }
    assert!(!written.contains("is only moved"), "nothing was checked: {written}");
}
