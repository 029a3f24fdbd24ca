//! What participants lost, or did behind our back.

use crate::guarded::{Done, Listing, Tombstone};
use crate::{Audited, ENOUGH, MADE_GOOD};
use amends_orchestrator::history::Status;
use amends_orchestrator::plan::Mode;

#[tokio::test]
async fn a_lost_confirm_is_made_again() {
    let audited = Audited::start().await;
    let live = audited.ended(Mode::Tcc, 3, Status::Succeeded).await;
    let gid = &live.base().gid;
    assert!(audited.guarded.lose(gid, "02", "confirm"));
    let attention = audited.disagreement(&live).await;
    let text = "scripted has no row of confirm 02, done in history (called again)";
    assert_eq!((attention.text.as_str(), attention.at.unwrap().step), (text, 1));
    audited.agreement(&live).await;
    assert_eq!(audited.guarded.row(gid, "02", "confirm"), Some(Done));
    assert_eq!(live.state().status(), Status::Succeeded);
    assert_eq!(audited.epilogue(&live).await, MADE_GOOD);
}

/// As after a restore from a backup of before: try and confirm are gone.
#[tokio::test]
async fn what_was_lost_whole_is_tried_before_it_is_confirmed() {
    let audited = Audited::start().await;
    let live = audited.ended(Mode::Tcc, 3, Status::Succeeded).await;
    let gid = &live.base().gid;
    for branch_id in ["01", "02"] {
        assert!(
            audited.guarded.lose(gid, branch_id, "confirm") && audited.guarded.lose(gid, branch_id, "try")
        );
    }
    audited.disagreement(&live).await;
    audited.agreement(&live).await;
    for branch_id in ["01", "02"] {
        assert_eq!(audited.guarded.row(gid, branch_id, "confirm"), Some(Done));
    }
}

#[tokio::test]
async fn a_lost_undo_is_made_again_and_may_find_nothing() {
    let audited = Audited::start().await;
    audited.guarded.refuse("03", "action");
    let live = audited.ended(Mode::Saga, 3, Status::Failed).await;
    let gid = &live.base().gid;
    assert!(audited.guarded.lose(gid, "01", "compensate"));
    assert!(audited.guarded.lose(gid, "02", "compensate") && audited.guarded.lose(gid, "02", "action"));
    audited.disagreement(&live).await;
    audited.agreement(&live).await;
    assert_eq!(audited.guarded.row(gid, "01", "compensate"), Some(Done));
    assert_eq!(audited.guarded.row(gid, "02", "action"), Some(Tombstone), "nothing was there to undo");
}

#[tokio::test]
async fn what_cannot_have_run_is_undone() {
    let audited = Audited::start().await;
    audited.guarded.refuse("02", "action");
    let live = audited.ended(Mode::Saga, 3, Status::Failed).await;
    let gid = &live.base().gid;
    audited.guarded.plant(gid, "03", "action", Done);
    let attention = audited.disagreement(&live).await;
    assert_eq!(attention.text, "scripted did action 03, which cannot have run by history (called again)");
    audited.agreement(&live).await;
    assert_eq!(audited.guarded.row(gid, "03", "compensate"), Some(Done));
    assert_eq!(live.state().status(), Status::Failed);
}

/// It may have taken money outside, of which the participant knows nothing any more.
#[tokio::test]
async fn a_lost_pivot_is_left_to_a_person() {
    let mut audited = Audited::start().await;
    let live = audited.world.go(audited.plan(Mode::Saga, 3, Some(1))).await;
    let gid = live.base().gid.clone();
    assert_eq!(audited.world.end(&gid).await, Status::Succeeded);
    assert!(audited.guarded.lose(&gid, "02", "action"));
    let attention = audited.disagreement(&live).await;
    assert_eq!(attention.text, "scripted has no row of action 02, done in history (needs a person)");
    audited.passes(ENOUGH).await;
    assert_eq!(audited.guarded.calls("action", "02"), 1);
    assert_eq!(audited.epilogue(&live).await, "attention_opened", "it is told once");
}

