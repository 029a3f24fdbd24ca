//! Every target's body over its corpus and some thousand mutations of it: on stable Rust, so that bodies do not rot.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use amends_fuzz_bodies::TARGETS;
use amends_wire_fuzz::{Dice, spoil};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// Mutations of each target, unless the time is over first: handlers write to a disk.
const MUTATIONS: usize = 3_000;
const LIMIT: Duration = Duration::from_millis(1_500);

fn fuzz() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz")
}

fn corpus(name: &str) -> Vec<Vec<u8>> {
    let folder = fuzz().join("corpus").join(name);
    let mut files: Vec<PathBuf> =
        std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files.iter().map(|file| std::fs::read(file).unwrap()).collect()
}

#[test]
fn no_body_falls_over_its_corpus_or_mutations_of_it() {
    for (stream, target) in (0..).zip(TARGETS) {
        let corpus = corpus(target.name);
        assert!(corpus.len() >= 2, "{} has a corpus of {}", target.name, corpus.len());
        for bytes in &corpus {
            (target.body)(bytes);
        }
        let (mut dice, began) = (Dice::new(20_261_122, stream), Instant::now());
        let mut done = 0;
        while done < MUTATIONS && (done < 50 || began.elapsed() < LIMIT) {
            let mut bytes = corpus[dice.below(corpus.len())].clone();
            for _ in 0..=dice.below(3) {
                bytes = spoil(bytes, &mut dice);
            }
            (target.body)(&bytes);
            done += 1;
        }
        println!("{}: {done} mutations", target.name);
    }
}

#[test]
fn every_body_is_a_target_of_the_fuzzer_and_back() {
    let bodies: BTreeSet<String> = TARGETS.iter().map(|target| target.name.to_owned()).collect();
    let files = std::fs::read_dir(fuzz().join("fuzz_targets")).unwrap();
    let files: BTreeSet<String> =
        files.map(|file| file.unwrap().path().file_stem().unwrap().to_string_lossy().into_owned()).collect();
    assert_eq!(files, bodies);
    let manifest = std::fs::read_to_string(fuzz().join("Cargo.toml")).unwrap();
    for name in &bodies {
        assert!(manifest.contains(&format!("name = \"{name}\"")), "{name} is not in fuzz/Cargo.toml");
    }
}
