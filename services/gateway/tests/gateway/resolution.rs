//! Operators decide about what nobody can prove (payments-domain §10; §14, examples 6, 12 and 19).

use amends_proto::pay::gateway::v1::{
    ApproveResolutionRequest, ClaimInDoubtRequest, GetInDoubtRequest, InDoubtItem, PaymentState,
    ProposeResolutionRequest, Resolution,
};
use tonic::{Code, Request};

use crate::world::{Deed, MODES, Mode, Refused, Settings, World, assert_refused, eventually, refused};

/// Never a proof by itself, and 10.00 needs two people.
const DOUBTFUL: Settings =
    Settings { timeout_ms: 300, schedule: "50ms", approve_above: 5, again_ms: 3_600_000 };
/// The processor is asked for its later word at once.
const WATCHFUL: Settings = Settings { again_ms: 50, ..DOUBTFUL };

fn by<T>(caller: &str, message: T) -> Request<T> {
    by_perhaps(Some(caller), message)
}

fn by_perhaps<T>(caller: Option<&str>, message: T) -> Request<T> {
    let mut request = Request::new(message);
    if let Some(caller) = caller {
        request.metadata_mut().insert("amends-caller", caller.parse().unwrap());
    }
    request
}

fn proposal(item: &InDoubtItem, resolution: Resolution) -> ProposeResolutionRequest {
    ProposeResolutionRequest {
        item_id: item.item_id.clone(),
        token: item.token,
        resolution: resolution.into(),
        psp_txn_id: "psp-7".into(),
        evidence: "statement of account, line 7".into(),
        reference: "CASE-7".into(),
    }
}

impl World {
    async fn claim(&self, caller: &str, item: &InDoubtItem) -> Result<InDoubtItem, Refused> {
        let request = ClaimInDoubtRequest { item_id: item.item_id.clone(), ttl_s: 0 };
        let answer = self.client.clone().claim_in_doubt(by(caller, request)).await;
        answer.map(tonic::Response::into_inner).map_err(refused)
    }

    async fn propose(
        &self,
        caller: &str,
        proposal: ProposeResolutionRequest,
    ) -> Result<InDoubtItem, Refused> {
        let answer = self.client.clone().propose_resolution(by(caller, proposal)).await;
        answer.map(tonic::Response::into_inner).map_err(refused)
    }

    async fn approve(&self, caller: &str, item: &InDoubtItem) -> Result<InDoubtItem, Refused> {
        let request = ApproveResolutionRequest { item_id: item.item_id.clone(), token: item.token };
        let answer = self.client.clone().approve_resolution(by(caller, request)).await;
        answer.map(tonic::Response::into_inner).map_err(refused)
    }

    /// All of it by two people.
    async fn state(&self, item: &InDoubtItem, resolution: Resolution) -> InDoubtItem {
        let claimed = self.claim("alice", item).await.unwrap();
        self.propose("alice", proposal(&claimed, resolution)).await.unwrap();
        let claimed = self.claim("bob", item).await.unwrap();
        self.approve("bob", &claimed).await.unwrap()
    }

    async fn item(&self, kind: &str) -> InDoubtItem {
        let found = async || self.items().await.into_iter().find(|i| i.kind == kind && i.state != "resolved");
        eventually(found).await
    }

    async fn acts(&self, item: &InDoubtItem) -> Vec<String> {
        let request = GetInDoubtRequest { item_id: item.item_id.clone() };
        let item = self.client.clone().get_in_doubt(request).await.unwrap().into_inner();
        item.acts.into_iter().map(|act| format!("{} {} {}", act.actor, act.act, act.token)).collect()
    }

    /// A payment about which the processor says nothing any more, and its item.
    async fn doubt(&self, mode: Mode, token: &str) -> (Deed, InDoubtItem) {
        let deed = Deed::new(mode, token);
        self.script(&deed, "query", 0, "query_unknown(100000)").await;
        self.script(&deed, "close", 0, "5xx_before").await;
        assert_refused(self.forward(&deed).await, Code::FailedPrecondition, "PAYMENT_UNKNOWN");
        let item = self.item("payment_unknown").await;
        (deed, item)
    }
}

