//! What must be there before the first order: accounts, wallets with money, stock. Each call is idempotent by its key.
use super::data::{CURRENCY, Data, MERCHANT, Names};
use super::factor::Factor;
use amends_checkers::Targets;
use amends_proto::pay::account::v1::account_service_client::AccountServiceClient;
use amends_proto::pay::account::v1::{AccountType, DepositRequest, GetRequest, OpenRequest};
use amends_proto::pay::inventory::v1::RestockRequest;
use amends_proto::pay::inventory::v1::inventory_service_client::InventoryServiceClient;
use amends_proto::pay::money::v1::Money;
use anyhow::Context as _;
use tonic::transport::Channel;

/// How far below zero the merchant may come; reversals need none of it while nothing is paid out.
const MERCHANT_FLOOR: i64 = -1_000_000_000;

/// Opens accounts, gives every customer what all of their orders cost, and fills the stock.
pub async fn seed(targets: &Targets, data: &Data, names: &Names, factor: Factor) -> anyhow::Result<()> {
    let participant = |name: &str| {
        targets
            .participants
            .get(name)
            .cloned()
            .with_context(|| format!("the orchestrator names no {name} service"))
    };
    let mut accounts = AccountServiceClient::new(participant("account")?);
    open(&mut accounts, format!("MERCHANT_PENDING:{MERCHANT}:{CURRENCY}"), MERCHANT, AccountType::Merchant)
        .await?;
    for (customer_id, sum) in data.spending()? {
        let wallet = names.wallet(customer_id);
        open(&mut accounts, wallet.clone(), &names.name(customer_id), AccountType::UserWallet).await?;
        if sum > 0 {
            let amount = Some(Money { minor_units: sum, currency: CURRENCY.to_owned() });
            let idempotency_key = names.name(&format!("replay-{customer_id}"));
            let request = DepositRequest { account_id: wallet, amount, idempotency_key };
            accounts.deposit(request).await.with_context(|| format!("deposit for {customer_id}"))?;
        }
    }
    let mut inventory = InventoryServiceClient::new(participant("inventory")?);
    for product in &data.products {
        let quantity = factor.of(product.units_in_stock).context("--stock-factor is too large")?;
        let idempotency_key = names.name(&format!("replay-{}", product.sku));
        let request = RestockRequest { sku: names.name(&product.sku), quantity, idempotency_key };
        inventory.restock(request).await.with_context(|| format!("restock {}", product.sku))?;
    }
    Ok(())
}

/// Opens an account. One that exists with other content, e.g. another floor of the merchant, will do as well.
async fn open(
    client: &mut AccountServiceClient<Channel>,
    account_id: String,
    owner: &str,
    kind: AccountType,
) -> anyhow::Result<()> {
    let request = OpenRequest {
        account_id: account_id.clone(),
        owner: owner.to_owned(),
        r#type: kind.into(),
        currency: CURRENCY.to_owned(),
        floor: if kind == AccountType::Merchant { MERCHANT_FLOOR } else { 0 },
    };
    if let Err(refused) = client.open(request).await {
        let exists = client.get(GetRequest { account_id: account_id.clone() }).await.is_ok();
        if !exists {
            return Err(refused).with_context(|| format!("open {account_id}"));
        }
    }
    Ok(())
}
