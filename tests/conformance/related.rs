//! Bad input in which each field is right by itself, but not together with the others or with what there is.
use crate::bodies::{Body, SCARCE, WALLET, id, usd};
use crate::deeds::Deed;
use crate::mutations::Case;
use amends_proto::pay::account::v1::TransferRequest;
use amends_proto::pay::inventory::v1::{Line as Goods, ReserveRequest};
use amends_proto::pay::money::v1::Money;
use amends_proto::pay::order::v1::{MarkPaidRequest, PlaceRequest};
use amends_proto::pay::points::v1::PointsRequest;
use prost::Message;

/// The cases of a deed, made from a valid body of it.
pub fn related(deed: Deed, valid: &[u8]) -> Vec<Case> {
    match deed.body {
        Body::Place => places(valid),
        Body::MarkPaid => payments(valid),
        Body::Reserve => reservations(valid),
        Body::Transfer => transfers(valid),
        Body::Points if deed.forward.ends_with("Burn") => burns(valid),
        Body::Points | Body::Pay => Vec::new(),
    }
}

type Change<M> = fn(&mut M);

fn changed<M: Message + Default>(valid: &[u8], changes: &[(&str, &'static str, Change<M>)]) -> Vec<Case> {
    let case = |(name, reason, change): &(&str, &'static str, Change<M>)| {
        let mut message = M::decode(valid).unwrap();
        change(&mut message);
        Case { name: (*name).to_owned(), body: message.encode_to_vec(), reason }
    };
    changes.iter().map(case).collect()
}

fn eur(money: &mut Option<Money>) {
    money.as_mut().unwrap().currency = "EUR".into();
}

fn places(valid: &[u8]) -> Vec<Case> {
    changed::<PlaceRequest>(
        valid,
        &[
            ("a total of one more", "TOTAL_MISMATCH", |it| it.total = usd(1_501)),
            ("a total of one less", "TOTAL_MISMATCH", |it| it.total = usd(1_499)),
            ("a total in EUR", "CURRENCY_MISMATCH", |it| eur(&mut it.total)),
            ("a line in EUR", "CURRENCY_MISMATCH", |it| eur(&mut it.lines[0].unit_price)),
            ("lines that overflow", "AMOUNT_OUT_OF_RANGE", |it| {
                it.lines[0].quantity = 1_000_000;
                it.lines[0].unit_price = usd(100_000_000_000_000);
            }),
        ],
    )
}

fn payments(valid: &[u8]) -> Vec<Case> {
    changed::<MarkPaidRequest>(
        valid,
        &[
            ("no such order", "ORDER_NOT_FOUND", |it| it.order_id = id()),
            ("another amount", "TOTAL_MISMATCH", |it| it.paid = usd(1)),
            ("paid in EUR", "CURRENCY_MISMATCH", |it| eur(&mut it.paid)),
        ],
    )
}

fn reservations(valid: &[u8]) -> Vec<Case> {
    changed::<ReserveRequest>(
        valid,
        &[
            ("a sku twice", "INVALID_REQUEST", |it| it.lines.push(it.lines[0].clone())),
            ("no such sku", "SKU_NOT_FOUND", |it| it.lines[0].sku = "zzz".into()),
            ("only the second sku is unknown", "SKU_NOT_FOUND", |it| {
                it.lines.push(Goods { sku: "zzz".into(), quantity: 1 });
            }),
            ("more than there is", "INSUFFICIENT_STOCK", |it| {
                it.lines.insert(0, Goods { sku: SCARCE.into(), quantity: 2 });
            }),
        ],
    )
}

fn transfers(valid: &[u8]) -> Vec<Case> {
    changed::<TransferRequest>(
        valid,
        &[
            ("an amount in EUR", "CURRENCY_MISMATCH", |it| eur(&mut it.amount)),
            ("to itself", "INVALID_REQUEST", |it| it.credit_account_id = WALLET.into()),
            ("from nowhere", "ACCOUNT_NOT_FOUND", |it| it.debit_account_id = "USER_WALLET:x:USD".into()),
            ("to nowhere", "ACCOUNT_NOT_FOUND", |it| it.credit_account_id = "USER_WALLET:x:USD".into()),
            ("more than there is", "INSUFFICIENT_FUNDS", |it| it.amount = usd(99_000_000_000_000)),
        ],
    )
}

fn burns(valid: &[u8]) -> Vec<Case> {
    changed::<PointsRequest>(
        valid,
        &[
            ("a stranger", "INSUFFICIENT_POINTS", |it| it.user_id = "stranger".into()),
            ("more than there are", "INSUFFICIENT_POINTS", |it| it.points = 99_000_000_000_000),
        ],
    )
}