#[tokio::test]
async fn two_people_resolve_a_payment_that_nobody_can_prove() {
    for mode in MODES {
        let world = World::with(DOUBTFUL).await;
        let (deed, item) = world.doubt(mode, "tok_charge_then_timeout").await;
        assert!(item.needs_second_person && item.state == "open");
        let done = world.state(&item, Resolution::Charged).await;
        assert_eq!((done.state.as_str(), done.approved_by.as_str()), ("resolved", "bob"));
        assert_eq!(world.payment(&deed).await.state(), mode.paid());
        let answer = world.forward(&deed).await.unwrap();
        assert_eq!((answer.state(), answer.psp_txn_id.as_str()), (mode.paid(), "psp-7"));
        assert_eq!(world.undo_until_final(&deed).await.unwrap().state(), mode.undone());
        assert_eq!(world.money(&deed).await, (0, 0));

        let (deed, item) = world.doubt(mode, "tok_late_charge_10m").await;
        world.state(&item, Resolution::NotCharged).await;
        assert_eq!(world.payment(&deed).await.state(), PaymentState::Closed);
        assert_refused(world.forward(&deed).await, Code::Aborted, "PSP_DECLINED|not_charged");
        world.undo(&deed).await.unwrap();
        let acts = world.acts(&item).await;
        assert_eq!(acts, ["alice claimed 1", "alice proposed 1", "bob claimed 2", "bob approved 2"]);
    }
}

#[tokio::test]
async fn operators_exclude_each_other_and_nobody_approves_alone() {
    let world = World::with(DOUBTFUL).await;
    let (deed, item) = world.doubt(Mode::Saga, "tok_late_charge_10m").await;
    let first = world.claim("alice", &item).await.unwrap();
    assert_refused(world.claim("bob", &item).await, Code::FailedPrecondition, "LEASE_HELD|alice has it");
    let stolen = world.propose("bob", proposal(&first, Resolution::NotCharged)).await;
    assert_refused(stolen, Code::FailedPrecondition, "LEASE_LOST");
    let second = world.claim("alice", &item).await.unwrap();
    assert!(second.token > first.token);
    let stale = world.propose("alice", proposal(&first, Resolution::NotCharged)).await;
    assert_refused(stale, Code::FailedPrecondition, "LEASE_LOST");
    assert_refused(world.approve("alice", &second).await, Code::FailedPrecondition, "ILLEGAL_TRANSITION");

    let said = proposal(&second, Resolution::NotCharged);
    let proposed = world.propose("alice", said.clone()).await.unwrap();
    assert_eq!((proposed.state.as_str(), proposed.proposed()), ("proposed", Resolution::NotCharged));
    assert_eq!(
        world.propose("alice", said).await.unwrap(),
        proposed,
        "an answer that was lost is given again"
    );
    assert_refused(world.approve("bob", &proposed).await, Code::FailedPrecondition, "LEASE_LOST");
    let own = world.claim("alice", &item).await.unwrap();
    assert_refused(world.approve("alice", &own).await, Code::PermissionDenied, "APPROVER_IS_PROPOSER");
    assert_refused(world.claim("bob", &item).await, Code::FailedPrecondition, "LEASE_HELD|alice");
    assert_eq!(world.payment(&deed).await.state(), PaymentState::InDoubt, "nothing has moved");
}

#[tokio::test]
async fn of_many_approvals_at_once_one_counts_and_small_amounts_need_no_second_person() {
    let world = World::with(Settings { approve_above: 100, ..DOUBTFUL }).await;
    let (deed, item) = world.doubt(Mode::Saga, "tok_late_charge_10m").await;
    let claimed = world.claim("alice", &item).await.unwrap();
    assert!(!claimed.needs_second_person);
    world.propose("alice", proposal(&claimed, Resolution::NotCharged)).await.unwrap();
    let claimed = world.claim("alice", &item).await.unwrap();
    let approvals = futures::future::join_all((0..20).map(|_| world.approve("alice", &claimed))).await;
    assert!(approvals.iter().all(|answer| answer.as_ref().is_ok_and(|item| item.state == "resolved")));
    assert_eq!(world.acts(&item).await.iter().filter(|act| act.contains("approved")).count(), 1);
    assert_eq!(world.payment(&deed).await.state(), PaymentState::Closed);
}

