//! What DTM takes: requests that make it panic and stay, fifty megabytes, URLs of anybody; and whom it undoes. D8, D9, D11,
//! D12, D21.
use crate::engine::World;
use crate::server::Server;
use crate::site::Site;
use crate::wire::{fresh, named, saga};
use crate::{play, tell};
use amends_dtm::client::DtmStatus;
use amends_orchestrator::history;
use amends_orchestrator::plan::{Mode, Plan};
use amends_proto::dtm::DtmRequest;
use amends_stack::Role;
use amends_testkit::{Mode as Deed, Status, until};
use serde_json::json;
use tokio::io::AsyncReadExt as _;
use tokio::net::TcpListener;
use tonic::Code;

/// More than fifty megabytes, in one request.
const HUGE: usize = 50 * 1024 * 1024;
/// Twice what our own interfaces take.
const TOO_LARGE: usize = 2 * 1024 * 1024;

/// Custom data that is no JSON, and an order that names a step which is not there: taken, kept, and a panic at each poll.
#[test]
fn d08_bad_custom_data_is_taken_and_panics_at_each_poll() {
    play(async {
        let server = Server::start().await;
        let broken = |gid: &str, customed_data: &str| DtmRequest {
            customed_data: customed_data.to_owned(),
            ..saga(gid, 2, &server.url())
        };
        let poison = ["{", r#"{"concurrent":true,"orders":{"1":[8]}}"#];
        let gids = poison.map(|_| fresh());
        for (gid, customed_data) in gids.iter().zip(poison) {
            server.wire.submit(broken(gid, customed_data)).await.unwrap();
        }
        let panics = async |count: usize| {
            let seen = async || (server.log().matches("recovered panic").count() >= count).then_some(());
            until("DTM panics", seen).await;
        };
        panics(2).await;
        assert_eq!(server.wire.get("resetCronTime?timeout=0&limit=100000").await, 200);
        panics(4).await;
        for gid in &gids {
            assert_eq!(server.wire.view(gid).await.status, DtmStatus::Submitted, "it stays for ever");
        }

        let site = Site::shared().await;
        site.unharmed(Deed::Saga, "Transfer", async |wire, gid| {
            for customed_data in poison {
                wire.submit(broken(gid, customed_data)).await.unwrap();
            }
        })
        .await;
    });
}

/// Too few payloads, steps that are no JSON and an unknown kind: a panic inside the call.
#[test]
fn d09_too_few_payloads_and_unknown_kinds_panic() {
    play(async {
        let server = Server::start().await;
        let broken = |gid: &str| {
            let whole = saga(gid, 2, &server.url());
            [
                DtmRequest { bin_payloads: Vec::new(), ..whole.clone() },
                DtmRequest { steps: "[".to_owned(), ..whole },
                named(gid, "nonsense"),
            ]
        };
        for (number, request) in broken(&fresh()).into_iter().enumerate() {
            let status = server.wire.submit(request).await.unwrap_err();
            assert_eq!(status.code(), Code::Internal, "{status}");
            let panics = server.log().matches("dtm server panic").count();
            assert_eq!(panics, number + 1, "{}", server.log());
        }

        let site = Site::shared().await;
        site.unharmed(Deed::Saga, "Transfer", async |wire, gid| {
            for request in broken(gid) {
                assert_eq!(wire.submit(request).await.unwrap_err().code(), Code::Internal);
            }
        })
        .await;
    });
}

/// Neither a limit nor a question who is asking.
#[test]
fn d11_fifty_megabytes_of_anybody_are_kept() {
    play(async {
        let server = Server::start().await;
        let body = json!({
            "gid": fresh(),
            "trans_type": "saga",
            "steps": [{"action": "", "compensate": ""}],
            "payloads": ["x".repeat(HUGE)],
        });
        assert_eq!(server.wire.post("submit", &body).await, 200);
        let kept = || std::fs::metadata(server.local.folder.join("dtm.bolt")).unwrap().len();
        until("all of it is kept", async || (kept() > HUGE as u64).then_some(())).await;
        tell(&format!("D11: one request of {} MiB, kept in {} MiB", HUGE >> 20, kept() >> 20));
        drop(server);

        let site = Site::shared().await;
        let shop = site.shop().await;
        let before = std::fs::metadata(site.stack().data_dir().join("dtm/dtm.bolt")).unwrap().len();
        let mut checkout = shop.checkout(Deed::Saga);
        checkout.input.user_id = "x".repeat(TOO_LARGE);
        let refused = checkout.try_start().await.unwrap_err();
        assert_eq!(refused.code(), Code::OutOfRange, "{refused}");
        let after = std::fs::metadata(site.stack().data_dir().join("dtm/dtm.bolt")).unwrap().len();
        assert!(after < before + TOO_LARGE as u64, "{before} and then {after} bytes");
        shop.holds_after(0).await;
    });
}

/// Whatever address stands in a branch is called from DTM's machine.
#[test]
fn d12_the_address_of_a_branch_is_called_whoever_gave_it() {
    play(async {
        let (server, gid) = (Server::start().await, fresh());
        let private = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/admin/delete?all=yes", private.local_addr().unwrap());
        let steps = json!([{"action": url, "compensate": url}]).to_string();
        server.wire.submit(DtmRequest { steps, ..saga(&gid, 1, "") }).await.unwrap();
        let (mut called, _) = private.accept().await.unwrap();
        let mut line = [0; 32];
        called.read_exact(&mut line).await.unwrap();
        let line = String::from_utf8_lossy(&line).into_owned();
        assert!(line.contains(" /admin/delete?all=yes"), "{line}");

        let site = Site::shared().await;
        let shop = site.shop().await;
        let relay = format!("127.0.0.1:{}/amends.v1.Relay/Run", site.stack().ports().relay);
        for mode in [Deed::Saga, Deed::Tcc] {
            let story = shop.checkout(mode).start().await;
            story.ends(Status::Succeeded).await;
            let branches = site.wire.view(&story.gid).await.branches;
            assert!(branches.len() >= 12, "{branches:?}");
            assert!(branches.iter().all(|branch| branch.url == relay), "{branches:?}");
        }
        assert!(site.stack().pid(Role::Dtm).is_some());
    });
}

/// The branch that refused is undone too, and so is one of which nobody knows what it did.
#[test]
fn d21_the_branch_that_refused_is_undone_too() {
    play(async {
        let (server, gid) = (Server::start().await, fresh());
        server.branches.answer("action", "02", Code::Aborted, "OUT_OF_IT|x");
        server.wire.submit(saga(&gid, 3, &server.url())).await.unwrap();
        server.wire.becomes(&gid, DtmStatus::Failed).await;
        assert_eq!(server.branches.order_of(&gid), "action 01, action 02, compensate 02, compensate 01");

        let world = World::start().await;
        world.branches.answer("action", "02", Code::Aborted, "OUT_OF_IT|x");
        let refused = world.go(world.plan(Mode::Saga, 3, None, 0)).await;
        assert_eq!(world.end(&refused.base().gid).await, history::Status::Failed);
        let order = world.branches.order_of(&refused.base().gid);
        assert_eq!(order, "action 01, action 02, compensate 01", "who refused has nothing to undo");

        // Of which nobody knows: undone, and a participant's guard makes an undo of nothing harmless.
        world.branches.answers(10_000, ("action", "02"), Code::Unavailable, "GONE|x");
        let mut plan = world.plan(Mode::Saga, 3, None, 500).body().clone();
        plan.steps[1].policy.as_mut().unwrap().initial_interval_ms = 100;
        let unknown = world.go(Plan::new(plan).unwrap()).await;
        assert_eq!(world.end(&unknown.base().gid).await, history::Status::Failed);
        let order = world.branches.order_of(&unknown.base().gid);
        assert!(order.ends_with("compensate 02, compensate 01"), "{order}");
    });
}
