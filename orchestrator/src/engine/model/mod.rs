//! `decide` and the fold against a model: random plans, chains and graphs, SAGA and TCC, are run by a scheduler that
//! asks for ops in any order, loses, repeats and delays calls, lets time pass, steers and crashes, under policies that are
//! random too. What must hold is written down in `oracle` from the recorded facts and from what the participants did, and asks neither `decide` nor
//! the fold. A failing case is shrunk; its seed is printed.

mod faults;
mod oracle;
mod participants;
mod policies;
mod run;
mod shape;
mod ways;

use proptest::test_runner::{Config, RngAlgorithm, RngSeed, TestRunner};
use run::Run;
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::hash::{BuildHasher as _, RandomState};

/// How many cases one run of the test takes.
const CASES: u32 = 6_000;
/// Names the seed of a run that is to be repeated.
const SEED: &str = "AMENDS_MODEL_SEED";

#[test]
fn decide_and_the_fold_hold_against_the_model() {
    let named = std::env::var(SEED).ok().and_then(|seed| seed.parse().ok());
    let seed: u64 = named.unwrap_or_else(|| RandomState::new().hash_one(SEED));
    println!("{SEED}={seed}");
    let seen = RefCell::new(BTreeMap::<&str, u32>::new());
    let verdict = TestRunner::new(config(CASES, seed, 20_000)).run(&shape::cases(), |case| {
        let told = Run::of(&case, ways::RIGHT);
        for what in told {
            *seen.borrow_mut().entry(what).or_default() += 1;
        }
        Ok(())
    });
    if let Err(failure) = verdict {
        panic!("{SEED}={seed}\n{failure}");
    }
    let seen = seen.into_inner();
    println!("{seen:?}");
    for what in run::MUST_BE_SEEN {
        assert!(seen.get(what).is_some_and(|count| *count >= CASES / 200), "{what} is too rare: {seen:?}");
    }
}

fn config(cases: u32, seed: u64, max_shrink_iters: u32) -> Config {
    Config {
        cases,
        // The default is a cipher, which without optimisation takes longer than all that is tested.
        rng_algorithm: RngAlgorithm::XorShift,
        rng_seed: RngSeed::Fixed(seed),
        failure_persistence: None,
        max_shrink_iters,
        ..Config::default()
    }
}

/// A model that finds nothing proves nothing.
#[test]
fn the_model_finds_what_is_decided_wrongly() {
    for (name, ways) in faults::FAULTS {
        let verdict = TestRunner::new(config(CASES, 1, 0)).run(&shape::cases(), |case| {
            Run::of(&case, ways);
            Ok(())
        });
        let found = verdict.err().unwrap_or_else(|| panic!("not found: {name}"));
        println!("{name}: {}", found.to_string().lines().next().unwrap_or_default());
    }
}
