//! What a plain client of DTM sends: sagas and TCCs over the five services, and what it waits for. Decides nothing.
use crate::bodies::deed;
use crate::deeds::{Call, Deed};
use crate::purchase::{Purchase, branch_ops};
use crate::wire::{self, Reply, branch_metadata};
use crate::world::{PATIENCE, World};
use amends_dtm::client::{
    DtmStatus, DtmView, Registered, SagaOrder, SagaRequest, SagaStep, TccBranch, TccRequest,
};
use amends_dtm::{BranchId, Gid, metadata};
use prost::Message as _;
use std::collections::BTreeMap;
use std::time::Duration;

/// Far above a test's patience: no poll ever explains a success.
pub const RETRY_INTERVAL_S: u32 = 600;
/// One step: what is called, and with what.
pub type Step = (Deed, Vec<u8>);

pub fn saga_steps(purchase: &Purchase) -> Vec<Step> {
    vec![
        (deed("Place"), purchase.place.encode_to_vec()),
        (deed("Deduct"), purchase.reserve.encode_to_vec()),
        (deed("Burn"), purchase.burn.encode_to_vec()),
        (deed("Transfer"), purchase.transfer.encode_to_vec()),
        (deed("Charge"), purchase.pay.encode_to_vec()),
        (deed("MarkPaid"), purchase.mark_paid.encode_to_vec()),
        (deed("Earn"), purchase.earn.encode_to_vec()),
    ]
}

pub fn tcc_steps(purchase: &Purchase) -> Vec<Step> {
    vec![
        (deed("TryPlace"), purchase.place.encode_to_vec()),
        (deed("TryReserve"), purchase.reserve.encode_to_vec()),
        (deed("TryBurn"), purchase.burn.encode_to_vec()),
        (deed("TryTransfer"), purchase.transfer.encode_to_vec()),
        (deed("TryPay"), purchase.pay.encode_to_vec()),
        (deed("TryEarn"), purchase.earn.encode_to_vec()),
    ]
}

fn url(world: &World, deed: &Deed, call: Call) -> String {
    format!("{}/{}", world.address(deed.role), deed.path(call))
}

fn headers(world: &World, gid: &Gid) -> BTreeMap<String, String> {
    world.mac(gid).into_iter().map(|mac| (metadata::PLAN_MAC.to_owned(), mac)).collect()
}

pub fn saga(world: &World, gid: &Gid, steps: &[Step]) -> SagaRequest {
    let step = |(deed, body): &Step| SagaStep {
        action: url(world, deed, Call::Forward),
        compensate: url(world, deed, Call::Undo),
        payload: body.clone().into(),
    };
    SagaRequest {
        gid: gid.clone(),
        steps: steps.iter().map(step).collect(),
        order: SagaOrder::Chain,
        retry_interval_s: RETRY_INTERVAL_S,
        request_timeout_s: 0,
        timeout_to_fail_s: 0,
        headers: headers(world, gid),
    }
}

/// Opens a TCC and registers all of its branches.
pub async fn prepared(world: &World, gid: &Gid, steps: &[Step]) -> TccRequest {
    let request = TccRequest {
        gid: gid.clone(),
        retry_interval_s: RETRY_INTERVAL_S,
        request_timeout_s: 0,
        timeout_to_fail_s: 0,
        headers: headers(world, gid),
    };
    world.dtm.prepare_tcc(&request).await.unwrap();
    for (index, (deed, body)) in steps.iter().enumerate() {
        let branch = TccBranch {
            gid: gid.clone(),
            branch_id: BranchId::of_index(index),
            confirm: url(world, deed, Call::Confirm),
            cancel: url(world, deed, Call::Undo),
            payload: body.clone().into(),
        };
        assert_eq!(world.dtm.register_tcc_branch(&branch).await.unwrap(), Registered::Now);
    }
    request
}

/// Calls a branch as the initiator of a TCC, or a second executor of DTM, does.
pub async fn branch_call(world: &World, gid: &Gid, index: usize, (deed, body): &Step, call: Call) -> Reply {
    let (branch_id, mac) = (BranchId::of_index(index), world.mac(gid));
    let words = branch_metadata(gid, branch_id.as_str(), deed.trans_type(), deed.op(call), mac.as_deref());
    wire::call(world.channel(deed.role), &deed.path(call), body.clone(), words).await
}

pub async fn ends(world: &World, gid: &Gid) -> (DtmStatus, String) {
    let view = seen(world, gid, |view| view.status.is_final()).await;
    (view.status, view.rollback_reason)
}

/// DTM tells nobody when something changes, so this asks again and again.
pub async fn seen(world: &World, gid: &Gid, wanted: impl Fn(&DtmView) -> bool) -> DtmView {
    let asked = tokio::time::Instant::now();
    loop {
        let view = world.dtm.query(gid).await.unwrap().unwrap();
        if wanted(&view) {
            return view;
        }
        assert!(asked.elapsed() < PATIENCE, "still {view:?}, {:?}", branch_ops(world, gid.as_str()).await);
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}
