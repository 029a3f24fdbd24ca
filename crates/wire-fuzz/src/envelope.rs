//! What goes around a message: metadata and gRPC frames, right or wrong. Knows the words of branch calls, no message.
use crate::catalog::Kind;
use crate::dice::Dice;
use crate::samples::{CALLER, Known};
use crate::shot::Bytes;
use amends_dtm::metadata;
use amends_dtm::plan_mac::PlanMacKey;

/// Until when plan MACs are valid, in seconds since 1970: in the year 2100, so that a seed always sends the same.
const EXPIRY_UNIX_S: i64 = 4_102_444_800;
/// The plan that branch calls claim to belong to.
const PLAN_HASH: [u8; 32] = [7; 32];

/// Header names and values.
pub type Headers = Vec<(String, Bytes)>;

fn header(name: &str, value: impl Into<Vec<u8>>) -> (String, Bytes) {
    (name.to_owned(), Bytes(value.into()))
}

/// Metadata of a right call.
pub fn right(kind: Kind, key: Option<&PlanMacKey>, dice: &mut Dice, known: &Known) -> Headers {
    let mut headers = vec![
        header("content-type", "application/grpc"),
        header("te", "trailers"),
        header("amends-caller", CALLER),
    ];
    let (trans_type, op) = match kind {
        Kind::Direct => return headers,
        Kind::Branch(trans_type, op) => (trans_type, op),
        Kind::Relay => dice_pair(dice),
    };
    let gid = if kind == Kind::Relay { known.gid(dice) } else { dice.uuid7() };
    if let Some(key) = key {
        headers.push(header(metadata::PLAN_MAC, key.mint(&gid, &PLAN_HASH, EXPIRY_UNIX_S)));
    }
    headers.push(header(metadata::GID, gid));
    headers.push(header(metadata::BRANCH_ID, dice.pick(&["01", "02", "03"])));
    headers.push(header(metadata::TRANS_TYPE, trans_type));
    headers.push(header(metadata::OP, op));
    headers
}

fn dice_pair(dice: &mut Dice) -> (&'static str, &'static str) {
    let pairs =
        [("saga", "action"), ("saga", "compensate"), ("tcc", "confirm"), ("tcc", "cancel"), ("tcc", "try")];
    pairs[dice.below(pairs.len())]
}

/// Makes something of the metadata wrong, odd or too much.
pub fn disturb(headers: &mut Headers, dice: &mut Dice) {
    match dice.below(12) {
        0 if !headers.is_empty() => {
            headers.remove(dice.below(headers.len()));
        }
        1 | 2 if headers.len() > 3 => {
            // One of those behind the first three: the words of a branch call.
            let place = 3 + dice.below(headers.len() - 3);
            headers[place].1 = Bytes(odd_value(dice));
        }
        3 => headers.push(header("grpc-timeout", dice.pick(&TIMEOUTS))),
        4 => headers.push(header("traceparent", odd_value(dice))),
        5 => headers.push(header("x-long", vec![b'a'; dice.below(20_000)])),
        6 => {
            let count = dice.below(400);
            headers.extend((0..count).map(|at| header(&format!("x-many-{at}"), "v")));
        }
        7 => headers.push(header("grpc-encoding", dice.pick(&["gzip", "identity", "zstd", "br", ""]))),
        8 => headers.push(header("junk-bin", dice.pick(&["!!!!", "AAA", "AAAA", "=", "\u{ff}"]))),
        9 => {
            let types =
                ["application/json", "application/grpc+json", "application/grpc-web", "text/html", ""];
            headers.retain(|(name, _)| name != "content-type");
            headers.push(header("content-type", dice.pick(&types)));
        }
        10 => headers.push(header("amends-caller", odd_value(dice))),
        _ if !headers.is_empty() => {
            let again = headers[dice.below(headers.len())].clone();
            headers.push(again);
        }
        _ => {}
    }
}

/// Deadlines of every spelling.
const TIMEOUTS: [&str; 12] = [
    "1n",
    "0S",
    "1m",
    "99999999H",
    "100000000H",
    "-1S",
    "1",
    "S",
    "",
    "1x",
    "00000001S",
    "18446744073709551615n",
];

fn odd_value(dice: &mut Dice) -> Vec<u8> {
    match dice.below(9) {
        0 => Vec::new(),
        1 => vec![b'a'; 5_000],
        2 => "ä\u{1F4A3}".as_bytes().to_vec(),
        3 => vec![0xff, 0x80, 0xfe],
        4 => dice.uuid7().to_uppercase().into_bytes(),
        5 => format!("v1.{}.{EXPIRY_UNIX_S}.{}", "0".repeat(64), "0".repeat(64)).into_bytes(),
        6 => b"v1...".to_vec(),
        7 => b"00-00000000000000000000000000000000-0000000000000000-01".to_vec(),
        _ => dice.pick(&["saga", "confirm", "01", "-1", "none", "SAGA", "v1", "\t"]).as_bytes().to_vec(),
    }
}

/// Bytes of a body: what is sent in DATA frames, and whether it ends.
pub struct Body {
    /// One frame each.
    pub pieces: Vec<Bytes>,
    /// It ends; else it stays open.
    pub ends: bool,
}

/// One message in its frame, as it should be.
pub fn framed(message: &[u8]) -> Body {
    let length = u32::try_from(message.len()).unwrap_or(u32::MAX);
    Body { pieces: vec![Bytes(prefixed(0, length, message))], ends: true }
}

fn prefixed(flag: u8, length: u32, message: &[u8]) -> Vec<u8> {
    let mut bytes = vec![flag];
    bytes.extend(length.to_be_bytes());
    bytes.extend(message);
    bytes
}

/// The message in a frame that is wrong, or in odd pieces.
pub fn misframed(message: &[u8], dice: &mut Dice) -> Body {
    let length = u32::try_from(message.len()).unwrap_or(u32::MAX);
    let whole = prefixed(0, length, message);
    let one = |bytes: Vec<u8>| Body { pieces: vec![Bytes(bytes)], ends: true };
    match dice.below(11) {
        0 => one(prefixed(1, length, message)),
        1 => one(prefixed(u8::try_from(dice.below(256)).unwrap_or(7), length, message)),
        2 => one(prefixed(0, length.saturating_add(1), message)),
        3 => one(prefixed(0, length.saturating_sub(1), message)),
        4 => one(prefixed(0, u32::MAX, message)),
        5 => Body { pieces: Vec::new(), ends: true },
        6 => one([whole.clone(), whole].concat()),
        7 => {
            let pieces = whole.iter().take(200).map(|byte| Bytes(vec![*byte])).collect();
            Body { pieces, ends: true }
        }
        8 => one(whole[..dice.below(5)].to_vec()),
        // A little beyond what any message may have.
        9 => one(prefixed(0, 1_048_577, &vec![0x7a; 1_048_577])),
        _ => Body { pieces: vec![Bytes(whole[..whole.len() / 2].to_vec())], ends: false },
    }
}
