//! When DTM calls again, and what it then believes: intervals that double, loops without a pause, rounds that end too early,
//! a late executor that writes an old status. D5, D6, D7, D13, D16, D22, D23, D24.
use crate::engine::{PATIENCE, World};
use crate::server::Server;
use crate::site::Site;
use crate::wire::{Wire, fresh, named, patient, polled, saga};
use crate::{play, tell};
use amends_dtm::client::DtmStatus;
use amends_orchestrator::history;
use amends_orchestrator::plan::{Mode, Plan};
use amends_proto::dtm::{DtmRequest, DtmTransOptions};
use amends_testkit::{Mode as Deed, Status, until};
use serde_json::json;
use std::time::{Duration, Instant};
use tonic::Code;

/// What the orchestrator registers everything with: DTM's poll is its backstop only.
const OUR_INTERVAL_S: i64 = 60;
/// So long nothing may happen before it counts as not happening; DTM's cron comes each second.
const SILENCE: Duration = Duration::from_secs(3);
/// Times that an interval is doubled here: 60 · 2^25 s are 63 years.
const DOUBLINGS: u32 = 25;
/// How long a status that was turned back stays so.
const BACK_S: i64 = 6;
/// Branches that fail beside each other.
const BRANCHES: [&str; 4] = ["01", "02", "03", "04"];
/// Foreign global transactions that hang at the same time, each for [`HANGS_S`] in every call.
const HANGING: usize = 8;
const HANGS_S: i64 = 1;

/// Every failing branch of a concurrent saga doubles the one interval that they share.
#[test]
fn d05_each_branch_that_fails_doubles_the_same_interval() {
    play(async {
        let (server, gid) = (Server::start().await, fresh());
        let gates =
            BRANCHES.map(|branch| server.branches.hold_then("action", branch, Code::Unavailable, "AWAY|x"));
        let customed_data = json!({"concurrent": true}).to_string();
        let request = DtmRequest { customed_data, ..saga(&gid, BRANCHES.len(), &server.url()) };
        server.wire.submit(patient(polled(request, OUR_INTERVAL_S))).await.unwrap();
        server.called(&gid, BRANCHES.len()).await;
        let mut interval = OUR_INTERVAL_S;
        for gate in gates {
            drop(gate);
            interval *= 2;
            let doubled =
                async || (server.wire.view(&gid).await.next_cron_interval_s == interval).then_some(());
            until("the interval is doubled again", doubled).await;
        }
        let calls = server.calls_of(&gid);
        tell(&format!("D5: one failure of each of {calls} branches makes 60 s {interval} s"));
        assert_eq!(calls, BRANCHES.len(), "in one round");

        let world = World::start().await;
        for branch in BRANCHES {
            world.branches.answer("action", branch, Code::Unavailable, "AWAY|x");
        }
        let mut plan = world.plan(Mode::Saga, BRANCHES.len(), None, 0).body().clone();
        plan.graph = true;
        let live = world.go(Plan::new(plan).unwrap()).await;
        assert_eq!(world.end(&live.base().gid).await, history::Status::Succeeded);
        assert_eq!(world.branches.calls().len(), 2 * BRANCHES.len(), "each was repeated by its own policy");
        assert_eq!(interval_of(&world, &live.base().gid).await, OUR_INTERVAL_S);
    });
}

async fn interval_of(world: &World, gid: &str) -> i64 {
    Wire::to(&world.dtm.endpoints()).view(gid).await.next_cron_interval_s
}

