//! Every pair of branch methods of the five services with a payload that succeeds, and what makes it succeed.
use amends_conform::{Form, Hook};
use amends_dtm::plan_mac::PlanMacKey;
use amends_dtm::{Gid, metadata};
use amends_proto::pay::account::v1::account_service_client::AccountServiceClient;
use amends_proto::pay::account::v1::{AccountType, DepositRequest, OpenRequest};
use amends_proto::pay::inventory::v1::RestockRequest;
use amends_proto::pay::inventory::v1::inventory_service_client::InventoryServiceClient;
use amends_proto::pay::money::v1::Money;
use amends_proto::pay::order::v1::order_service_client::OrderServiceClient;
use amends_proto::pay::order::v1::{Line, PlaceRequest};
use amends_proto::pay::points::v1::GrantRequest;
use amends_proto::pay::points::v1::points_service_client::PointsServiceClient;
use amends_stack::{Role, Stack};
use futures::FutureExt as _;
use std::sync::Arc;
use tonic::Request;

/// Enough of everything.
const PLENTY: i64 = 1_000_000_000;
/// MACs of a test never expire.
const NEVER: i64 = i64::MAX;

const PLACE: &str = r#"{"order_id": "${uuid}", "merchant_id": "shop", "out_trade_no": "T-${uuid}", "user_id": "ann",
    "lines": [{"sku": "tea", "quantity": 3, "unit_price": {"minor_units": 500, "currency": "USD"}}],
    "total": {"minor_units": 1500, "currency": "USD"}, "pay_ttl_s": 60}"#;
const MARK_PAID: &str = r#"{"order_id": "${uuid}", "payment_id": "${uuid:payment}",
    "paid": {"minor_units": 1500, "currency": "USD"}}"#;
const TRANSFER: &str = r#"{"transfer_id": "${uuid}", "debit_account_id": "USER_WALLET:ann:USD",
    "credit_account_id": "MERCHANT_PENDING:shop:USD", "amount": {"minor_units": 3, "currency": "USD"},
    "code": "WALLET_PAY", "order_id": "${uuid:order}", "hold_ttl_s": 60}"#;
const RESERVE: &str = r#"{"reservation_id": "${uuid}", "order_id": "${uuid:order}",
    "lines": [{"sku": "tea", "quantity": 3}], "hold_ttl_s": 60}"#;
const POINTS: &str = r#"{"op_id": "${uuid}", "user_id": "ann", "order_id": "${uuid:order}", "points": 5,
    "basis": {"minor_units": 500, "currency": "USD"}}"#;
const PAY: &str = r#"{"payment_id": "${uuid}", "order_id": "${uuid:order}", "merchant_id": "shop", "user_id": "ann",
    "amount": {"minor_units": 1100, "currency": "USD"}, "psp": "sim", "method": "card", "card_token": "tok_ok",
    "risk": {"ip": "192.0.2.1", "device_id": "d1", "card_fingerprint": "fp1"}, "notify_url_id": "n1"}"#;

/// Methods that belong together.
pub struct Deed {
    pub role: Role,
    /// Forward, (confirm,) undo.
    pub methods: &'static [&'static str],
    pub payload: &'static str,
    /// The change that makes the payload one that is refused; empty = it may not refuse.
    pub refused: &'static str,
}

const fn deed(
    role: Role,
    methods: &'static [&'static str],
    payload: &'static str,
    refused: &'static str,
) -> Deed {
    Deed { role, methods, payload, refused }
}

pub const DEEDS: [Deed; 13] = [
    deed(Role::Order, &["TryPlace", "ConfirmPlace", "CancelPlace"], PLACE, "total.minor_units=1"),
    deed(Role::Order, &["Place", "ClosePlaced"], PLACE, "total.minor_units=1"),
    deed(Role::Order, &["MarkPaid", "RevertPaid"], MARK_PAID, ""),
    deed(Role::Account, &["TryTransfer", "ConfirmTransfer", "CancelTransfer"], TRANSFER, SCARCE_MONEY),
    deed(Role::Account, &["Transfer", "ReverseTransfer"], TRANSFER, SCARCE_MONEY),
    deed(Role::Inventory, &["TryReserve", "ConfirmReserve", "CancelReserve"], RESERVE, SCARCE_GOODS),
    deed(Role::Inventory, &["Deduct", "ReturnStock"], RESERVE, SCARCE_GOODS),
    deed(Role::Points, &["TryBurn", "ConfirmBurn", "CancelBurn"], POINTS, SCARCE_POINTS),
    deed(Role::Points, &["TryEarn", "ConfirmEarn", "CancelEarn"], POINTS, ""),
    deed(Role::Points, &["Burn", "ReturnBurn"], POINTS, SCARCE_POINTS),
    deed(Role::Points, &["Earn", "RevokeEarn"], POINTS, ""),
    deed(Role::Gateway, &["TryPay", "ConfirmPay", "CancelPay"], PAY, "card_token=tok_decline"),
    deed(Role::Gateway, &["Charge", "ReverseCharge"], PAY, "card_token=tok_decline"),
];
const SCARCE_MONEY: &str = "amount.minor_units=2000000000";
const SCARCE_GOODS: &str = "lines.0.quantity=2000000000";
const SCARCE_POINTS: &str = "points=2000000000";

