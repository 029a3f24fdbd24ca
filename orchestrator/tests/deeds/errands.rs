//! An act in bulk is about what its filter found, is told for each, and goes on over a crash.

use super::world::{PATIENCE, World, now_us};
use amends_dtm::{Gid, Op};
use amends_orchestrator::errands::{Deed, Errands, preview};
use amends_orchestrator::filter::parse;
use amends_orchestrator::history::{Act, Deadlines, Errand, ErrandBook, Held, PENDING, Standing, Status};
use amends_orchestrator::plan::{Mode, OpRef, Plan};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;
use tonic::Code;

const MANY: i64 = 6;
const NEVER_MS: i32 = 600_000;

impl World {
    /// Carries out what is asked for in bulk, until this orchestrator dies.
    async fn errands(&self) -> Errands {
        let errands = Errands::new(Arc::clone(&self.engine));
        let running = errands.clone();
        self.within(async move { drop(tokio::spawn(running.run())) }).await;
        errands
    }

    /// One that waits for its next attempt for longer than a test lasts.
    async fn stuck(&self) -> String {
        let mut body = self.plan(Mode::Saga, 2, None, 0).body().clone();
        body.amount_minor = 250;
        body.currency = "USD".to_owned();
        for step in &mut body.steps {
            let policy = step.policy.as_mut().unwrap();
            (policy.initial_interval_ms, policy.max_interval_ms) = (NEVER_MS, NEVER_MS);
        }
        let plan = Plan::new(body).unwrap();
        let gid = plan.gid().as_str().to_owned();
        // Also when the orchestrator comes back and tries again at once.
        self.branches.answers_of(&gid, 100, ("action", "02"), Code::Unavailable, "GONE|x");
        let live = self.go(plan).await;
        live.until(|state| state.op(OpRef { step: 1, op: Op::Action }).standing == Standing::Waiting).await;
        gid
    }
}

fn errand(deed: Deed) -> Errand {
    Errand {
        id: Gid::generate().as_str().to_owned(),
        act: deed.name().to_owned(),
        filter: "code = UNAVAILABLE".to_owned(),
        subject: "ann".to_owned(),
        reason: "the bank is gone".to_owned(),
        per_second: 10,
        created_at_us: 1,
    }
}

