//! People decide what nobody can prove: payments-domain §14, examples 6 (unknown for ever), 12 (two operators) and 19
//! (capture refused after commit). Everybody's books agree with what was stated and with what the PSP has done.
use crate::stage::{all, story};
use amends_proto::amends::v1::Resolution as Outcome;
use amends_proto::amends::v1::{ExplainRequest, ResolveRequest, Situation};
use amends_proto::pay::gateway::v1::{
    ApproveResolutionRequest, ClaimInDoubtRequest, GetInDoubtRequest, InDoubtItem, ListRequest,
    ProposeResolutionRequest, Resolution,
};
use amends_proto::pay::money::v1::Money;
use amends_proto::pay::psp::v1::PspRequest;
use amends_testkit::{Mode, Must as _, Status, Story, World, reason_of, until};
use tonic::Request;

fn by<T>(caller: &str, message: T) -> Request<T> {
    let mut request = Request::new(message);
    request.metadata_mut().insert("amends-caller", caller.parse().must("a caller's name"));
    request
}

/// The operators of one story.
struct Desk<'s, 'w>(&'s Story<'s, 'w>);

impl Desk<'_, '_> {
    /// The item of its payment, once there is one that is not resolved.
    async fn item(&self) -> InDoubtItem {
        until("an item in doubt", async || {
            let mut gateway = self.0.shop.world.clients().gateway;
            let request = ListRequest { limit: 1_000, ..ListRequest::default() };
            let items = gateway.list_in_doubt(request).await.must("list what is in doubt").into_inner().items;
            items.into_iter().find(|item| item.gid == self.0.gid && item.state != "resolved")
        })
        .await
    }

    async fn claim(&self, caller: &str, item: &InDoubtItem) -> Result<InDoubtItem, tonic::Status> {
        let request = ClaimInDoubtRequest { item_id: item.item_id.clone(), ttl_s: 0 };
        Ok(self.0.shop.world.clients().gateway.claim_in_doubt(by(caller, request)).await?.into_inner())
    }

    async fn propose(&self, caller: &str, item: &InDoubtItem, resolution: Resolution) {
        let request = ProposeResolutionRequest {
            item_id: item.item_id.clone(),
            token: item.token,
            resolution: resolution.into(),
            psp_txn_id: "by-hand-1".to_owned(),
            evidence: "the provider's statement of today, page 3".to_owned(),
            reference: "CASE-1".to_owned(),
        };
        let proposed = self.0.shop.world.clients().gateway.propose_resolution(by(caller, request)).await;
        assert_eq!(proposed.must("propose").into_inner().state, "proposed");
    }

    async fn approve(&self, caller: &str, item: &InDoubtItem) -> Result<InDoubtItem, tonic::Status> {
        let request = ApproveResolutionRequest { item_id: item.item_id.clone(), token: item.token };
        Ok(self.0.shop.world.clients().gateway.approve_resolution(by(caller, request)).await?.into_inner())
    }

    /// Two operators get into each other's way, and then agree.
    async fn agree(&self, resolution: Resolution) -> InDoubtItem {
        let item = self.item().await;
        let claimed = self.claim("alice", &item).await.must("claim");
        let held = self.claim("bob", &item).await.expect_err("alice has it");
        assert_eq!(reason_of(&held), "LEASE_HELD");
        assert!(held.message().contains("alice"), "{held:?}");
        self.propose("alice", &claimed, resolution).await;
        let own = self.claim("alice", &item).await.must("claim");
        let alone = self.approve("alice", &own).await.expect_err("the amount needs two");
        assert_eq!(reason_of(&alone), "APPROVER_IS_PROPOSER");
        let lost = self.approve("alice", &claimed).await.expect_err("an old token");
        assert_eq!(reason_of(&lost), "LEASE_LOST");
        // The proposal stands; whoever approves takes the item for himself.
        self.propose("alice", &own, resolution).await;
        let claimed = self.claim("bob", &item).await.must("claim");
        self.approve("bob", &claimed).await.must("approve")
    }

    async fn explained(&self) -> Situation {
        let request = ExplainRequest { gid: self.0.gid.clone() };
        let told = self.0.shop.world.clients().operations.explain(request).await.must("explain").into_inner();
        told.situation()
    }

    async fn becomes(&self, wanted: Situation) {
        until(&format!("{wanted:?}"), async || (self.explained().await == wanted).then_some(())).await;
    }

    /// Tells the orchestrator that the capture was never made.
    async fn refuse_confirm(&self) {
        until("the confirm can be resolved", async || {
            let request = ResolveRequest {
                gid: self.0.gid.clone(),
                branch_id: "06".to_owned(),
                op: "confirm".to_owned(),
                outcome: Outcome::Refused.into(),
                evidence: "the authorisation has expired, says the provider".to_owned(),
                reference: "CASE-2".to_owned(),
                expected_last_seq: 0,
            };
            let answer = self.0.shop.world.clients().operations.resolve(by("carol", request)).await;
            match answer {
                Ok(answer) => {
                    assert!(!answer.into_inner().awaiting_approval);
                    Some(())
                }
                // It is being asked at this very moment.
                Err(status) if status.code() == tonic::Code::FailedPrecondition => None,
                Err(status) => panic!("resolve: {status}"),
            }
        })
        .await;
    }

    async fn acts(&self, item: &InDoubtItem) -> Vec<String> {
        let request = GetInDoubtRequest { item_id: item.item_id.clone() };
        let item = self.0.shop.world.clients().gateway.get_in_doubt(request).await.must("get").into_inner();
        item.acts.into_iter().map(|act| format!("{} {}", act.actor, act.act)).collect()
    }
}

#[derive(Clone, Copy)]
struct Case {
    mode: Mode,
    resolution: Resolution,
}

impl std::fmt::Display for Case {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:?}, stated {:?}", self.mode, self.resolution)
    }
}

