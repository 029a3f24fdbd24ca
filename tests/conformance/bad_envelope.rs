//! Calls whose message may be right but whose wrapping is not: metadata, plan MAC, size, bytes, method. No effect, and
//! the guard remembers nothing.
use crate::bodies::path;
use crate::deeds::{Branch, Call, DEEDS, Deed, service};
use crate::steady::Steady;
use crate::wire::{self, Reply, branch_metadata};
use crate::world::{Auth, PLAN_HASH, World, alone, run, unix_now_s};
use amends_dtm::plan_mac::PlanMacKey;
use amends_dtm::{Gid, metadata};
use amends_stack::Role;
use tonic::Code;
use tonic::metadata::{MetadataMap, MetadataValue};

const MAX_MESSAGE_BYTES: usize = 1024 * 1024;
/// Tag of a field that no message of ours has, length-delimited.
const UNKNOWN_FIELD: [u8; 2] = [0xfa, 0x7f];

/// The metadata of a right call, with one word changed or (none) missing.
fn with(world: &World, deed: Deed, call: Call, name: &'static str, value: Option<&str>) -> MetadataMap {
    let gid = Gid::generate();
    let mac = world.mac(&gid);
    let mut map = branch_metadata(&gid, "01", deed.trans_type(), deed.op(call), mac.as_deref());
    match value {
        Some(value) => map.insert(name, MetadataValue::try_from(value).unwrap()),
        None => map.remove(name),
    };
    map
}

async fn send(world: &World, deed: Deed, call: Call, body: &[u8], metadata: MetadataMap) -> Reply {
    wire::call(world.channel(deed.role), &deed.path(call), body.to_vec(), metadata).await
}

#[test]
fn a_branch_call_without_its_metadata_is_not_heard() {
    run(without_metadata(Auth::Required));
}

#[test]
fn a_branch_call_without_its_metadata_is_not_heard_where_no_mac_is_wanted_either() {
    run(without_metadata(Auth::Off));
}

async fn without_metadata(auth: Auth) {
    const WRONG: [(&str, &[Option<&str>]); 4] = [
        (
            metadata::GID,
            &[
                None,
                Some(""),
                Some("1"),
                Some("0192D3C4-5B6A-7F01-8ABC-0123456789AB"),
                Some("0192d3c4-5b6a-4f01-8abc-0123456789ab"),
            ],
        ),
        (metadata::BRANCH_ID, &[None, Some(""), Some("1"), Some("x"), Some("01/02")]),
        (metadata::TRANS_TYPE, &[None, Some(""), Some("SAGA"), Some("none")]),
        (metadata::OP, &[None, Some(""), Some("ACTION"), Some("run")]),
    ];
    let turn = alone(auth).await;
    for deed in DEEDS {
        let valid = deed.body.fresh(turn.world).await;
        let before = Steady::of(turn.world, deed.role).await;
        for call in deed.calls() {
            let foreign = foreign_op(call);
            let wrong = WRONG.iter().flat_map(|(name, values)| values.iter().map(|value| (*name, *value)));
            for (name, value) in wrong.chain([(metadata::OP, Some(foreign))]) {
                let what = format!("{} with {name} = {value:?}", deed.method(call));
                let metadata = with(turn.world, deed, call, name, value);
                let reply = send(turn.world, deed, call, &valid, metadata).await;
                let expected = (Code::Unauthenticated, "MISSING_BRANCH_METADATA");
                assert_eq!(reply.refusal(), expected, "{what}");
                before.still(0, &what).await;
            }
        }
    }
}

/// An op that DTM knows, but not for this kind of method.
fn foreign_op(call: Call) -> &'static str {
    match call {
        Call::Forward => "confirm",
        Call::Confirm => "cancel",
        Call::Undo => "action",
    }
}

#[test]
fn a_branch_call_without_a_valid_plan_mac_is_not_heard() {
    run(async {
        let turn = alone(Auth::Required).await;
        for deed in DEEDS {
            let valid = deed.body.fresh(turn.world).await;
            let before = Steady::of(turn.world, deed.role).await;
            for call in deed.calls() {
                let gid = Gid::generate();
                for (label, mac) in bad_macs(&turn.world.key, &gid) {
                    let what = format!("{} with {label}", deed.method(call));
                    let map = branch_metadata(&gid, "01", deed.trans_type(), deed.op(call), mac.as_deref());
                    let reply = send(turn.world, deed, call, &valid, map).await;
                    assert_eq!(reply.refusal(), (Code::Unauthenticated, "BAD_PLAN_MAC"), "{what}");
                    before.still(0, &what).await;
                }
            }
        }
    });
}

