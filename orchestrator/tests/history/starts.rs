//! One start for each request and for each business key, as its policy says (orchestration.md item 1).
use crate::on_every_store;
use crate::place::Place;
use crate::samples::{conflict, end, plan, row, start, started};
use amends_orchestrator::history::{Conflict, Reuse, Row};
use futures::future::join_all;

on_every_store! {
    of_fifty_starts_for_one_key_at_once_one_is_made,
    of_fifty_starts_with_one_request_id_at_once_one_is_made,
    several_writers_make_one_start_for_each_key,
    a_request_id_is_used_once_for_a_caller,
    a_key_is_free_again_as_its_policy_says,
    a_key_belongs_to_its_definition,
    a_conflict_takes_nothing_else_of_its_commit_down,
    a_start_whose_acknowledgement_got_lost_is_not_its_own_conflict,
}

async fn of_fifty_starts_for_one_key_at_once_one_is_made(place: Place) {
    let history = place.open().await;
    let appends: Vec<_> = (0..50).map(|_| started("same", Reuse::AfterFailed)).collect();
    let done = join_all(appends.iter().map(|(_, append)| history.writer.append(append.clone()))).await;
    assert_eq!(done.iter().filter(|outcome| outcome.is_ok()).count(), 1);
    let open = history.reader.open_gids().await.unwrap();
    for outcome in done.into_iter().filter(Result::is_err) {
        assert!(matches!(conflict(outcome), Conflict::BusinessKey(other) if other.gid == open[0]));
    }
}

async fn of_fifty_starts_with_one_request_id_at_once_one_is_made(place: Place) {
    let history = place.open().await;
    let asked = |n: usize| {
        let plan = plan();
        let row = Row { request_id: "same".into(), ..row(plan.gid().as_str(), &n.to_string()) };
        start(row, &plan, Reuse::Always)
    };
    let done = join_all((0..50).map(|n| history.writer.append(asked(n)))).await;
    assert_eq!(done.iter().filter(|outcome| outcome.is_ok()).count(), 1);
    let open = history.reader.open_gids().await.unwrap();
    assert_eq!(open.len(), 1);
    for outcome in done.into_iter().filter(Result::is_err) {
        assert!(matches!(conflict(outcome), Conflict::Request(other) if other.gid == open[0]));
    }
}

/// What one writer finds must stay true until it commits, whatever another does meanwhile. On SQLite they wait for the
/// file, on PostgreSQL for each other.
async fn several_writers_make_one_start_for_each_key(place: Place) {
    let histories = [place.open().await, place.open().await, place.open().await];
    let keys: Vec<String> = (0..40).map(|n| format!("k{n}")).collect();
    let starts = keys.iter().flat_map(|key| histories.iter().map(move |history| (key, history)));
    let done = join_all(starts.map(|(key, history)| {
        let (_, append) = started(key, Reuse::RejectWhileRunning);
        async move { (key, history.writer.append(append).await) }
    }))
    .await;
    for key in &keys {
        let made = done.iter().filter(|(of, outcome)| of == &key && outcome.is_ok()).count();
        assert_eq!(made, 1, "{key}");
    }
    for (_, outcome) in done.into_iter().filter(|(_, outcome)| outcome.is_err()) {
        assert!(matches!(conflict(outcome), Conflict::BusinessKey(_)));
    }
    assert_eq!(histories[0].reader.open_gids().await.unwrap().len(), keys.len());
}

async fn a_request_id_is_used_once_for_a_caller(place: Place) {
    let history = place.open().await;
    let (gid, append) = started("k1", Reuse::Always);
    history.writer.append(append).await.unwrap();
    let again = |caller: &str| {
        let plan = plan();
        let row = Row { request_id: gid.clone(), caller: caller.into(), ..row(plan.gid().as_str(), "k2") };
        history.writer.append(start(row, &plan, Reuse::Always))
    };
    assert!(matches!(conflict(again("c").await), Conflict::Request(other) if other.gid == gid));
    assert!(again("another caller").await.is_ok());
    history.writer.append(end(&gid, "k1", "failed")).await.unwrap();
    assert!(matches!(conflict(again("c").await), Conflict::Request(other) if other.status == "failed"));
}

async fn a_key_is_free_again_as_its_policy_says(place: Place) {
    let history = place.open().await;
    for (status, after_failed, while_running) in [("succeeded", false, true), ("failed", true, true)] {
        let (gid, append) = started(status, Reuse::AfterFailed);
        history.writer.append(append).await.unwrap();
        history.writer.append(end(&gid, status, status)).await.unwrap();
        for (reuse, free) in [(Reuse::AfterFailed, after_failed), (Reuse::RejectWhileRunning, while_running)]
        {
            // Each successful start takes the key again: end it at once.
            let (gid, append) = started(status, reuse);
            assert_eq!(history.writer.append(append).await.is_ok(), free, "{status} {reuse:?}");
            if free {
                history.writer.append(end(&gid, status, status)).await.unwrap();
            }
        }
    }
    let (_, open) = started("open", Reuse::Always);
    history.writer.append(open).await.unwrap();
    assert!(history.writer.append(started("open", Reuse::RejectWhileRunning).1).await.is_err());
    assert!(history.writer.append(started("open", Reuse::Always).1).await.is_ok());
}

async fn a_key_belongs_to_its_definition(place: Place) {
    let history = place.open().await;
    history.writer.append(started("k", Reuse::AfterFailed).1).await.unwrap();
    let (_, mut other) = started("k", Reuse::AfterFailed);
    other.row.as_mut().unwrap().definition = "another".into();
    history.writer.append(other).await.unwrap();
    assert_eq!(history.reader.open_gids().await.unwrap().len(), 2);
}

async fn a_conflict_takes_nothing_else_of_its_commit_down(place: Place) {
    let history = place.open().await;
    history.writer.append(started("taken", Reuse::AfterFailed).1).await.unwrap();
    let starts: Vec<_> = (0..60)
        .map(|n| started(&if n % 3 == 0 { "taken".to_owned() } else { n.to_string() }, Reuse::AfterFailed))
        .collect();
    let done = join_all(starts.iter().map(|(_, append)| history.writer.append(append.clone()))).await;
    for (n, outcome) in done.iter().enumerate() {
        assert_eq!(outcome.is_ok(), n % 3 != 0, "{n}: {outcome:?}");
    }
    assert_eq!(history.reader.open_gids().await.unwrap().len(), 1 + 40);
}

/// The commit of a lost connection is repeated: what it had made durable all the same is found, not refused.
async fn a_start_whose_acknowledgement_got_lost_is_not_its_own_conflict(place: Place) {
    let history = place.open().await;
    let (gid, append) = started("k", Reuse::AfterFailed);
    history.writer.append(append.clone()).await.unwrap();
    history.writer.append(append).await.unwrap();
    assert_eq!(history.reader.rows(&gid, 1).await.unwrap().len(), 1);
}
