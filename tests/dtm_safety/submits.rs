//! Who reaches DTM can say anything of any global transaction: another gid that begins alike, a second Submit, a Submit of
//! another kind, a forced stop. D1, D2, D3, D4, D10, D15, D20.
use crate::play;
use crate::server::Server;
use crate::site::{ITS_WORST, Site};
use crate::wire::{as_workflow, fresh, named, saga};
use amends_dtm::client::{BranchStatus, DtmStatus};
use amends_proto::dtm::{DtmRequest, DtmTransOptions};
use amends_testkit::{Fault, Gate, Mode, On, Status};
use tonic::Code;

/// BoltDB finds branches by scanning from the gid on, and stops at the first that is another's.
#[test]
fn d01_a_longer_gid_hides_the_branches_of_ours() {
    play(async {
        let (server, gid) = (Server::start().await, fresh());
        server.wire.prepare_tcc(&gid, 2, &server.url()).await;
        assert_eq!(server.wire.view(&gid).await.branches.len(), 4);
        server.wire.prepare_tcc(&format!("{gid}-0"), 1, &server.url()).await;
        server.wire.submit(named(&gid, "tcc")).await.unwrap();
        let view = server.wire.becomes(&gid, DtmStatus::Succeed).await;
        assert_eq!((view.branches.len(), server.calls_of(&gid)), (0, 0), "DTM confirms what it finds");

        let site = Site::shared().await;
        site.unharmed(Mode::Tcc, "TryTransfer", async |wire, gid| {
            wire.prepare_tcc(&format!("{gid}-0"), 1, &server.url()).await;
            assert!(wire.view(gid).await.branches.is_empty(), "DTM lost them here too");
        })
        .await;
    });
}

/// DTM runs the steps of the request, not those that it stored.
#[test]
fn d02_a_second_submit_runs_other_steps() {
    play(async {
        let (server, gid) = (Server::start().await, fresh());
        let gate = server.branches.hold("action", "01");
        server.wire.submit(saga(&gid, 2, &server.url())).await.unwrap();
        server.called(&gid, 1).await;
        let mut forged = saga(&gid, 2, &server.url());
        forged.steps = forged.steps.replace("/Do", "/Other");
        server.wire.submit(forged).await.unwrap();
        server.called(&gid, 3).await;
        let methods: Vec<_> = server.branches.calls().into_iter().map(|call| call.method).collect();
        assert_eq!(methods, ["Do", "Other", "Other"]);
        drop(gate);

        let site = Site::shared().await;
        site.unharmed(Mode::Saga, "Transfer", async |wire, gid| {
            wire.submit(saga(gid, 7, &server.url())).await.unwrap();
            server.called(gid, 7).await;
            wire.becomes(gid, DtmStatus::Succeed).await;
        })
        .await;
    });
}

/// "Refused" is what DTM says of what succeeded.
#[test]
fn d03_a_submit_after_success_is_answered_aborted() {
    play(async {
        let (server, gid) = (Server::start().await, fresh());
        server.wire.submit(saga(&gid, 1, &server.url())).await.unwrap();
        server.wire.becomes(&gid, DtmStatus::Succeed).await;
        let again = server.wire.submit(saga(&gid, 1, &server.url())).await.unwrap_err();
        assert_eq!(again.code(), Code::Aborted, "{again}");

        let site = Site::shared().await;
        let shop = site.shop().await;
        let checkout = shop.checkout(Mode::Saga);
        let story = checkout.start().await;
        story.ends(Status::Succeeded).await;
        story.dtm_says("succeed").await;
        let again = site.wire.submit(saga(&story.gid, 7, &server.url())).await.unwrap_err();
        assert_eq!(again.code(), Code::Aborted, "{again}");
        let repeated = checkout.try_start().await.unwrap();
        assert_eq!((repeated.gid.as_str(), repeated.status()), (story.gid.as_str(), Status::Succeeded));
        assert_eq!(server.calls_of(&story.gid), 0);
        shop.holds_after(1).await;
        Box::pin(site.check()).await;
    });
}

/// The end of a workflow overwrites the status of whatever is prepared.
#[test]
fn d04_a_workflow_overwrites_a_prepared_status() {
    play(async {
        let (server, gid) = (Server::start().await, fresh());
        server.wire.prepare_tcc(&gid, 2, &server.url()).await;
        server.wire.submit(as_workflow(&gid, "succeed")).await.unwrap();
        assert_eq!(server.wire.view(&gid).await.status, DtmStatus::Succeed);
        assert_eq!(server.calls_of(&gid), 0, "nothing was confirmed");

        let site = Site::shared().await;
        site.unharmed(Mode::Tcc, "TryTransfer", async |wire, gid| {
            wire.submit(as_workflow(gid, "succeed")).await.unwrap();
            assert_eq!(wire.view(gid).await.status, DtmStatus::Succeed);
        })
        .await;
    });
}

