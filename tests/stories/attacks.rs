//! DTM attacked directly, past the orchestrator: nothing happens at participants that history did not decide
//! (payments-domain §14, example 15; dtm.md D2, D10, D20). About DTM alone: the embedded coordinator has no such door.
use crate::stage::{all, story_of_dtm};
use amends_dtm::Gid;
use amends_dtm::client::{DtmError, SagaOrder, SagaRequest, SagaStep, TccRequest};
use amends_proto::amends::v1::RunRequest;
use amends_stack::Role;
use amends_testkit::{Fault, Gate, Mode, Status, Story, World};
use prost::Message as _;
use std::collections::BTreeMap;
use std::time::Duration;

/// DTM does not tell when it has done its worst; it acts within 20 ms (dtm.md D6).
const ITS_WORST: Duration = Duration::from_millis(400);

fn gid(story: &Story<'_, '_>) -> Gid {
    Gid::parse(&story.gid).expect("our own gid")
}

/// A step that DTM runs through the relay, with some plan hash.
fn relay_step(world: &World, plan_hash: Vec<u8>) -> SagaStep {
    let url = format!("127.0.0.1:{}/amends.v1.Relay/Run", world.stack().ports().relay);
    let payload = RunRequest { plan_hash: plan_hash.into() }.encode_to_vec().into();
    SagaStep { action: url.clone(), compensate: url, payload }
}

/// A step that DTM calls at the inventory itself, with goods that were asked for once already.
fn straight_step(world: &World, story: &Story<'_, '_>) -> SagaStep {
    let service = format!("{}/pay.inventory.v1.InventoryService", world.stack().address(Role::Inventory));
    let payload = story.calls_of("Deduct").pop().expect("it was called").call.message;
    SagaStep { action: format!("{service}/Deduct"), compensate: format!("{service}/ReturnStock"), payload }
}

fn saga(story: &Story<'_, '_>, steps: Vec<SagaStep>) -> SagaRequest {
    SagaRequest {
        gid: gid(story),
        steps,
        order: SagaOrder::Chain,
        retry_interval_s: 60,
        request_timeout_s: 5,
        timeout_to_fail_s: 0,
        headers: BTreeMap::new(),
    }
}

fn tcc(story: &Story<'_, '_>) -> TccRequest {
    TccRequest {
        gid: gid(story),
        retry_interval_s: 60,
        request_timeout_s: 5,
        timeout_to_fail_s: 600,
        headers: BTreeMap::new(),
    }
}

/// Example 15.
#[test]
fn a_second_submit_with_other_steps_changes_nothing() {
    story_of_dtm(async |world| {
        all(["fewer steps", "steps of another plan", "steps past the relay"], async |forged| {
            let shop = world.shop().await;
            let gate = Gate::default();
            let story = shop.checkout(Mode::Saga).first("Transfer", Fault::Hold(gate.clone())).start().await;
            gate.reached().await;
            let own_hash = plan_hash(&story).await;
            let steps = match forged {
                "fewer steps" => vec![relay_step(world, own_hash); 2],
                "steps of another plan" => vec![relay_step(world, vec![7; 32]); 9],
                _ => vec![straight_step(world, &story); 3],
            };
            let answer = world.dtm().submit_saga(&saga(&story, steps)).await;
            assert!(answer.is_ok(), "DTM takes anything from anybody: {answer:?}");
            tokio::time::sleep(ITS_WORST).await;
            gate.open();
            story.ends(Status::Succeeded).await;
            assert_eq!(story.calls().await, "place deduct burn transfer charge mark_paid earn");
            shop.holds_after(1).await;
        })
        .await;
        world.check().await;
    });
}

/// An operator's way around us: DTM calls it failed and compensates nothing (D10). History goes on.
#[test]
fn a_forced_stop_stops_nothing() {
    story_of_dtm(async |world| {
        let shop = world.shop().await;
        let gate = Gate::default();
        let story = shop.checkout(Mode::Saga).first("Transfer", Fault::Hold(gate.clone())).start().await;
        gate.reached().await;
        let url = format!("{}/api/dtmsvr/forceStop", world.stack().dtm_http().expect("DTM runs"));
        let body = serde_json::json!({"gid": story.gid});
        let answer = reqwest::Client::new().post(url).json(&body).send().await.expect("DTM answers");
        assert!(answer.status().is_success(), "DTM takes anything from anybody: {answer:?}");
        world.excuse(&story.gid);
        tokio::time::sleep(ITS_WORST).await;
        gate.open();
        story.ends(Status::Succeeded).await;
        shop.holds_after(1).await;
        world.check().await;
    });
}

