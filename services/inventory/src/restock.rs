//! Goods that arrive: a direct write that counts once for each key of each caller. Knows no branch.
use crate::entity::stock::Model;
use crate::queries::stock_to_wire;
use crate::{stock, validate};
use amends_participant::{Fault, Guard, Reason, Refusal, idempotency};
use amends_proto::pay::inventory::v1::{RestockRequest, Stock};
use amends_serve::store::LocalTransaction;
use tonic::{Request, Response, Status};

/// Takes goods in; the sku is made if it is new.
///
/// # Errors
/// Bad input uses up no key; more than one sku may ever hold does.
pub async fn restock(guard: &Guard, request: Request<RestockRequest>) -> Result<Response<Stock>, Status> {
    validate::restock(request.get_ref()).map_err(Refusal::into_direct_status)?;
    let key = request.get_ref().idempotency_key.clone();
    idempotency::run(guard, request, &key, |tx, call| Box::pin(receive(tx, call.body))).await
}

async fn receive(tx: &LocalTransaction, goods: RestockRequest) -> Result<Stock, Fault> {
    let stock: Option<Model> = stock::receive(tx, &goods.sku, goods.quantity).await?;
    let full = || Refusal::new(Reason::AmountOutOfRange, format!("sku {} holds all it can", goods.sku));
    Ok(stock_to_wire(stock.ok_or_else(full)?))
}
