//! What was open at the moment of a backup goes on after a restore and ends, whatever DTM knows by then; what was
//! acknowledged before is there; what history does not know is never said to be undone.
use crate::site::Site;
use crate::{LOADED, amends, tell};
use amends_checkers::Quiet;
use amends_dtm::client::DtmStatus;
use amends_proto::amends::v1::Status;
use amends_stack::{CoordinatorChoice, Role};
use amends_testkit::{Must as _, SOON, until};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::time::Instant;

/// Checkouts that end before the backup, and again after it.
const ENDS: u64 = 40;
/// Open at the moment of the backup, at least.
const OPEN: usize = 40;
/// Between two requests that DTM ask about all that is open there.
const ASK: Duration = Duration::from_secs(10);
/// Orders whose acknowledgement the restore lost, placed anew.
const AGAIN: usize = 8;

/// What DTM has when the restored system starts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Dtm {
    /// What it had when all died: more than the restored history.
    Kept,
    /// Nothing.
    Empty,
    /// There is none: the engine drives by itself.
    None,
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_open_ends_with_a_dtm_that_knows_more() {
    rejoins(Dtm::Kept).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_open_ends_with_a_dtm_that_knows_nothing() {
    rejoins(Dtm::Empty).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_open_ends_without_any_dtm() {
    rejoins(Dtm::None).await;
}

async fn rejoins(dtm: Dtm) {
    let _alone = LOADED.lock().await;
    let folder = tempfile::tempdir().unwrap();
    let choice = if dtm == Dtm::None { CoordinatorChoice::Embedded } else { CoordinatorChoice::Dtm };
    let site = Site::open(folder.path(), choice).await;
    let backup = folder.path().join("backup");
    let (acknowledged, manifest) = back_up_in_the_middle(&site, &backup).await;
    site.ends(ENDS).await;
    let (seed, orders) = (site.seed, site.load.witness().all());
    let old_data = site.stack.data_dir().to_owned();
    let dtm_had = site.kill().await;

    let began = Instant::now();
    let data = restore(dtm, &backup, &old_data).await;
    let restored_s = began.elapsed().as_secs_f64();
    let site = Site::start(&data, choice, seed, &folder.path().join("witness-2")).await;
    let serving_s = began.elapsed().as_secs_f64();
    site.all_end().await;
    tell(&format!(
        "{dtm:?}: {} open of {}; restored in {restored_s:.2} s, serving after {serving_s:.2} s, all ended after {:.2} s",
        manifest["open"],
        manifest["global_transactions"],
        began.elapsed().as_secs_f64()
    ));

    let known: BTreeSet<String> = site.list(&[]).await.into_iter().collect();
    assert_eq!(known.len() as u64, manifest["global_transactions"].as_u64().unwrap());
    acknowledged_is_there(&site, &acknowledged).await;
    let unknown = dtm_had.into_iter().filter(|(gid, _)| !known.contains(gid)).collect();
    match dtm {
        Dtm::Kept => never_aborted(&site, &unknown).await,
        Dtm::Empty | Dtm::None => quiet(&site).await,
    }
    sound(&site, dtm).await;
    lost_orders_can_be_placed_again(&site, orders.into_iter().filter(|(_, gid)| !known.contains(gid))).await;
    sound(&site, dtm).await;
    site.stack.stop().await;
}

/// A backup while many checkouts are open: one participant hangs for a while. Gives what had been acknowledged before.
async fn back_up_in_the_middle(site: &Site, to: &Path) -> (BTreeMap<u64, String>, serde_json::Value) {
    site.ends(ENDS).await;
    site.stack.sigstop(Role::Points).unwrap();
    site.opens(OPEN).await;
    let acknowledged = site.load.witness().all();
    let manifest = amends::back_up(site.stack.data_dir(), to).await;
    site.stack.sigcont(Role::Points).unwrap();
    assert!(manifest["open"].as_u64().unwrap() >= OPEN as u64, "{manifest}");
    (acknowledged, manifest)
}

/// Gives the data folder on which the restored system is to run.
async fn restore(dtm: Dtm, backup: &Path, old_data: &Path) -> PathBuf {
    match dtm {
        Dtm::Kept => {
            amends::restore(backup, old_data, &["--force", "--keep-dtm"]).await;
            old_data.to_owned()
        }
        Dtm::Empty => {
            amends::restore(backup, old_data, &["--force"]).await;
            old_data.to_owned()
        }
        Dtm::None => {
            let data = old_data.with_file_name("fresh");
            amends::restore(backup, &data, &[]).await;
            data
        }
    }
}

/// Every gid that was acknowledged before the backup is there and final, and its request names it again.
async fn acknowledged_is_there(site: &Site, acknowledged: &BTreeMap<u64, String>) {
    for (number, gid) in acknowledged {
        let now = site.load.get(gid).await.must("an answer");
        assert!(now.finished_at.is_some(), "order {number}, {gid}: {:?}", now.status());
        let again = site.load.start(*number).await.must("an answer");
        assert_eq!((&again.gid, again.existing), (gid, true), "order {number} was started again");
    }
}

/// DTM asks about gids that the restored history does not know, and hears that it is to ask again: nothing is undone,
/// because others may rely on it.
async fn never_aborted(site: &Site, unknown: &BTreeMap<String, DtmStatus>) {
    let with = |status| unknown.iter().filter(move |(_, had)| **had == status).map(|(gid, _)| gid);
    let asked: Vec<&String> = with(DtmStatus::Submitted).collect();
    let open = unknown.values().filter(|status| !status.is_final()).count();
    assert!(!asked.is_empty(), "no global transaction was submitted after the backup and open at the end");
    let dtm = site.dtm().unwrap();
    let log = site.stack.log(Role::Orchestrator);
    let mut due = Instant::now();
    until("DTM asked about each unknown gid", async || {
        // It comes to one after another, and lets more time pass after each answer.
        if Instant::now() >= due {
            dtm.reset_cron_time().await.must("make DTM ask at once");
            due = Instant::now() + ASK;
        }
        let told = std::fs::read_to_string(&log).unwrap();
        let alarms: String = told.lines().filter(|line| line.contains("unknown gid")).collect();
        asked.iter().all(|gid| alarms.contains(gid.as_str())).then_some(())
    })
    .await;
    let now = site.dtm_says().await;
    for (gid, had) in unknown {
        assert_eq!(now.get(gid), Some(had), "{gid}: DTM was told something");
        assert!(!site.knows(gid).await, "{gid}");
    }
    tell(&format!(
        "{} gids unknown to history, {open} of them open in DTM, {} asked about",
        unknown.len(),
        asked.len()
    ));
}

async fn quiet(site: &Site) {
    let quiet = amends_checkers::wait_quiet(&site.targets().await, SOON).await.must("wait for quiet");
    assert_eq!(quiet, Quiet::Reached);
}

/// No invariant is broken. A DTM that knows more may say of a gid what came after the backup, as it does for ever then.
async fn sound(site: &Site, dtm: Dtm) {
    let report = site.verdict().await;
    let (lies, breaches): (Vec<_>, Vec<_>) = report
        .violations()
        .into_iter()
        .partition(|breach| dtm == Dtm::Kept && breach.text.contains("the coordinator says"));
    assert!(breaches.is_empty(), "{breaches:#?}");
    if !lies.is_empty() {
        tell(&format!("{} gids of which DTM says what came after the backup", lies.len()));
    }
}

/// What was acknowledged after the backup is lost; the same request makes it anew.
async fn lost_orders_can_be_placed_again(site: &Site, lost: impl Iterator<Item = (u64, String)>) {
    let mut placed = Vec::new();
    for (number, gid) in lost.take(AGAIN) {
        let again = site.load.start(number).await.must("an answer");
        assert_ne!(again.gid, gid);
        placed.push(again.gid);
    }
    assert_eq!(placed.len(), AGAIN, "too little was lost");
    site.all_end().await;
    for gid in placed {
        let end = site.load.get(&gid).await.must("an answer").status();
        assert!(matches!(end, Status::Succeeded | Status::Failed), "{gid}: {end:?}");
    }
}
