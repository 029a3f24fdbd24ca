//! The orders to replay, read from CSV files and checked, and how their names look in a run. Knows no service.
use anyhow::{Context as _, ensure};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// The currency of all amounts.
pub const CURRENCY: &str = "USD";
/// The merchant of all orders.
pub const MERCHANT: &str = "northwind";

/// Products, customers, and orders in file order.
#[derive(Debug)]
pub struct Data {
    pub products: Vec<Product>,
    pub customers: Vec<String>,
    pub orders: Vec<Order>,
}

/// A row of products.csv.
#[derive(Debug, Deserialize)]
pub struct Product {
    pub sku: String,
    pub units_in_stock: i64,
}

/// A row of orders.csv with its rows of order_lines.csv.
#[derive(Debug)]
pub struct Order {
    pub order_no: String,
    pub customer_id: String,
    pub lines: Vec<Line>,
    /// Σ quantity × unit price.
    pub total: i64,
}

/// A row of order_lines.csv.
#[derive(Debug, Deserialize)]
pub struct Line {
    order_no: String,
    pub sku: String,
    pub quantity: i64,
    pub unit_price_minor: i64,
}

#[derive(Deserialize)]
struct CustomerRow {
    customer_id: String,
}

#[derive(Deserialize)]
struct OrderRow {
    order_no: String,
    customer_id: String,
}

impl Data {
    /// Reads the four files. Each order must have lines, and name known customers and products.
    pub fn read(folder: &Path) -> anyhow::Result<Data> {
        let products: Vec<Product> = rows(folder, "products.csv")?;
        let customers: Vec<CustomerRow> = rows(folder, "customers.csv")?;
        let customers: Vec<String> = customers.into_iter().map(|row| row.customer_id).collect();
        let mut lines: BTreeMap<String, Vec<Line>> = BTreeMap::new();
        for line in rows::<Line>(folder, "order_lines.csv")? {
            lines.entry(line.order_no.clone()).or_default().push(line);
        }
        let known_customers: BTreeSet<&str> = customers.iter().map(String::as_str).collect();
        let known_skus: BTreeSet<&str> = products.iter().map(|product| product.sku.as_str()).collect();
        let mut orders = Vec::new();
        for OrderRow { order_no, customer_id } in rows(folder, "orders.csv")? {
            ensure!(
                known_customers.contains(customer_id.as_str()),
                "order {order_no}: no customer {customer_id}"
            );
            let lines = lines.remove(&order_no).with_context(|| format!("order {order_no} has no lines"))?;
            for line in &lines {
                ensure!(known_skus.contains(line.sku.as_str()), "order {order_no}: no product {}", line.sku);
            }
            let total = total(&lines).with_context(|| format!("order {order_no}: total out of range"))?;
            orders.push(Order { order_no, customer_id, lines, total });
        }
        ensure!(lines.is_empty(), "order_lines.csv has lines of unknown orders: {:?}", lines.keys());
        Ok(Data { products, customers, orders })
    }

    /// What each customer spends if every order succeeds; 0 for those without orders.
    pub fn spending(&self) -> anyhow::Result<BTreeMap<&str, i64>> {
        let mut spending: BTreeMap<&str, i64> = self.customers.iter().map(|id| (id.as_str(), 0)).collect();
        for order in &self.orders {
            let sum = spending.entry(&order.customer_id).or_default();
            *sum = sum.checked_add(order.total).context("a customer's sum is out of range")?;
        }
        Ok(spending)
    }
}

fn total(lines: &[Line]) -> Option<i64> {
    let mut total = 0_i64;
    for line in lines {
        total = total.checked_add(line.quantity.checked_mul(line.unit_price_minor)?)?;
    }
    Some(total)
}

fn rows<Row: DeserializeOwned>(folder: &Path, file: &str) -> anyhow::Result<Vec<Row>> {
    let path = folder.join(file);
    let mut reader = csv::Reader::from_path(&path).with_context(|| format!("open {}", path.display()))?;
    let rows: Result<Vec<Row>, csv::Error> = reader.deserialize().collect();
    rows.with_context(|| format!("read {}", path.display()))
}

/// How customers, products and orders are called in one run: with its prefix, so that runs do not meet.
#[derive(Debug, Clone)]
pub struct Names {
    prefix: String,
}

impl Names {
    /// Names that begin with `prefix`, which may be empty.
    pub fn prefixed(prefix: &str) -> Names {
        Names { prefix: prefix.to_owned() }
    }

    /// A customer, product or order number as this run calls it.
    pub fn name(&self, own: &str) -> String {
        format!("{}{own}", self.prefix)
    }

    /// The wallet of a customer.
    pub fn wallet(&self, customer_id: &str) -> String {
        format!("USER_WALLET:{}:{CURRENCY}", self.name(customer_id))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::replay::factor::Factor;

    fn northwind() -> Data {
        Data::read(&Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/northwind")).unwrap()
    }

    /// The plainest possible shop: an order takes all its goods at once, or nothing; nothing is bought again.
    fn model(data: &Data, factor: &str) -> (usize, usize, i64) {
        let factor: Factor = factor.parse().unwrap();
        let stock = data.products.iter().map(|p| (p.sku.as_str(), factor.of(p.units_in_stock).unwrap()));
        let mut stock: BTreeMap<&str, i64> = stock.collect();
        let (mut succeeded, mut failed, mut paid) = (0, 0, 0);
        for order in &data.orders {
            let mut after = stock.clone();
            for line in &order.lines {
                *after.get_mut(line.sku.as_str()).unwrap() -= line.quantity;
            }
            if after.values().all(|quantity| *quantity >= 0) {
                stock = after;
                succeeded += 1;
                paid += order.total;
            } else {
                failed += 1;
            }
        }
        (succeeded, failed, paid)
    }

    #[test]
    fn northwind_gives_the_figures_that_a_replay_must_reach() {
        let data = northwind();
        assert_eq!((data.products.len(), data.customers.len(), data.orders.len()), (77, 91, 830));
        assert_eq!(model(&data, "30"), (541, 289, 72_364_495));
        assert_eq!(model(&data, "1"), (95, 735, 4_146_377));
    }

    #[test]
    fn customers_spend_what_their_orders_cost() {
        let data = northwind();
        let spending = data.spending().unwrap();
        assert_eq!(spending.len(), 91);
        assert_eq!(spending.values().sum::<i64>(), data.orders.iter().map(|order| order.total).sum::<i64>());
    }

    #[test]
    fn every_name_of_a_run_has_its_prefix() {
        let run = Names::prefixed("abc-");
        assert_eq!(
            (run.name("10248"), run.wallet("VINET")),
            ("abc-10248".into(), "USER_WALLET:abc-VINET:USD".into())
        );
    }

    #[test]
    fn an_order_of_an_unknown_product_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let write = |file: &str, text: &str| std::fs::write(folder.path().join(file), text).unwrap();
        write("products.csv", "sku,name,unit_price_minor,units_in_stock\nP1,Tea,100,5\n");
        write("customers.csv", "customer_id\nA\n");
        write("orders.csv", "order_no,customer_id,order_date\n1,A,1996-07-04\n");
        write("order_lines.csv", "order_no,sku,quantity,unit_price_minor\n1,P2,1,100\n");
        let error = Data::read(folder.path()).unwrap_err();
        assert_eq!(error.to_string(), "order 1: no product P2");
        write("order_lines.csv", "order_no,sku,quantity,unit_price_minor\n");
        assert_eq!(Data::read(folder.path()).unwrap_err().to_string(), "order 1 has no lines");
    }
}