/// Whatever a repeat is answered, what was decided stands.
#[tokio::test]
async fn a_repeat_that_is_refused_changes_no_decision() {
    let mut audited = Audited::start().await;
    let live = audited.ended(Mode::Saga, 2, Status::Succeeded).await;
    let gid = live.base().gid.clone();
    audited.guarded.refuse("01", "action");
    assert!(audited.guarded.lose(&gid, "01", "action"));
    audited.disagreement(&live).await;
    let refused = "scripted refused action 01, done in history (needs a person)";
    live.until(|state| state.attention.iter().any(|open| open.text == refused)).await;
    audited.passes(ENOUGH).await;
    assert_eq!(live.state().status(), Status::Succeeded);
    assert_eq!(audited.guarded.calls("action", "01"), 2);
    assert_eq!(
        audited.epilogue(&live).await,
        "attention_opened attempt_started attempt_refused attention_closed attention_opened"
    );
}

/// It is neither a disagreement nor the end of one.
#[tokio::test]
async fn silence_proves_nothing() {
    let mut audited = Audited::start().await;
    let live = audited.world.go(audited.plan(Mode::Saga, 2, Some(0))).await;
    let gid = live.base().gid.clone();
    assert_eq!(audited.world.end(&gid).await, Status::Succeeded);
    assert!(audited.guarded.lose(&gid, "01", "action"));
    audited.disagreement(&live).await;
    audited.guarded.plant(&gid, "01", "action", Done);
    audited.guarded.listing(Listing::Away);
    // One pass may have asked before.
    audited.passes(1).await;
    let before = audited.guarded.lists().len();
    let passes = audited.passes(ENOUGH).await.passes;
    let asked = audited.guarded.lists().len() - before;
    assert!(asked as u64 <= ENOUGH + 1, "one that is away is asked once in a pass: {asked} in {passes}");
    assert_eq!(live.state().attention.len(), 1, "it may still be so");
    audited.guarded.listing(Listing::Rows);
    audited.agreement(&live).await;
}

#[tokio::test]
async fn a_restarted_auditor_goes_on_with_what_is_open() {
    let mut audited = Audited::start().await;
    let live = audited.world.go(audited.plan(Mode::Saga, 2, Some(0))).await;
    let gid = live.base().gid.clone();
    assert_eq!(audited.world.end(&gid).await, Status::Succeeded);
    assert!(audited.guarded.lose(&gid, "01", "action"));
    audited.disagreement(&live).await;
    audited.restart().await;
    let again = audited.world.engine.find(&gid).await.unwrap().unwrap();
    assert_eq!(again.state().attention[0].cause, "disagreement");
    audited.passes(ENOUGH).await;
    assert_eq!(audited.epilogue(&again).await, "attention_opened", "the same is not told again");
    audited.guarded.plant(&gid, "01", "action", Done);
    audited.passes(ENOUGH).await;
    let again = audited.world.engine.find(&gid).await.unwrap().unwrap();
    audited.agreement(&again).await;
}

/// Before the end too: what a running one lost is made good while it waits for something else.
#[tokio::test]
async fn an_open_one_that_does_not_move_is_audited() {
    let audited = Audited::start().await;
    let mut body = audited.plan(Mode::Saga, 3, None).body().clone();
    body.steps[2].participant = "absent".into();
    let live = audited.world.go(amends_orchestrator::plan::Plan::new(body).unwrap()).await;
    live.until(|state| state.steps[2].forward.attempts > 0).await;
    assert!(audited.guarded.lose(&live.base().gid, "01", "action"));
    audited.disagreement(&live).await;
    audited.agreement(&live).await;
    assert_eq!(audited.guarded.row(&live.base().gid, "01", "action"), Some(Done));
    assert_eq!(live.state().status(), Status::Running);
}
