//! A right request for every method that has one, so that what is made wrong afterwards is wrong in one place and gets
//! deep. Knows the messages; knows nothing of what happens to them.
use crate::dice::Dice;
use amends_proto::amends::v1 as pb;
use amends_proto::pay::account::v1 as account;
use amends_proto::pay::branch::v1::ListBranchOpsRequest;
use amends_proto::pay::checkout::v1::{Card, CheckoutInput, Line as CheckoutLine};
use amends_proto::pay::gateway::v1 as gateway;
use amends_proto::pay::inventory::v1 as inventory;
use amends_proto::pay::money::v1::Money;
use amends_proto::pay::order::v1 as order;
use amends_proto::pay::points::v1 as points;
use amends_proto::pay::psp::v1 as psp;
use prost::Message;

/// Who buys, who sells, what: of the fuzzer alone, never of the good traffic.
pub const USER: &str = "fuzz-buyer";
/// The seller.
pub const MERCHANT: &str = "fuzz";
/// What is sold.
pub const SKU: &str = "fuzz-tea";
/// The caller whom the fuzzer says it is where it says the truth.
pub const CALLER: &str = "fuzz";
/// The type of a checkout's input, as `Any` names it.
pub const INPUT_URL: &str = "type.googleapis.com/pay.checkout.v1.CheckoutInput";
/// Filters of acts in bulk: narrow from their first word, so that one cut short fits nothing more.
pub const NARROW_FILTERS: [&str; 3] = [
    "caller = fuzz-nobody",
    "caller = \"fuzz\" and definition = fuzz",
    "business_key ~ \"fuzz/\" and not open",
];

/// What exists before the attack begins, or is told by whoever starts it.
#[derive(Debug, Clone, Default)]
pub struct Known {
    /// Gids of global transactions of the fuzzer's own.
    pub gids: Vec<String>,
}

impl Known {
    /// One that exists, mostly; else one that could.
    pub fn gid(&self, dice: &mut Dice) -> String {
        let fresh = dice.uuid7();
        let place = dice.below(self.gids.len() + 1);
        self.gids.get(place).cloned().unwrap_or(fresh)
    }
}

/// The wallet of the fuzzer's buyer.
#[must_use]
pub fn wallet() -> String {
    format!("USER_WALLET:{USER}:USD")
}

/// The account in which the fuzzer's merchant is paid.
#[must_use]
pub fn pending() -> String {
    format!("MERCHANT_PENDING:{MERCHANT}:USD")
}

/// An amount.
#[must_use]
pub fn usd(minor_units: i64) -> Option<Money> {
    Some(Money { minor_units, currency: "USD".to_owned() })
}

/// A right request of the method `package.Service/Method`, encoded; none where the method is not known here.
pub fn sample(path: &str, dice: &mut Dice, known: &Known) -> Option<Vec<u8>> {
    let (service, method) = path.split_once('/')?;
    if method == "ListBranchOps" {
        return Some(ListBranchOpsRequest { limit: 2, ..Default::default() }.encode_to_vec());
    }
    match service {
        "amends.v1.Transactions" => transactions(method, dice, known),
        "amends.v1.Operations" => operations(method, dice, known),
        "amends.v1.Relay" => Some(pb::RunRequest { plan_hash: vec![7; 32].into() }.encode_to_vec()),
        "pay.order.v1.OrderService" => orders(method, dice),
        "pay.account.v1.AccountService" => accounts(method, dice),
        "pay.inventory.v1.InventoryService" => goods(method, dice),
        "pay.points.v1.PointsService" => purses(method, dice),
        "pay.gateway.v1.GatewayService" => payments(method, dice),
        "pay.psp.v1.PspService" => provider(method, dice),
        _unknown => None,
    }
}

/// A checkout of the fuzzer's buyer that can succeed, unless the card is of another mind.
pub fn checkout(dice: &mut Dice) -> CheckoutInput {
    let token = dice.pick(&["tok_ok", "tok_ok", "tok_decline", "tok_slow_50ms"]);
    CheckoutInput {
        order_id: String::new(),
        merchant_id: MERCHANT.to_owned(),
        out_trade_no: dice.uuid7(),
        user_id: USER.to_owned(),
        lines: vec![CheckoutLine { sku: SKU.to_owned(), quantity: 2, unit_price: usd(500) }],
        total: usd(1_000),
        wallet: usd(100),
        points: 50,
        points_value: usd(50),
        card: Some(Card {
            psp: "sim".to_owned(),
            method: "card".to_owned(),
            card_token: token.to_owned(),
            card_fingerprint: "fp_fuzz".to_owned(),
        }),
        earn_bp: 100,
        pay_ttl_s: 0,
    }
}

