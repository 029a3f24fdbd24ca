//! Bad input of `amends.v1.Transactions`: INVALID_ARGUMENT (OUT_OF_RANGE for size) or NOT_FOUND with its reason, and
//! the history of the orchestrator as it was.
use crate::bodies::{MERCHANT, SKU, USER, id, usd};
use crate::mutations::CARD_NUMBER;
use crate::steady::Steady;
use crate::wire::Reply;
use crate::world::{Auth, World, alone, run};
use amends_proto::amends::v1::{
    CancelRequest, GetByBusinessKeyRequest, GetHistoryRequest, GetRequest, GlobalTransaction, ListRequest,
    Mode, StartRequest, StartResponse, Status, WaitRequest,
};
use amends_proto::pay::checkout::v1::{Card, CheckoutInput, Line};
use amends_proto::pay::money::v1::Money;
use amends_stack::Role;
use prost::Message;
use prost_types::Any;
use tonic::Code;

const INPUT_URL: &str = "type.googleapis.com/pay.checkout.v1.CheckoutInput";
const MAX_MESSAGE_BYTES: usize = 1024 * 1024;
const MOST: i64 = 100_000_000_000_000;

fn path(method: &str) -> String {
    format!("amends.v1.Transactions/{method}")
}

pub fn input() -> CheckoutInput {
    CheckoutInput {
        order_id: id(),
        merchant_id: MERCHANT.into(),
        out_trade_no: id(),
        user_id: USER.into(),
        lines: vec![Line { sku: SKU.into(), quantity: 3, unit_price: usd(500) }],
        total: usd(1_500),
        wallet: usd(300),
        points: 100,
        points_value: usd(100),
        card: Some(Card {
            psp: "sim".into(),
            method: "card".into(),
            card_token: "tok_ok".into(),
            card_fingerprint: "fp1".into(),
        }),
        earn_bp: 100,
        pay_ttl_s: 60,
    }
}

pub fn start(input: &CheckoutInput) -> StartRequest {
    StartRequest {
        request_id: id(),
        business_key: String::new(),
        definition: "checkout".into(),
        mode: Mode::Saga.into(),
        input: Some(Any { type_url: INPUT_URL.into(), value: input.encode_to_vec() }),
        wait_ms: 0,
    }
}

async fn ask(world: &World, method: &str, request: &impl Message) -> Reply {
    world.direct(Role::Orchestrator, &path(method), request.encode_to_vec()).await
}

/// Sends what must not be accepted.
async fn not_accepted(
    world: &World,
    what: &str,
    method: &str,
    request: &impl Message,
    code: Code,
    reason: &str,
) {
    let before = Steady::of(world, Role::Orchestrator).await;
    let reply = ask(world, method, request).await;
    assert_eq!(reply.code, code, "{method} with {what}: {reply:?}");
    assert_eq!(reply.refusal(), (code, reason), "{method} with {what}");
    before.still(0, what).await;
}

/// What is wrong, the reason of the refusal, and how a right message becomes wrong.
type Wrong<M> = (&'static str, &'static str, fn(&mut M));

const STARTS: [Wrong<StartRequest>; 17] = [
    ("no request_id", "INVALID_REQUEST", |it| it.request_id.clear()),
    ("a request_id of 65", "INVALID_REQUEST", |it| it.request_id = "r".repeat(65)),
    ("a request_id of 5,000", "INVALID_REQUEST", |it| it.request_id = "r".repeat(5_000)),
    ("a request_id with control characters", "INVALID_REQUEST", |it| it.request_id = "a\u{0}b".into()),
    ("a business_key of 161", "INVALID_REQUEST", |it| it.business_key = "k".repeat(161)),
    ("a business_key of two lines", "INVALID_REQUEST", |it| it.business_key = "a\nb".into()),
    ("no definition", "UNKNOWN_DEFINITION", |it| it.definition.clear()),
    ("an unknown definition", "UNKNOWN_DEFINITION", |it| it.definition = "checkin".into()),
    ("a definition in capitals", "UNKNOWN_DEFINITION", |it| it.definition = "CHECKOUT".into()),
    ("an endless definition", "UNKNOWN_DEFINITION", |it| it.definition = "x".repeat(5_000)),
    ("no mode", "INVALID_REQUEST", |it| it.mode = 0),
    ("an unknown mode", "INVALID_REQUEST", |it| it.mode = 99),
    ("no input", "INVALID_REQUEST", |it| it.input = None),
    ("an input of another type", "INVALID_REQUEST", |it| {
        it.input.as_mut().unwrap().type_url = "type.googleapis.com/pay.money.v1.Money".into();
    }),
    ("an input without a type", "INVALID_REQUEST", |it| it.input.as_mut().unwrap().type_url.clear()),
    ("an input that is torn", "INVALID_REQUEST", |it| {
        it.input.as_mut().unwrap().value = vec![0x0a, 0x7f];
    }),
    ("a negative wait", "INVALID_REQUEST", |it| it.wait_ms = -1),
];

