//! What clients can learn about global transactions: Get, GetByBusinessKey, List, Wait, history.
use crate::stage::story;
use amends_proto::amends::v1::{
    GetByBusinessKeyRequest, GetHistoryRequest, GetRequest, ListRequest, WaitRequest,
};
use amends_testkit::{Fault, Gate, Mode, Status, World, reason_of};
use std::collections::BTreeSet;
use std::time::{Duration, Instant};
use tonic::Code;

#[test]
fn a_global_transaction_tells_all_about_itself() {
    story(async |world| {
        let shop = world.shop().await;
        let checkout = shop.checkout(Mode::Saga).card("tok_decline").caller("teller");
        let story = checkout.start().await;
        let end = story.ends(Status::Failed).await;
        assert_eq!((end.definition.as_str(), end.mode()), ("checkout", Mode::Saga));
        assert_eq!((end.caller.as_str(), end.undo_cause.as_str()), ("teller", "refused"));
        assert_eq!(end.request_id, checkout.request.request_id);
        assert_eq!(end.business_key, format!("{}/{}", shop.merchant, checkout.input.out_trade_no));
        assert_eq!((end.plan_hash.len(), end.steps.len()), (64, 7));
        let pivots: Vec<_> =
            end.steps.iter().filter(|step| step.pivot).map(|step| &step.participant).collect();
        assert_eq!(pivots, ["gateway"]);
        let by_key =
            GetByBusinessKeyRequest { definition: "checkout".into(), business_key: end.business_key.clone() };
        let found =
            world.clients().transactions.get_by_business_key(by_key).await.expect("by key").into_inner();
        assert_eq!(found, end);
        let events = story.events().await;
        let seqs: Vec<i64> = events.iter().map(|event| event.seq).collect();
        assert_eq!(seqs, (1..=end.last_seq).collect::<Vec<_>>(), "no gaps");
        let tail = GetHistoryRequest { gid: story.gid.clone(), from_seq: end.last_seq, page_size: 0 };
        let tail = world.clients().transactions.get_history(tail).await.expect("history").into_inner().events;
        assert_eq!(tail, events[events.len() - 1..]);
        assert_eq!(tail[0].kind, "finished");
    });
}

#[test]
fn what_nobody_started_is_not_found() {
    story(async |world| {
        let gid = uuid::Uuid::now_v7().to_string();
        let mut client = world.clients().transactions;
        let get = client.get(GetRequest { gid: gid.clone() }).await.expect_err("an unknown gid");
        let wait =
            client.wait(WaitRequest { gid: gid.clone(), timeout_ms: 1 }).await.expect_err("an unknown gid");
        let by_key = GetByBusinessKeyRequest { definition: "checkout".into(), business_key: gid };
        let by_key = client.get_by_business_key(by_key).await.expect_err("an unknown key");
        for status in [get, wait, by_key] {
            assert_eq!((status.code(), reason_of(&status).as_str()), (Code::NotFound, "GID_NOT_FOUND"));
        }
        let malformed = client.get(GetRequest { gid: "1".into() }).await.expect_err("no gid at all");
        assert_eq!(malformed.code(), Code::InvalidArgument);
    });
}

#[test]
fn wait_ends_with_the_end_and_never_lies() {
    story(async |world| {
        let shop = world.shop().await;
        let gate = Gate::default();
        let story = shop.checkout(Mode::Tcc).each("TryReserve", Fault::Hold(gate.clone())).start().await;
        gate.reached().await;
        let begun = Instant::now();
        assert_eq!(story.wait_ms(300).await.status(), Status::Running);
        assert!(begun.elapsed() >= Duration::from_millis(300), "it waited as long as asked");
        let waiting = story.wait_ms(60_000);
        let (ended, ()) = tokio::join!(waiting, async { gate.open() });
        assert_eq!(ended.status(), Status::Succeeded);
        let too_long = WaitRequest { gid: story.gid.clone(), timeout_ms: -1 };
        let refused = world.clients().transactions.wait(too_long).await.expect_err("a negative time");
        assert_eq!(refused.code(), Code::InvalidArgument);
    });
}

#[test]
fn a_list_is_read_page_by_page_without_gap_or_repeat() {
    story(async |world| {
        let shop = world.shop().await;
        let mut mine = BTreeSet::new();
        for _ in 0..5 {
            let story = shop.checkout(Mode::Saga).card("tok_decline").start().await;
            story.ends(Status::Failed).await;
            mine.insert(story.gid);
        }
        let read = pages(world, Status::Failed, mine.first().expect("five of them")).await;
        let once: BTreeSet<&String> = read.iter().collect();
        assert_eq!(once.len(), read.len(), "no gid twice");
        assert!(read.is_sorted_by(|newer, older| newer > older), "newest first");
        assert!(mine.iter().all(|gid| once.contains(gid)), "none of mine is missing");
        let paid = pages(world, Status::Succeeded, mine.first().expect("five of them")).await;
        assert!(paid.iter().all(|gid| !mine.contains(gid)), "only what was asked for");
        for wrong in [ListRequest { page_size: -1, ..ListRequest::default() }, malformed_token()] {
            let refused = world.clients().transactions.list(wrong).await.expect_err("a wrong page");
            assert_eq!(refused.code(), Code::InvalidArgument);
        }
    });
}

fn malformed_token() -> ListRequest {
    ListRequest { page_token: "nonsense".into(), ..ListRequest::default() }
}

/// Gids of all pages of two, back to `oldest`.
async fn pages(world: &World, status: Status, oldest: &String) -> Vec<String> {
    let (mut gids, mut page_token) = (Vec::new(), String::new());
    loop {
        let list =
            ListRequest { statuses: vec![status.into()], page_size: 2, page_token, ..ListRequest::default() };
        let page = world.clients().transactions.list(list).await.expect("list").into_inner();
        assert!(page.transactions.iter().all(|transaction| transaction.status() == status));
        gids.extend(page.transactions.into_iter().map(|transaction| transaction.gid));
        if page.next_page_token.is_empty() || gids.last().is_some_and(|last| last < oldest) {
            return gids;
        }
        page_token = page.next_page_token;
    }
}
