//! Tests of the checkout's plans: order of steps, amounts, what is left out, what is refused.

use super::*;
use crate::definitions::StepTimes;
use crate::plan::Plan;
use amends_dtm::Gid;
use amends_proto::pay::checkout::v1::Line;
use prost::Message as _;
use prost_types::Any;

fn usd(minor_units: i64) -> Option<Money> {
    Some(Money { minor_units, currency: "USD".into() })
}

fn input() -> CheckoutInput {
    let line = |sku: &str, quantity, price| Line { sku: sku.into(), quantity, unit_price: usd(price) };
    CheckoutInput {
        order_id: String::new(),
        merchant_id: "m".into(),
        out_trade_no: "t-1".into(),
        user_id: "u".into(),
        lines: vec![line("b", 2, 100), line("a", 1, 300), line("b", 1, 100)],
        total: usd(600),
        wallet: usd(100),
        points: 50,
        points_value: usd(50),
        card: Some(Card { card_token: "tok_ok".into(), psp: "sim".into(), ..Card::default() }),
        earn_bp: 100,
        pay_ttl_s: 0,
    }
}

fn try_plan(mode: Mode, input: &CheckoutInput) -> Result<Plan, DefinitionError> {
    let any = Any { type_url: format!("type.googleapis.com/{INPUT}"), value: input.encode_to_vec() };
    let order = Order {
        gid: Gid::generate(),
        mode,
        input: &any,
        business_key: "",
        traceparent: "",
        now_us: 1,
        times: StepTimes { pivot_timeout_ms: 60_000, try_timeout_ms: 10_000, transaction_timeout_ms: 7 },
        participants: &[],
    };
    plan(&order).map(|planned| planned.plan)
}

fn forwards(plan: &Plan) -> Vec<String> {
    let short = |method: &str| method.trim_start_matches("pay.").replace(".v1.", ".");
    plan.steps().iter().map(|step| short(&step.forward)).collect()
}

#[test]
fn a_saga_goes_from_refusable_steps_over_the_pivot_to_certain_ones() {
    let plan = try_plan(Mode::Saga, &input()).unwrap();
    assert_eq!(plan.body().timeout_ms, 7, "the operator's");
    assert_eq!(
        forwards(&plan),
        [
            "order.OrderService/Place",
            "inventory.InventoryService/Deduct",
            "points.PointsService/Burn",
            "account.AccountService/Transfer",
            "gateway.GatewayService/Charge",
            "order.OrderService/MarkPaid",
            "points.PointsService/Earn"
        ]
    );
    assert_eq!(plan.pivot(), Some(4));
    assert!(plan.steps()[5].undo.is_empty() && plan.steps()[6].undo.is_empty());
    assert_eq!(plan.body().business_key, "m/t-1");
}

#[test]
fn a_tcc_registers_the_payment_last_so_that_it_is_captured_first() {
    let plan = try_plan(Mode::Tcc, &input()).unwrap();
    let methods: Vec<String> =
        forwards(&plan).iter().map(|m| m.split('/').nth(1).unwrap().to_owned()).collect();
    assert_eq!(methods, ["TryPlace", "TryReserve", "TryEarn", "TryBurn", "TryTransfer", "TryPay"]);
    assert_eq!(plan.steps()[5].policy.unwrap().step_timeout_ms, 60_000);
    assert_eq!(plan.steps()[0].policy.unwrap().step_timeout_ms, 10_000);
}

#[test]
fn steps_of_nothing_are_left_out_and_ids_close_up() {
    let bare = CheckoutInput { wallet: None, points: 0, points_value: None, earn_bp: 0, ..input() };
    let plan = try_plan(Mode::Saga, &bare).unwrap();
    assert_eq!(plan.steps().len(), 4);
    let ids: Vec<&str> = plan.steps().iter().map(|step| step.branch_id.as_str()).collect();
    assert_eq!(ids, ["01", "02", "03", "04"]);
    assert_eq!(plan.pivot(), Some(2));
}

