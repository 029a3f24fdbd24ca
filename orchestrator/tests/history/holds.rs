//! What is held back stays held back, however many holds were over since.
use crate::on_every_store;
use crate::place::Place;
use amends_orchestrator::history::entity::hold;
use amends_orchestrator::history::{Act, Deadlines, Held, Hold};
use sea_orm::{EntityTrait as _, IntoActiveModel as _};

on_every_store! {
    an_old_hold_in_force_is_read_before_those_that_are_over,
}

async fn an_old_hold_in_force_is_read_before_those_that_are_over(place: Place) {
    let store = place.store().await;
    let over = |since_us: i64| hold::Model {
        kind: "participant".to_owned(),
        name: "bank".to_owned(),
        since_us,
        deadlines: Deadlines::Stop.name().to_owned(),
        subject: "ann".to_owned(),
        reason: "late".to_owned(),
        ended_us: since_us + 1,
        ended_by: "ann".to_owned(),
        ended_reason: "well".to_owned(),
    };
    let many = (10..1_210).map(|since_us| over(since_us).into_active_model());
    hold::Entity::insert_many(many).exec_without_returning(store.writer()).await.unwrap();
    let table = place.open().await.reader.holds();
    let old = Hold {
        on: Held::Definition("checkout".to_owned()),
        since_us: 5,
        deadlines: Deadlines::Stop,
        act: Act::of("ann", "the bank is gone"),
        ended: None,
    };
    assert!(table.begin(&old).await.unwrap());
    let all = table.all().await.unwrap();
    assert_eq!(all.last(), Some(&old), "and newest first");
    assert_eq!(all[0].since_us, 1_209);
    assert!(all.is_sorted_by(|one, next| one.since_us >= next.since_us));
}