fn transactions(method: &str, dice: &mut Dice, known: &Known) -> Option<Vec<u8>> {
    let gid = known.gid(dice);
    let from_seq = 1;
    Some(match method {
        "Start" => start(dice).encode_to_vec(),
        "StartSaga" => start_saga(dice).encode_to_vec(),
        "StartTcc" => start_tcc(dice).encode_to_vec(),
        "Get" => pb::GetRequest { gid }.encode_to_vec(),
        "GetByBusinessKey" => {
            let definition = "checkout".to_owned();
            pb::GetByBusinessKeyRequest { definition, business_key: format!("{MERCHANT}/1") }.encode_to_vec()
        }
        "List" => {
            let filter = dice.pick(&["", "open", "status = running and age > 5m", "attention", "mode = tcc"]);
            pb::ListRequest { page_size: 3, filter: filter.to_owned(), ..Default::default() }.encode_to_vec()
        }
        "Wait" => pb::WaitRequest { gid, timeout_ms: 50 }.encode_to_vec(),
        "Watch" => pb::WatchRequest { gid, from_seq }.encode_to_vec(),
        "GetHistory" => pb::GetHistoryRequest { gid, from_seq, page_size: 5 }.encode_to_vec(),
        "Cancel" => pb::CancelRequest { gid, reason: "fuzz".to_owned() }.encode_to_vec(),
        _other => return None,
    })
}

fn start(dice: &mut Dice) -> pb::StartRequest {
    let mode = if dice.percent(50) { pb::Mode::Saga } else { pb::Mode::Tcc };
    let input = checkout(dice);
    pb::StartRequest {
        request_id: dice.uuid7(),
        business_key: String::new(),
        definition: "checkout".to_owned(),
        mode: mode.into(),
        input: Some(prost_types::Any { type_url: INPUT_URL.to_owned(), value: input.encode_to_vec() }),
        wait_ms: 0,
    }
}

/// Steps of the caller's own, whose undo is that of their action.
fn start_saga(dice: &mut Dice) -> pb::StartSagaRequest {
    let step = |name: &str, dice: &mut Dice| pb::SagaStep {
        name: name.to_owned(),
        participant: "points".to_owned(),
        action: "pay.points.v1.PointsService/Earn".to_owned(),
        compensate: "pay.points.v1.PointsService/RevokeEarn".to_owned(),
        payload: points_request(dice).encode_to_vec().into(),
        ..Default::default()
    };
    let first = step("one", dice);
    let second = pb::SagaStep { after: vec!["one".to_owned()], ..step("two", dice) };
    let (request_id, business_key) = (dice.uuid7(), format!("fuzz/{}", dice.uuid7()));
    pb::StartSagaRequest { request_id, business_key, steps: vec![first, second], ..Default::default() }
}

fn start_tcc(dice: &mut Dice) -> pb::StartTccRequest {
    let method = |name: &str| format!("pay.points.v1.PointsService/{name}");
    let step = pb::TccStep {
        name: "one".to_owned(),
        participant: "points".to_owned(),
        r#try: method("TryBurn"),
        confirm: method("ConfirmBurn"),
        cancel: method("CancelBurn"),
        payload: points_request(dice).encode_to_vec().into(),
        ..Default::default()
    };
    let (request_id, business_key) = (dice.uuid7(), format!("fuzz/{}", dice.uuid7()));
    pb::StartTccRequest { request_id, business_key, steps: vec![step], ..Default::default() }
}

