//! One whole system, real processes and its own DTM, for all tests that need the five services; and the way in which each
//! of them shows that a provocation is without effect. Knows no defect.
use crate::AMENDS;
use crate::wire::Wire;
use amends_dtm::client::DtmEndpoints;
use amends_stack::Role;
use amends_testkit::{Coordinator, Fault, Gate, Mode, Shop, Status, Story, World, WorldConfig};
use std::ops::Deref;
use std::sync::{Arc, Weak};
use std::time::Duration;
use tempfile::TempDir;
use tokio::sync::Mutex;

/// DTM does not tell when it has done its worst; it acts within 20 ms (dtm.md D6), and its cron each second.
pub const ITS_WORST: Duration = Duration::from_millis(1_500);

/// The system, for as long as a test uses it.
static SITE: Mutex<Weak<Site>> = Mutex::const_new(Weak::new());

/// A running system that tests share, and anybody's way to its DTM.
pub struct Site {
    world: World,
    pub wire: Wire,
    _folder: TempDir,
}

impl Deref for Site {
    type Target = World;

    fn deref(&self) -> &World {
        &self.world
    }
}

impl Site {
    /// The one that runs already, or else a new one.
    pub async fn shared() -> Arc<Site> {
        let mut known = SITE.lock().await;
        if let Some(site) = known.upgrade() {
            return site;
        }
        let folder = tempfile::tempdir().unwrap();
        let config = WorldConfig::new(AMENDS, folder.path(), Coordinator::Dtm);
        let world = Box::pin(World::start(&config)).await;
        let grpc = format!("grpc://{}", world.stack().address(Role::Dtm));
        let wire = Wire::to(&DtmEndpoints::parse(&grpc, world.stack().dtm_http().as_deref()).unwrap());
        let site = Arc::new(Site { world, wire, _folder: folder });
        *known = Arc::downgrade(&site);
        site
    }

    /// A checkout that is held at its first call of `method`.
    pub async fn held_at<'s, 'w>(
        &self,
        shop: &'s Shop<'w>,
        mode: Mode,
        method: &str,
    ) -> (Story<'s, 'w>, Gate) {
        let gate = Gate::default();
        let story = shop.checkout(mode).first(method, Fault::Hold(gate.clone())).start().await;
        gate.reached().await;
        (story, gate)
    }

    /// Holds a checkout at its first call of `method`, does to DTM what `provoke` does with its gid, lets go: it succeeds,
    /// each step had its effect once, and no checker finds anything.
    pub async fn unharmed(&self, mode: Mode, method: &str, provoke: impl AsyncFn(&Wire, &str)) {
        let shop = self.shop().await;
        let (story, gate) = Box::pin(self.held_at(&shop, mode, method)).await;
        // DTM is made to lie: whatever its book says of this one is no breach.
        self.excuse(&story.gid);
        provoke(&self.wire, &story.gid).await;
        tokio::time::sleep(ITS_WORST).await;
        gate.open();
        story.ends(Status::Succeeded).await;
        let undone = |op: &str| op == "cancel" || op == "compensate";
        assert!(!story.journal().iter().any(|entry| undone(&entry.call.op)), "{}", story.calls().await);
        shop.holds_after(1).await;
        Box::pin(self.check()).await;
    }
}
