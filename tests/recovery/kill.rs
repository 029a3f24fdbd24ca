//! kill -9 under load (K1): each process dies several times while many checkouts are in flight. Nothing that was
//! acknowledged is lost, everything ends, and no invariant is broken.
use crate::{AMENDS, seed, tell};
use amends_chaos::{Kind, Now, Place, Report, Settings, victims};
use amends_stack::{Coordinator, CoordinatorChoice};
use amends_testkit::Must as _;
use std::collections::BTreeMap;

/// In each round every process dies once; without DTM the orchestrator dies in its place, once more.
const ROUNDS: usize = 5;
/// What must be open at the instant of each death, by history.
const OPEN_AT_KILL: usize = 20;
const CHECKOUTS: usize = 300;

#[tokio::test(flavor = "multi_thread")]
async fn killed_processes_lose_nothing_that_was_acknowledged_on_dtm() {
    killed_processes_lose_nothing(Coordinator::Dtm).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_processes_lose_nothing_that_was_acknowledged_on_the_embedded_coordinator() {
    killed_processes_lose_nothing(Coordinator::Embedded).await;
}

async fn killed_processes_lose_nothing(coordinator: Coordinator) {
    let _alone = crate::LOADED.lock().await;
    let victims = victims(coordinator);
    let choice = match coordinator {
        Coordinator::Dtm => CoordinatorChoice::Dtm,
        Coordinator::Embedded => CoordinatorChoice::Embedded,
    };
    let settings = Settings {
        checkouts: CHECKOUTS,
        faults: victims.len() * ROUNDS,
        kinds: vec![Kind::Kill],
        coordinator: choice,
        ..Settings::new(seed())
    };
    let report = run(&settings).await;
    let notes = report.checkers.as_ref().map(|checkers| checkers.notes.clone()).unwrap_or_default();
    assert_eq!((report.in_doubt.len(), notes.len()), (0, 0), "{:?} {notes:?}", report.in_doubt);
    assert!(report.acknowledged >= CHECKOUTS, "{} checkouts", report.acknowledged);
    assert!(
        report.repeated > 0,
        "no acknowledgement was lost: the orchestrator never died at the right moment"
    );
    let mut deaths: BTreeMap<String, usize> = BTreeMap::new();
    for victim in victims {
        *deaths.entry(victim.to_string()).or_default() += ROUNDS;
    }
    assert_eq!(report.struck, BTreeMap::from([("kill", deaths)]));
    for strike in &report.strikes {
        let (number, fault, open) = (strike.row.number, &strike.row.fault, strike.open);
        assert!(open >= OPEN_AT_KILL, "only {open} were open at fault {number}, {fault}");
    }
    for mode in ["saga", "tcc"] {
        let ends = &report.ends[mode];
        assert!(["succeeded", "failed"].iter().all(|status| ends.contains_key(*status)), "{mode}: {ends:?}");
    }
}

/// Carries out a run, tells what it was, and demands that nothing is wrong.
pub async fn run(settings: &Settings) -> Report {
    tell(&format!("seed {} (AMENDS_TEST_SEED)", settings.seed));
    let folder = tempfile::tempdir().unwrap();
    let place = Place { program: AMENDS.into(), folder: folder.path().to_owned() };
    let report = amends_chaos::run(settings, &place, &tokio::sync::watch::Sender::<Now>::default()).await;
    let report = report.must("carry out a run");
    for strike in &report.strikes {
        tell(&format!("{:3} {}: {} open", strike.row.number, strike.row.fault, strike.open));
    }
    tell(&format!(
        "{} lost and repeated, {:?}, who died served again within {} ms, final {} ms and quiet {} ms after the faults, \
         {} ms in all",
        report.repeated, report.ends, report.back_ms, report.final_ms, report.quiet_ms, report.elapsed_ms
    ));
    let violations = report.checkers.as_ref().map(amends_checkers::Report::violations);
    assert!(report.ok, "{:#?}\n{violations:#?}", report.failures);
    report
}