fn bad_macs(key: &PlanMacKey, gid: &Gid) -> Vec<(&'static str, Option<String>)> {
    let (now, later) = (unix_now_s(), unix_now_s() + 3_600);
    let right = key.mint(gid, &PLAN_HASH, later);
    let foreign_key = PlanMacKey::generate().unwrap();
    let (head, tag) = right.rsplit_once('.').unwrap();
    let mut parts: Vec<&str> = right.split('.').collect();
    let far = (later + 86_400).to_string();
    parts[2] = &far;
    vec![
        ("no MAC", None),
        ("an empty MAC", Some(String::new())),
        ("no MAC at all in it", Some("v1".to_owned())),
        ("a MAC of another key", Some(foreign_key.mint(gid, &PLAN_HASH, later))),
        ("a MAC of another gid", Some(key.mint(Gid::generate(), &PLAN_HASH, later))),
        ("an expired MAC", Some(key.mint(gid, &PLAN_HASH, now - 1))),
        ("a MAC whose expiry was moved", Some(parts.join("."))),
        ("a MAC of another version", Some(right.replacen("v1", "v2", 1))),
        ("a MAC without its tag", Some(head.to_owned())),
        ("a MAC with half of its tag", Some(format!("{head}.{}", &tag[..32]))),
        ("a MAC with more behind it", Some(format!("{right}.x"))),
    ]
}

#[test]
fn a_message_that_is_too_large_or_no_message_has_no_effect() {
    run(async {
        let turn = alone(Auth::Required).await;
        for deed in DEEDS {
            let valid = deed.body.fresh(turn.world).await;
            let before = Steady::of(turn.world, deed.role).await;
            let torn = [&valid[..], &[0x0a, 0x7f, 0x01]].concat();
            let not_utf8 = [&valid[..], &[0x0a, 0x02, 0xff, 0xfe]].concat();
            let wrong_type = [&valid[..], &[0x08, 0x01]].concat();
            for call in deed.calls() {
                for (label, body, code) in [
                    ("too large", padded(&valid, MAX_MESSAGE_BYTES + 1), Code::OutOfRange),
                    ("torn", torn.clone(), Code::InvalidArgument),
                    ("not UTF-8", not_utf8.clone(), Code::InvalidArgument),
                    ("of another type", wrong_type.clone(), Code::InvalidArgument),
                ] {
                    let what = format!("{} with a message that is {label}", deed.method(call));
                    let reply = deed.branch().call(turn.world, call, &body).await;
                    assert_eq!(reply.code, code, "{what}: {reply:?}");
                    before.still(0, &what).await;
                }
            }
        }
    });
}

/// The same message with an unknown field, `size` bytes in all.
fn padded(valid: &[u8], size: usize) -> Vec<u8> {
    let mut body = valid.to_vec();
    body.extend(UNKNOWN_FIELD);
    let rest = size - body.len() - 3;
    let length = u32::try_from(rest).unwrap();
    let septet = |shift: u32| u8::try_from(length >> shift & 0x7f).unwrap();
    body.extend([septet(0) | 0x80, septet(7) | 0x80, septet(14)]);
    body.resize(size, 0);
    body
}

#[test]
fn a_message_of_a_newer_version_is_understood() {
    run(async {
        let turn = alone(Auth::Required).await;
        for deed in DEEDS {
            let valid = deed.body.fresh(turn.world).await;
            let branch: Branch = deed.branch();
            let newer = branch.call(turn.world, Call::Forward, &padded(&valid, MAX_MESSAGE_BYTES)).await;
            assert_eq!(newer.code, Code::Ok, "{}: {newer:?}", deed.forward);
            let older = branch.call(turn.world, Call::Forward, &valid).await;
            assert_eq!((older.unmarked(), older.replayed), (newer, true), "{}", deed.forward);
        }
    });
}

#[test]
fn a_method_that_does_not_exist_is_unimplemented() {
    run(async {
        let turn = alone(Auth::Required).await;
        for role in Role::PARTICIPANTS {
            let before = Steady::of(turn.world, role).await;
            let gid = Gid::generate();
            for path in
                [path(role, "Destroy"), path(role, ""), format!("{}X/Get", service(role)), "a/b".into()]
            {
                let mac = turn.world.mac(&gid);
                let metadata = branch_metadata(&gid, "01", "saga", "action", mac.as_deref());
                let reply = wire::call(turn.world.channel(role), &path, Vec::new(), metadata).await;
                assert_eq!(reply.code, Code::Unimplemented, "{path}: {reply:?}");
                before.still(0, &path).await;
            }
        }
    });
}
