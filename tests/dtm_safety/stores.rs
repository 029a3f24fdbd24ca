//! What DTM's stores do to it: SQL made of a gid, statuses written later, columns that end at 1,024 characters, clocks that
//! differ, a file for everybody. D6 on SQL, D14, D17, D18, D19.
use crate::engine::{PATIENCE, World};
use crate::server::{Server, Settings, run};
use crate::wire::{Wire, fresh, named, polled, saga};
use crate::{play, tell};
use amends_dtm::client::DtmStatus;
use amends_dtm::launcher::{DtmPorts, LaunchError, LocalDtm};
use amends_orchestrator::history::Status;
use amends_orchestrator::plan::{Mode, Plan};
use amends_proto::dtm::DtmRequest;
use amends_stack::Postgres;
use amends_testkit::{own_cluster, until};
use serde_json::json;
use std::os::unix::fs::PermissionsExt as _;
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};
use tokio::sync::Mutex;
use tonic::Code;

/// More than DTM's SQL columns hold.
const LONG: usize = 2_000;
/// Times that DTM is killed, until once a status was not written yet: batches are written each 200 ms.
const TRIES: usize = 30;
/// A poll that nobody waits for here.
const NEVER_S: i64 = 3_600;

/// The cluster, for as long as a test uses it.
static CLUSTER: Mutex<Weak<Postgres>> = Mutex::const_new(Weak::new());

/// A cluster, and a new database in it with DTM's tables.
struct OnPostgres {
    store: Vec<(String, String)>,
    database: String,
    cluster: Arc<Postgres>,
}

impl OnPostgres {
    /// None: this machine has no PostgreSQL, which is an error in CI.
    async fn make() -> Option<OnPostgres> {
        let mut known = CLUSTER.lock().await;
        let cluster = match known.upgrade() {
            Some(cluster) => cluster,
            None => {
                let cluster = Arc::new(own_cluster().await?);
                *known = Arc::downgrade(&cluster);
                cluster
            }
        };
        let database = format!("dtm_{}", fresh().replace('-', ""));
        let store = cluster.create_dtm_database(&database).await.unwrap();
        Some(OnPostgres { store, database, cluster })
    }

    async fn server(&self, settings: Settings<'_>) -> Server {
        Server::start_with(settings, &self.store).await
    }

    /// An orchestrator whose DTM is on this store.
    async fn world(&self, settings: Settings<'_>) -> World {
        let mut world = World::start().await;
        world.dtm.store = self.store.clone();
        restart(&mut world, settings).await;
        world
    }
}

/// Kills the DTM of an orchestrator and starts it again.
async fn restart(world: &mut World, settings: Settings<'_>) {
    world.child.kill().await.unwrap();
    world.child = run(&world.dtm, settings).await;
}

/// A gid goes into the statement as it is: with a quote in it, "one" means all.
#[test]
fn d06_the_wake_up_of_one_gid_is_sql_made_of_the_gid() {
    play(async {
        let Some(postgres) = OnPostgres::make().await else { return };
        let (server, victim) = (postgres.server(&[]).await, fresh());
        server.branches.answer("action", "01", Code::FailedPrecondition, "NOT_YET|x");
        server.wire.submit(polled(saga(&victim, 1, &server.url()), NEVER_S)).await.unwrap();
        server.called(&victim, 1).await;
        let forged = "x' or '1'='1";
        server.wire.prepare(named(forged, "tcc")).await.unwrap();
        // DTM notes its hour only after the call was answered, and would write over a wake-up from before that.
        until("the victim wakes an hour early, under another's name", async || {
            assert_eq!(server.wire.post("resetNextCronTime", &json!({"gid": forged})).await, 200);
            tokio::time::timeout(AWAKE, server.called(&victim, 2)).await.ok()
        })
        .await;
        server.wire.becomes(&victim, DtmStatus::Succeed).await;

        // Our gids are checked, this call is never made, and who is woken by a stranger is answered from history.
        assert!(amends_dtm::Gid::parse(forged).is_err());
        let world = postgres.world(&[]).await;
        let gate = world.branches.hold("action", "02");
        let live = world.go(patient(&world, 3)).await;
        world.branches.until_all(&["action 02"], PATIENCE).await;
        let wire = Wire::to(&world.dtm.endpoints());
        assert_eq!(wire.post("resetNextCronTime", &json!({"gid": forged})).await, 200);
        tokio::time::sleep(Duration::from_secs(3)).await;
        assert_eq!(world.branches.order(), "action 01, action 02");
        drop(gate);
        assert_eq!(world.end(&live.base().gid).await, Status::Succeeded);
        assert_eq!(world.branches.order(), "action 01, action 02, action 03");
    });
}