/// Waits until no more than so many of an errand are to be done.
async fn until_left(book: &ErrandBook, id: &str, most: i64) {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let figures = book.figures(id).await.unwrap();
        let left = figures.iter().find(|(state, _)| state == PENDING).map_or(0, |(_, count)| *count);
        if left <= most {
            return;
        }
        assert!(Instant::now() < deadline, "{figures:?}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

#[tokio::test]
async fn an_act_in_bulk_is_told_before_and_goes_on_over_a_crash() {
    let mut world = World::start().await;
    let mut gids = Vec::new();
    for _ in 0..MANY {
        gids.push(world.stuck().await);
    }
    let well = world.go(world.plan(Mode::Saga, 2, None, 0)).await;
    assert_eq!(world.end(&well.base().gid).await, Status::Succeeded);

    let found = preview(&world.engine, parse("code = UNAVAILABLE").unwrap()).await.unwrap();
    gids.reverse();
    assert_eq!(found.gids, gids, "newest first");
    assert_eq!(found.sample.len(), gids.len());
    assert_eq!(found.money["USD"], (250 * MANY, MANY));
    assert_eq!(found.participants["scripted"], MANY);
    assert_eq!(found.without_amount, 0);
    let nobody = preview(&world.engine, parse("code = INTERNAL").unwrap()).await.unwrap();
    assert!(nobody.gids.is_empty());

    // One is over before its turn comes.
    let errand = errand(Deed::Cancel);
    let id = errand.id.clone();
    let ended = well.base().gid.clone();
    let all: Vec<String> = gids.iter().cloned().chain([ended.clone()]).collect();
    let errands = world.errands().await;
    errands.begin(errand, &all).await.unwrap();
    until_left(errands.book(), &id, MANY - 1).await;
    world.restart_orchestrator().await;
    let errands = world.errands().await;
    until_left(errands.book(), &id, 0).await;
    for gid in &gids {
        assert_eq!(world.end(gid).await, Status::Cancelled);
        let rows = world.engine.history().reader.rows(gid, 1).await.unwrap();
        let asked: Vec<_> = rows.iter().filter(|row| row.kind == "cancel_requested").collect();
        assert_eq!(asked.len(), 1, "once");
        assert_eq!(asked[0].reason, "the bank is gone");
    }
    let items = errands.book().items(&id, "", 100).await.unwrap();
    for item in items {
        let refused = item.gid == ended;
        assert_eq!(item.state, if refused { "refused" } else { "done" }, "{item:?}");
        assert_eq!(item.message.starts_with("PAST_PIVOT|"), refused, "{item:?}");
    }
    assert_eq!(errands.book().find(&id).await.unwrap().unwrap().subject, "ann");
}

/// A retry is taken, also that of one op, and says that it waits for the end of a hold.
#[tokio::test]
async fn a_retry_under_a_hold_is_done_and_says_what_it_waits_for() {
    let world = World::start().await;
    let gid = world.stuck().await;
    let held = Held::Participant("scripted".into());
    world.hold_by(held.clone(), Deadlines::Stop).await;
    let errands = world.errands().await;
    let (before, after) = (errand(Deed::Retry), errand(Deed::Retry));
    let items = async |errand: &Errand| {
        errands.begin(errand.clone(), std::slice::from_ref(&gid)).await.unwrap();
        until_left(errands.book(), &errand.id, 0).await;
        errands.book().items(&errand.id, "", 1).await.unwrap().remove(0)
    };
    let item = items(&before).await;
    let waits = "HELD|the attempt waits until participant scripted is resumed";
    assert_eq!((item.state.as_str(), item.message.as_str()), ("done", waits));
    let live = world.engine.find(&gid).await.unwrap().unwrap();
    let calls = world.branches.order_of(&gid);
    world.retry(&live, 0, Some(OpRef { step: 1, op: Op::Action })).await.unwrap();
    assert_eq!(world.branches.order_of(&gid), calls, "it is held back still");
    world.release(held).await;
    live.until(|state| state.op(OpRef { step: 1, op: Op::Action }).attempts > 1).await;
    live.until(|state| state.op(OpRef { step: 1, op: Op::Action }).standing == Standing::Waiting).await;
    assert_eq!(items(&after).await.message, "");
}

/// More of them than are carried out at once, and none is through before its last item is.
#[tokio::test]
async fn slow_acts_in_bulk_hold_up_no_other() {
    const SLOW: usize = 20;
    const ITEMS: usize = 600;
    let world = World::start().await;
    let errands = world.errands().await;
    let unknown =
        |count: usize| -> Vec<String> { (0..count).map(|_| Gid::generate().as_str().to_owned()).collect() };
    let mut slow = Vec::new();
    for _ in 0..SLOW {
        let errand = Errand { per_second: 1, ..errand(Deed::Retry) };
        slow.push(errand.id.clone());
        errands.begin(errand, &unknown(ITEMS)).await.unwrap();
    }
    let quick = errand(Deed::Retry);
    let id = quick.id.clone();
    errands.begin(quick, &unknown(3)).await.unwrap();
    let book = errands.book();
    amends_testkit::until("the quick one is through", async || {
        let figures = book.figures(&id).await.unwrap();
        (figures == [("refused".to_owned(), 3)]).then_some(())
    })
    .await;
    for id in &slow {
        let figures = book.figures(id).await.unwrap();
        let left = figures.iter().find(|(state, _)| state == PENDING).map_or(0, |(_, count)| *count);
        assert!(left > 0, "it is slow: {figures:?}");
    }
    // Each of them comes to its turn, too.
    for id in &slow {
        until_left(book, id, i64::try_from(ITEMS).unwrap() - 1).await;
    }
}

/// Whoever reads one history finds the act in bulk that it was part of, whatever was done.
#[tokio::test]
async fn what_was_done_in_bulk_refers_to_it_in_each_history() {
    let world = World::start().await;
    let gids = [world.stuck().await, world.stuck().await];
    let errands = world.errands().await;
    for (deed, kind) in [
        (Deed::Pause, "paused"),
        (Deed::Resume, "resumed"),
        (Deed::Retry, "operator_retry"),
        (Deed::Cancel, "cancel_requested"),
    ] {
        let errand = errand(deed);
        let id = errand.id.clone();
        errands.begin(errand, &gids).await.unwrap();
        until_left(errands.book(), &id, 0).await;
        for gid in &gids {
            let rows = world.engine.history().reader.rows(gid, 1).await.unwrap();
            let acts: Vec<Act> = rows
                .iter()
                .filter(|row| row.kind == kind)
                .filter_map(|row| Act::stored(&row.detail, &row.reason))
                .collect();
            assert_eq!(acts.len(), 1, "{kind}: {acts:?}");
            let said = (acts[0].subject.as_str(), acts[0].reason.as_str(), acts[0].reference.as_str());
            assert_eq!(said, ("ann", "the bank is gone", format!("bulk {id}").as_str()), "{kind}");
        }
    }
}

/// As many as are carried out at once, each with an item whose act does not come back, and one more.
#[tokio::test(flavor = "multi_thread")]
async fn acts_in_bulk_that_hang_hold_up_no_other() {
    const HUNG: usize = 16;
    let world = World::start().await;
    let (mut gids, mut gates, mut threads) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..HUNG {
        let gid = world.stuck().await;
        let live = world.engine.find(&gid).await.unwrap().unwrap();
        let (history, now) = (world.engine.history().clone(), now_us());
        let (gate, held) = std::sync::mpsc::channel::<()>();
        let (holds, held_now) = tokio::sync::oneshot::channel();
        threads.push(std::thread::spawn(move || {
            // Whoever else wants to record something waits for this turn to end.
            let recorded = live.record(&history, now, |_| {
                holds.send(()).unwrap();
                let _ = held.recv();
                Vec::new()
            });
            futures::executor::block_on(recorded).unwrap();
        }));
        held_now.await.unwrap();
        gids.push(gid);
        gates.push(gate);
    }
    let errands = world.errands().await;
    let mut hung = Vec::new();
    for gid in &gids {
        let errand = errand(Deed::Pause);
        hung.push(errand.id.clone());
        errands.begin(errand, std::slice::from_ref(gid)).await.unwrap();
    }
    let quick = errand(Deed::Pause);
    let id = quick.id.clone();
    errands.begin(quick, &[Gid::generate().as_str().to_owned()]).await.unwrap();
    amends_testkit::until("the one more is through", async || {
        let figures = errands.book().figures(&id).await.unwrap();
        (figures == [("refused".to_owned(), 1)]).then_some(())
    })
    .await;
    drop(gates);
    threads.into_iter().for_each(|thread| thread.join().unwrap());
    for (id, gid) in hung.iter().zip(&gids) {
        until_left(errands.book(), id, 0).await;
        assert_eq!(errands.book().figures(id).await.unwrap(), [("done".to_owned(), 1)]);
        let paused = world.kinds(gid).await.into_iter().filter(|kind| kind == "paused").count();
        assert_eq!(paused, 1, "nobody did it a second time");
    }
}
