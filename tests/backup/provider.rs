//! A provider outside is not restored: it knows of charges that the restored gateway does not. Repeated, they are the
//! same charges; what the restore lost for good is told by the checkers.
use crate::site::Site;
use crate::{LOADED, amends, tell};
use amends_checkers::Invariant;
use amends_stack::{CoordinatorChoice, Role};

/// Checkouts that end before the backup, and many more after it.
const ENDS: (u64, u64) = (20, 90);
/// Open at the moment of the backup, all of them before their charge.
const OPEN: usize = 40;

#[tokio::test(flavor = "multi_thread")]
async fn a_provider_that_knows_more_charges_nobody_twice() {
    let _alone = LOADED.lock().await;
    let folder = tempfile::tempdir().unwrap();
    let site = Site::open(folder.path(), CoordinatorChoice::Embedded).await;
    site.ends(ENDS.0).await;
    // Points come before the payment in both modes.
    site.stack.sigstop(Role::Points).unwrap();
    site.opens(OPEN).await;
    let (backup, data) = (folder.path().join("backup"), folder.path().join("restored"));
    let manifest = amends::back_up(site.stack.data_dir(), &backup).await;
    site.stack.sigcont(Role::Points).unwrap();
    site.ends(ENDS.1).await;
    let (seed, old) = (site.seed, site.stack.data_dir().to_owned());
    site.kill().await;

    amends::restore(&backup, &data, &[]).await;
    for file in ["psp.db", "psp.db-wal"] {
        std::fs::copy(old.join(file), data.join(file)).unwrap();
    }
    let witness = folder.path().join("witness-2");
    let site = Site::start(&data, CoordinatorChoice::Embedded, seed, &witness).await;
    site.all_end().await;
    let violations = site.verdict().await.violations();
    for violation in &violations {
        let surplus =
            violation.checker.id() == Invariant::I4.id() && violation.text.contains("no attempt of ours");
        assert!(surplus, "{violations:#?}");
    }
    let (open, lost) = (&manifest["open"], violations.len());
    tell(&format!(
        "{open} open before their charge, none charged twice; {lost} lost charges told by the checkers"
    ));
    assert!(lost > 0, "no charge was lost with the restore: nothing was tested");
    site.stack.stop().await;
}
