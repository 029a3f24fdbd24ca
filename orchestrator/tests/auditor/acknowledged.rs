//! Somebody looks after a disagreement that was found after the end.

use crate::guarded::Done;
use crate::{Audited, ENOUGH};
use amends_orchestrator::attention::{Listing, NeedFilter, Outbox};
use amends_orchestrator::history::{Act, Status};
use amends_orchestrator::plan::Mode;
use amends_serve::store::Store;
use std::sync::Arc;

#[tokio::test]
async fn a_disagreement_after_the_end_is_acknowledged_and_both_turns_are_noticed() {
    let mut audited = Audited::start().await;
    let live = audited.world.go(audited.plan(Mode::Saga, 2, Some(0))).await;
    let gid = live.base().gid.clone();
    assert_eq!(audited.world.end(&gid).await, Status::Succeeded);
    assert!(audited.guarded.lose(&gid, "01", "action"));
    audited.disagreement(&live).await;
    let act = Act { owner: "ann".into(), ..Act::of("bob", "asked") };
    for _ in 0..2 {
        let (engine, live, act) = (Arc::clone(&audited.world.engine), Arc::clone(&live), act.clone());
        let acknowledging = async move { engine.acknowledge(&live, "", &act).await };
        let state = audited.world.within(acknowledging).await.unwrap();
        let seen = state.attention[0].acknowledged.clone().unwrap();
        assert_eq!((seen.by.as_str(), seen.owner.as_str(), seen.note.as_str()), ("bob", "ann", "asked"));
    }
    audited.passes(ENOUGH).await;
    let history = audited.world.folder.path().join("history.db");
    let store = Store::open(&format!("sqlite://{}", history.display())).await.unwrap();
    let mine = NeedFilter { owner: "ann".into(), limit: 10, ..NeedFilter::default() };
    let listed = Listing::new(store.clone()).page(&mine).await.unwrap();
    assert_eq!(
        (listed.len(), listed[0].0.gid.as_str(), listed[0].1.status.as_str()),
        (1, &*gid, "succeeded")
    );
    audited.guarded.plant(&gid, "01", "action", Done);
    audited.agreement(&live).await;
    let told = "attention_opened operator_acknowledged attention_closed";
    assert_eq!(audited.epilogue(&live).await, told, "the same word again is no event");
    assert!(Listing::new(store.clone()).page(&mine).await.unwrap().is_empty());
    assert_eq!(Outbox::new(store).pending().await.unwrap().count, 2);
}
