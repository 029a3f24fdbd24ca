//! A client of the services themselves: opens wallets and fills them, gives points, fills shelves, each write under a key of
//! its own and repeated until it is acknowledged. What was acknowledged must be there, once. Knows no fault.
use crate::patience::{PAUSE, connection, patiently};
use amends_proto::pay::account::v1::account_service_client::AccountServiceClient;
use amends_proto::pay::account::v1::{self as account, AccountType, DepositRequest, OpenRequest};
use amends_proto::pay::inventory::v1::inventory_service_client::InventoryServiceClient;
use amends_proto::pay::inventory::v1::{self as inventory, RestockRequest};
use amends_proto::pay::money::v1::Money;
use amends_proto::pay::points::v1::points_service_client::PointsServiceClient;
use amends_proto::pay::points::v1::{self as points, GrantRequest};
use amends_stack::{Role, Stack};
use amends_testkit::Must as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use tokio::task::JoinHandle;
use tonic::Response;
use tonic::transport::Channel;

const CURRENCY: &str = "USD";
/// Who gets the points, and what is put on the shelf: nobody else touches either.
const USER: &str = "clerk";
const SKU: &str = "clerks-goods";
/// How much each write adds.
const DEPOSITED: i64 = 5;
const GRANTED: i64 = 3;
const RESTOCKED: i64 = 2;

/// The clerk at work.
pub struct Clerk {
    stopped: Arc<AtomicBool>,
    work: JoinHandle<i64>,
}

/// What was acknowledged.
pub struct Acknowledged {
    /// So many writes of each kind.
    pub count: i64,
}

#[derive(Clone)]
struct Desk {
    accounts: AccountServiceClient<Channel>,
    points: PointsServiceClient<Channel>,
    inventory: InventoryServiceClient<Channel>,
}

impl Desk {
    fn at(stack: &Stack) -> Desk {
        let to = |role| connection(&stack.address(role));
        Desk {
            accounts: AccountServiceClient::new(to(Role::Account)),
            points: PointsServiceClient::new(to(Role::Points)),
            inventory: InventoryServiceClient::new(to(Role::Inventory)),
        }
    }

    /// Everything once, under this number.
    async fn write(&self, number: i64) {
        let key = format!("clerk-{number}");
        let open = OpenRequest {
            account_id: wallet(number),
            owner: key.clone(),
            r#type: AccountType::UserWallet.into(),
            currency: CURRENCY.to_owned(),
            floor: 0,
        };
        let open = || {
            let (mut desk, open) = (self.clone(), open.clone());
            async move { desk.accounts.open(open).await }
        };
        patiently("open", open).await;
        let amount = Some(Money { minor_units: DEPOSITED, currency: CURRENCY.to_owned() });
        let deposit = DepositRequest { account_id: wallet(number), amount, idempotency_key: key.clone() };
        let deposit = || {
            let (mut desk, deposit) = (self.clone(), deposit.clone());
            async move { desk.accounts.deposit(deposit).await }
        };
        patiently("deposit", deposit).await;
        let grant = GrantRequest { user_id: USER.to_owned(), points: GRANTED, idempotency_key: key.clone() };
        let grant = || {
            let (mut desk, grant) = (self.clone(), grant.clone());
            async move { desk.points.grant(grant).await }
        };
        patiently("grant", grant).await;
        let restock = RestockRequest { sku: SKU.to_owned(), quantity: RESTOCKED, idempotency_key: key };
        let restock = || {
            let (mut desk, restock) = (self.clone(), restock.clone());
            async move { desk.inventory.restock(restock).await }
        };
        patiently("restock", restock).await;
    }
}

fn wallet(number: i64) -> String {
    format!("USER_WALLET:clerk-{number}:{CURRENCY}")
}

impl Clerk {
    /// Begins to write.
    pub fn begin(stack: &Stack) -> Clerk {
        let stopped = Arc::new(AtomicBool::new(false));
        let (desk, stop) = (Desk::at(stack), Arc::clone(&stopped));
        let work = tokio::spawn(async move {
            let mut number = 0;
            while !stop.load(Ordering::SeqCst) {
                desk.write(number).await;
                number += 1;
                tokio::time::sleep(PAUSE).await;
            }
            number
        });
        Clerk { stopped, work }
    }

    /// Stops when what is begun is acknowledged.
    pub async fn end(self) -> Acknowledged {
        self.stopped.store(true, Ordering::SeqCst);
        Acknowledged { count: self.work.await.must("keep the clerk at work") }
    }
}

impl Acknowledged {
    /// What of it is not there, or is there twice.
    pub async fn missing(&self, stack: &Stack) -> Vec<String> {
        let Desk { mut accounts, mut points, mut inventory } = Desk::at(stack);
        let mut wrong = Vec::new();
        let mut compare = |what: &str, is: i64, must: i64| {
            if is != must {
                wrong.push(format!("{what}: {is}, and {must} were acknowledged"));
            }
        };
        for number in 0..self.count {
            let get = account::GetRequest { account_id: wallet(number) };
            let found = accounts.get(get).await.map(Response::into_inner);
            compare(&wallet(number), found.map_or(-1, |found| found.available), DEPOSITED);
        }
        let found = points.get(points::GetRequest { user_id: USER.to_owned() }).await.must("read the points");
        compare("points", found.into_inner().balance, GRANTED * self.count);
        let found = inventory.get(inventory::GetRequest { sku: SKU.to_owned() }).await.must("read the stock");
        compare("stock", found.into_inner().on_hand, RESTOCKED * self.count);
        wrong
    }
}