fn money(minor_units: i64, currency: &str) -> Option<Money> {
    Some(Money { minor_units, currency: currency.into() })
}

const INPUTS: [Wrong<CheckoutInput>; 32] = [
    ("an order_id of version 4", "INVALID_REQUEST", |it| {
        it.order_id = "0192d3c4-5b6a-4f01-8abc-0123456789ab".into();
    }),
    ("an order_id in capitals", "INVALID_REQUEST", |it| it.order_id = it.order_id.to_uppercase()),
    ("an order_id that is none", "INVALID_REQUEST", |it| it.order_id = "1".into()),
    ("no merchant_id", "INVALID_REQUEST", |it| it.merchant_id.clear()),
    ("a merchant_id of 65", "INVALID_REQUEST", |it| it.merchant_id = "m".repeat(65)),
    ("no out_trade_no", "INVALID_REQUEST", |it| it.out_trade_no.clear()),
    ("an out_trade_no of 65", "INVALID_REQUEST", |it| it.out_trade_no = "1".repeat(65)),
    ("no user_id", "INVALID_REQUEST", |it| it.user_id.clear()),
    ("a user_id of 5,000", "INVALID_REQUEST", |it| it.user_id = "u".repeat(5_000)),
    ("no lines", "INVALID_REQUEST", |it| it.lines.clear()),
    ("101 lines", "INVALID_REQUEST", |it| it.lines = vec![it.lines[0].clone(); 101]),
    ("a line without a sku", "INVALID_REQUEST", |it| it.lines[0].sku.clear()),
    ("a line of nothing", "INVALID_REQUEST", |it| it.lines[0].quantity = 0),
    ("a line of less than nothing", "INVALID_REQUEST", |it| it.lines[0].quantity = -1),
    ("no total", "INVALID_REQUEST", |it| it.total = None),
    ("a total of 0", "INVALID_REQUEST", |it| it.total = usd(0)),
    ("a negative total", "INVALID_REQUEST", |it| it.total = usd(-1)),
    ("a total beyond 10^14", "INVALID_REQUEST", |it| it.total = usd(MOST + 1)),
    ("a total of i64::MAX", "INVALID_REQUEST", |it| it.total = usd(i64::MAX)),
    ("a negative wallet", "INVALID_REQUEST", |it| it.wallet = usd(-1)),
    ("a wallet of i64::MAX", "INVALID_REQUEST", |it| it.wallet = usd(i64::MAX)),
    ("a wallet in EUR", "INVALID_REQUEST", |it| it.wallet = money(300, "EUR")),
    ("a wallet in small letters", "INVALID_REQUEST", |it| it.wallet = money(300, "usd")),
    ("a wallet that leaves nothing for the card", "INVALID_REQUEST", |it| it.wallet = usd(1_400)),
    ("a wallet of more than the total", "INVALID_REQUEST", |it| it.wallet = usd(MOST)),
    ("negative points", "INVALID_REQUEST", |it| it.points = -1),
    ("points of i64::MAX", "INVALID_REQUEST", |it| it.points = i64::MAX),
    ("points without a value", "INVALID_REQUEST", |it| it.points_value = None),
    ("a value of points in EUR", "INVALID_REQUEST", |it| it.points_value = money(100, "EUR")),
    ("no card", "INVALID_REQUEST", |it| it.card = None),
    ("negative earnings", "INVALID_REQUEST", |it| it.earn_bp = -1),
    ("earnings of i32::MAX", "INVALID_REQUEST", |it| it.earn_bp = i32::MAX),
];

const CARD_NUMBERS: [Wrong<CheckoutInput>; 7] = [
    ("merchant_id", "PAN_REJECTED", |it| it.merchant_id = CARD_NUMBER.into()),
    ("out_trade_no", "PAN_REJECTED", |it| it.out_trade_no = CARD_NUMBER.into()),
    ("user_id", "PAN_REJECTED", |it| it.user_id = CARD_NUMBER.into()),
    ("sku", "PAN_REJECTED", |it| it.lines[0].sku = CARD_NUMBER.into()),
    ("card_token", "PAN_REJECTED", |it| it.card.as_mut().unwrap().card_token = CARD_NUMBER.into()),
    ("card_fingerprint", "PAN_REJECTED", |it| {
        it.card.as_mut().unwrap().card_fingerprint = CARD_NUMBER.into();
    }),
    ("method", "PAN_REJECTED", |it| it.card.as_mut().unwrap().method = CARD_NUMBER.into()),
];

#[test]
fn a_start_that_is_wrong_starts_nothing() {
    run(async {
        let turn = alone(Auth::Required).await;
        for (what, reason, change) in STARTS {
            let mut request = start(&input());
            change(&mut request);
            not_accepted(turn.world, what, "Start", &request, Code::InvalidArgument, reason).await;
        }
    });
}

#[test]
fn a_checkout_that_cannot_be_planned_starts_nothing() {
    run(not_planned(&INPUTS));
}

#[test]
fn a_card_number_never_gets_into_a_plan() {
    run(not_planned(&CARD_NUMBERS));
}

