//! The whole history of one global transaction as one JSON document. It is written as it is read: what cannot be read to its
//! end is no document, and only one that has everything says `"complete": true`.

use super::Desk;
use super::failure::Failure;
use crate::masking;
use amends_proto::amends::v1::{GetHistoryRequest, GetHistoryResponse};
use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::header;
use axum::response::{IntoResponse as _, Response};
use futures::stream::{self, Stream};
use prost::Message as _;
use prost_reflect::MessageDescriptor;
use std::sync::Arc;
use tonic::Status;

/// Events that are read and kept at once.
const EVENTS_AT_ONCE: i32 = 1_000;

/// Reads it.
pub async fn history(State(desk): State<Arc<Desk>>, Path(gid): Path<String>) -> Result<Response, Failure> {
    let event = masking::message("amends.v1.Event").ok_or_else(|| unwritable(0))?;
    // What is refused is refused before anything is written.
    let first = read(&desk, &gid, 1).await?;
    let begin = written(&event, &first)?;
    let name = format!("attachment; filename=\"{gid}.json\"");
    let kind = [(header::CONTENT_TYPE, "application/json".to_owned()), (header::CONTENT_DISPOSITION, name)];
    let begin = format!("{{\"gid\":\"{gid}\",\"events\":[\n{begin}");
    let body = parts(Reading { desk, gid, event }, begin, first.next_seq);
    Ok((kind, Body::from_stream(body)).into_response())
}

/// What is being read.
struct Reading {
    desk: Arc<Desk>,
    gid: String,
    event: MessageDescriptor,
}

/// What comes next.
enum Next {
    Begin(String, i64),
    From(i64),
    Nothing,
}

fn parts(reading: Reading, begin: String, next_seq: i64) -> impl Stream<Item = Result<String, Status>> {
    let start = (reading, Next::Begin(begin, next_seq));
    stream::try_unfold(start, async |(reading, next)| match next {
        Next::Begin(text, next_seq) => Ok(Some((text, (reading, Next::From(next_seq))))),
        Next::From(0) => Ok(Some(("\n],\"complete\":true}\n".to_owned(), (reading, Next::Nothing)))),
        Next::From(seq) => {
            let page = read(&reading.desk, &reading.gid, seq).await?;
            let text = written(&reading.event, &page)?;
            let text = if text.is_empty() { text } else { format!(",\n{text}") };
            Ok(Some((text, (reading, Next::From(page.next_seq)))))
        }
        Next::Nothing => Ok(None),
    })
}

async fn read(desk: &Desk, gid: &str, from_seq: i64) -> Result<GetHistoryResponse, Status> {
    let _turn = desk.turn().await;
    let request = GetHistoryRequest { gid: gid.to_owned(), from_seq, page_size: EVENTS_AT_ONCE };
    Ok(desk.api.transactions().get_history(request).await?.into_inner())
}

/// Its events, or that one of them cannot be written: a history with a hole is none.
fn written(event: &MessageDescriptor, page: &GetHistoryResponse) -> Result<String, Status> {
    let json = |one: &amends_proto::amends::v1::Event| {
        masking::json(event, &one.encode_to_vec()).ok_or_else(|| unwritable(one.seq))
    };
    let events: Vec<String> = page.events.iter().map(json).collect::<Result<_, _>>()?;
    Ok(events.join(",\n"))
}

fn unwritable(seq: i64) -> Status {
    Status::internal(format!("UNWRITABLE|event {seq} cannot be written as JSON"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use amends_proto::amends::v1::Event;

    #[test]
    fn a_history_with_a_hole_is_none() {
        let page = GetHistoryResponse { events: vec![Event { seq: 7, ..Event::default() }], next_seq: 0 };
        let event = masking::message("amends.v1.Event").unwrap();
        assert!(written(&event, &page).unwrap().contains("\"seq\":7"));
        let other = masking::message("amends.v1.Attention").unwrap();
        assert_eq!(written(&other, &page).unwrap_err().code(), tonic::Code::Internal);
    }
}