/// The call that should wake one global transaction does nothing; the one that wakes all of them works.
#[test]
fn d06_the_wake_up_of_one_gid_does_nothing() {
    play(async {
        let (server, gid) = (Server::start().await, fresh());
        server.branches.answer("action", "01", Code::FailedPrecondition, "NOT_YET|x");
        server.wire.submit(polled(saga(&gid, 1, &server.url()), OUR_INTERVAL_S)).await.unwrap();
        server.called(&gid, 1).await;
        assert_eq!(server.wire.post("resetNextCronTime", &json!({"gid": gid})).await, 200);
        tokio::time::sleep(SILENCE).await;
        assert_eq!(server.calls_of(&gid), 1, "it said that it was done");
        assert_eq!(server.wire.get("resetCronTime?timeout=0&limit=100000").await, 200);
        server.wire.becomes(&gid, DtmStatus::Succeed).await;

        let site = Site::shared().await;
        site.unharmed(Deed::Saga, "Transfer", async |wire, gid| {
            assert_eq!(wire.post("resetNextCronTime", &json!({"gid": gid})).await, 200);
            let forged = format!("{gid}' or '1'='1");
            assert_ne!(wire.post("resetNextCronTime", &json!({"gid": forged})).await, 200);
            // Longer than the relay holds a call: DTM was told to ask again, and would in a minute.
            tokio::time::sleep(SILENCE).await;
        })
        .await;
    });
}

/// An interval below zero is due as soon as it was served.
#[test]
fn d07_an_interval_below_zero_is_a_hot_loop() {
    play(async {
        let (server, gid) = (Server::start().await, fresh());
        server.branches.answers(100_000, ("action", "01"), Code::FailedPrecondition, "NOT_YET|x");
        let began = Instant::now();
        server.wire.submit(polled(saga(&gid, 1, &server.url()), -1)).await.unwrap();
        // A poll each second would need fifty of them.
        server.called(&gid, 50).await;
        tell(&format!("D7: 50 calls of one branch in {:.1} s", began.elapsed().as_secs_f64()));
        assert!(began.elapsed() < Duration::from_secs(40), "{:?}", began.elapsed());
        drop(server);

        let world = World::start().await;
        let wire = Wire::to(&world.dtm.endpoints());
        let hot = saga(&fresh(), 1, "127.0.0.1:1/nobody.Home");
        wire.submit(polled(hot, -1)).await.unwrap();
        for mode in [Mode::Saga, Mode::Tcc] {
            let live = world.go(world.plan(mode, 3, None, 0)).await;
            assert_eq!(world.end(&live.base().gid).await, history::Status::Succeeded);
        }
    });
}

/// Whatever is due is called one after the other: who hangs keeps all others waiting.
#[test]
fn d13_sagas_that_hang_delay_the_retries_of_others() {
    play(async {
        let server = Server::start().await;
        let gate = server.branches.hold_all(10_000, "action", "01");
        let options =
            DtmTransOptions { request_timeout: HANGS_S, retry_interval: 1, ..DtmTransOptions::default() };
        let hanging: Vec<String> = (0..HANGING).map(|_| fresh()).collect();
        for gid in &hanging {
            let request = DtmRequest { trans_options: Some(options.clone()), ..saga(gid, 1, &server.url()) };
            server.wire.submit(request).await.unwrap();
        }
        // The loop has come to the first of them, and has the others before it.
        until("the loop", async || hanging.iter().any(|gid| server.calls_of(gid) > 1).then_some(())).await;
        let victim = fresh();
        server.branches.answer_of(&victim, ("action", "01"), Code::FailedPrecondition, "NOT_YET|x");
        server.wire.submit(saga(&victim, 1, &server.url())).await.unwrap();
        server.called(&victim, 1).await;
        let asked = Instant::now();
        server.called(&victim, 2).await;
        let waited = asked.elapsed();
        tell(&format!("D13: a retry due in 1 s came after {:.1} s", waited.as_secs_f64()));
        assert!(waited > Duration::from_secs(3), "{waited:?}");
        drop(gate);

        let world = World::start().await;
        let gate = world.branches.hold_all(10_000, "action", "01");
        let mut stuck = Vec::new();
        for _ in 0..HANGING {
            stuck.push(world.go(world.plan(Mode::Saga, 1, None, 0)).await);
        }
        let mut plan = world.plan(Mode::Saga, 1, None, 0).body().clone();
        plan.steps[0].participant = "other".to_owned();
        world.other.answer("action", "01", Code::FailedPrecondition, "NOT_YET|x");
        let quick = world.go(Plan::new(plan).unwrap()).await;
        assert_eq!(world.end(&quick.base().gid).await, history::Status::Succeeded);
        assert!(stuck.iter().all(|live| live.state().end.is_none()), "it waited for none of them");
        drop(gate);
        for live in stuck {
            assert_eq!(world.end(&live.base().gid).await, history::Status::Succeeded);
        }
    });
}