#[tokio::test]
async fn what_makes_no_sense_changes_nothing() {
    let world = World::with(DOUBTFUL).await;
    let (_, item) = world.doubt(Mode::Saga, "tok_late_charge_10m").await;
    let claimed = world.claim("alice", &item).await.unwrap();
    let good = proposal(&claimed, Resolution::Charged);
    for bad in [
        ProposeResolutionRequest { evidence: String::new(), ..good.clone() },
        ProposeResolutionRequest { evidence: "x".repeat(1_001), ..good.clone() },
        ProposeResolutionRequest { evidence: "4111 1111 1111 1111".into(), ..good.clone() },
        ProposeResolutionRequest { psp_txn_id: String::new(), ..good.clone() },
        ProposeResolutionRequest { resolution: 0, ..good.clone() },
        ProposeResolutionRequest { resolution: 99, ..good.clone() },
        ProposeResolutionRequest { item_id: "x".into(), ..good.clone() },
        ProposeResolutionRequest { reference: "r".repeat(201), ..good.clone() },
    ] {
        let code = world.propose("alice", bad.clone()).await.unwrap_err().0;
        assert_eq!(code, Code::InvalidArgument, "{bad:?}");
    }
    let nobodys = InDoubtItem { item_id: amends_dtm::Gid::generate().as_str().into(), ..claimed.clone() };
    assert_refused(world.claim("alice", &nobodys).await, Code::NotFound, "PAYMENT_NOT_FOUND");
    let now = world.items().await.remove(0);
    assert_eq!(as_acted(now), claimed);
}

/// As an act answers it: without what lists tell of the provider.
fn as_acted(item: InDoubtItem) -> InDoubtItem {
    assert!(!item.psp.is_empty() && item.attempts > 0, "a list tells whom it went to: {item:?}");
    let (psp, psp_code) = (String::new(), String::new());
    InDoubtItem { psp, psp_code, attempts: 0, queries: 0, next_query_at: None, ..item }
}

#[tokio::test]
async fn a_capture_that_nobody_can_prove_is_stated_and_confirmed_or_released() {
    for (resolution, state) in
        [(Resolution::Charged, PaymentState::Captured), (Resolution::NotCharged, PaymentState::Voided)]
    {
        let world = World::with(DOUBTFUL).await;
        let deed = Deed::new(Mode::Tcc, "tok_ok");
        world.forward(&deed).await.unwrap();
        world.script(&deed, "query", 0, "query_unknown(100000)").await;
        let behaviour =
            if resolution == Resolution::Charged { "charge_then_timeout" } else { "late_charge(10m)" };
        world.script(&deed, "capture", 1, behaviour).await;
        assert_refused(world.confirm(&deed).await, Code::FailedPrecondition, "PAYMENT_UNKNOWN");
        let item = world.item("payment_unknown").await;
        world.state(&item, resolution).await;
        let moved = async || (world.payment(&deed).await.state() == state).then_some(());
        eventually(moved).await;
        if resolution == Resolution::Charged {
            assert_eq!(world.confirm(&deed).await.unwrap().state(), state);
        } else {
            world.confirm_until_reviewed(&deed).await;
            assert_eq!(world.undo(&deed).await.unwrap().state(), state);
            assert_eq!(world.money(&deed).await, (0, 0));
        }
        assert!(world.items().await.iter().all(|item| item.state == "resolved"));
    }
}

#[tokio::test]
async fn a_refused_capture_is_stated_to_be_made_elsewhere_or_released() {
    for (resolution, state) in
        [(Resolution::Charged, PaymentState::Captured), (Resolution::NotCharged, PaymentState::Voided)]
    {
        let world = World::with(DOUBTFUL).await;
        let deed = Deed::new(Mode::Tcc, "tok_capture_refused:expired");
        world.forward(&deed).await.unwrap();
        world.confirm_until_reviewed(&deed).await;
        let item = world.item("capture_refused").await;
        let claimed = world.claim("alice", &item).await.unwrap();
        let again = world.propose("alice", proposal(&claimed, Resolution::QueryAgain)).await;
        assert_refused(again, Code::FailedPrecondition, "ILLEGAL_TRANSITION");
        world.state(&item, resolution).await;
        eventually(async || (world.payment(&deed).await.state() == state).then_some(())).await;
        if resolution == Resolution::Charged {
            assert_eq!(world.confirm(&deed).await.unwrap().state(), state);
            assert_eq!(world.payment(&deed).await.captured, 1000);
        } else {
            world.confirm_until_reviewed(&deed).await;
            assert_eq!(world.undo(&deed).await.unwrap().state(), state);
            assert_eq!(world.money(&deed).await, (0, 0));
        }
    }
}

