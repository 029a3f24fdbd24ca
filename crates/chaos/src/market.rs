//! What is bought under load, by whom, and what goes wrong with it by itself. Knows no process that is killed.
use crate::draw::Draw;
use crate::error::ChaosError;
use amends_proto::amends::v1::{Mode, StartRequest};
use amends_proto::pay::account::v1::account_service_client::AccountServiceClient;
use amends_proto::pay::account::v1::{AccountType, DepositRequest, OpenRequest};
use amends_proto::pay::checkout::v1::{Card, CheckoutInput, Line};
use amends_proto::pay::inventory::v1::RestockRequest;
use amends_proto::pay::inventory::v1::inventory_service_client::InventoryServiceClient;
use amends_proto::pay::money::v1::Money;
use amends_proto::pay::points::v1::GrantRequest;
use amends_proto::pay::points::v1::points_service_client::PointsServiceClient;
use amends_stack::{Role, Stack};
use prost::Message as _;
use tonic::transport::{Channel, Endpoint};

const CURRENCY: &str = "USD";
const MERCHANT: &str = "market";
const USERS: u64 = 8;
/// Has money, but no points.
const POINTLESS_USER: &str = "user-pointless";
const GOODS: u64 = 6;
/// Sold out after the first few.
const RARE: &str = "rare";
const RARE_STOCK: i64 = 3;
const PLENTY: i64 = 1_000_000;
const PRICE: i64 = 700;
const QUANTITIES: [i64; 3] = [1, 2, 3];
const POINTS: i64 = 20;

/// Every fourth Start waits so long for the end: when the orchestrator dies, it is durable, but nobody was told.
const START_WAIT_MS: i32 = 3_000;