async fn plan_hash(story: &Story<'_, '_>) -> Vec<u8> {
    let hex = story.get().await.plan_hash;
    let byte = |at| u8::from_str_radix(&hex[at..at + 2], 16).expect("hex");
    (0..hex.len()).step_by(2).map(byte).collect()
}

/// A TCC that is held at one call while DTM is attacked.
async fn held_at<'s, 'w>(
    shop: &'s amends_testkit::Shop<'w>,
    method: &str,
    card: &str,
) -> (Story<'s, 'w>, Gate) {
    let gate = Gate::default();
    let checkout = shop.checkout(Mode::Tcc).card(card).first(method, Fault::Hold(gate.clone()));
    let story = checkout.start().await;
    gate.reached().await;
    (story, gate)
}

fn confirms(story: &Story<'_, '_>) -> usize {
    story.journal().iter().filter(|entry| entry.call.op == "confirm").count()
}

/// DTM calls a TCC that is submitted twice succeeded without its confirms (D20); history does not believe it.
#[test]
fn a_second_submit_of_a_tcc_loses_no_confirm() {
    story_of_dtm(async |world| {
        let shop = world.shop().await;
        let (story, gate) = held_at(&shop, "ConfirmPay", "tok_ok").await;
        let answer = world.dtm().submit_tcc(&tcc(&story)).await;
        assert!(answer.is_ok(), "DTM takes anything from anybody: {answer:?}");
        tokio::time::sleep(ITS_WORST).await;
        gate.open();
        story.ends(Status::Succeeded).await;
        assert_eq!(confirms(&story), 6);
        shop.holds_after(1).await;
        world.check().await;
    });
}

#[test]
fn an_abort_of_a_committed_tcc_undoes_nothing() {
    story_of_dtm(async |world| {
        let shop = world.shop().await;
        let (story, gate) = held_at(&shop, "ConfirmPay", "tok_ok").await;
        let refused = world.dtm().abort(&gid(&story), "by an attacker").await;
        assert!(matches!(refused, Err(DtmError::Refused(_))), "{refused:?}");
        gate.open();
        story.ends(Status::Succeeded).await;
        story.dtm_says("succeed").await;
        let refused = world.dtm().abort(&gid(&story), "by an attacker").await;
        assert!(refused.is_err(), "{refused:?}");
        tokio::time::sleep(ITS_WORST).await;
        assert!(story.journal().iter().all(|entry| entry.call.op != "cancel"));
        shop.holds_after(1).await;
        world.check().await;
    });
}

/// Nothing is confirmed while history has not decided it; what history then decides is what happens.
#[test]
fn a_submit_while_tries_are_under_way_confirms_nothing() {
    story_of_dtm(async |world| {
        all(["tok_ok", "tok_decline"], async |card| {
            let shop = world.shop().await;
            let (story, gate) = held_at(&shop, "TryTransfer", card).await;
            world.excuse(&story.gid);
            let answer = world.dtm().submit_tcc(&tcc(&story)).await;
            assert!(answer.is_ok(), "DTM takes anything from anybody: {answer:?}");
            tokio::time::sleep(ITS_WORST).await;
            assert_eq!(confirms(&story), 0, "nothing was decided yet");
            gate.open();
            if card == "tok_ok" {
                story.ends(Status::Succeeded).await;
                assert_eq!(confirms(&story), 6);
                shop.holds_after(1).await;
            } else {
                story.ends(Status::Failed).await;
                assert_eq!(confirms(&story), 0, "history decided against it");
                shop.holds_after(0).await;
            }
        })
        .await;
        world.check().await;
    });
}

/// DTM may win with its own timeout, and an abort looks the same: history follows, and all is undone.
#[test]
fn an_abort_while_tries_are_under_way_undoes_everything() {
    story_of_dtm(async |world| {
        let shop = world.shop().await;
        let (story, gate) = held_at(&shop, "TryTransfer", "tok_ok").await;
        world.dtm().abort(&gid(&story), "by an attacker").await.expect("it is prepared");
        story.becomes("history follows", |seen| seen.status() == Status::Compensating).await;
        gate.open();
        let end = story.ends(Status::Failed).await;
        assert_eq!((end.undo_cause.as_str(), confirms(&story)), ("timeout", 0));
        shop.holds_after(0).await;
        story.dtm_says("failed").await;
        world.check().await;
    });
}
