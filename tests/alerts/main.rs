//! Each shipped alert rule fires when what it is about really happens: a real Prometheus, on the shipped configuration with
//! its times made shorter, reads a real system that is hurt in one way after another. That each rule is silent where it
//! has to be is the affair of `deploy/prometheus/alerts_test.yml`.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod prometheus;
mod rewrite;
mod site;
mod slow;
mod stuck;
mod traffic;
mod victims;

use amends_testkit::{Mode, Status, until};
use prometheus::Prometheus;
use site::{ROLES, Site};
use std::time::Instant;

/// The command under test, which is every process of the system but DTM.
const AMENDS: &str = env!("CARGO_BIN_EXE_amends");
/// So many times as quick as in earnest goes Prometheus: it looks twice a second, and ten minutes are twenty seconds.
const FACTOR: u64 = 30;
/// Rules that nothing here can make fire, each with the reason. They are tried by `promtool` alone.
const NOT_PROVOKED: [(&str, &str); 0] = [];

#[tokio::test(flavor = "multi_thread")]
async fn each_shipped_rule_fires_when_it_happens() {
    let folder = tempfile::tempdir().unwrap();
    let began = Instant::now();
    let site = Site::start(folder.path()).await;
    let Some(prometheus) = Prometheus::start(&folder.path().join("prometheus"), FACTOR, &site.figures).await
    else {
        return site.world.stop().await;
    };
    well(&site, &prometheus).await;
    // Before anybody dies: these need all of them.
    let shop = site.world.shop().await;
    let (bought, doubtful) = (stuck::bought(&shop).await, stuck::doubtful(&shop).await);
    tokio::join!(
        stuck::payment(&doubtful, &site, &prometheus),
        stuck::books(&bought, &site, &prometheus),
        victims::again_and_again(&site, &prometheus),
        slow::dtm_and_lane(&site, &prometheus),
    );
    victims::participants(&site, &prometheus).await;
    victims::dtm(&site, &prometheus).await;
    victims::orchestrator(&site, &prometheus).await;
    tokio::join!(slow::history(&site, &prometheus), stuck::unreadable(&site, &prometheus));
    tell(&format!("all of it took {:.0} s", began.elapsed().as_secs_f64()));

    let excused = NOT_PROVOKED.map(|(name, _)| name.to_owned());
    let seen: std::collections::BTreeSet<String> = prometheus.seen().into_iter().chain(excused).collect();
    assert_eq!(seen, prometheus::shipped(), "what fired or is excused, and what ships");
    site.world.stop().await;
}

/// Everybody is read, a checkout succeeds and one is refused, and nobody is called.
async fn well(site: &Site, prometheus: &Prometheus) {
    let all = ROLES.len() as f64;
    until("everybody is read", async || {
        let up = prometheus.value("sum(up{job=\"amends\"})").await;
        (up == Some(all)).then_some(())
    })
    .await;
    let shop = site.world.shop().await;
    shop.checkout(Mode::Saga).start().await.ends(Status::Succeeded).await;
    shop.checkout(Mode::Tcc).card("tok_decline").start().await.ends(Status::Failed).await;
    until("the ends are read", async || {
        let ended = prometheus.value("sum(amends_transactions_ended_total)").await;
        (ended == Some(2.0)).then_some(())
    })
    .await;
    prometheus.alerts().await;
    assert!(prometheus.seen().is_empty(), "all is well, but somebody is called: {:?}", prometheus.seen());
}

/// Says something even when the test passes.
fn tell(line: &str) {
    use std::io::Write as _;
    // A closed standard error is nobody's loss.
    let _ = writeln!(std::io::stderr(), "alerts: {line}");
}
