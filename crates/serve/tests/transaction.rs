//! A local transaction says the same on SQLite, where its statements run on the caller's thread, as on PostgreSQL.

use amends_serve::store::{LocalTransaction, Reads as _, Store, is_locked, is_taken};
use sea_orm::{
    ActiveValue::NotSet, ConnectionTrait as _, DbErr, EntityTrait as _, IntoActiveModel as _, Set,
};
use sea_orm::{ColumnTrait as _, QueryFilter as _, QueryOrder as _, QuerySelect as _, Schema};
use tokio::time::Duration;

mod thing {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
    #[sea_orm(table_name = "thing")]
    pub struct Model {
        #[sea_orm(primary_key)]
        pub seq: i64,
        #[sea_orm(unique)]
        pub name: String,
        pub narrow: i32,
        pub wide: i64,
        pub flag: bool,
        pub blob: Vec<u8>,
        pub maybe_name: Option<String>,
        pub maybe_wide: Option<i64>,
        pub maybe_blob: Option<Vec<u8>>,
        pub kind: Kind,
        pub json: Json,
        pub maybe_json: Option<Json>,
    }

    #[derive(Clone, Copy, Debug, PartialEq, EnumIter, DeriveActiveEnum)]
    #[sea_orm(rs_type = "String", db_type = "String(StringLen::N(8))")]
    pub enum Kind {
        #[sea_orm(string_value = "plain")]
        Plain,
        #[sea_orm(string_value = "odd")]
        Odd,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

use thing::{Column, Entity, Kind};

fn named(name: &str) -> thing::ActiveModel {
    thing::ActiveModel {
        seq: NotSet,
        name: Set(name.to_owned()),
        narrow: Set(i32::MIN),
        wide: Set(i64::MAX),
        flag: Set(true),
        blob: Set(vec![0, 255]),
        maybe_name: Set(None),
        maybe_wide: Set(None),
        maybe_blob: Set(None),
        kind: Set(Kind::Odd),
        json: Set(serde_json::json!({"n": [1, null, "é"]})),
        maybe_json: Set(None),
    }
}

async fn open(folder: &tempfile::TempDir) -> Store {
    let store = Store::open(&format!("sqlite://{}/t.db", folder.path().display())).await.expect("a store");
    let writer = store.writer();
    let table = Schema::new(writer.get_database_backend()).create_table_from_entity(Entity);
    writer.execute(table.clone().if_not_exists()).await.expect("a table");
    store
}

async fn names(tx: &LocalTransaction) -> Vec<String> {
    let all = tx.all(Entity::find().order_by_asc(Column::Seq)).await.expect("all rows");
    all.into_iter().map(|thing| thing.name).collect()
}

#[tokio::test]
async fn what_is_written_reads_back_in_every_type() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(&folder).await;
    let tx = store.transaction().await.unwrap();
    let first = tx.insert(named("a")).await.unwrap();
    let full = thing::ActiveModel {
        maybe_name: Set(Some(String::new())),
        maybe_wide: Set(Some(i64::MIN)),
        maybe_blob: Set(Some(Vec::new())),
        flag: Set(false),
        kind: Set(Kind::Plain),
        json: Set(serde_json::json!([])),
        maybe_json: Set(Some(serde_json::json!("x"))),
        ..named("b")
    };
    let second = tx.insert(full).await.unwrap();
    assert_eq!((first.seq, second.seq), (1, 2));
    assert_eq!((first.narrow, first.wide, first.flag, first.kind), (i32::MIN, i64::MAX, true, Kind::Odd));
    assert_eq!((first.maybe_name.as_ref(), first.maybe_wide, first.maybe_blob.as_ref()), (None, None, None));
    assert_eq!((second.maybe_name.as_deref(), second.maybe_wide), (Some(""), Some(i64::MIN)));
    assert_eq!((second.maybe_blob.as_deref(), second.flag, second.kind), (Some(&[][..]), false, Kind::Plain));
    assert_eq!((&first.json["n"][2], &first.maybe_json), (&"é".into(), &None));
    assert_eq!((&second.json, &second.maybe_json), (&serde_json::json!([]), &Some("x".into())));
    let found = tx.one(Entity::find().filter(Column::Name.eq("b"))).await.unwrap();
    assert_eq!(found.as_ref(), Some(&second));
    tx.commit().await.unwrap();
    // SeaORM's own reader sees the same.
    assert_eq!(store.reader().all(Entity::find().order_by_asc(Column::Seq)).await.unwrap(), [first, second]);
}

#[tokio::test]
async fn changes_tell_what_they_changed() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(&folder).await;
    let tx = store.transaction().await.unwrap();
    assert_eq!(tx.run(Entity::insert_many([named("a"), named("b"), named("c")])).await.unwrap(), 3);
    let one = tx.one(Entity::find_by_id(2)).await.unwrap().unwrap();
    let unchanged = tx.update(one.clone().into_active_model()).await.unwrap();
    assert_eq!(unchanged, one);
    let mut row = one.into_active_model();
    row.wide = Set(7);
    row.maybe_name = Set(Some("x".to_owned()));
    let changed = tx.update(row.clone()).await.unwrap();
    assert_eq!((changed.wide, changed.maybe_name.as_deref(), changed.name.as_str()), (7, Some("x"), "b"));
    assert_eq!(tx.one(Entity::find_by_id(2)).await.unwrap(), Some(changed));
    let two = Entity::update_many().col_expr(Column::Flag, false.into()).filter(Column::Seq.gt(1));
    assert_eq!(tx.run(two).await.unwrap(), 2);
    assert_eq!(tx.count(Entity::find().filter(Column::Flag.eq(false))).await.unwrap(), 2);
    assert_eq!(tx.all(Entity::find().limit(1).offset(2)).await.unwrap()[0].name, "c");
    assert_eq!(tx.run(Entity::delete_many().filter(Column::Seq.eq(2))).await.unwrap(), 1);
    row.wide = Set(8);
    assert_eq!(tx.update(row).await.unwrap_err(), DbErr::RecordNotUpdated);
    assert_eq!(names(&tx).await, ["a", "c"]);
    tx.rollback().await.unwrap();
    assert_eq!(names(&store.transaction().await.unwrap()).await, [""; 0]);
}