fn operations(method: &str, dice: &mut Dice, known: &Known) -> Option<Vec<u8>> {
    let (gid, reason) = (known.gid(dice), "fuzz".to_owned());
    let narrow = dice.pick(&NARROW_FILTERS).to_owned();
    let scope = Some(pb::Scope { what: Some(pb::scope::What::Gid(gid.clone())) });
    Some(match method {
        "Topology" => pb::TopologyRequest {}.encode_to_vec(),
        "CoordinatorView" => pb::CoordinatorViewRequest { gid }.encode_to_vec(),
        "BranchRows" => pb::BranchRowsRequest { gid }.encode_to_vec(),
        "Explain" => pb::ExplainRequest { gid }.encode_to_vec(),
        "Payloads" => pb::PayloadsRequest { gid }.encode_to_vec(),
        "Lanes" => pb::LanesRequest::default().encode_to_vec(),
        "SetLane" => {
            let settings = Some(pb::LaneSettings { concurrency: Some(32), ..Default::default() });
            pb::SetLaneRequest { participant: "points".to_owned(), settings, reset: false }.encode_to_vec()
        }
        "Acknowledge" => {
            let request = pb::AcknowledgeRequest { gid, owner: USER.to_owned(), ..Default::default() };
            request.encode_to_vec()
        }
        "ListAttention" => pb::ListAttentionRequest { page_size: 3, ..Default::default() }.encode_to_vec(),
        "Retry" => pb::RetryRequest { gid, reason, ..Default::default() }.encode_to_vec(),
        "Redrive" => pb::RedriveRequest { gid, reason, ..Default::default() }.encode_to_vec(),
        "Pause" => pb::PauseRequest { scope, reason, ..Default::default() }.encode_to_vec(),
        "Resume" => pb::ResumeRequest { scope, reason, ..Default::default() }.encode_to_vec(),
        "ListHolds" => pb::ListHoldsRequest { ended: true }.encode_to_vec(),
        "Stats" => pb::StatsRequest {}.encode_to_vec(),
        "PreviewBulk" => pb::PreviewBulkRequest { filter: narrow }.encode_to_vec(),
        "StartBulk" => {
            let act = pb::BulkAct::Retry.into();
            let request_id = dice.uuid7();
            pb::StartBulkRequest { filter: narrow, act, reason, request_id, ..Default::default() }
                .encode_to_vec()
        }
        "GetBulk" => pb::GetBulkRequest { bulk_id: gid, page_size: 3, ..Default::default() }.encode_to_vec(),
        _other => return None,
    })
}

fn orders(method: &str, dice: &mut Dice) -> Option<Vec<u8>> {
    let order_id = dice.uuid7();
    Some(match method {
        "TryPlace" | "ConfirmPlace" | "CancelPlace" | "Place" | "ClosePlaced" => order::PlaceRequest {
            out_trade_no: order_id.clone(),
            order_id,
            merchant_id: MERCHANT.to_owned(),
            user_id: USER.to_owned(),
            lines: vec![order::Line { sku: SKU.to_owned(), quantity: 3, unit_price: usd(500) }],
            total: usd(1_500),
            pay_ttl_s: 60,
        }
        .encode_to_vec(),
        "MarkPaid" | "RevertPaid" => {
            order::MarkPaidRequest { order_id, payment_id: dice.uuid7(), paid: usd(1_500) }.encode_to_vec()
        }
        "Get" => order::GetRequest { order_id, ..Default::default() }.encode_to_vec(),
        "List" => order::ListRequest { cursor: String::new(), limit: 2 }.encode_to_vec(),
        _other => return None,
    })
}

fn accounts(method: &str, dice: &mut Dice) -> Option<Vec<u8>> {
    Some(match method {
        "Get" => account::GetRequest { account_id: wallet() }.encode_to_vec(),
        "List" | "ListEntries" | "ListHolds" => {
            account::ListRequest { cursor: String::new(), limit: 2 }.encode_to_vec()
        }
        "Open" => account::OpenRequest {
            account_id: format!("USER_WALLET:{}:USD", dice.uuid7()),
            owner: USER.to_owned(),
            r#type: account::AccountType::UserWallet.into(),
            currency: "USD".to_owned(),
            floor: 0,
        }
        .encode_to_vec(),
        "Deposit" => {
            let idempotency_key = dice.uuid7();
            account::DepositRequest { account_id: wallet(), amount: usd(5), idempotency_key }.encode_to_vec()
        }
        "Freeze" => account::FreezeRequest { account_id: wallet(), frozen: false }.encode_to_vec(),
        _transfer => account::TransferRequest {
            transfer_id: dice.uuid7(),
            debit_account_id: wallet(),
            credit_account_id: pending(),
            amount: usd(3),
            code: "WALLET_PAY".to_owned(),
            order_id: dice.uuid7(),
            hold_ttl_s: 60,
        }
        .encode_to_vec(),
    })
}

fn goods(method: &str, dice: &mut Dice) -> Option<Vec<u8>> {
    Some(match method {
        "Get" => inventory::GetRequest { sku: SKU.to_owned() }.encode_to_vec(),
        "ListStock" | "ListReservations" => {
            inventory::ListRequest { cursor: String::new(), limit: 2 }.encode_to_vec()
        }
        "Restock" => {
            let idempotency_key = dice.uuid7();
            inventory::RestockRequest { sku: SKU.to_owned(), quantity: 5, idempotency_key }.encode_to_vec()
        }
        _reserve => inventory::ReserveRequest {
            reservation_id: dice.uuid7(),
            order_id: dice.uuid7(),
            lines: vec![inventory::Line { sku: SKU.to_owned(), quantity: 1 }],
            hold_ttl_s: 60,
        }
        .encode_to_vec(),
    })
}

