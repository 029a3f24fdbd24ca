//! One attempt of one op over a lane, and what its answer means. Must not know history or what an outcome leads to.

use super::Lane;
use super::breaker::Sign;
use amends_dtm::{Op, Outcome, code_name, metadata};
use bytes::{Buf as _, BufMut as _, Bytes};
use http::uri::PathAndQuery;
use std::time::Duration;
use tokio::time::{Instant, timeout};
use tonic::Status;
use tonic::codec::{Codec, DecodeBuf, Decoder, EncodeBuf, Encoder};
use tonic::metadata::{MetadataMap, MetadataValue};

/// One call to be made.
#[derive(Debug, Clone)]
pub struct Attempt<'a> {
    /// The op that it is an attempt of.
    pub op: Op,
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

impl Lane {
    /// Makes one attempt, in the room that was waited for.
    pub async fn call(&self, attempt: Attempt<'_>) -> Answered {
        let began = Instant::now();
        let answered = match timeout(attempt.timeout, self.unary(&attempt)).await {
            Ok(Ok(())) => Answered { outcome: Outcome::Succeeded, code: "OK", reason: String::new() },
            Ok(Err(status)) => Answered::of(&status),
            Err(_) => Answered::of(&Status::deadline_exceeded("ATTEMPT_TIMEOUT|no answer in time")),
        };
        self.meters.called(attempt.op, answered.outcome, began.elapsed());
        answered
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
    /// There was no room for the call in time; it was not made.
    #[must_use]
    pub fn no_room() -> Self {
        Self::of(&Status::unavailable("LANE_FULL|there was no room for the call"))
    }

    fn of(status: &Status) -> Self {
        Self {
            outcome: Outcome::of(status.code()),
            code: code_name(status.code()),
            reason: status.message().to_owned(),
        }
    }

    /// What it says about the participant. "In progress" is never held against it, however long it took; no other
    /// answer is, if it came in time: what it refuses or forbids, it has understood.
    #[must_use]
    pub fn sign(&self, took: Duration, slow: Option<Duration>) -> Sign {
        let is_ill = match self.outcome {
            Outcome::InProgress => false,
            Outcome::Unknown if ILL.contains(&self.code) => true,
            Outcome::Succeeded | Outcome::Refused | Outcome::Unknown => slow.is_some_and(|slow| took >= slow),
        };
        if is_ill { Sign::Ill } else { Sign::Well }
    }
}

/// Codes that say: it cannot, or is not there. `UNKNOWN` is also what a broken connection comes to.
const ILL: [&str; 6] =
    ["UNAVAILABLE", "DEADLINE_EXCEEDED", "RESOURCE_EXHAUSTED", "UNKNOWN", "INTERNAL", "CANCELLED"];

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

#[cfg(test)]
mod tests {
    use super::*;
    use tonic::Code;

    #[test]
    fn only_a_participant_that_cannot_or_is_slow_is_ill() {
        let slow = Some(Duration::from_secs(5));
        let sign = |code: Code, ms: u64| {
            Answered::of(&Status::new(code, "R|x")).sign(Duration::from_millis(ms), slow)
        };
        for code in [Code::Unavailable, Code::DeadlineExceeded, Code::Internal, Code::Unknown] {
            assert_eq!(sign(code, 1), Sign::Ill, "{code:?}");
        }
        for code in [Code::Ok, Code::Aborted, Code::InvalidArgument, Code::Unimplemented] {
            assert_eq!((sign(code, 4_999), sign(code, 5_000)), (Sign::Well, Sign::Ill), "{code:?}");
            let never = Answered::of(&Status::new(code, "")).sign(Duration::from_secs(99), None);
            assert_eq!(never, Sign::Well);
        }
        assert_eq!(sign(Code::FailedPrecondition, 60_000), Sign::Well);
    }
}