#[tokio::test]
async fn a_key_that_is_taken_is_told_and_the_rest_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(&folder).await;
    let tx = store.transaction().await.unwrap();
    tx.insert(named("a")).await.unwrap();
    let taken = tx.insert(named("a")).await.unwrap_err();
    assert!(is_taken(&taken) && !is_locked(&taken), "{taken:?}");
    let taken = tx.run(Entity::insert_many([named("b"), named("a")])).await.unwrap_err();
    assert!(is_taken(&taken), "{taken:?}");
    assert_eq!(tx.insert_unless_there(named("a")).await.unwrap(), None);
    let made = tx.insert_unless_there(named("c")).await.unwrap();
    assert_eq!(made, tx.one(Entity::find().filter(Column::Name.eq("c"))).await.unwrap());
    tx.commit().await.unwrap();
    assert_eq!(names(&store.transaction().await.unwrap()).await, ["a", "c"]);
}

#[tokio::test]
async fn what_is_dropped_is_rolled_back_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(&folder).await;
    let tx = store.transaction().await.unwrap();
    tx.insert(named("a")).await.unwrap();
    assert_eq!(store.reader().all(Entity::find()).await.unwrap(), []);
    drop(tx);
    let tx = store.transaction().await.unwrap();
    assert_eq!(names(&tx).await, [""; 0]);
    tx.insert(named("b")).await.unwrap();
    tx.commit().await.unwrap();
    store.close().await.unwrap();
    assert_eq!(names(&open(&folder).await.transaction().await.unwrap()).await, ["b"]);
}

/// The connection of SeaORM's pool, another process and another transaction of this one: each waits, nobody for ever.
#[tokio::test]
async fn who_waits_for_a_turn_is_told_so_after_two_seconds() {
    let folder = tempfile::tempdir().unwrap();
    let (store, other_process) = (open(&folder).await, open(&folder).await);
    let held = store.transaction().await.unwrap();
    let (this, other, pool) = tokio::join!(store.transaction(), other_process.transaction(), store.begin());
    for error in [this.map(drop).unwrap_err(), other.map(drop).unwrap_err(), pool.map(drop).unwrap_err()] {
        assert!(is_locked(&error), "{error:?}");
    }
    let waiting = tokio::spawn(async move { other_process.transaction().await.unwrap().commit().await });
    tokio::time::sleep(Duration::from_millis(100)).await;
    held.commit().await.unwrap();
    waiting.await.unwrap().unwrap();
    store.transaction().await.unwrap().commit().await.unwrap();
}

#[tokio::test]
async fn concurrent_transactions_lose_no_change() {
    const EACH: i64 = 50;
    let folder = tempfile::tempdir().unwrap();
    let store = open(&folder).await;
    let tx = store.transaction().await.unwrap();
    tx.insert(thing::ActiveModel { wide: Set(0), ..named("sum") }).await.unwrap();
    tx.commit().await.unwrap();
    let adders = (0..8).map(|_| {
        let store = store.clone();
        tokio::spawn(async move {
            for _ in 0..EACH {
                let tx = store.transaction().await.unwrap();
                let sum = tx.one(Entity::find_by_id(1)).await.unwrap().unwrap();
                let wide = sum.wide + 1;
                tokio::task::yield_now().await;
                tx.update(thing::ActiveModel { wide: Set(wide), ..sum.into_active_model() }).await.unwrap();
                tx.commit().await.unwrap();
            }
        })
    });
    for adder in adders.collect::<Vec<_>>() {
        adder.await.unwrap();
    }
    assert_eq!(store.reader().one(Entity::find_by_id(1)).await.unwrap().unwrap().wide, 8 * EACH);
}
