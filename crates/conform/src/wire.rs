//! One call of a branch method with any bytes and any metadata, and what came back. Knows no descriptor and no rule.
use prost::bytes::{Buf as _, BufMut as _, Bytes};
use std::error::Error as _;
use std::fmt;
use std::time::Duration;
use tonic::client::Grpc;
use tonic::codec::{Codec, DecodeBuf, Decoder, EncodeBuf, Encoder};
use tonic::codegen::http::uri::PathAndQuery;
use tonic::metadata::{KeyAndValueRef, MetadataMap};
use tonic::transport::{Channel, Endpoint};
use tonic::{Code, Extensions, Request, Status};

use amends_dtm::code_name;

use crate::error::ConformError;

/// Time to connect.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// So much of a status message is shown.
const SHOWN_CHARS: usize = 120;

/// What came back.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Answer {
    pub code: Code,
    pub message: String,
    pub details: Vec<u8>,
    pub body: Vec<u8>,
    /// What trailers took on the wire, about.
    pub trailer_bytes: usize,
    /// Whether the participant said it; otherwise our own side made it of a broken connection or a passed deadline.
    pub is_heard: bool,
}

impl Answer {
    /// Whether both say the same, byte for byte.
    pub(crate) fn equals(&self, other: &Answer) -> bool {
        let said = |answer: &Answer| (answer.code, answer.message.clone(), answer.details.clone());
        said(self) == said(other) && self.body == other.body
    }

    fn of(status: &Status) -> Answer {
        let pairs = status.metadata().iter().map(|pair| match pair {
            KeyAndValueRef::Ascii(key, value) => key.as_str().len() + value.as_encoded_bytes().len(),
            KeyAndValueRef::Binary(key, value) => key.as_str().len() + value.as_encoded_bytes().len(),
        });
        Answer {
            code: status.code(),
            message: status.message().to_owned(),
            details: status.details().to_vec(),
            body: Vec::new(),
            // Details travel in base64.
            trailer_bytes: pairs.sum::<usize>()
                + status.message().len()
                + status.details().len().div_ceil(3) * 4,
            is_heard: status.source().is_none(),
        }
    }
}

impl fmt::Display for Answer {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = code_name(self.code);
        if self.code == Code::Ok {
            return write!(out, "{name}, {} bytes", self.body.len());
        }
        let shown: String = self.message.chars().take(SHOWN_CHARS).collect();
        let cut = if shown.len() < self.message.len() { "…" } else { "" };
        let from = if self.is_heard { "" } else { " (made by the caller's side)" };
        write!(out, "{name} `{shown}{cut}`{from}")
    }
}

/// Connects to host:port.
pub(crate) async fn connect(target: &str) -> Result<Channel, ConformError> {
    let endpoint = Endpoint::from_shared(format!("http://{target}"));
    let endpoint = endpoint.map_err(|_| ConformError::Target(target.to_owned()))?.tcp_nodelay(true);
    endpoint.connect_timeout(CONNECT_TIMEOUT).connect().await.map_err(|error| {
        let what = error.source().map_or_else(|| error.to_string(), ToString::to_string);
        ConformError::Unreachable { target: target.to_owned(), what }
    })
}

/// Makes one call; whatever goes wrong is an answer too.
pub(crate) async fn call(
    channel: &Channel,
    path: &PathAndQuery,
    metadata: MetadataMap,
    body: Bytes,
    timeout: Duration,
) -> Answer {
    let mut request = Request::from_parts(metadata, Extensions::default(), body);
    request.set_timeout(timeout);
    let unary = async {
        let mut grpc = Grpc::new(channel.clone());
        grpc.ready().await.map_err(|error| Status::from_error(error.into()))?;
        grpc.unary(request, path.clone(), Raw).await
    };
    let outcome = tokio::time::timeout(timeout, unary).await;
    match outcome {
        Ok(Ok(response)) => Answer {
            code: Code::Ok,
            message: String::new(),
            details: Vec::new(),
            body: response.into_inner().to_vec(),
            trailer_bytes: 0,
            is_heard: true,
        },
        Ok(Err(status)) => Answer::of(&status),
        Err(_) => {
            let late = Status::deadline_exceeded(format!("no answer within {} ms", timeout.as_millis()));
            Answer { is_heard: false, ..Answer::of(&late) }
        }
    }
}

/// Bytes as they are.
struct Raw;

impl Codec for Raw {
    type Encode = Bytes;
    type Decode = Bytes;
    type Encoder = Raw;
    type Decoder = Raw;

    fn encoder(&mut self) -> Raw {
        Raw
    }

    fn decoder(&mut self) -> Raw {
        Raw
    }
}

impl Encoder for Raw {
    type Item = Bytes;
    type Error = Status;

    fn encode(&mut self, item: Bytes, buffer: &mut EncodeBuf<'_>) -> Result<(), Status> {
        buffer.put(item);
        Ok(())
    }
}

impl Decoder for Raw {
    type Item = Bytes;
    type Error = Status;

    fn decode(&mut self, buffer: &mut DecodeBuf<'_>) -> Result<Option<Bytes>, Status> {
        Ok(Some(buffer.copy_to_bytes(buffer.remaining())))
    }
}
