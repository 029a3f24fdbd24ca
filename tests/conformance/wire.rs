//! Calls whose bodies are bytes, so that any of them may be wrong, and answers down to their details. Knows no service.
use amends_dtm::{Gid, metadata};
use prost::Message;
use prost::bytes::{Buf as _, BufMut as _};
use std::fmt;
use std::time::Duration;
use tonic::client::Grpc;
use tonic::codec::{Codec, DecodeBuf, Decoder, EncodeBuf, Encoder};
use tonic::codegen::http::uri::PathAndQuery;
use tonic::metadata::{MetadataMap, MetadataValue};
use tonic::transport::Channel;
use tonic::{Code, Extensions, Request, Status};
use tonic_types::StatusExt as _;

/// No call of a test takes longer.
const PATIENCE: Duration = Duration::from_secs(20);
/// Marks an answer that was stored earlier.
const REPLAYED: &str = "x-replayed";

/// What came back.
#[derive(Clone, PartialEq, Eq)]
pub struct Reply {
    pub code: Code,
    pub message: String,
    /// `reason` of `google.rpc.ErrorInfo`.
    pub info: Option<String>,
    pub details: Vec<u8>,
    pub body: Vec<u8>,
    pub replayed: bool,
}

impl Reply {
    /// The word before the bar.
    pub fn reason(&self) -> &str {
        self.message.split('|').next().unwrap_or_default()
    }

    /// Code and reason, after the form that all refusals have was checked: short, and the reason for programs too.
    pub fn refusal(&self) -> (Code, &str) {
        assert!(self.message.len() <= 256, "too long: {self:?}");
        assert_eq!(self.info.as_deref(), Some(self.reason()), "ErrorInfo and message differ: {self:?}");
        (self.code, self.reason())
    }

    /// The answer without the mark that it was given before.
    pub fn unmarked(&self) -> Reply {
        Reply { replayed: false, ..self.clone() }
    }

    /// The decoded body of an OK.
    pub fn decoded<M: Message + Default>(&self) -> M {
        assert_eq!(self.code, Code::Ok, "{self:?}");
        M::decode(self.body.as_slice()).unwrap()
    }
}

/// Short: a failing test may show a hundred of them.
impl fmt::Debug for Reply {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Reply { code, message, info, body, replayed, .. } = self;
        let message: String = message.chars().take(300).collect();
        let mark = if *replayed { ", replayed" } else { "" };
        write!(out, "{code:?} `{message}` info {info:?}, body of {} bytes{mark}", body.len())
    }
}

/// Calls `path` (`package.Service/Method`).
pub async fn call(channel: &Channel, path: &str, body: Vec<u8>, metadata: MetadataMap) -> Reply {
    let path: PathAndQuery = format!("/{path}").parse().unwrap();
    let mut request = Request::from_parts(metadata, Extensions::default(), body);
    request.set_timeout(PATIENCE);
    let mut grpc = Grpc::new(channel.clone());
    grpc.ready().await.unwrap();
    match grpc.unary(request, path, Raw).await {
        Ok(response) => Reply {
            code: Code::Ok,
            message: String::new(),
            info: None,
            details: Vec::new(),
            replayed: marked(response.metadata()),
            body: response.into_inner(),
        },
        Err(status) => refused(&status),
    }
}

fn refused(status: &Status) -> Reply {
    Reply {
        code: status.code(),
        message: status.message().to_owned(),
        info: status.get_details_error_info().map(|info| info.reason),
        details: status.details().to_vec(),
        body: Vec::new(),
        replayed: marked(status.metadata()),
    }
}

fn marked(metadata: &MetadataMap) -> bool {
    metadata.get(REPLAYED).is_some_and(|value| value == "1")
}

/// The metadata of a branch call.
pub fn branch_metadata(
    gid: &Gid,
    branch_id: &str,
    trans_type: &str,
    op: &str,
    mac: Option<&str>,
) -> MetadataMap {
    let mut map = MetadataMap::new();
    let words = [
        (metadata::GID, Some(gid.as_str())),
        (metadata::BRANCH_ID, Some(branch_id)),
        (metadata::TRANS_TYPE, Some(trans_type)),
        (metadata::OP, Some(op)),
        (metadata::PLAN_MAC, mac),
    ];
    for (name, value) in words {
        if let Some(value) = value {
            map.insert(name, MetadataValue::try_from(value).unwrap());
        }
    }
    map
}

/// Bytes as they are.
struct Raw;

impl Codec for Raw {
    type Encode = Vec<u8>;
    type Decode = Vec<u8>;
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
    type Item = Vec<u8>;
    type Error = Status;

    fn encode(&mut self, item: Vec<u8>, buffer: &mut EncodeBuf<'_>) -> Result<(), Status> {
        buffer.put_slice(&item);
        Ok(())
    }
}

impl Decoder for Raw {
    type Item = Vec<u8>;
    type Error = Status;

    fn decode(&mut self, buffer: &mut DecodeBuf<'_>) -> Result<Option<Vec<u8>>, Status> {
        let mut body = vec![0; buffer.remaining()];
        buffer.copy_to_slice(&mut body);
        Ok(Some(body))
    }
}
