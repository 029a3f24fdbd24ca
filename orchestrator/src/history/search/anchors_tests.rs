//! Which ways are chosen, and that no row that fits lies beside them.
use super::*;
use crate::filter::parse;

fn shape(id: i64, definition: &str, participants: &str) -> shape::Model {
    shape::Model {
        id,
        definition: definition.into(),
        mode: "saga".into(),
        coordinator: "dtm".into(),
        participants: participants.into(),
        steps: String::new(),
    }
}

fn ways(text: &str) -> Vec<Anchor> {
    let known = Known {
        shapes: vec![shape(1, "checkout", "\norder\ngateway\n"), shape(2, "bench", "\nnoop\n")],
        codes: vec!["\nABORTED\n".into(), "\nABORTED\nUNAVAILABLE\n".into()],
    };
    choose(&parse(text).unwrap(), &known).into_iter().collect()
}

#[test]
fn the_fewest_rows_are_looked_at() {
    let key = |definition: &str| Anchor::Key { definition: definition.into(), business_key: "k".into() };
    for (text, expected) in [
        ("", vec![Anchor::All]),
        ("attention and status = running and age > 5m", vec![Anchor::Attention]),
        ("attention = x or paused", vec![Anchor::Attention, Anchor::Open]),
        ("attention or reason ~ x", vec![Anchor::All]),
        ("status in (running, failed)", vec![Anchor::Status("failed"), Anchor::Status("running")]),
        ("status = succeeded and participant = gateway", vec![Anchor::Shape(0), Anchor::Shape(1)]),
        ("status = failed and participant = gateway", vec![Anchor::Status("failed")]),
        ("participant = nobody", vec![Anchor::Shape(0)]),
        ("mode = saga", vec![Anchor::All]),
        ("business_key = k", vec![key("bench"), key("checkout"), Anchor::Shape(0)]),
        ("code = unavailable", vec![Anchor::Codes("\nABORTED\nUNAVAILABLE\n".into())]),
        ("code = internal", vec![]),
        ("attempts > 3", vec![Anchor::Repeated]),
        ("attempts > 0", vec![Anchor::All]),
        ("not attempts > 3", vec![Anchor::All]),
        ("gid = a and status = failed", vec![Anchor::Gids(vec!["a".into()])]),
        ("waiting_for = gateway", vec![Anchor::Open]),
    ] {
        assert_eq!(ways(text), expected, "{text}");
    }
    let others = ways("status != succeeded");
    assert_eq!(others.len(), 5);
    assert!(!others.contains(&Anchor::Status("succeeded")));
}

#[test]
fn a_time_bounds_the_gids() {
    let day = 86_400_000_000_i64;
    let between = |text: &str| range(&parse(text).unwrap(), 100 * day);
    assert_eq!(between("open"), (None, None));
    let (from, until) = between("age < 2d and age > 1d");
    assert_eq!(from, gid_at(98 * day - DOUBT_US));
    assert_eq!(until, gid_at(99 * day + DOUBT_US));
    assert_eq!(between("finished < 3d ago"), (None, gid_at(97 * day + DOUBT_US)));
    assert_eq!(between("finished > 3d ago"), (None, None));
    assert_eq!(between("age > 1d or open"), (None, None));
    let gid = amends_dtm::Gid::generate();
    let unix_us = chrono::Utc::now().timestamp_micros();
    assert!(gid_at(unix_us - 1_000_000).unwrap().as_str() < gid.as_str());
    assert!(gid_at(unix_us + 1_000_000).unwrap().as_str() > gid.as_str());
}