#[test]
fn two_people_end_what_is_unknown_for_ever() {
    story(async |world| {
        let stated = [Resolution::Charged, Resolution::NotCharged];
        let cases = [Mode::Saga, Mode::Tcc].map(|mode| stated.map(|resolution| Case { mode, resolution }));
        all(cases.into_iter().flatten(), async |case| unknown_for_ever(world, case).await).await;
        world.check().await;
    });
}

async fn unknown_for_ever(world: &World, case: Case) {
    let shop = world.shop().await;
    let call = if case.mode == Mode::Saga { "sale" } else { "authorize" };
    let charged = case.resolution == Resolution::Charged;
    let behaviour = if charged { "charge_then_timeout" } else { "late_charge(10m)" };
    let checkout = shop.checkout(case.mode).psp(call, behaviour).await;
    let checkout = checkout.psp("query", "query_unknown(100000)").await.psp("close", "5xx_before").await;
    let story = checkout.start().await;
    let desk = Desk(&story);
    story.becomes("attention payment_in_doubt", |seen| seen.attention.is_some()).await;
    desk.becomes(Situation::PaymentInDoubt).await;
    let resolved = desk.agree(case.resolution).await;
    assert_eq!(resolved.state, "resolved");
    let end = story.ends(Status::Failed).await;
    assert!(end.all_attention.is_empty(), "{:?}", end.all_attention);
    desk.becomes(Situation::Finished).await;
    shop.holds_after(0).await;
    let given_back = story.facts().await.iter().any(|fact| ["void", "refund"].contains(&fact.op.as_str()));
    assert_eq!(given_back, charged);
    // The PSP can be asked again, and says the same.
    story.psp("query", "ok").await;
    story.psp("close", "ok").await;
    let acts = until("the provider's own word", async || {
        Some(desk.acts(&resolved).await).filter(|acts| acts.last().is_some_and(|act| act.starts_with("psp")))
    })
    .await;
    let told = ["alice claimed", "alice proposed", "alice claimed", "alice proposed", "bob claimed"];
    assert_eq!(acts[..5], told);
    assert_eq!(acts[5..], ["bob approved", "psp confirmed"]);
    story.dtm_says("failed").await;
}

#[test]
fn a_capture_refused_after_commit_goes_on_when_it_was_made_elsewhere() {
    story(async |world| {
        let shop = world.shop().await;
        let checkout = shop.checkout(Mode::Tcc).psp("capture", "capture_refused:expired").await;
        let story = checkout.start().await;
        let desk = Desk(&story);
        let seen = story.becomes("attention under_review", |seen| seen.attention.is_some()).await;
        assert_eq!(
            (seen.status(), seen.attention.expect("just seen").cause),
            (Status::Running, "under_review".to_owned())
        );
        desk.becomes(Situation::UnderReview).await;
        assert!(story.calls_of("ConfirmTransfer").is_empty(), "the other confirms wait behind it");
        let payment_id = desk.item().await.payment_id;
        story.psp("capture", "ok").await;
        let request = PspRequest {
            psp_request_id: uuid::Uuid::now_v7().to_string(),
            merchant_id: shop.merchant.clone(),
            order_id: story.order_id.clone(),
            amount: Some(Money { minor_units: shop.after(1).card, currency: "USD".to_owned() }),
            card_token: String::new(),
            original_request_id: payment_id,
        };
        world.clients().psp.capture(request).await.must("capture by hand");
        desk.agree(Resolution::Charged).await;
        let end = story.ends(Status::Succeeded).await;
        assert!(end.all_attention.is_empty(), "{:?}", end.all_attention);
        shop.holds_after(1).await;
        story.dtm_says("succeed").await;
        world.check().await;
    });
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Asked {
    /// The orchestrator alone is told.
    Orchestrator,
    /// The gateway is told first.
    BothDesks,
}

impl std::fmt::Display for Asked {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(if *self == Asked::BothDesks { "both desks" } else { "the orchestrator alone" })
    }
}

#[test]
fn a_capture_refused_after_commit_is_undone_when_people_say_that_nothing_was_charged() {
    story(async |world| {
        all([Asked::Orchestrator, Asked::BothDesks], async |asked| {
            let shop = world.shop().await;
            let checkout = shop.checkout(Mode::Tcc).psp("capture", "capture_refused:expired").await;
            let story = checkout.start().await;
            let desk = Desk(&story);
            desk.becomes(Situation::UnderReview).await;
            let item = desk.item().await;
            if asked == Asked::BothDesks {
                desk.agree(Resolution::NotCharged).await;
            }
            desk.refuse_confirm().await;
            let end = story.ends(Status::Failed).await;
            assert!(end.all_attention.is_empty(), "{:?}", end.all_attention);
            shop.holds_after(0).await;
            let decisions = story.events().await.into_iter().map(|event| event.kind);
            let told: Vec<String> =
                decisions.filter(|kind| kind.starts_with("operator") || kind.starts_with("undo")).collect();
            assert_eq!(told, ["operator_resolved", "undo_after_commit"]);
            let acts = desk.acts(&item).await;
            let last = if asked == Asked::BothDesks { "bob approved" } else { "psp resolved" };
            assert!(acts.iter().any(|act| act == last), "{acts:?}");
        })
        .await;
        world.check().await;
    });
}