fn points_request(dice: &mut Dice) -> points::PointsRequest {
    let (op_id, order_id) = (dice.uuid7(), dice.uuid7());
    points::PointsRequest { op_id, user_id: USER.to_owned(), order_id, points: 1, basis: usd(100) }
}

fn purses(method: &str, dice: &mut Dice) -> Option<Vec<u8>> {
    Some(match method {
        "Get" => points::GetRequest { user_id: USER.to_owned() }.encode_to_vec(),
        "ListOps" | "ListAccounts" => points::ListRequest { cursor: String::new(), limit: 2 }.encode_to_vec(),
        "Grant" => {
            let idempotency_key = dice.uuid7();
            points::GrantRequest { user_id: USER.to_owned(), points: 5, idempotency_key }.encode_to_vec()
        }
        _op => points_request(dice).encode_to_vec(),
    })
}

fn payments(method: &str, dice: &mut Dice) -> Option<Vec<u8>> {
    let item_id = dice.uuid7();
    Some(match method {
        "GetPayment" => gateway::GetPaymentRequest { payment_id: item_id, force_query: true }.encode_to_vec(),
        "ListPayments" | "ListAttempts" | "ListInDoubt" => {
            gateway::ListRequest { cursor: String::new(), limit: 2 }.encode_to_vec()
        }
        "GetInDoubt" => gateway::GetInDoubtRequest { item_id }.encode_to_vec(),
        "ClaimInDoubt" => gateway::ClaimInDoubtRequest { item_id, ttl_s: 60 }.encode_to_vec(),
        "ProposeResolution" => gateway::ProposeResolutionRequest {
            item_id,
            token: 1,
            resolution: gateway::Resolution::Charged.into(),
            psp_txn_id: "txn-1".to_owned(),
            evidence: "seen in the provider's books".to_owned(),
            reference: "CASE-1".to_owned(),
        }
        .encode_to_vec(),
        "ApproveResolution" => gateway::ApproveResolutionRequest { item_id, token: 1 }.encode_to_vec(),
        _pay => gateway::PayRequest {
            payment_id: item_id,
            order_id: dice.uuid7(),
            merchant_id: MERCHANT.to_owned(),
            user_id: USER.to_owned(),
            amount: usd(11),
            psp: "sim".to_owned(),
            method: "card".to_owned(),
            card_token: dice.pick(&["tok_ok", "tok_decline"]).to_owned(),
            risk: Some(gateway::Risk {
                ip: "192.0.2.1".to_owned(),
                device_id: "d1".to_owned(),
                card_fingerprint: "fp1".to_owned(),
            }),
            notify_url_id: "n1".to_owned(),
        }
        .encode_to_vec(),
    })
}

fn provider(method: &str, dice: &mut Dice) -> Option<Vec<u8>> {
    let psp_request_id = dice.uuid7();
    Some(match method {
        "Query" => psp::QueryRequest { psp_request_id }.encode_to_vec(),
        "Close" => psp::CloseRequest { psp_request_id }.encode_to_vec(),
        "Facts" => psp::FactsRequest { cursor: String::new(), limit: 2 }.encode_to_vec(),
        _money => psp::PspRequest {
            psp_request_id,
            merchant_id: MERCHANT.to_owned(),
            order_id: dice.uuid7(),
            amount: usd(7),
            card_token: "tok_ok".to_owned(),
            original_request_id: dice.uuid7(),
        }
        .encode_to_vec(),
    })
}

#[cfg(test)]
mod tests {
    use super::{Known, sample};
    use crate::catalog::Catalog;
    use crate::dice::Dice;
    use prost_reflect::DynamicMessage;

    /// A method without a sample gets messages of any fields: it is attacked, only not as deep.
    #[test]
    fn a_sample_is_of_its_methods_type() {
        let catalog = Catalog::read().unwrap();
        let (mut dice, known) = (Dice::new(1, 1), Known::default());
        let mut samples = 0;
        for method in catalog.methods() {
            let Some(bytes) = sample(&method.path, &mut dice, &known) else { continue };
            let message = DynamicMessage::decode(method.input.clone(), bytes.as_slice()).unwrap();
            assert_eq!(message.unknown_fields().count(), 0, "{}", method.path);
            samples += 1;
        }
        assert!(samples > 75, "{samples}");
    }
}