impl Deed {
    /// Full name of its service.
    pub fn service(&self) -> String {
        let name = self.role.as_str();
        format!("pay.{name}.v1.{}{}Service", name[..1].to_uppercase(), &name[1..])
    }

    pub fn form(&self) -> Form {
        match *self.methods {
            [action, compensate] => Form::Saga { action: action.into(), compensate: compensate.into() },
            [r#try, confirm, cancel] => {
                Form::Tcc { r#try: r#try.into(), confirm: confirm.into(), cancel: cancel.into() }
            }
            _ => panic!("two methods, or three"),
        }
    }
}

fn at(stack: &Stack, role: Role) -> String {
    format!("http://{}", stack.address(role))
}

fn usd(minor_units: i64) -> Option<Money> {
    Some(Money { minor_units, currency: "USD".into() })
}

/// Money, goods and points for all branches.
pub async fn seed(stack: &Stack) {
    let mut accounts = AccountServiceClient::connect(at(stack, Role::Account)).await.unwrap();
    let wallet = "USER_WALLET:ann:USD";
    for (account_id, owner, kind) in [
        (wallet, "ann", AccountType::UserWallet),
        ("MERCHANT_PENDING:shop:USD", "shop", AccountType::Merchant),
    ] {
        let (account_id, owner) = (account_id.into(), owner.into());
        let open = OpenRequest { account_id, owner, r#type: kind.into(), currency: "USD".into(), floor: 0 };
        accounts.open(open).await.unwrap();
    }
    let id = || Gid::generate().to_string();
    let deposit = DepositRequest { account_id: wallet.into(), amount: usd(PLENTY), idempotency_key: id() };
    accounts.deposit(deposit).await.unwrap();
    let mut inventory = InventoryServiceClient::connect(at(stack, Role::Inventory)).await.unwrap();
    let goods = RestockRequest { sku: "tea".into(), quantity: PLENTY, idempotency_key: id() };
    inventory.restock(goods).await.unwrap();
    let mut points = PointsServiceClient::connect(at(stack, Role::Points)).await.unwrap();
    let grant = GrantRequest { user_id: "ann".into(), points: PLENTY, idempotency_key: id() };
    points.grant(grant).await.unwrap();
}

/// Places the order that a branch pays for.
pub fn placing(stack: &Arc<Stack>, key: PlanMacKey) -> Hook {
    let address = at(stack, Role::Order);
    Arc::new(move |branch| {
        let (address, key) = (address.clone(), key.clone());
        async move {
            let payload: serde_json::Value = serde_json::from_str(&branch.payload).unwrap();
            let order_id = payload["order_id"].as_str().unwrap().to_owned();
            let gid = Gid::generate();
            let mac = key.mint(&gid, &[7; 32], NEVER);
            let mut request = Request::new(order(order_id));
            let words = [
                (metadata::GID, gid.as_str()),
                (metadata::TRANS_TYPE, "saga"),
                (metadata::BRANCH_ID, "01"),
                (metadata::OP, "action"),
                (metadata::PLAN_MAC, mac.as_str()),
            ];
            for (name, word) in words {
                request.metadata_mut().insert(name, word.parse().unwrap());
            }
            let mut orders = OrderServiceClient::connect(address).await.map_err(|error| error.to_string())?;
            orders.place(request).await.map_err(|status| status.to_string())?;
            Ok(String::new())
        }
        .boxed()
    })
}

fn order(order_id: String) -> PlaceRequest {
    PlaceRequest {
        out_trade_no: format!("P-{order_id}"),
        order_id,
        merchant_id: "shop".into(),
        user_id: "ann".into(),
        lines: vec![Line { sku: "tea".into(), quantity: 3, unit_price: usd(500) }],
        total: usd(1_500),
        pay_ttl_s: 60,
    }
}