#[tokio::test]
async fn the_processors_later_word_confirms_a_statement_or_is_an_item_of_its_own() {
    for (resolution, token, act) in [
        (Resolution::Charged, "tok_charge_then_timeout", "psp confirmed 2"),
        (Resolution::NotCharged, "tok_late_charge_10m", "psp confirmed 2"),
        (Resolution::NotCharged, "tok_charge_then_timeout", "psp contradicted 2"),
        (Resolution::Charged, "tok_late_charge_10m", "psp contradicted 2"),
    ] {
        let world = World::with(WATCHFUL).await;
        let (deed, item) = world.doubt(Mode::Saga, token).await;
        let done = world.state(&item, resolution).await;
        let stands = world.payment(&deed).await.state();
        world.reset_scripts().await;
        let heard = async || world.acts(&done).await.into_iter().find(|told| told.starts_with("psp "));
        assert_eq!(eventually(heard).await, act, "{token}");
        assert_eq!(world.payment(&deed).await.state(), stands, "the word alone moves nothing");
        let against = world.items().await.into_iter().filter(|item| item.kind == "contradicted");
        let against: Vec<InDoubtItem> = against.collect();
        assert_eq!(against.len(), usize::from(act.contains("contradicted")), "{token}");
        for item in against {
            assert_eq!(world.state(&item, Resolution::NotCharged).await.state, "resolved");
        }
    }
}

#[tokio::test]
async fn a_proof_that_comes_first_closes_what_people_were_about_to_decide() {
    let world = World::with(DOUBTFUL).await;
    let (deed, item) = world.doubt(Mode::Saga, "tok_charge_then_timeout").await;
    let claimed = world.claim("alice", &item).await.unwrap();
    world.propose("alice", proposal(&claimed, Resolution::QueryAgain)).await.unwrap();
    let claimed = world.claim("bob", &item).await.unwrap();
    world.reset_scripts().await;
    world.approve("bob", &claimed).await.unwrap();
    eventually(async || (world.payment(&deed).await.state() == PaymentState::Captured).then_some(())).await;
    assert_refused(world.claim("alice", &item).await, Code::FailedPrecondition, "ILLEGAL_TRANSITION");
    assert_eq!(world.acts(&item).await.last().unwrap(), "psp resolved 2");
}

/// Two people are told apart by their names: who gives none may only look.
#[tokio::test]
async fn nobody_without_a_name_claims_proposes_or_approves() {
    let world = World::with(DOUBTFUL).await;
    let deed = Deed::new(Mode::Tcc, "tok_capture_refused:expired");
    world.forward(&deed).await.unwrap();
    world.confirm_until_reviewed(&deed).await;
    let item = world.item("capture_refused").await;
    let claim = ClaimInDoubtRequest { item_id: item.item_id.clone(), ttl_s: 0 };
    let claimed = world.claim("alice", &item).await.unwrap();
    let said = proposal(&claimed, Resolution::NotCharged);
    let proposed = world.propose("alice", said.clone()).await.unwrap();
    let approval = ApproveResolutionRequest { item_id: item.item_id.clone(), token: proposed.token };
    let mut client = world.client.clone();
    // None at all, and the name that the service gives to whoever has none.
    for caller in [None, Some("anonymous")] {
        let answers = [
            client.claim_in_doubt(by_perhaps(caller, claim.clone())).await,
            client.propose_resolution(by_perhaps(caller, said.clone())).await,
            client.approve_resolution(by_perhaps(caller, approval.clone())).await,
        ];
        for answer in answers {
            let answer = answer.map(tonic::Response::into_inner).map_err(refused);
            assert_refused(answer, Code::InvalidArgument, "INVALID_REQUEST|amends-caller");
        }
    }
    assert_eq!(world.items().await.into_iter().map(as_acted).collect::<Vec<_>>(), [proposed]);
    assert_eq!(world.acts(&item).await, ["alice claimed 1", "alice proposed 1"]);
    assert_eq!(world.payment(&deed).await.state(), PaymentState::InDoubt, "nothing has moved");
}

/// It was about the capture, which nobody asks about any more.
#[tokio::test]
async fn an_undo_ends_what_people_were_about_to_state_of_a_refused_capture() {
    let world = World::with(DOUBTFUL).await;
    let deed = Deed::new(Mode::Tcc, "tok_capture_refused:expired");
    world.forward(&deed).await.unwrap();
    world.confirm_until_reviewed(&deed).await;
    let item = world.item("capture_refused").await;
    let claimed = world.claim("alice", &item).await.unwrap();
    world.propose("alice", proposal(&claimed, Resolution::Charged)).await.unwrap();
    let claimed = world.claim("bob", &item).await.unwrap();
    assert_eq!(world.undo_until_final(&deed).await.unwrap().state(), PaymentState::Voided);
    assert_refused(world.approve("bob", &claimed).await, Code::FailedPrecondition, "ILLEGAL_TRANSITION");
    assert_eq!(world.payment(&deed).await.state(), PaymentState::Voided);
    assert_eq!(world.money(&deed).await, (0, 0));
    assert_eq!(world.acts(&item).await.last().unwrap(), "psp resolved 2");
}