/// A workflow's own interval and timeout are stored and ignored.
#[test]
fn d16_a_workflow_ignores_its_interval_and_its_timeout() {
    play(async {
        let (server, gid) = (Server::start().await, fresh());
        server.branches.answers(100, ("flow", "00"), Code::FailedPrecondition, "NOT_YET|x");
        let options = DtmTransOptions { retry_interval: 1, timeout_to_fail: 1, ..DtmTransOptions::default() };
        let request = DtmRequest {
            query_prepared: format!("{}/Execute", server.url()),
            customed_data: json!({"name": "flow"}).to_string(),
            trans_options: Some(options),
            ..named(&gid, "workflow")
        };
        server.wire.prepare_workflow(request).await.unwrap();
        server.called(&gid, 1).await;
        let first = Instant::now();
        server.called(&gid, 2).await;
        tell(&format!("D16: interval 1 s, asked again after {:.1} s", first.elapsed().as_secs_f64()));
        assert!(first.elapsed() > Duration::from_secs(6), "{:?}", first.elapsed());
        assert_eq!(server.wire.view(&gid).await.status, DtmStatus::Prepared, "its timeout was 1 s");

        // The deadlines of a plan are our own, and DTM's answers do not delay them.
        let world = World::start().await;
        world.branches.answers(10_000, ("action", "02"), Code::FailedPrecondition, "NOT_YET|x");
        let live = world.go(world.plan(Mode::Saga, 2, None, 500)).await;
        assert_eq!(world.end(&live.base().gid).await, history::Status::Failed);
        assert!(
            world.branches.order().ends_with("compensate 02, compensate 01"),
            "{}",
            world.branches.order()
        );
    });
}

/// An executor that ends late writes its whole record, with the status that it began with.
#[test]
fn d22_a_late_executor_turns_a_finished_saga_back() {
    play(async {
        let (server, gid) = (Server::start().await, fresh());
        let gate = server.branches.hold_then("action", "01", Code::FailedPrecondition, "NOT_YET|x");
        // The old record is polled after some seconds: long enough to be seen before.
        let request = patient(polled(saga(&gid, 1, &server.url()), BACK_S));
        server.wire.submit(request.clone()).await.unwrap();
        server.called(&gid, 1).await;
        server.wire.submit(request).await.unwrap();
        server.wire.becomes(&gid, DtmStatus::Succeed).await;
        drop(gate);
        server.wire.becomes(&gid, DtmStatus::Submitted).await;
        server.wire.becomes(&gid, DtmStatus::Succeed).await;

        let site = Site::shared().await;
        let shop = site.shop().await;
        let (story, held) = Box::pin(site.held_at(&shop, Deed::Saga, "Transfer")).await;
        let gate = server.branches.hold_then("action", "07", Code::FailedPrecondition, "NOT_YET|x");
        // Six steps of theirs are done at once, the seventh is answered when all is over.
        let foreign = patient(polled(saga(&story.gid, 7, &server.url()), BACK_S));
        site.wire.submit(foreign).await.unwrap();
        server.called(&story.gid, 7).await;
        held.open();
        story.ends(Status::Succeeded).await;
        story.dtm_says("succeed").await;
        drop(gate);
        site.wire.becomes(&story.gid, DtmStatus::Submitted).await;
        assert_eq!(story.get().await.status(), Status::Succeeded);
        story.dtm_says("succeed").await;
        shop.holds_after(1).await;
        // Not excused: the checkers wait until DTM's word is stable.
        Box::pin(site.check()).await;
    });
}

