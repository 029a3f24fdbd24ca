//! One purchase of a customer of its own, as requests to the five services and as figures read back from them.
//! Knows no coordinator.
use crate::bodies::{self, id, path, usd};
use crate::world::World;
use amends_proto::pay::account::v1::{self as account, AccountType, TransferRequest};
use amends_proto::pay::branch::v1::{BranchOpStatus, ListBranchOpsRequest, ListBranchOpsResponse};
use amends_proto::pay::gateway::v1::{self as gateway, PayRequest, PaymentState};
use amends_proto::pay::inventory::v1::{self as inventory, Line as Goods, ReserveRequest};
use amends_proto::pay::order::v1::{self as order, Line, MarkPaidRequest, OrderState, PlaceRequest};
use amends_proto::pay::points::v1::{self as points, PointsRequest};
use amends_stack::Role;
use prost::Message as _;
use std::collections::BTreeMap;
use tonic::Code;

/// All that a purchase is made of.
pub struct Purchase {
    pub place: PlaceRequest,
    pub reserve: ReserveRequest,
    pub burn: PointsRequest,
    pub transfer: TransferRequest,
    pub pay: PayRequest,
    pub mark_paid: MarkPaidRequest,
    pub earn: PointsRequest,
}

/// What the five services hold of a purchase.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Figures {
    pub order: Option<OrderState>,
    pub wallet: i64,
    pub merchant: i64,
    pub on_hand: i64,
    pub reserved: i64,
    pub points: i64,
    pub frozen: i64,
    pub pending_earn: i64,
    pub payment: Option<PaymentState>,
}

/// Before anything, and after all was undone (but for the order, which stays closed).
pub const UNTOUCHED: Figures = Figures {
    order: None,
    wallet: 10_000,
    merchant: 0,
    on_hand: 10,
    reserved: 0,
    points: 500,
    frozen: 0,
    pending_earn: 0,
    payment: None,
};

/// 3 × 5.00, of which 3.00 are paid from the wallet and 1.00 with points; 14 points are earned.
pub const BOUGHT: Figures = Figures {
    order: Some(OrderState::Paid),
    wallet: 9_700,
    merchant: 300,
    on_hand: 7,
    points: 414,
    payment: Some(PaymentState::Captured),
    ..UNTOUCHED
};

impl Purchase {
    /// A purchase of a new customer from a new merchant, with all that it needs.
    pub async fn prepared(world: &World) -> Purchase {
        let purchase = Purchase::new();
        let Purchase { place, transfer, reserve, .. } = &purchase;
        let (wallet, pending) = (&transfer.debit_account_id, &transfer.credit_account_id);
        bodies::open(world, wallet, &place.user_id, AccountType::UserWallet).await;
        bodies::open(world, pending, &place.merchant_id, AccountType::Merchant).await;
        bodies::deposit(world, wallet, UNTOUCHED.wallet).await;
        bodies::restock(world, &reserve.lines[0].sku, UNTOUCHED.on_hand).await;
        bodies::grant(world, &place.user_id, UNTOUCHED.points).await;
        assert_eq!(purchase.figures(world).await, UNTOUCHED);
        purchase
    }

    fn new() -> Purchase {
        let order_id = id();
        let (user_id, merchant_id, sku) =
            (format!("u-{order_id}"), format!("m-{order_id}"), format!("s-{order_id}"));
        let place = PlaceRequest {
            order_id: order_id.clone(),
            merchant_id: merchant_id.clone(),
            user_id: user_id.clone(),
            lines: vec![Line { sku: sku.clone(), quantity: 3, unit_price: usd(500) }],
            ..bodies::place()
        };
        let points =
            PointsRequest { user_id: user_id.clone(), order_id: order_id.clone(), ..bodies::points() };
        let pay = PayRequest {
            order_id: order_id.clone(),
            merchant_id: merchant_id.clone(),
            user_id: user_id.clone(),
            ..bodies::pay()
        };
        Purchase {
            reserve: ReserveRequest {
                order_id: order_id.clone(),
                lines: vec![Goods { sku, quantity: 3 }],
                ..bodies::reserve()
            },
            transfer: TransferRequest {
                debit_account_id: format!("USER_WALLET:{user_id}:USD"),
                credit_account_id: format!("MERCHANT_PENDING:{merchant_id}:USD"),
                order_id: order_id.clone(),
                ..bodies::transfer()
            },
            mark_paid: MarkPaidRequest { order_id, payment_id: pay.payment_id.clone(), paid: usd(1_500) },
            earn: PointsRequest { op_id: id(), points: 14, basis: usd(1_400), ..points.clone() },
            burn: points,
            pay,
            place,
        }
    }

    /// What the services say now.
    pub async fn figures(&self, world: &World) -> Figures {
        let stock: inventory::Stock = {
            let sku = self.reserve.lines[0].sku.clone();
            world.ask(Role::Inventory, &path(Role::Inventory, "Get"), inventory::GetRequest { sku }).await
        };
        let purse: points::PointsAccount = {
            let user_id = self.place.user_id.clone();
            world.ask(Role::Points, &path(Role::Points, "Get"), points::GetRequest { user_id }).await
        };
        Figures {
            order: self.order(world).await,
            wallet: available(world, &self.transfer.debit_account_id).await,
            merchant: available(world, &self.transfer.credit_account_id).await,
            on_hand: stock.on_hand,
            reserved: stock.reserved,
            points: purse.balance,
            frozen: purse.frozen,
            pending_earn: purse.pending_earn,
            payment: self.payment(world).await,
        }
    }

    async fn order(&self, world: &World) -> Option<OrderState> {
        let order_id = self.place.order_id.clone();
        let request = order::GetRequest { order_id, ..order::GetRequest::default() };
        let reply = world.direct(Role::Order, &path(Role::Order, "Get"), request.encode_to_vec()).await;
        (reply.code != Code::NotFound).then(|| reply.decoded::<order::Order>().state())
    }

    async fn payment(&self, world: &World) -> Option<PaymentState> {
        let payment_id = self.pay.payment_id.clone();
        let request = gateway::GetPaymentRequest { payment_id, force_query: false };
        let path = path(Role::Gateway, "GetPayment");
        let reply = world.direct(Role::Gateway, &path, request.encode_to_vec()).await;
        (reply.code != Code::NotFound).then(|| reply.decoded::<gateway::Payment>().state())
    }
}

async fn available(world: &World, account_id: &str) -> i64 {
    let request = account::GetRequest { account_id: account_id.to_owned() };
    let account: account::Account = world.ask(Role::Account, &path(Role::Account, "Get"), request).await;
    account.available
}

/// What the guards of all services remember of a gid: `branch_id op` and how it ended.
pub async fn branch_ops(world: &World, gid: &str) -> BTreeMap<String, BranchOpStatus> {
    let mut remembered = BTreeMap::new();
    for role in Role::PARTICIPANTS {
        let request = ListBranchOpsRequest { gid: gid.to_owned(), cursor: String::new(), limit: 100 };
        let rows: ListBranchOpsResponse = world.ask(role, &path(role, "ListBranchOps"), request).await;
        for row in rows.branch_ops {
            remembered.insert(format!("{} {}", row.branch_id, row.op), row.status());
        }
    }
    remembered
}