#[test]
fn amounts_add_up_and_skus_are_summed() {
    let plan = try_plan(Mode::Saga, &input()).unwrap();
    let reserve = inventory::ReserveRequest::decode(plan.steps()[1].payload.clone()).unwrap();
    let lines: Vec<(&str, i64)> = reserve.lines.iter().map(|l| (l.sku.as_str(), l.quantity)).collect();
    assert_eq!(lines, [("a", 1), ("b", 3)]);
    let charge = gateway::PayRequest::decode(plan.steps()[4].payload.clone()).unwrap();
    assert_eq!(charge.amount, usd(450));
    let paid = order_v1::MarkPaidRequest::decode(plan.steps()[5].payload.clone()).unwrap();
    assert_eq!(paid.payment_id, charge.payment_id);
    let earn = points::PointsRequest::decode(plan.steps()[6].payload.clone()).unwrap();
    assert_eq!((earn.points, earn.basis), (5, usd(550)), "100 bp of wallet and card, floored");
}

#[test]
fn wrong_input_names_the_field() {
    let wrong = |change: fn(&mut CheckoutInput)| {
        let mut input = input();
        change(&mut input);
        let error = try_plan(Mode::Saga, &input).unwrap_err();
        let DefinitionError::Field { field, .. } = error else { panic!("{error}") };
        field
    };
    assert_eq!(wrong(|i| i.order_id = "x".into()), "order_id");
    assert_eq!(wrong(|i| i.order_id = "018F0000-0000-7000-8000-000000000000".into()), "order_id");
    assert_eq!(wrong(|i| i.merchant_id.clear()), "merchant_id");
    assert_eq!(wrong(|i| i.out_trade_no = "x".repeat(65)), "out_trade_no");
    assert_eq!(wrong(|i| i.lines.clear()), "lines");
    assert_eq!(wrong(|i| i.lines[0].quantity = 0), "lines");
    assert_eq!(wrong(|i| i.total = None), "total");
    assert_eq!(wrong(|i| i.total = usd(0)), "total");
    assert_eq!(wrong(|i| i.wallet = usd(-1)), "wallet");
    assert_eq!(wrong(|i| i.wallet.as_mut().unwrap().currency = "EUR".into()), "wallet");
    assert_eq!(wrong(|i| i.wallet = usd(550)), "wallet", "nothing is left for the card");
    assert_eq!(wrong(|i| i.points = 0), "points_value");
    assert_eq!(wrong(|i| i.card = None), "card");
    assert_eq!(wrong(|i| i.earn_bp = -1), "earn_bp");
}

#[test]
fn a_card_number_gets_into_no_plan() {
    let changes: [fn(&mut CheckoutInput, &str); 4] = [
        |input, text| input.user_id = text.into(),
        |input, text| input.out_trade_no = text.into(),
        |input, text| input.lines[1].sku = text.into(),
        |input, text| input.card.as_mut().unwrap().card_token = text.into(),
    ];
    for change in changes {
        let mut input = input();
        change(&mut input, "4111-1111-1111-1111");
        let error = try_plan(Mode::Tcc, &input).unwrap_err();
        assert!(matches!(error, DefinitionError::CardNumber(_)), "{error}");
        assert!(!error.to_string().contains("4111"), "{error}");
    }
}

#[test]
fn foreign_input_is_refused() {
    let any = Any { type_url: "type.googleapis.com/google.protobuf.Empty".into(), value: vec![] };
    let order = Order {
        gid: Gid::generate(),
        mode: Mode::Saga,
        input: &any,
        business_key: "",
        traceparent: "",
        now_us: 1,
        times: StepTimes { pivot_timeout_ms: 1, try_timeout_ms: 1, transaction_timeout_ms: 0 },
        participants: &[],
    };
    assert!(matches!(plan(&order), Err(DefinitionError::Input { .. })));
    assert!(matches!(super::super::plan("refund", &order), Err(DefinitionError::Unknown(_))));
}
