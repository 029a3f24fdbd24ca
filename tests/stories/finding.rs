//! What an operator looks for is found by filter, counted, and acted on in bulk.
use crate::stage::story;
use amends_proto::amends::v1::{
    BulkAct, GetBulkRequest, ListRequest, PreviewBulkRequest, StartBulkRequest, StatsRequest,
};
use amends_testkit::{Fault, Mode, Must as _, Status, World, reason_of, until};
use tonic::Code;

async fn found(world: &World, filter: String) -> Vec<String> {
    let list = ListRequest { filter, ..ListRequest::default() };
    let page = world.clients().transactions.list(list).await.must("list").into_inner();
    page.transactions.into_iter().map(|transaction| transaction.gid).collect()
}

#[test]
fn a_filter_finds_what_failed_and_why() {
    story(async |world| {
        let shop = world.shop().await;
        let story = shop.checkout(Mode::Saga).card("tok_decline").start().await;
        story.ends(Status::Failed).await;
        let gid = story.gid.clone();
        let whole = format!(
            "gid = {gid} and status = failed and participant = gateway and step = Charge and code = aborted \
             and age < 1h and finished > 1h ago and not (open or attention or paused) and attempts = 1"
        );
        assert_eq!(found(world, whole).await, std::slice::from_ref(&gid));
        assert!(found(world, format!("gid = {gid} and participant != gateway")).await.is_empty());
        let recent = found(world, "status in (failed, cancelled) and age < 1h".to_owned()).await;
        assert!(recent.contains(&gid));
        let list = ListRequest { filter: "status = walking".into(), ..ListRequest::default() };
        let refused = world.clients().transactions.list(list).await.expect_err("no such status");
        assert_eq!((refused.code(), reason_of(&refused).as_str()), (Code::InvalidArgument, "INVALID_FILTER"));
        assert!(refused.message().ends_with("\n  status = walking\n           ^"), "{}", refused.message());
        let told = world.clients().operations.stats(StatsRequest {}).await.must("stats").into_inner();
        let failed = told.statuses.iter().find(|one| one.status() == Status::Failed);
        assert!(failed.is_some_and(|one| one.count > 0 && one.definition == "checkout"), "{told:?}");
    });
}

#[test]
fn what_waits_is_previewed_and_cancelled_in_bulk() {
    story(async |world| {
        let shop = world.shop().await;
        let mut stories = Vec::new();
        for _ in 0..3 {
            let checkout = shop.checkout(Mode::Saga).each("Deduct", Fault::Answer(Code::Unavailable));
            stories.push(checkout.start().await);
        }
        let gids: Vec<String> = stories.iter().map(|story| format!("{:?}", story.gid)).collect();
        let filter = format!("waiting_for = inventory and gid in ({})", gids.join(", "));
        let mut operations = world.clients().operations;
        let preview = PreviewBulkRequest { filter: filter.clone() };
        let seen = until("all three wait", async || {
            let seen = operations.clone().preview_bulk(preview.clone()).await.must("preview").into_inner();
            (seen.count == 3).then_some(seen)
        })
        .await;
        assert_eq!((seen.stakes.len(), seen.without_amount), (1, 0), "{seen:?}");
        assert!(seen.participants.iter().any(|one| one.participant == "inventory" && one.count == 3));
        let mut ask = StartBulkRequest {
            filter,
            act: BulkAct::Cancel.into(),
            reason: "the warehouse burns".into(),
            per_second: 100,
            expected_count: 2,
        };
        let refused = operations.start_bulk(ask.clone()).await.expect_err("there are three");
        assert_eq!(reason_of(&refused), "CHANGED_MEANWHILE");
        ask.expected_count = 3;
        let bulk_id = operations.start_bulk(ask).await.must("bulk").into_inner().bulk_id;
        let done = until("nothing is to be done", async || {
            let get = GetBulkRequest { bulk_id: bulk_id.clone(), ..GetBulkRequest::default() };
            let told = operations.clone().get_bulk(get).await.must("results").into_inner();
            (told.pending == 0).then_some(told)
        })
        .await;
        assert_eq!((done.done, done.refused, done.items.len()), (3, 0, 3), "{done:?}");
        for story in &stories {
            let ended = story.ends(Status::Cancelled).await;
            assert_eq!(ended.reason, "the warehouse burns");
        }
    });
}
