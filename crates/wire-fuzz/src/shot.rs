//! One thing that is sent to one port, as it can be kept in a file and sent again, and what came of it. Knows no chance
//! and no network.
use amends_dtm::code_name;
use serde::{Deserialize, Serialize};
use tonic::Code;

/// What is sent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Shot {
    /// A call over an orderly HTTP/2 connection.
    Call(CallShot),
    /// Bytes on a connection of their own.
    Raw(RawShot),
}

/// One call. Its wrapping may be as wrong as its message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CallShot {
    /// HTTP method.
    pub verb: String,
    /// Path with its first slash.
    pub path: String,
    /// Header names and values, in this order.
    pub headers: Vec<(String, Bytes)>,
    /// Pieces of the body, each a DATA frame of its own.
    pub body: Vec<Bytes>,
    /// The body ends; else it is left open until we give up.
    pub ends: bool,
    /// What the message says, if it can be read, for people.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub decoded: String,
}

/// Bytes, with pauses.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RawShot {
    /// Which attack it is.
    pub name: String,
    /// In this order.
    pub steps: Vec<Step>,
}

/// One step of a raw attack.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Step {
    /// Written at once.
    Send(Bytes),
    /// The same bytes, so many times.
    Repeat(Bytes, u32),
    /// Written byte by byte with so many milliseconds in between.
    Drip(Bytes, u64),
    /// Nothing for so many milliseconds; what comes is read.
    Listen(u64),
    /// Our side is closed, theirs stays open.
    HalfClose,
}

/// Bytes, in files as hexadecimal digits.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Bytes(pub Vec<u8>);

impl Serialize for Bytes {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&hex::encode(&self.0))
    }
}

impl<'de> Deserialize<'de> for Bytes {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Bytes, D::Error> {
        let text = String::deserialize(deserializer)?;
        hex::decode(text).map(Bytes).map_err(serde::de::Error::custom)
    }
}

/// What came back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// A gRPC status.
    Status {
        /// Its number.
        code: i32,
        /// Its message, the beginning of it.
        message: String,
        /// It came with details.
        detailed: bool,
    },
    /// An HTTP answer that is none of gRPC, e.g. 405.
    Http(u16),
    /// The stream or connection was ended by the other side.
    Broken(String),
    /// We waited long enough.
    GaveUp,
    /// Nobody accepts connections.
    Unreachable(String),
    /// We could not send it: our own library refuses to.
    Unsent(String),
    /// A raw attack: so many bytes came, and the connection was closed or not.
    Heard {
        /// Bytes read.
        bytes: usize,
        /// The other side closed.
        closed: bool,
    },
}

impl Outcome {
    /// How it is counted: `OK`, `INVALID_ARGUMENT`, …, `http 415`, `gave up`.
    #[must_use]
    pub fn label(&self) -> String {
        match self {
            Outcome::Status { code, .. } => named(*code),
            Outcome::Http(status) => format!("http {status}"),
            Outcome::Broken(_) => "reset".to_owned(),
            Outcome::GaveUp => "gave up".to_owned(),
            Outcome::Unreachable(_) => "unreachable".to_owned(),
            Outcome::Unsent(_) => "unsent".to_owned(),
            Outcome::Heard { closed: true, .. } => "closed".to_owned(),
            Outcome::Heard { closed: false, .. } => "open".to_owned(),
        }
    }
}

/// The name of a gRPC code; a number that is none is told as it came.
fn named(code: i32) -> String {
    let known = Code::from_i32(code);
    if i32::from(known) == code { code_name(known).to_owned() } else { format!("code {code}") }
}

#[cfg(test)]
mod tests {
    use super::{Bytes, CallShot, Outcome, RawShot, Shot, Step};

    #[test]
    fn what_is_kept_is_what_was_sent() {
        let bytes = |bytes: &[u8]| Bytes(bytes.to_vec());
        let call = Shot::Call(CallShot {
            verb: "POST".into(),
            path: "/a/b".into(),
            headers: vec![("x".into(), bytes(&[0xff, 0]))],
            body: vec![bytes(&[0, 0, 0, 0, 1, 7])],
            ends: false,
            decoded: String::new(),
        });
        let raw = Shot::Raw(RawShot {
            name: "x".into(),
            steps: vec![Step::Repeat(bytes(b"PRI"), 3), Step::Drip(bytes(b"a"), 5), Step::HalfClose],
        });
        for shot in [call, raw] {
            let text = serde_json::to_string(&shot).unwrap();
            assert_eq!(serde_json::from_str::<Shot>(&text).unwrap(), shot, "{text}");
        }
    }

    #[test]
    fn codes_have_their_names() {
        let label = |code| Outcome::Status { code, message: String::new(), detailed: false }.label();
        assert_eq!(
            (label(0), label(13), label(16), label(99)),
            ("OK".into(), "INTERNAL".into(), "UNAUTHENTICATED".into(), "code 99".into())
        );
    }
}
