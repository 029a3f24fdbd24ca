//! The auditor beside real participants: one is restored from an earlier copy of its store, rows are planted behind
//! everybody's back, and where nothing is wrong nothing is said. What it finds is shown by the command.
use crate::AMENDS;
use crate::store::Store;
use amends_proto::amends::v1::GlobalTransaction;
use amends_stack::Role;
use amends_testkit::{
    Coordinator, Fault, Gate, MODES, Mode, Must as _, On, Status, Story, World, WorldConfig,
};
use std::path::Path;

/// Between two passes, in milliseconds.
const INTERVAL_MS: u32 = 300;
/// Orders of each mode under which nothing may be said.
const ORDERS: usize = 20;

async fn world(folder: &tempfile::TempDir, coordinator: Coordinator) -> World {
    World::start(&WorldConfig::new(AMENDS, folder.path(), coordinator).audited(INTERVAL_MS)).await
}

fn disagrees(seen: &GlobalTransaction) -> bool {
    seen.all_attention.iter().any(|attention| attention.cause == "disagreement")
}

/// How often the auditor told of a disagreement, and of its end.
async fn told(story: &Story<'_, '_>) -> (usize, usize) {
    let events = story.events().await;
    let count = |kind: &str| events.iter().filter(|event| event.kind == kind).count();
    (count("attention_opened"), count("attention_closed"))
}

/// Waits until a disagreement was told and is over.
async fn healed(story: &Story<'_, '_>) {
    amends_testkit::until("the books agree again", async || {
        let (opened, closed) = told(story).await;
        (opened > 0 && opened == closed).then_some(())
    })
    .await;
}

/// Runs the command: its exit code and what it printed.
async fn run(world: &World, words: &[&str]) -> (i32, String) {
    let target = world.stack().address(Role::Orchestrator);
    let output = tokio::process::Command::new(AMENDS)
        .args(words)
        .args(["--target", &target])
        .output()
        .await
        .must("run the command");
    (output.status.code().unwrap(), String::from_utf8_lossy(&output.stdout).into_owned())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restored_participant_is_brought_up_to_date_beside_dtm() {
    restored_participant(Coordinator::Dtm).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restored_participant_is_brought_up_to_date_without_dtm() {
    restored_participant(Coordinator::Embedded).await;
}

/// Everything that the inventory did after the copy is gone, and is done again: what was committed is committed, what
/// was undone stays undone.
async fn restored_participant(coordinator: Coordinator) {
    let folder = tempfile::tempdir().unwrap();
    let world = world(&folder, coordinator).await;
    let shop = world.shop().await;
    let gate = Gate::default();
    let checkout = shop.checkout(Mode::Tcc);
    world.script().set(On::each("ConfirmReserve", checkout.order_id()), Fault::Hold(gate.clone()));
    let unconfirmed = checkout.start().await;
    gate.reached().await;
    let copy = folder.path().join("inventory.copy");
    let store = Store::open(world.stack(), Role::Inventory).await;
    store.run(&format!("VACUUM INTO '{}'", copy.display())).await;
    store.close().await;
    gate.open();
    unconfirmed.ends(Status::Succeeded).await;
    let mut lost = Vec::new();
    for mode in MODES {
        for card in ["tok_ok", "tok_decline"] {
            let story = shop.checkout(mode).card(card).start().await;
            story.ends(if card == "tok_ok" { Status::Succeeded } else { Status::Failed }).await;
            lost.push(story);
        }
    }
    shop.holds_after(3).await;
    world.stack().kill9(Role::Inventory).await.unwrap();
    restore(&copy, &world.stack().data_dir().join("inventory.db"));
    world.stack().restart(Role::Inventory).await.unwrap();
    for story in lost.iter().chain([&unconfirmed]) {
        healed(story).await;
    }
    shop.holds_after(3).await;
    for story in &lost {
        let end = story.get().await;
        assert!(matches!(end.status(), Status::Succeeded | Status::Failed), "{end:?}");
    }
    world.check().await;
    world.stop().await;
}

/// As a person does it: the process is down, the write-ahead log belongs to the file that goes.
fn restore(copy: &Path, store: &Path) {
    for rest in ["-wal", "-shm"] {
        let mut name = store.as_os_str().to_owned();
        name.push(rest);
        std::fs::remove_file(name).ok();
    }
    std::fs::copy(copy, store).unwrap();
}

/// The last one of a load is made to disagree; when that is told, all others were looked at too.
#[tokio::test(flavor = "multi_thread")]
async fn only_what_disagrees_is_told_and_everybody_can_see_it() {
    let folder = tempfile::tempdir().unwrap();
    let world = world(&folder, Coordinator::Dtm).await;
    let (mut shops, mut sound) = (Vec::new(), Vec::new());
    for _ in 0..ORDERS {
        shops.push(world.shop().await);
    }
    for shop in &shops {
        for (mode, card) in MODES.into_iter().zip(["tok_ok", "tok_decline"]) {
            sound.push(shop.checkout(mode).card(card).start().await);
        }
    }
    futures::future::join_all(sound.iter().map(Story::end)).await;
    let last = shops[0].checkout(Mode::Saga).start().await;
    last.ends(Status::Succeeded).await;
    last.dtm_says("succeed").await;

    let orders = Store::open(world.stack(), Role::Order).await;
    let row = format!("gid = '{}' AND branch_id = '01' AND op = 'action'", last.gid);
    assert_eq!(orders.run(&format!("UPDATE branch_op SET status = 'refused' WHERE {row}")).await, 1);
    last.becomes("it disagrees", disagrees).await;
    let (code, shown) = run(&world, &["show", &last.gid]).await;
    let text = "disagreement order refused action 01, done in history (needs a person)";
    assert!(code == 0 && shown.contains("needs a person since ") && shown.contains(text), "{code}: {shown}");
    let (code, listed) = run(&world, &["list", "--attention"]).await;
    assert!(code == 0 && listed.contains(&last.gid), "{code}: {listed}");
    let (code, checked) = run(&world, &["check"]).await;
    let line = format!("{}: order refused action 01, done in history", last.gid);
    assert!(code == 1 && checked.contains("A1  ") && checked.contains(&line), "{code}: {checked}");
    assert!(checked.contains("the auditor has no disagreement open: 1 violation"), "{checked}");

    assert_eq!(orders.run(&format!("UPDATE branch_op SET status = 'done' WHERE {row}")).await, 1);
    last.becomes("it agrees", |seen| !disagrees(seen)).await;
    assert_eq!(told(&last).await, (1, 1));
    for story in &sound {
        assert_eq!(told(story).await, (0, 0), "{} is sound", story.gid);
    }
    let (code, checked) = run(&world, &["check"]).await;
    assert_eq!(code, 0, "{checked}");
    world.stop().await;
}