/// A forced stop is "failed" without a compensation; an orderly end there is not.
#[test]
fn d10_a_forced_stop_undoes_nothing_and_abort_is_refused() {
    play(async {
        let (server, gid) = (Server::start().await, fresh());
        server.branches.answers(100, ("action", "02"), Code::FailedPrecondition, "NOT_YET|x");
        server.wire.submit(saga(&gid, 2, &server.url())).await.unwrap();
        server.called(&gid, 2).await;
        let refused = server.wire.abort(named(&gid, "saga")).await.unwrap_err();
        assert_eq!(refused.code(), Code::Aborted, "a submitted saga cannot be aborted: {refused}");
        assert_eq!(server.wire.force_stop(&gid).await, 200);
        let view = server.wire.becomes(&gid, DtmStatus::Failed).await;
        let done = view.branches.iter().filter(|branch| branch.status == BranchStatus::Succeed);
        assert_eq!(done.count(), 1, "action 01 was done and stays done");
        assert!(!server.branches.order_of(&gid).contains("compensate"), "{}", server.branches.order_of(&gid));

        let site = Site::shared().await;
        site.unharmed(Mode::Saga, "Transfer", async |wire, gid| {
            assert_eq!(wire.force_stop(gid).await, 200);
            assert_eq!(wire.view(gid).await.status, DtmStatus::Failed);
        })
        .await;
        let shop = site.shop().await;
        let (story, gate) = Box::pin(site.held_at(&shop, Mode::Saga, "Burn")).await;
        story.cancel("changed my mind").await.unwrap();
        gate.open();
        story.ends(Status::Cancelled).await;
        story.dtm_says("failed").await;
        shop.holds_after(0).await;
    });
}

/// Who lets DTM wait for the result is told FAILURE of what still runs.
#[test]
fn d15_a_submit_that_waits_is_told_failure_of_what_succeeds() {
    play(async {
        let (server, gid) = (Server::start().await, fresh());
        server.branches.answer("action", "01", Code::FailedPrecondition, "NOT_YET|x");
        let options = DtmTransOptions { wait_result: true, retry_interval: 1, ..DtmTransOptions::default() };
        let request = saga(&gid, 1, &server.url());
        let waiting = DtmRequest { trans_options: Some(options), ..request.clone() };
        let told = server.wire.submit(waiting).await.unwrap_err();
        assert_eq!((told.code(), server.wire.view(&gid).await.status), (Code::Aborted, DtmStatus::Submitted));
        server.wire.submit(request).await.unwrap();
        server.wire.becomes(&gid, DtmStatus::Succeed).await;

        let site = Site::shared().await;
        let (shop, gate) = (site.shop().await, Gate::default());
        let checkout = shop.checkout(Mode::Saga).wait_ms(300);
        site.script().set(On::first("Transfer", checkout.order_id()), Fault::Hold(gate.clone()));
        let told = checkout.try_start().await.unwrap();
        let runs = [Status::Accepted, Status::Running];
        assert!(runs.contains(&told.status()), "what runs is never called failed: {told:?}");
        gate.open();
        checkout.story(told.gid).ends(Status::Succeeded).await;
        shop.holds_after(1).await;
        Box::pin(site.check()).await;
    });
}

/// The second Submit of a submitted TCC makes it "succeed" without the confirms that are still missing.
#[test]
fn d20_a_second_submit_of_a_tcc_skips_its_confirms() {
    play(async {
        let (server, gid) = (Server::start().await, fresh());
        let gate = server.branches.hold("confirm", "03");
        server.wire.prepare_tcc(&gid, 3, &server.url()).await;
        server.wire.submit(named(&gid, "tcc")).await.unwrap();
        server.called(&gid, 1).await;
        server.wire.submit(named(&gid, "tcc")).await.unwrap();
        server.wire.becomes(&gid, DtmStatus::Succeed).await;
        drop(gate);
        tokio::time::sleep(ITS_WORST).await;
        assert_eq!(server.branches.order_of(&gid), "confirm 03", "confirms 02 and 01 never come");

        let site = Site::shared().await;
        site.unharmed(Mode::Tcc, "ConfirmPay", async |wire, gid| {
            wire.submit(named(gid, "tcc")).await.unwrap();
            wire.becomes(gid, DtmStatus::Succeed).await;
        })
        .await;
    });
}
