//! What everybody owns, before and after. Knows how to read and compare; knows the stories only by their sums.
use super::shop::{
    CARD_PART, CURRENCY, GOODS, MERCHANT, POINTS_EARNED, POINTS_PART, Shop, USERS, WALLET_PART,
    merchant_account, wallet_of,
};
use super::stories::{STORIES, Story};
use crate::output::{money, table};
use amends_proto::pay::account::v1::GetRequest as GetAccount;
use amends_proto::pay::inventory::v1::GetRequest as GetStock;
use amends_proto::pay::points::v1::GetRequest as GetPoints;
use amends_proto::pay::psp::v1::FactsRequest;
use anyhow::Context as _;
use serde_json::{Value, json};

/// The most facts that the PSP gives at once; the demo makes far fewer.
const ALL_FACTS: i32 = 1_000;

/// What a figure counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Unit {
    Money,
    Points,
    Pieces,
}

/// One figure.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Figure {
    name: String,
    unit: Unit,
    value: i64,
    /// What is held or reserved within it; must be nothing when all is over.
    held: i64,
    /// By how much the stories shall change it.
    told_change: i64,
}

/// All figures at one time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Figures {
    rows: Vec<Figure>,
}

impl Figures {
    /// Reads all of it.
    pub async fn read(shop: &Shop) -> anyhow::Result<Figures> {
        let mut rows = Vec::new();
        for user in USERS {
            let orders = paid_orders(|story| story.user == user);
            rows.push(
                wallet(shop, format!("{user}'s wallet"), wallet_of(user), -WALLET_PART * orders).await?,
            );
            rows.push(points(shop, user, (POINTS_EARNED - POINTS_PART) * orders).await?);
        }
        let orders = paid_orders(|_| true);
        let merchant = format!("wallet money due to {MERCHANT}");
        rows.push(wallet(shop, merchant, merchant_account(), WALLET_PART * orders).await?);
        rows.push(cards(shop, CARD_PART * orders).await?);
        for (sku, per_order, _) in GOODS {
            rows.push(stock(shop, sku, -per_order * orders).await?);
        }
        Ok(Figures { rows })
    }

    /// As a table.
    pub fn table(&self) -> String {
        let rows = self.rows.iter().map(|row| vec![row.name.clone(), row.show(row.value)]);
        table(&["what", "now"], &["now"], rows.collect())
    }

    /// Both times side by side.
    pub fn comparison(before: &Figures, after: &Figures) -> String {
        let rows = before.rows.iter().zip(&after.rows).map(|(old, new)| {
            let change = new.value - old.value;
            let sign = if change > 0 { "+" } else { "" };
            let as_told = if change == new.told_change { "as told" } else { "NOT as told" };
            vec![
                new.name.clone(),
                old.show(old.value),
                new.show(new.value),
                format!("{sign}{}", new.show(change)),
                new.show(new.held),
                as_told.to_owned(),
            ]
        });
        let right = ["before", "after", "change", "still held"];
        table(&["what", "before", "after", "change", "still held", ""], &right, rows.collect())
    }

    /// What did not change as told.
    pub fn unexpected(before: &Figures, after: &Figures) -> Vec<String> {
        let changed = |(old, new): (&Figure, &Figure)| {
            let change = new.value - old.value;
            if change != new.told_change {
                let (change, told) = (new.show(change), new.show(new.told_change));
                Some(format!("{} changed by {change}, told was {told}", new.name))
            } else if new.held != 0 {
                Some(format!("{} still holds {}", new.name, new.show(new.held)))
            } else {
                None
            }
        };
        before.rows.iter().zip(&after.rows).filter_map(changed).collect()
    }

    /// For machines.
    pub fn json(&self) -> Value {
        self.rows.iter().map(|row| json!({"name": row.name, "value": row.value, "held": row.held})).collect()
    }
}

impl Figure {
    fn show(&self, value: i64) -> String {
        match self.unit {
            Unit::Money => money(value, CURRENCY),
            Unit::Points => format!("{value} points"),
            Unit::Pieces => format!("{value} pieces"),
        }
    }
}

/// How many of the chosen stories end with a paid order.
fn paid_orders(chosen: impl Fn(&Story) -> bool) -> i64 {
    STORIES.iter().filter(|story| story.is_paid() && chosen(story)).map(|_| 1).sum()
}

async fn wallet(shop: &Shop, name: String, account_id: String, told_change: i64) -> anyhow::Result<Figure> {
    let request = GetAccount { account_id };
    let account = shop.accounts.clone().get(request).await.context("get an account")?.into_inner();
    let value = account.credits_posted - account.debits_posted;
    let held = account.debits_pending + account.credits_pending;
    Ok(Figure { name, unit: Unit::Money, value, held, told_change })
}

async fn points(shop: &Shop, user: &str, told_change: i64) -> anyhow::Result<Figure> {
    let request = GetPoints { user_id: user.to_owned() };
    let account = shop.points.clone().get(request).await.context("get points")?.into_inner();
    let held = account.frozen + account.pending_earn;
    Ok(Figure {
        name: format!("{user}'s points"),
        unit: Unit::Points,
        value: account.balance,
        held,
        told_change,
    })
}

async fn stock(shop: &Shop, sku: &str, told_change: i64) -> anyhow::Result<Figure> {
    let request = GetStock { sku: sku.to_owned() };
    let stock = shop.inventory.clone().get(request).await.context("get stock")?.into_inner();
    let name = format!("{sku} in stock");
    Ok(Figure { name, unit: Unit::Pieces, value: stock.on_hand, held: stock.reserved, told_change })
}

/// What the PSP itself says that it keeps of cards.
async fn cards(shop: &Shop, told_change: i64) -> anyhow::Result<Figure> {
    let request = FactsRequest { cursor: String::new(), limit: ALL_FACTS };
    let facts =
        shop.psp.clone().facts(request).await.context("ask the PSP for its facts")?.into_inner().facts;
    let name = "card money kept by the PSP".to_owned();
    let value = facts.iter().map(|fact| fact.kept_now).sum();
    let held = facts.iter().map(|fact| fact.authorized_now).sum();
    Ok(Figure { name, unit: Unit::Money, value, held, told_change })
}