/// Each unknown outcome doubles the interval, and so does each wake-up that meets one.
#[test]
fn d23_each_unknown_outcome_doubles_the_interval_without_bound() {
    play(async {
        let (server, gid) = (Server::start().await, fresh());
        server.branches.answers(1_000, ("cancel", "01"), Code::Unavailable, "AWAY|x");
        server.wire.prepare(polled(named(&gid, "tcc"), OUR_INTERVAL_S)).await.unwrap();
        server.wire.register(&gid, "01", &server.url()).await.unwrap();
        for doubling in 1..=DOUBLINGS {
            server.wire.abort(named(&gid, "tcc")).await.unwrap();
            let doubled = async || {
                let interval = server.wire.view(&gid).await.next_cron_interval_s;
                (interval >= OUR_INTERVAL_S << doubling).then_some(())
            };
            until("the interval is doubled", doubled).await;
        }
        let view = server.wire.view(&gid).await;
        let (interval, next) = (view.next_cron_interval_s, view.next_cron_time.unwrap());
        tell(&format!("D23: {DOUBLINGS} failed wake-ups: the next poll is in {interval} s, at {next}"));
        let year: i32 = next[..4].parse().unwrap();
        assert!(year > 2080, "{next}");

        let world = World::start().await;
        world.branches.answers(20, ("cancel", "01"), Code::Unavailable, "AWAY|x");
        world.branches.answer("try", "02", Code::Aborted, "OUT_OF_IT|x");
        let live = world.go(world.plan(Mode::Tcc, 2, None, 0)).await;
        assert_eq!(world.end(&live.base().gid).await, history::Status::Failed);
        assert_eq!(interval_of(&world, &live.base().gid).await, OUR_INTERVAL_S);
    });
}

/// A round of calls ends two seconds after REQUEST_TIMEOUT, although the next step could begin.
#[test]
fn d24_a_round_ends_before_its_saga_does() {
    play(async {
        let server = Server::start_with(&[("REQUEST_TIMEOUT", "1")], &[]).await;
        let gid = fresh();
        let gate = server.branches.hold("action", "01");
        let options = DtmTransOptions {
            request_timeout: 20,
            retry_interval: OUR_INTERVAL_S,
            ..DtmTransOptions::default()
        };
        let request = DtmRequest { trans_options: Some(options), ..saga(&gid, 2, &server.url()) };
        server.wire.submit(request.clone()).await.unwrap();
        server.called(&gid, 1).await;
        // Longer than the round lasts: REQUEST_TIMEOUT + 2 s, and the 3 s at which it looks.
        tokio::time::sleep(Duration::from_secs(4)).await;
        drop(gate);
        tokio::time::sleep(SILENCE).await;
        assert_eq!(server.calls_of(&gid), 1, "step 02 could begin");
        server.wire.submit(request).await.unwrap();
        server.wire.becomes(&gid, DtmStatus::Succeed).await;

        // Five steps of 1.8 s: the relay holds each call to its end, and the round ends within the fourth.
        let world = World::start().await;
        let gates =
            ["01", "02", "03", "04", "05"].map(|branch| (branch, world.branches.hold("action", branch)));
        let mut plan = world.plan(Mode::Saga, 6, None, 0).body().clone();
        for step in &mut plan.steps {
            step.policy.as_mut().unwrap().attempt_timeout_ms = 10_000;
        }
        let live = world.go(Plan::new(plan).unwrap()).await;
        for (branch, gate) in gates {
            world.branches.until_all(&[&format!("action {branch}")], PATIENCE).await;
            tokio::time::sleep(Duration::from_millis(1_800)).await;
            drop(gate);
        }
        assert_eq!(world.end(&live.base().gid).await, history::Status::Succeeded);
    });
}