/// What makes an order special.
enum Twist {
    None,
    Card(&'static str),
    SoldOut,
    NoPoints,
}

/// Twists in percent: a third of the orders has one that decides its end, a third a card that takes its time.
fn twist(draw: &mut Draw) -> Twist {
    match draw.below(100) {
        0..10 => Twist::Card("tok_decline"),
        10..16 => Twist::Card("tok_charge_then_timeout"),
        16..20 => Twist::Card("tok_timeout_not_charged"),
        20..22 => Twist::Card("tok_5xx_after_charge"),
        22..29 => Twist::SoldOut,
        29..34 => Twist::NoPoints,
        34..62 => Twist::Card("tok_slow_300ms"),
        62..67 => Twist::Card("tok_processing_800ms"),
        67..70 => Twist::Card("tok_query_unknown_1"),
        _ => Twist::None,
    }
}

/// The order of this number in one of these modes: the same seed and number always make the same one.
#[must_use]
pub fn order(seed: u64, modes: &[Mode], number: u64) -> StartRequest {
    let mut draw = Draw::new(seed, number + 1);
    let mode = modes.get(draw.place(modes.len())).copied().unwrap_or(Mode::Saga);
    let quantity = QUANTITIES[draw.place(QUANTITIES.len())];
    let (user, sku) = (format!("user-{}", draw.below(USERS)), format!("good-{}", draw.below(GOODS)));
    let (user, sku, token) = match twist(&mut draw) {
        Twist::None => (user, sku, "tok_ok"),
        Twist::Card(token) => (user, sku, token),
        Twist::SoldOut => (user, RARE.to_owned(), "tok_ok"),
        Twist::NoPoints => (POINTLESS_USER.to_owned(), sku, "tok_ok"),
    };
    let input = input(number, user, Line { sku, quantity, unit_price: Some(usd(PRICE)) }, token);
    StartRequest {
        request_id: format!("request-{number}"),
        business_key: String::new(),
        definition: "checkout".to_owned(),
        mode: mode.into(),
        input: Some(prost_types::Any {
            type_url: "type.googleapis.com/pay.checkout.v1.CheckoutInput".to_owned(),
            value: input.encode_to_vec(),
        }),
        wait_ms: if draw.below(4) == 0 { START_WAIT_MS } else { 0 },
    }
}

fn input(number: u64, user_id: String, line: Line, card_token: &str) -> CheckoutInput {
    let total = line.quantity * PRICE;
    CheckoutInput {
        order_id: String::new(),
        merchant_id: MERCHANT.to_owned(),
        out_trade_no: format!("order-{number}"),
        lines: vec![line],
        total: Some(usd(total)),
        wallet: Some(usd(total / 5)),
        points: POINTS,
        points_value: Some(usd(POINTS)),
        card: Some(Card {
            psp: "sim".to_owned(),
            method: "card".to_owned(),
            card_token: card_token.to_owned(),
            card_fingerprint: format!("fp-{user_id}"),
        }),
        user_id,
        earn_bp: 100,
        pay_ttl_s: 0,
    }
}

fn usd(minor_units: i64) -> Money {
    Money { minor_units, currency: CURRENCY.to_owned() }
}

/// Gives everybody money and points, and fills the shelves.
///
/// # Errors
/// A service does not answer or does not take it.
pub async fn open(stack: &Stack) -> Result<(), ChaosError> {
    let mut accounts = AccountServiceClient::new(channel(stack, Role::Account)?);
    let due = format!("MERCHANT_PENDING:{MERCHANT}:{CURRENCY}");
    let failed = ChaosError::market("open the merchant's account");
    accounts.open(account(due, MERCHANT, AccountType::Merchant)).await.map_err(failed)?;
    let users: Vec<String> = (0..USERS).map(|number| format!("user-{number}")).collect();
    for user in users.iter().map(String::as_str).chain([POINTLESS_USER]) {
        let wallet = format!("USER_WALLET:{user}:{CURRENCY}");
        let failed = ChaosError::market("open a wallet");
        accounts.open(account(wallet.clone(), user, AccountType::UserWallet)).await.map_err(failed)?;
        let amount = Some(usd(PLENTY));
        let deposit = DepositRequest { account_id: wallet, amount, idempotency_key: user.to_owned() };
        accounts.deposit(deposit).await.map_err(ChaosError::market("fill a wallet"))?;
    }
    grant(stack, users).await?;
    restock(stack).await
}

async fn grant(stack: &Stack, users: Vec<String>) -> Result<(), ChaosError> {
    let mut points = PointsServiceClient::new(channel(stack, Role::Points)?);
    for user in users {
        let grant = GrantRequest { user_id: user.clone(), points: PLENTY, idempotency_key: user };
        points.grant(grant).await.map_err(ChaosError::market("grant points"))?;
    }
    Ok(())
}

async fn restock(stack: &Stack) -> Result<(), ChaosError> {
    let mut inventory = InventoryServiceClient::new(channel(stack, Role::Inventory)?);
    let goods = (0..GOODS).map(|number| (format!("good-{number}"), PLENTY));
    for (sku, quantity) in goods.chain([(RARE.to_owned(), RARE_STOCK)]) {
        let restock = RestockRequest { sku: sku.clone(), quantity, idempotency_key: sku };
        inventory.restock(restock).await.map_err(ChaosError::market("restock"))?;
    }
    Ok(())
}

fn channel(stack: &Stack, role: Role) -> Result<Channel, ChaosError> {
    Ok(Endpoint::from_shared(format!("http://{}", stack.address(role)))?.connect_lazy())
}

fn account(account_id: String, owner: &str, kind: AccountType) -> OpenRequest {
    let floor = if kind == AccountType::Merchant { -PLENTY } else { 0 };
    let (owner, currency) = (owner.to_owned(), CURRENCY.to_owned());
    OpenRequest { account_id, owner, r#type: kind.into(), currency, floor }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_always_orders_the_same_and_only_in_the_modes_asked_for() {
        let both = [Mode::Saga, Mode::Tcc];
        assert_eq!(order(7, &both, 3), order(7, &both, 3));
        assert_ne!(order(7, &both, 3).input, order(8, &both, 3).input);
        assert!((0..50).all(|number| order(1, &[Mode::Tcc], number).mode() == Mode::Tcc));
        assert!(both.iter().all(|mode| (0..50).any(|number| order(1, &both, number).mode() == *mode)));
    }
}