/// DTM looks every few seconds for what is due.
const AWAKE: Duration = Duration::from_secs(8);

/// A plan whose attempts may take long.
fn patient(world: &World, steps: usize) -> Plan {
    let mut plan = world.plan(Mode::Saga, steps, None, 0).body().clone();
    for step in &mut plan.steps {
        step.policy.as_mut().unwrap().attempt_timeout_ms = 60_000;
    }
    Plan::new(plan).unwrap()
}

/// Without UPDATE_BRANCH_SYNC what was done is written later, and lost with a DTM that dies: it is done again.
#[test]
fn d14_statuses_of_branches_are_written_later_on_sql() {
    const ASYNC: Settings<'_> = &[("UPDATE_BRANCH_SYNC", "0")];
    play(async {
        let Some(postgres) = OnPostgres::make().await else { return };
        let mut server = postgres.server(ASYNC).await;
        let gate = server.branches.hold_all(10_000, "action", "02");
        let mut killed = 0;
        let repeated = loop {
            let gid = fresh();
            server.wire.submit(saga(&gid, 2, &server.url())).await.unwrap();
            server.called(&gid, 2).await;
            server.restart(ASYNC).await;
            killed += 1;
            server.called(&gid, 3).await;
            let order = server.branches.order_of(&gid);
            if order.starts_with("action 01, action 02, action 01") || killed == TRIES {
                break order;
            }
        };
        tell(&format!("D14: after {killed} kills of DTM: {repeated}"));
        assert!(repeated.starts_with("action 01, action 02, action 01"), "{repeated}");
        drop((gate, server));

        let mut world = postgres.world(ASYNC).await;
        let gate = world.branches.hold("action", "02");
        let live = world.go(patient(&world, 3)).await;
        world.branches.until_all(&["action 02"], PATIENCE).await;
        restart(&mut world, ASYNC).await;
        drop(gate);
        assert_eq!(world.end(&live.base().gid).await, Status::Succeeded);
        assert_eq!(world.branches.order(), "action 01, action 02, action 03", "history repeats nothing");
    });
}

/// A refusal whose text is longer than a column makes DTM panic, at each poll, and nothing is ever undone.
#[test]
fn d17_a_long_refusal_panics_on_sql_and_undoes_nothing() {
    play(async {
        let Some(postgres) = OnPostgres::make().await else { return };
        let long = format!("OUT_OF_IT|{}", "x".repeat(LONG));
        let (server, gid) = (postgres.server(&[]).await, fresh());
        server.branches.answer("action", "02", Code::Aborted, &long);
        server.wire.submit(saga(&gid, 2, &server.url())).await.unwrap();
        let panics = async || (server.log().matches("too long for type").count() > 0).then_some(());
        until("DTM cannot write it", panics).await;
        assert_eq!(server.wire.view(&gid).await.status, DtmStatus::Submitted);
        assert_eq!(server.branches.order_of(&gid), "action 01, action 02", "nothing is undone");
        let tokens = "x".repeat(LONG);
        let request =
            DtmRequest { customed_data: json!({"note": tokens}).to_string(), ..saga(&fresh(), 1, "") };
        assert!(server.wire.submit(request).await.is_err(), "custom data has the same end");

        let world = postgres.world(&[]).await;
        world.branches.answer("action", "02", Code::Aborted, &long);
        let live = world.go(world.plan(Mode::Saga, 3, None, 0)).await;
        assert_eq!(world.end(&live.base().gid).await, Status::Failed);
        assert_eq!(world.branches.order(), "action 01, action 02, compensate 01");
        let view = Wire::to(&world.dtm.endpoints()).becomes(&live.base().gid, DtmStatus::Failed).await;
        assert!(view.rollback_reason.len() < 512, "{}", view.rollback_reason);
    });
}

