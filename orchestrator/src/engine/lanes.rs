//! Lanes: one bounded way to each participant, and one attempt of one op over it.
//! Must not know history or what an outcome leads to.

use super::wire::Wire;
use amends_dtm::{Outcome, metadata};
use bytes::{Buf as _, BufMut as _, Bytes};
use http::Uri;
use http::uri::PathAndQuery;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tonic::codec::{Codec, DecodeBuf, Decoder, EncodeBuf, Encoder};
use tonic::metadata::{MetadataMap, MetadataValue};
use tonic::{Code, Status};

/// Calls in flight to one participant: enough for a quick one, few enough to not drown a slow one.
pub const MAX_IN_FLIGHT: usize = 128;
/// All participants by name: the allow-list (payments-domain.md §3). Nothing else is ever called.
#[derive(Debug, Clone)]
pub struct Lanes {
    by_name: Arc<BTreeMap<String, Lane>>,
}

/// The way to one participant.
#[derive(Debug, Clone)]
pub struct Lane {
    address: String,
    origin: Uri,
    wire: Wire,
    permits: Arc<Semaphore>,
}

/// One call to be made.
#[derive(Debug, Clone)]
pub struct Attempt<'a> {
    /// Full name of the method, `package.Service/Method`.
    pub method: &'a str,
    /// The request message, encoded.
    pub payload: Bytes,
    /// Who calls for what.
    pub headers: MetadataMap,
    /// An unknown outcome after this time.
    pub timeout: Duration,
}

/// What came of an attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answered {
    /// The checked meaning.
    pub outcome: Outcome,
    /// gRPC code name.
    pub code: &'static str,
    /// The participant's text.
    pub reason: String,
}

/// A participant's address that is not one.
#[derive(Debug, thiserror::Error)]
#[error("participant {name}: {address} is not host:port")]
pub struct AddressError {
    name: String,
    address: String,
    #[source]
    source: http::uri::InvalidUri,
}

impl Lanes {
    /// Lanes to `participants`, name and host:port each. Connects when first used.
    ///
    /// # Errors
    /// Where an address is malformed.
    pub fn new(participants: &BTreeMap<String, String>) -> Result<Self, AddressError> {
        let lane = |(name, address): (&String, &String)| {
            let origin = Uri::from_maybe_shared(format!("http://{address}"))
                .map_err(|source| AddressError { name: name.clone(), address: address.clone(), source })?;
            let permits = Arc::new(Semaphore::new(MAX_IN_FLIGHT));
            Ok((name.clone(), Lane { address: address.clone(), origin, wire: Wire::new(address), permits }))
        };
        let by_name = participants.iter().map(lane).collect::<Result<_, _>>()?;
        Ok(Self { by_name: Arc::new(by_name) })
    }

    /// The lane of a participant, if it is on the allow-list.
    #[must_use]
    pub fn get(&self, participant: &str) -> Option<&Lane> {
        self.by_name.get(participant)
    }

    /// Names and addresses.
    pub fn addresses(&self) -> impl Iterator<Item = (&str, &str)> {
        self.by_name.iter().map(|(name, lane)| (name.as_str(), lane.address.as_str()))
    }
}

impl Lane {
    /// A client on the lane's connection. What it asks besides attempts takes no room.
    pub(super) fn client(&self) -> tonic::client::Grpc<Wire> {
        tonic::client::Grpc::with_origin(self.wire.clone(), self.origin.clone())
    }

    /// Waits for room in the lane; the attempt that it is for may have become unwanted meanwhile.
    pub async fn room(&self) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.permits).acquire_owned().await.ok()
    }

    /// Makes one attempt, in the room that was waited for.
    pub async fn call(&self, attempt: Attempt<'_>) -> Answered {
        match tokio::time::timeout(attempt.timeout, self.unary(&attempt)).await {
            Ok(Ok(())) => Answered { outcome: Outcome::Succeeded, code: "OK", reason: String::new() },
            Ok(Err(status)) => Answered::of(&status),
            Err(_) => Answered::of(&Status::deadline_exceeded("ATTEMPT_TIMEOUT|no answer in time")),
        }
    }

    async fn unary(&self, attempt: &Attempt<'_>) -> Result<(), Status> {
        let path = PathAndQuery::from_maybe_shared(format!("/{}", attempt.method))
            .map_err(|_| Status::internal("BAD_METHOD|the plan names no method"))?;
        let mut request = tonic::Request::new(attempt.payload.clone());
        *request.metadata_mut() = attempt.headers.clone();
        request.set_timeout(attempt.timeout);
        self.client().unary(request, path, RawCodec).await.map(|_| ())
    }
}

impl Answered {
    fn of(status: &Status) -> Self {
        Self {
            outcome: Outcome::of(status.code()),
            code: code_name(status.code()),
            reason: status.message().to_owned(),
        }
    }
}

/// Metadata that names a branch op to a participant, as DTM itself would send it.
#[must_use]
pub fn branch_headers(gid: &str, trans_type: &str, branch_id: &str, op: &str, mac: &str) -> MetadataMap {
    let mut headers = MetadataMap::with_capacity(8);
    for (key, value) in [
        (metadata::GID, gid),
        (metadata::TRANS_TYPE, trans_type),
        (metadata::BRANCH_ID, branch_id),
        (metadata::OP, op),
        (metadata::PLAN_MAC, mac),
    ] {
        if let Ok(value) = MetadataValue::try_from(value) {
            headers.insert(key, value);
        }
    }
    headers
}

/// Name of a code as gRPC spells it.
#[must_use]
pub fn code_name(code: Code) -> &'static str {
    match code {
        Code::Ok => "OK",
        Code::Cancelled => "CANCELLED",
        Code::Unknown => "UNKNOWN",
        Code::InvalidArgument => "INVALID_ARGUMENT",
        Code::DeadlineExceeded => "DEADLINE_EXCEEDED",
        Code::NotFound => "NOT_FOUND",
        Code::AlreadyExists => "ALREADY_EXISTS",
        Code::PermissionDenied => "PERMISSION_DENIED",
        Code::ResourceExhausted => "RESOURCE_EXHAUSTED",
        Code::FailedPrecondition => "FAILED_PRECONDITION",
        Code::Aborted => "ABORTED",
        Code::OutOfRange => "OUT_OF_RANGE",
        Code::Unimplemented => "UNIMPLEMENTED",
        Code::Internal => "INTERNAL",
        Code::Unavailable => "UNAVAILABLE",
        Code::DataLoss => "DATA_LOSS",
        Code::Unauthenticated => "UNAUTHENTICATED",
    }
}

/// Sends bytes as they are and ignores the reply's body: any service can be a participant.
struct RawCodec;

struct RawEncoder;

struct IgnoringDecoder;

impl Codec for RawCodec {
    type Encode = Bytes;
    type Decode = ();
    type Encoder = RawEncoder;
    type Decoder = IgnoringDecoder;

    fn encoder(&mut self) -> RawEncoder {
        RawEncoder
    }

    fn decoder(&mut self) -> IgnoringDecoder {
        IgnoringDecoder
    }
}

impl Encoder for RawEncoder {
    type Item = Bytes;
    type Error = Status;

    fn encode(&mut self, item: Bytes, target: &mut EncodeBuf<'_>) -> Result<(), Status> {
        target.put(item);
        Ok(())
    }
}

impl Decoder for IgnoringDecoder {
    type Item = ();
    type Error = Status;

    fn decode(&mut self, source: &mut DecodeBuf<'_>) -> Result<Option<()>, Status> {
        source.advance(source.remaining());
        Ok(Some(()))
    }
}
