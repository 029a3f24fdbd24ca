//! Processes that die: one again and again, and each kind in turn.
use crate::prometheus::Prometheus;
use crate::site::Site;
use crate::traffic;
use amends_stack::Role;
use amends_testkit::until;

/// One more than may be.
const DEATHS: usize = 4;

/// The inventory does not live long.
pub async fn again_and_again(site: &Site, prometheus: &Prometheus) {
    let began = "process_start_time_seconds{job=\"amends\", role=\"inventory\"}";
    let stack = site.world.stack();
    for _ in 0..DEATHS {
        let before = prometheus.value(began).await;
        stack.kill9(Role::Inventory).await.unwrap();
        stack.restart(Role::Inventory).await.unwrap();
        until("its next life is read", async || {
            let now = prometheus.value(began).await;
            (now.is_some() && now != before).then_some(())
        })
        .await;
    }
    prometheus.fires("ProcessRestarting", &[("role", "inventory")]).await;
}

/// A participant and the provider are gone, and people go on buying.
pub async fn participants(site: &Site, prometheus: &Prometheus) {
    let stack = site.world.stack();
    for role in [Role::Points, Role::Psp] {
        stack.kill9(role).await.unwrap();
    }
    traffic::until_over(&site.world, async {
        tokio::join!(
            prometheus.fires("ProcessDown", &[("role", "points")]),
            prometheus.fires("BreakerOpen", &[("participant", "points")]),
            prometheus.fires("ProviderSilent", &[]),
        );
    })
    .await;
    for role in [Role::Points, Role::Psp] {
        stack.restart(role).await.unwrap();
    }
    tokio::join!(prometheus.ends("ProcessDown"), prometheus.ends("BreakerOpen"));
}

/// DTM is gone.
pub async fn dtm(site: &Site, prometheus: &Prometheus) {
    site.world.stack().kill9(Role::Dtm).await.unwrap();
    prometheus.fires("DtmAway", &[("role", "orchestrator")]).await;
    site.world.stack().restart(Role::Dtm).await.unwrap();
    prometheus.ends("DtmAway").await;
}

/// The only orchestrator is gone.
pub async fn orchestrator(site: &Site, prometheus: &Prometheus) {
    site.world.stack().kill9(Role::Orchestrator).await.unwrap();
    prometheus.fires("OrchestratorDown", &[]).await;
    site.world.stack().restart(Role::Orchestrator).await.unwrap();
    prometheus.ends("OrchestratorDown").await;
}
