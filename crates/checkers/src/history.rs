//! Reads what the orchestrator's history says of global transactions.
use crate::read::pages;
use crate::targets::ReadError;
use amends_proto::amends::v1::transactions_client::TransactionsClient;
use amends_proto::amends::v1::{GetRequest, GlobalTransaction, ListRequest, Status};
use futures::{StreamExt as _, TryStreamExt as _};
use std::collections::BTreeMap;
use tonic::transport::Channel;

/// `Get` calls at one time.
const GETS_AT_ONCE: usize = 32;
const PAGE: i32 = 1_000;
const MAX_ANSWER_BYTES: usize = 64 << 20;

/// All global transactions with their steps, by gid.
pub(crate) async fn read(orchestrator: &Channel) -> Result<BTreeMap<String, GlobalTransaction>, ReadError> {
    let listed = list(orchestrator, &[]).await?;
    let client = TransactionsClient::new(orchestrator.clone()).max_decoding_message_size(MAX_ANSWER_BYTES);
    futures::stream::iter(listed)
        .map(|listed| {
            let mut client = client.clone();
            async move {
                let got = client.get(GetRequest { gid: listed.gid }).await;
                let got = got.map_err(|source| ReadError::Call {
                    what: "a global transaction",
                    source: Box::new(source),
                })?;
                let got = got.into_inner();
                Ok((got.gid.clone(), got))
            }
        })
        .buffer_unordered(GETS_AT_ONCE)
        .try_collect()
        .await
}

/// Global transactions of these statuses (none = all), without steps.
pub(crate) async fn list(
    orchestrator: &Channel,
    statuses: &[Status],
) -> Result<Vec<GlobalTransaction>, ReadError> {
    let client = TransactionsClient::new(orchestrator.clone()).max_decoding_message_size(MAX_ANSWER_BYTES);
    let statuses: Vec<i32> = statuses.iter().map(|status| (*status).into()).collect();
    pages("global transactions", |page_token| {
        let mut client = client.clone();
        let request = ListRequest {
            statuses: statuses.clone(),
            attention_only: false,
            page_size: PAGE,
            page_token,
            filter: String::new(),
        };
        async move {
            let answer = client.list(request).await?.into_inner();
            Ok((answer.transactions, answer.next_page_token))
        }
    })
    .await
}
