//! What does not die but does not get on: a lane that lets too little through, a DTM that is slow, a history that somebody
//! else holds the lock of.
use crate::prometheus::Prometheus;
use crate::site::Site;
use crate::{tell, traffic};
use amends_chaos::Weather;
use amends_proto::amends::v1::{LaneSettings, SetLaneRequest};
use amends_stack::Role;

/// More than may wait.
const WAITING: usize = 560;
/// How late each byte arrives, there and back: more than a second for a call.
const LATE_MS: u64 = 700;

/// More than the lane lets through is started, then DTM becomes slow, then everything that has waited is refused at once.
pub async fn dtm_and_lane(site: &Site, prometheus: &Prometheus) {
    lane(site, 1).await;
    traffic::many(&site.world, WAITING).await;
    tell("the backlog is there");
    site.link.set(Weather::Delay { ms: LATE_MS });
    traffic::until_over(&site.world, async {
        prometheus.fires("LaneBacklog", &[("participant", "points")]).await;
        lane(site, 0).await;
        prometheus.fires("DtmSlow", &[("call", "saga")]).await;
    })
    .await;
    site.link.set(Weather::Fair);
    prometheus.fires("ManyFail", &[("definition", "own")]).await;
}

/// So many calls to points in a second; 0 = as many as come.
async fn lane(site: &Site, rate: u32) {
    let settings = LaneSettings { rate: Some(rate), ..LaneSettings::default() };
    let set = SetLaneRequest { participant: "points".to_owned(), settings: Some(settings), reset: false };
    site.world.clients().operations.set_lane(set).await.unwrap();
}

/// Somebody else has the lock of the history's file and does not give it back: commits take long and fail, starts are
/// refused.
pub async fn history(site: &Site, prometheus: &Prometheus) {
    let path = site.world.stack().data_dir().join(format!("{}.db", Role::Orchestrator));
    let lock = rusqlite::Connection::open(path).unwrap();
    lock.execute_batch("PRAGMA busy_timeout = 60000; BEGIN IMMEDIATE").unwrap();
    let refused = [("role", "orchestrator"), ("service", "amends.v1.Transactions")];
    traffic::until_over(&site.world, async {
        tokio::join!(
            prometheus.fires("HistoryCommitFailing", &[]),
            prometheus.fires("HistoryCommitSlow", &[]),
            prometheus.fires("RpcErrors", &refused),
        );
    })
    .await;
    lock.execute_batch("ROLLBACK").unwrap();
    prometheus.ends("HistoryCommitFailing").await;
}