async fn not_planned(wrong: &[Wrong<CheckoutInput>]) {
    let turn = alone(Auth::Required).await;
    for (what, reason, change) in wrong {
        let mut input = input();
        change(&mut input);
        not_accepted(turn.world, what, "Start", &start(&input), Code::InvalidArgument, reason).await;
    }
}

#[test]
fn a_request_that_is_too_large_or_no_message_is_not_accepted() {
    run(async {
        let turn = alone(Auth::Required).await;
        let before = Steady::of(turn.world, Role::Orchestrator).await;
        let mut request = start(&input());
        request.input.as_mut().unwrap().value.resize(MAX_MESSAGE_BYTES + 1, 0);
        let large = ask(turn.world, "Start", &request).await;
        assert_eq!(large.code, Code::OutOfRange, "{large:?}");
        let torn = turn.world.direct(Role::Orchestrator, &path("Start"), vec![0x0a, 0x7f, 0x01]).await;
        assert_eq!(torn.code, Code::InvalidArgument, "{torn:?}");
        let unknown = turn.world.direct(Role::Orchestrator, &path("Stop"), Vec::new()).await;
        assert_eq!(unknown.code, Code::Unimplemented, "{unknown:?}");
        before.still(0, "a request that is no Start").await;
    });
}

#[test]
fn a_gid_that_is_malformed_or_unknown_is_told_apart() {
    run(async {
        let turn = alone(Auth::Required).await;
        let malformed =
            ["", "1", "0192D3C4-5B6A-7F01-8ABC-0123456789AB", "0192d3c4-5b6a-4f01-8abc-0123456789ab"];
        let malformed = malformed.map(|gid| (gid.to_owned(), Code::InvalidArgument, "INVALID_REQUEST"));
        for (gid, code, reason) in malformed.into_iter().chain([(id(), Code::NotFound, "GID_NOT_FOUND")]) {
            let get = GetRequest { gid: gid.clone() };
            let wait = WaitRequest { gid: gid.clone(), timeout_ms: 1 };
            let history = GetHistoryRequest { gid: gid.clone(), from_seq: 0, page_size: 0 };
            let cancel = CancelRequest { gid: gid.clone(), reason: "changed".into() };
            not_accepted(turn.world, &gid, "Get", &get, code, reason).await;
            not_accepted(turn.world, &gid, "Wait", &wait, code, reason).await;
            not_accepted(turn.world, &gid, "GetHistory", &history, code, reason).await;
            not_accepted(turn.world, &gid, "Cancel", &cancel, code, reason).await;
        }
        let key = GetByBusinessKeyRequest { definition: "checkout".into(), business_key: id() };
        not_accepted(turn.world, "an unknown key", "GetByBusinessKey", &key, Code::NotFound, "GID_NOT_FOUND")
            .await;
    });
}

#[test]
fn what_is_asked_about_a_known_gid_has_limits_too() {
    run(async {
        let turn = alone(Auth::Required).await;
        let world = turn.world;
        let request = StartRequest { wait_ms: 30_000, ..start(&input()) };
        let started: StartResponse = ask(world, "Start", &request).await.decoded();
        assert_eq!(started.status(), Status::Succeeded, "what was made wrong must be right: {started:?}");
        let invalid = (Code::InvalidArgument, "INVALID_REQUEST");
        let gid = started.gid.clone();
        let wait = WaitRequest { gid: gid.clone(), timeout_ms: -1 };
        not_accepted(world, "a negative time", "Wait", &wait, invalid.0, invalid.1).await;
        for reason in ["r".repeat(201), "a\u{0}b".to_owned()] {
            let cancel = CancelRequest { gid: gid.clone(), reason };
            not_accepted(world, "a bad reason", "Cancel", &cancel, invalid.0, invalid.1).await;
        }
        let list = ListRequest { page_size: 1, ..ListRequest::default() };
        for (what, bad) in [
            ("a negative page", ListRequest { page_size: -1, ..list.clone() }),
            ("a page of 1,001", ListRequest { page_size: 1_001, ..list.clone() }),
            ("a foreign token", ListRequest { page_token: "x".into(), ..list.clone() }),
            ("an unknown status", ListRequest { statuses: vec![99], ..list.clone() }),
            ("no status", ListRequest { statuses: vec![0], ..list }),
        ] {
            not_accepted(world, what, "List", &bad, invalid.0, invalid.1).await;
        }
        let list = ListRequest { filter: "status = walking".into(), ..ListRequest::default() };
        not_accepted(world, "a filter that cannot be read", "List", &list, invalid.0, "INVALID_FILTER").await;
        let late: Reply =
            ask(world, "Cancel", &CancelRequest { gid: gid.clone(), reason: String::new() }).await;
        assert_eq!(late.refusal(), (Code::FailedPrecondition, "PAST_PIVOT"));
        let after: GlobalTransaction = ask(world, "Get", &GetRequest { gid }).await.decoded();
        assert_eq!(after.status(), Status::Succeeded);
    });
}
