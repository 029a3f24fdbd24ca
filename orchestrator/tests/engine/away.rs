//! A DTM that hangs: however many wait for it, only so many ask it at a time.

use crate::deeds::world::{World, now_us, row};
use amends_dtm::plan_mac::PlanMacKey;
use amends_migrations::history::Migrator;
use amends_orchestrator::coordinator::{Coordinator, CoordinatorError, Coordinators, DTM, Reply, View};
use amends_orchestrator::engine::{Engine, EngineParts, EngineTimes, Lanes};
use amends_orchestrator::history::{History, HistoryReader, HistoryWriter, NewTransaction, Reuse};
use amends_orchestrator::plan::{Mode, Plan};
use amends_orchestrator::replica::Tenure;
use amends_serve::store::Store;
use amends_testkit::until;
use futures::FutureExt as _;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::sync::watch;
use tonic::Code;

/// Calls of one kind that the engine makes at once.
const AT_ONCE: usize = 64;
const MANY: usize = AT_ONCE * 2;
/// Longer than whoever was not answered waits before it asks again.
const LONGER: Duration = Duration::from_secs(2);

/// It was just there: the first abort of each gets no answer, the others none before it is back.
#[derive(Default)]
struct Hanging {
    failed: Mutex<BTreeSet<String>>,
    told: Mutex<BTreeSet<String>>,
    now: AtomicUsize,
    back: watch::Sender<bool>,
}

impl Hanging {
    fn away<T: Send + 'static>() -> Reply<'static, T> {
        async { Err(CoordinatorError::Unknown("it hangs".to_owned())) }.boxed()
    }
}

impl Coordinator for Hanging {
    fn name(&self) -> &'static str {
        DTM
    }

    fn calls(&self) -> bool {
        true
    }

    fn register<'a>(&'a self, _plan: &'a Plan) -> Reply<'a, ()> {
        async { Ok(()) }.boxed()
    }

    fn submit<'a>(&'a self, _plan: &'a Plan) -> Reply<'a, ()> {
        Self::away()
    }

    fn abort<'a>(&'a self, plan: &'a Plan, _reason: &'a str) -> Reply<'a, ()> {
        async move {
            let gid = plan.gid().as_str().to_owned();
            if self.failed.lock().unwrap().insert(gid.clone()) {
                return Self::away().await;
            }
            self.now.fetch_add(1, Ordering::SeqCst);
            self.back.subscribe().wait_for(|back| *back).await.unwrap();
            self.now.fetch_sub(1, Ordering::SeqCst);
            self.told.lock().unwrap().insert(gid);
            Ok(())
        }
        .boxed()
    }

    fn nudge_all(&self) -> Reply<'_, ()> {
        Self::away()
    }

    fn view<'a>(&'a self, _gid: &'a str) -> Reply<'a, Option<View>> {
        Self::away()
    }

    fn version(&self) -> Reply<'_, String> {
        Self::away()
    }
}

async fn engine(folder: &Path, participant: String, dtm: Arc<Hanging>) -> Arc<Engine> {
    let store = Store::open(&format!("sqlite://{}", folder.join("history.db").display())).await.unwrap();
    store.migrate::<Migrator>().await.unwrap();
    let history = History { writer: HistoryWriter::start(store.clone()), reader: HistoryReader::new(store) };
    Engine::new(EngineParts {
        history,
        lanes: Lanes::new(&BTreeMap::from([("scripted".to_owned(), participant)])).unwrap(),
        coordinators: Coordinators::dtm(dtm),
        mac_key: PlanMacKey::from_hex(&"11".repeat(32)).unwrap(),
        times: EngineTimes::default(),
        clock: now_us,
        tenure: Tenure::alone(),
    })
}

#[tokio::test]
async fn a_dtm_that_hangs_is_told_of_aborts_by_so_many_at_a_time() {
    let (world, folder) = (World::start().await, tempfile::tempdir().unwrap());
    let participant = world.branches.url("x").split('/').next().unwrap().to_owned();
    let dtm = Arc::new(Hanging::default());
    let engine = engine(folder.path(), participant, Arc::clone(&dtm)).await;
    world.branches.answers(MANY, ("try", "01"), Code::Aborted, "NO|x");
    for _ in 0..MANY {
        let plan = world.plan(Mode::Tcc, 1, None, 0);
        let new = NewTransaction { plan: plan.encode(), reuse: Reuse::AfterFailed };
        engine.start(row(&plan), plan, new).await.unwrap();
    }
    until("each was not answered once", async || (dtm.failed.lock().unwrap().len() == MANY).then_some(()))
        .await;
    until("some ask again", async || (dtm.now.load(Ordering::SeqCst) >= AT_ONCE).then_some(())).await;
    tokio::time::sleep(LONGER).await;
    assert_eq!(dtm.now.load(Ordering::SeqCst), AT_ONCE);
    dtm.back.send_replace(true);
    until("all are told", async || (dtm.told.lock().unwrap().len() == MANY).then_some(())).await;
}
