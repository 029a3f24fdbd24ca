//! One account service in this process, on a port of its own, with a database file that outlives a restart.

use amends_dtm::Gid;
use amends_migrations::account::Migrator;
use amends_participant::{BranchAuth, Guard, SystemClock};
use amends_proto::pay::account::v1::account_service_client::AccountServiceClient;
use amends_proto::pay::account::v1::*;
use amends_proto::pay::money::v1::Money;
use amends_serve::{grpc, store::Store};
use std::collections::BTreeMap;
use std::sync::Arc;
use tempfile::TempDir;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tonic::transport::{Channel, Endpoint};
use tonic::{Code, Request, Response, Status};
use uuid::Uuid;

pub type Answer = Result<Response<TransferResponse>, Status>;

pub struct World {
    pub client: AccountServiceClient<Channel>,
    pub store: Store,
    folder: TempDir,
    stop: oneshot::Sender<()>,
    server: JoinHandle<()>,
}

#[derive(Clone, Copy, Debug)]
pub enum Op {
    Try,
    Confirm,
    Cancel,
    Action,
    Compensate,
}

impl World {
    /// A fresh service with alice (1,000), bob (0) and northwind, all of USD.
    pub async fn new() -> World {
        let world = World::bare().await;
        world.open("USER_WALLET:alice:USD", "alice", AccountType::UserWallet, "USD", 0).await.unwrap();
        world.open("USER_WALLET:bob:USD", "bob", AccountType::UserWallet, "USD", 0).await.unwrap();
        world
            .open("MERCHANT_PENDING:northwind:USD", "northwind", AccountType::Merchant, "USD", 0)
            .await
            .unwrap();
        world.deposit("USER_WALLET:alice:USD", 1_000, "USD", "seed").await.unwrap();
        world
    }

    pub async fn bare() -> World {
        World::start(tempfile::tempdir().unwrap(), BranchAuth::Off).await
    }

    pub async fn start(folder: TempDir, auth: BranchAuth) -> World {
        let url = format!("sqlite://{}", folder.path().join("account.db").display());
        let store = Store::open(&url).await.unwrap();
        store.migrate::<Migrator>().await.unwrap();
        let listener = amends_serve::listener::bind("127.0.0.1:0".parse().unwrap()).await.unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let guard = Guard::new(store.clone(), auth, Arc::new(SystemClock));
        let routes = amends_account::routes(store.clone(), guard);
        let (stop, stopped) = oneshot::channel::<()>();
        let until = async {
            let _ = stopped.await;
        };
        let server = tokio::spawn(async move {
            grpc::serve(listener, routes, grpc::GrpcOptions::default(), until).await.unwrap();
        });
        let channel = Endpoint::from_shared(address).unwrap().connect().await.unwrap();
        let client = AccountServiceClient::new(channel).max_encoding_message_size(usize::MAX);
        World { client, store, folder, stop, server }
    }

    /// Stops the process's server and its database, then starts both again on the same file.
    pub async fn restart(self) -> World {
        let World { client, store, folder, stop, server } = self;
        drop(client);
        stop.send(()).unwrap();
        server.await.unwrap();
        store.close().await.unwrap();
        World::start(folder, BranchAuth::Off).await
    }

    pub async fn open(
        &self,
        account_id: &str,
        owner: &str,
        kind: AccountType,
        currency: &str,
        floor: i64,
    ) -> Result<Account, Status> {
        let request = OpenRequest {
            account_id: account_id.into(),
            owner: owner.into(),
            r#type: kind.into(),
            currency: currency.into(),
            floor,
        };
        self.client.clone().open(request).await.map(Response::into_inner)
    }

    pub async fn deposit(
        &self,
        account_id: &str,
        minor_units: i64,
        currency: &str,
        key: &str,
    ) -> Result<Account, Status> {
        let request = DepositRequest {
            account_id: account_id.into(),
            amount: Some(Money { minor_units, currency: currency.into() }),
            idempotency_key: key.into(),
        };
        self.client.clone().deposit(request).await.map(Response::into_inner)
    }

    pub async fn freeze(&self, account_id: &str, frozen: bool) -> Result<Account, Status> {
        let request = FreezeRequest { account_id: account_id.into(), frozen };
        self.client.clone().freeze(request).await.map(Response::into_inner)
    }

    pub async fn account(&self, account_id: &str) -> Account {
        let request = GetRequest { account_id: account_id.into() };
        self.client.clone().get(request).await.unwrap().into_inner()
    }

