//! "Write a participant in 15 minutes": the hotel, the conformance kit and a real DTM server.
use crate::page::{Page, run};
use amends_stack::{Role, Stack, StackConfig};
use amends_tutorial_hotel::Flags;
use clap::Parser as _;
use std::net::TcpListener;
use tokio::sync::oneshot;

/// A port that nobody listens on now.
fn free_port() -> u16 {
    TcpListener::bind(("127.0.0.1", 0)).unwrap().local_addr().unwrap().port()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_hotel_is_built_proved_and_booked() {
    let page = Page::read("participant.md");
    page.shows(&["hotel/proto/trip/v1/hotel.proto", "hotel/src/lib.rs", "hotel/src/schema.rs"]);
    let folder = tempfile::tempdir().unwrap();
    let work = folder.path().join("work");
    std::fs::create_dir(&work).unwrap();
    let work = work.to_str().unwrap();
    let address = format!("127.0.0.1:{}", free_port());
    let allowed = format!("hotel={address}");
    let config = StackConfig::new(env!("CARGO_BIN_EXE_amends"), folder.path().join("system"))
        .args(Role::Orchestrator, ["--participant", &allowed]);
    let stack = Stack::start(config).await.unwrap();
    let key = stack.key_file();
    let key = key.to_str().unwrap();
    let flags = ["hotel", "--data-dir", work, "--listen", &address, "--plan-mac-key-file", key];
    let (end, ended) = oneshot::channel::<()>();
    let hotel = amends_tutorial_hotel::run(Flags::parse_from(flags), async { drop(ended.await) });
    let hotel = tokio::spawn(hotel);
    amends_testkit::until("the hotel listens", async || tokio::net::TcpStream::connect(&address).await.ok())
        .await;

    let target = stack.address(Role::Orchestrator);
    let settings =
        [("WORK", work), ("HOTEL", &address), ("AMENDS_TARGET", &target), ("AMENDS_PLAN_MAC_KEY_FILE", key)];
    let proved = run(&page.commands("5. Prove it"), &settings).await;
    assert!(proved.contains("undo-before-action") && proved.contains("plan-mac"), "{proved}");
    let booked = run(&page.commands("6. Book with it"), &settings).await;
    for told in ["succeeded", "failed", "hotel.Free", "INSUFFICIENT_STOCK"] {
        assert!(booked.contains(told), "{told} in\n{booked}");
    }

    end.send(()).unwrap();
    hotel.await.unwrap().unwrap();
    stack.stop().await;
}