/// A file that all may read, one process at a time, and old data that goes at a start only.
#[test]
fn d18_the_file_of_boltdb_is_everybodys_and_grows_until_a_start() {
    const EXPIRING: Settings<'_> = &[("STORE_DATA_EXPIRE", "1")];
    play(async {
        let (mut server, gid) = (Server::start_with(EXPIRING, &[]).await, fresh());
        let mut alone = tokio::process::Command::new("/bin/sh");
        let folder = tempfile::tempdir().unwrap();
        let ports = DtmPorts::free().unwrap();
        let alone = alone
            .args(["-c", "umask 022; exec \"$0\""])
            .arg(&server.local.binary.path)
            .envs(
                [("HTTP_PORT", ports.http), ("GRPC_PORT", ports.grpc), ("JSON_RPC_PORT", ports.json_rpc)]
                    .map(|(name, port)| (name, port.to_string())),
            )
            .current_dir(folder.path())
            .stdout(std::process::Stdio::null())
            .stderr(std::process::Stdio::null())
            .kill_on_drop(true);
        let _child = alone.spawn().unwrap();
        let mode =
            async || Some(std::fs::metadata(folder.path().join("dtm.bolt")).ok()?.permissions().mode());
        assert_eq!(until("its file", mode).await & 0o777, 0o644, "0666 as far as the umask lets it");
        let second = LocalDtm { ports: DtmPorts::free().unwrap(), ..server.local.clone() };
        let mut child = second.spawn().unwrap();
        let refused = second.wait_ready(&mut child, PATIENCE).await;
        assert!(matches!(refused, Err(LaunchError::Ended { .. })), "one process for one file: {refused:?}");

        server.wire.submit(saga(&gid, 1, &server.url())).await.unwrap();
        server.wire.becomes(&gid, DtmStatus::Succeed).await;
        tokio::time::sleep(Duration::from_millis(2_500)).await;
        assert_eq!(server.wire.view(&gid).await.status, DtmStatus::Succeed, "expired, and still there");
        server.restart(EXPIRING).await;
        let known = server.wire.client.query(&amends_dtm::Gid::parse(&gid).unwrap()).await.unwrap();
        assert_eq!(known, None, "gone at the start");

        // As Amends starts it nobody else reads the file, and what DTM forgets history keeps.
        let mut world = World::start().await;
        let ours = std::fs::metadata(world.dtm.folder.join("dtm.bolt")).unwrap().permissions().mode();
        assert_eq!(ours & 0o077, 0, "{ours:o}");
        let live = world.go(world.plan(Mode::Saga, 2, None, 0)).await;
        let gid = live.base().gid.clone();
        assert_eq!(world.end(&gid).await, Status::Succeeded);
        Wire::to(&world.dtm.endpoints()).becomes(&gid, DtmStatus::Succeed).await;
        tokio::time::sleep(Duration::from_millis(2_500)).await;
        restart(&mut world, EXPIRING).await;
        assert_eq!(world.end(&gid).await, Status::Succeeded);
        assert_eq!(world.branches.order(), "action 01, action 02");
    });
}

/// Where DTM and its database do not mean the same time, all is always due, or nothing ever is.
#[test]
fn d19_another_zone_than_the_database_is_a_hot_loop() {
    const AHEAD: Settings<'_> = &[("TIME_ZONE_OFFSET", "9")];
    play(async {
        let Some(postgres) = OnPostgres::make().await else { return };
        let utc = format!("ALTER DATABASE \"{}\" SET timezone TO 'UTC'", postgres.database);
        postgres.cluster.run(&postgres.database, &utc).await.unwrap();
        let (server, gid) = (postgres.server(AHEAD).await, fresh());
        server.branches.answers(100_000, ("action", "01"), Code::FailedPrecondition, "NOT_YET|x");
        let began = Instant::now();
        server.wire.submit(polled(saga(&gid, 1, &server.url()), NEVER_S)).await.unwrap();
        server.called(&gid, 40).await;
        let rate = 40.0 / began.elapsed().as_secs_f64();
        tell(&format!("D19: {rate:.0} calls a second of what is due in an hour"));
        drop(server);

        // The relay answers such a DTM from history: the participant is asked as its policy says.
        let world = postgres.world(AHEAD).await;
        let mut plan = world.plan(Mode::Saga, 2, None, 0).body().clone();
        let policy = plan.steps[0].policy.as_mut().unwrap();
        (policy.initial_interval_ms, policy.max_interval_ms) = (1_000, 1_000);
        world.branches.answers(2, ("action", "01"), Code::FailedPrecondition, "NOT_YET|x");
        let live = world.go(Plan::new(plan).unwrap()).await;
        assert_eq!(world.end(&live.base().gid).await, Status::Succeeded);
        assert_eq!(world.branches.order(), "action 01, action 01, action 01, action 02");
    });
}