    pub async fn available(&self, account_id: &str) -> i64 {
        self.account(account_id).await.available
    }

    pub async fn call(&self, op: Op, gid: &Gid, body: &TransferRequest) -> Answer {
        let request = branch_request(op, gid, body.clone());
        let mut client = self.client.clone();
        match op {
            Op::Try => client.try_transfer(request).await,
            Op::Confirm => client.confirm_transfer(request).await,
            Op::Cancel => client.cancel_transfer(request).await,
            Op::Action => client.transfer(request).await,
            Op::Compensate => client.reverse_transfer(request).await,
        }
    }

    pub async fn accounts(&self) -> Vec<Account> {
        let all = self.client.clone().list(all()).await.unwrap().into_inner();
        assert_eq!(all.next_cursor, "");
        all.accounts
    }

    pub async fn entries(&self) -> Vec<Entry> {
        self.client.clone().list_entries(all()).await.unwrap().into_inner().entries
    }

    pub async fn holds(&self) -> Vec<Hold> {
        self.client.clone().list_holds(all()).await.unwrap().into_inner().holds
    }

    /// Everything but the guard, to see that a refusal changed none of it.
    pub async fn picture(&self) -> (Vec<Account>, Vec<Entry>, Vec<Hold>) {
        (self.accounts().await, self.entries().await, self.holds().await)
    }

    /// I1 and I2: debits equal credits per currency, posted sums equal the entries, no floor is broken.
    pub async fn assert_books_balance(&self) {
        let mut posted: BTreeMap<String, (i64, i64)> = BTreeMap::new();
        for entry in self.entries().await {
            let minor_units = entry.amount.unwrap().minor_units;
            posted.entry(entry.debit_account_id).or_default().0 += minor_units;
            posted.entry(entry.credit_account_id).or_default().1 += minor_units;
        }
        let mut sums: BTreeMap<String, [i64; 4]> = BTreeMap::new();
        for account in self.accounts().await {
            let entered = posted.remove(&account.account_id).unwrap_or_default();
            assert_eq!((account.debits_posted, account.credits_posted), entered, "{account:?}");
            if let Some(floor) = account.floor {
                assert!(account.available >= floor, "{account:?}");
            }
            let sum = sums.entry(account.currency).or_default();
            sum[0] += account.debits_pending;
            sum[1] += account.credits_pending;
            sum[2] += account.debits_posted;
            sum[3] += account.credits_posted;
        }
        assert!(posted.is_empty(), "entries of unknown accounts: {posted:?}");
        for (currency, [debits_pending, credits_pending, debits, credits]) in sums {
            assert_eq!((debits_pending, debits), (credits_pending, credits), "{currency}");
        }
    }
}

pub fn transfer(debit: &str, credit: &str, minor_units: i64) -> TransferRequest {
    TransferRequest {
        transfer_id: Uuid::now_v7().to_string(),
        debit_account_id: debit.into(),
        credit_account_id: credit.into(),
        amount: Some(Money { minor_units, currency: "USD".into() }),
        code: "WALLET_PAY".into(),
        order_id: Uuid::now_v7().to_string(),
        hold_ttl_s: 0,
    }
}

/// From alice to the merchant.
pub fn pay(minor_units: i64) -> TransferRequest {
    transfer("USER_WALLET:alice:USD", "MERCHANT_PENDING:northwind:USD", minor_units)
}

pub fn branch_request(op: Op, gid: &Gid, body: TransferRequest) -> Request<TransferRequest> {
    let (trans_type, op) = match op {
        Op::Try => ("tcc", "try"),
        Op::Confirm => ("tcc", "confirm"),
        Op::Cancel => ("tcc", "cancel"),
        Op::Action => ("saga", "action"),
        Op::Compensate => ("saga", "compensate"),
    };
    let mut request = Request::new(body);
    let metadata = request.metadata_mut();
    metadata.insert("dtm-gid", gid.as_str().parse().unwrap());
    metadata.insert("dtm-trans_type", trans_type.parse().unwrap());
    metadata.insert("dtm-branch_id", "01".parse().unwrap());
    metadata.insert("dtm-op", op.parse().unwrap());
    request
}

pub fn all() -> ListRequest {
    ListRequest { cursor: String::new(), limit: 1_000 }
}

/// Code and reason of a refusal.
pub fn reason(status: &Status) -> (Code, &str) {
    (status.code(), status.message().split('|').next().unwrap())
}

pub fn is_replay<T>(response: &Response<T>) -> bool {
    response.metadata().get("x-replayed").is_some_and(|value| value == "1")
}
