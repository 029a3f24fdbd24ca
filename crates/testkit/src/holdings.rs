//! What everybody of one shop holds, read from the services and the PSP. Knows how to read; judges nothing.
use crate::patience::Must as _;
use crate::shop::Shop;
use amends_proto::pay::account::v1::{Account, GetRequest as GetAccount};
use amends_proto::pay::inventory::v1::{GetRequest as GetStock, Stock};
use amends_proto::pay::points::v1::GetRequest as GetPoints;
use amends_proto::pay::psp::v1::{Fact, FactsRequest};

/// The most facts that the PSP gives at once.
const PAGE: i32 = 1_000;

/// What everybody holds; amounts in minor units.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Holdings {
    /// Posted in the customer's wallet.
    pub wallet: i64,
    /// Held of it.
    pub wallet_held: i64,
    /// Posted for the merchant.
    pub due: i64,
    /// Held for the merchant.
    pub due_held: i64,
    /// Points of the customer.
    pub points: i64,
    /// Frozen of them.
    pub frozen: i64,
    /// Noted, not yet earned.
    pub pending: i64,
    /// Packets of tea on hand.
    pub tea: i64,
    /// Reserved of them.
    pub tea_reserved: i64,
    /// Pots on hand.
    pub pots: i64,
    /// Reserved of them.
    pub pots_reserved: i64,
    /// Kept of cards by the PSP.
    pub card: i64,
    /// Reserved on cards by the PSP.
    pub card_reserved: i64,
}

impl Holdings {
    pub(crate) async fn read(shop: &Shop<'_>) -> Holdings {
        let (wallet, due, tea, pots) = tokio::join!(
            account(shop, shop.wallet()),
            account(shop, shop.due()),
            stock(shop, &shop.tea),
            stock(shop, &shop.pot),
        );
        let get_points = GetPoints { user_id: shop.user.clone() };
        let points = shop.world.clients().points.get(get_points).await.must("get points").into_inner();
        let facts = facts(shop, |fact| fact.merchant_id == shop.merchant).await;
        Holdings {
            wallet: wallet.credits_posted - wallet.debits_posted,
            wallet_held: wallet.debits_pending + wallet.credits_pending,
            due: due.credits_posted - due.debits_posted,
            due_held: due.debits_pending + due.credits_pending,
            points: points.balance - points.debt,
            frozen: points.frozen,
            pending: points.pending_earn,
            tea: tea.on_hand,
            tea_reserved: tea.reserved,
            pots: pots.on_hand,
            pots_reserved: pots.reserved,
            card: facts.iter().map(|fact| fact.kept_now).sum(),
            card_reserved: facts.iter().map(|fact| fact.authorized_now).sum(),
        }
    }
}

async fn account(shop: &Shop<'_>, account_id: String) -> Account {
    let get = GetAccount { account_id };
    shop.world.clients().accounts.get(get).await.must("get an account").into_inner()
}

async fn stock(shop: &Shop<'_>, sku: &str) -> Stock {
    let get = GetStock { sku: sku.to_owned() };
    shop.world.clients().inventory.get(get).await.must("get stock").into_inner()
}

/// The PSP's facts that are of interest.
pub(crate) async fn facts(shop: &Shop<'_>, of_interest: impl Fn(&Fact) -> bool) -> Vec<Fact> {
    let (mut found, mut cursor) = (Vec::new(), String::new());
    loop {
        let request = FactsRequest { cursor, limit: PAGE };
        let page = shop.world.clients().psp.facts(request).await.must("ask the PSP for facts").into_inner();
        found.extend(page.facts.into_iter().filter(&of_interest));
        if page.next_cursor.is_empty() {
            return found;
        }
        cursor = page.next_cursor;
    }
}
