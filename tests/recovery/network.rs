//! A bad network under load (N1): bytes late, lost, cut in the middle, one way only or one a second, connections without a
//! far end, requests twice, on every link of the system. Nothing that was acknowledged is lost, everything ends, and no
//! invariant is broken.
use crate::{kill, seed};
use amends_chaos::{Kind, Settings};
use amends_stack::CoordinatorChoice;

/// Each kind strikes so often.
const ROUNDS: usize = 2;
const CHECKOUTS: usize = 100;

#[tokio::test(flavor = "multi_thread")]
async fn a_bad_network_loses_nothing_that_was_acknowledged() {
    let _alone = crate::LOADED.lock().await;
    let kinds: Vec<Kind> = Kind::ALL.into_iter().filter(|kind| kind.is_of_network()).collect();
    let settings = Settings {
        checkouts: CHECKOUTS,
        faults: kinds.len() * ROUNDS,
        kinds: kinds.clone(),
        coordinator: CoordinatorChoice::Dtm,
        ..Settings::new(seed())
    };
    let report = kill::run(&settings).await;
    assert!(report.acknowledged >= CHECKOUTS, "{} checkouts", report.acknowledged);
    for kind in kinds {
        let links = &report.struck[kind.as_str()];
        assert_eq!(links.values().sum::<usize>(), ROUNDS, "{kind}: {links:?}");
    }
}
