//! Each opening and closing is told once, whatever event caused it, and told alike however often it is derived.

use super::*;
use crate::history::{Act, Cause, End, Event, Fact, FlatFact};
use crate::plan::{Mode, OpRef, samples};
use amends_dtm::Op;

fn row(gid: &str) -> Row {
    Row {
        gid: gid.into(),
        caller: "c".into(),
        request_id: "r".into(),
        request_digest: Vec::new(),
        definition: "checkout".into(),
        definition_version: 1,
        mode: "saga".into(),
        business_key: "demo/1".into(),
        status: "running".into(),
        reason: String::new(),
        is_open: true,
        needs_attention: false,
        coordinator: "embedded".into(),
        created_at_us: 1,
        finished_at_us: 0,
        owner: String::new(),
        ..Row::default()
    }
}

fn stored(event: &Event) -> event::Model {
    let flat = FlatFact::from(&event.fact);
    event::Model {
        gid: String::new(),
        seq: event.seq,
        time_us: event.time_us,
        kind: flat.kind,
        branch_id: flat.branch_id,
        op: flat.op,
        attempt: flat.attempt,
        code: flat.code,
        reason: flat.reason,
        build_id: String::new(),
        detail: flat.detail,
    }
}

/// What the facts change, one after another.
fn play(facts: &[Fact]) -> (Option<Needs>, Vec<serde_json::Value>) {
    let plan = samples::plan(Mode::Saga, 3, None);
    let (before, row) = (State::empty(&plan), row(plan.gid().as_str()));
    let (mut after, mut all) = (before.clone(), Vec::new());
    for fact in facts {
        let seq = after.last_seq + 1;
        let event = Event { seq, time_us: seq * 1_000_000, fact: fact.clone() };
        let open = after.attention.clone();
        after.apply(&event);
        all.extend(changes(&open, &after.attention, &stored(&event)));
    }
    let needs = needs(&row, &plan, &before, &after, &all);
    let notices = needs.as_ref().map(|needs| needs.notices.as_slice()).unwrap_or_default();
    let bodies = notices.iter().map(|notice| serde_json::from_str(&notice.body).unwrap()).collect();
    (needs, bodies)
}

fn open(cause: &str) -> Fact {
    let at = Some(OpRef { step: 1, op: Op::Action });
    Fact::AttentionOpened { cause: cause.into(), at, text: "UNAVAILABLE GONE|away".into() }
}

fn close(cause: &str) -> Fact {
    Fact::AttentionClosed { cause: cause.into() }
}

#[test]
fn where_nobody_is_needed_nothing_is_stored() {
    assert_eq!(play(&[Fact::Started, Fact::SubmitDecided]).0, None);
    assert_eq!(play(&[Fact::Started, close("a")]).0, None, "nothing was open");
}

#[test]
fn an_opening_is_told_with_all_that_is_known_of_it() {
    let (needs, bodies) = play(&[Fact::Started, open("retries_exhausted"), open("retries_exhausted")]);
    let needs = needs.unwrap();
    assert_eq!((needs.open.len(), bodies.len()), (1, 1), "opened twice is open once");
    let gid = &needs.gid;
    assert_eq!(
        bodies[0],
        serde_json::json!({
            "event_id": format!("{gid}.2.retries_exhausted"),
            "kind": "attention_opened",
            "gid": gid,
            "cause": "retries_exhausted",
            "seq": 2,
            "time": "1970-01-01T00:00:02.000000Z",
            "opened_event_id": format!("{gid}.2.retries_exhausted"),
            "opened_at": "1970-01-01T00:00:02.000000Z",
            "closed_by": "",
            "branch_id": "02",
            "op": "action",
            "participant": "p1",
            "text": "UNAVAILABLE GONE|away",
            "definition": "checkout",
            "business_key": "demo/1",
            "owner": "",
            "acknowledged_by": "",
        })
    );
    let row = &needs.open[0];
    assert_eq!((row.opened_seq, row.since_us, row.branch_id.as_str()), (2, 2_000_000, "02"));
}

#[test]
fn the_end_closes_each_that_is_open_under_an_id_of_its_own() {
    let (needs, bodies) = play(&[Fact::Started, open("a"), open("b"), Fact::Finished(End::Failed)]);
    assert!(needs.unwrap().open.is_empty());
    let told: Vec<_> = bodies
        .iter()
        .map(|body| format!("{} {} {} {}", body["seq"], body["kind"], body["cause"], body["closed_by"]))
        .collect();
    assert_eq!(
        told.join("\n").replace('"', ""),
        "2 attention_opened a \n3 attention_opened b \n4 attention_closed a finished\n4 attention_closed b finished"
    );
    let ids: std::collections::BTreeSet<_> = bodies.iter().map(|body| body["event_id"].to_string()).collect();
    assert_eq!(ids.len(), 4);
    assert_eq!(bodies[2]["opened_event_id"], bodies[0]["event_id"]);
}

#[test]
fn an_acknowledgement_changes_the_row_and_is_told_with_the_end_only() {
    let act = Act { owner: "ann".into(), ..Act::of("bob", "asked") };
    let seen = |cause: &str| Fact::OperatorAcknowledged { cause: cause.into(), act: act.clone() };
    let (needs, bodies) = play(&[open("a"), seen("a"), seen("b")]);
    let row = needs.unwrap().open.remove(0);
    assert_eq!(bodies.len(), 1, "nobody is told");
    let said = (row.owner, row.acknowledged_by, row.acknowledged_at_us, row.note);
    assert_eq!(said, ("ann".into(), "bob".into(), 2_000_000, "asked".into()));
    let (_, bodies) = play(&[open("a"), seen("a"), close("a"), open("a")]);
    let owners: Vec<_> = bodies.iter().map(|body| body["owner"].as_str().unwrap()).collect();
    assert_eq!(owners, ["", "ann", ""], "whoever opens anew has nobody yet");
}

#[test]
fn a_decision_to_undo_ends_the_needs_of_going_forward_only() {
    let at = Some(OpRef { step: 1, op: Op::Compensate });
    let undo = Fact::AttentionOpened { cause: "undo_refused".into(), at, text: String::new() };
    let cancelled = Fact::UndoDecided(Cause::Cancelled("stop".into()));
    let (needs, bodies) = play(&[open("a"), undo, open("disagreement"), cancelled.clone(), cancelled]);
    let open: Vec<_> = needs.unwrap().open.into_iter().map(|open| open.cause).collect();
    assert_eq!(open, ["undo_refused", "disagreement"]);
    let last = bodies.last().unwrap();
    assert_eq!((bodies.len(), &last["cause"], &last["closed_by"]), (4, &"a".into(), &"undo_decided".into()));
}

#[test]
fn what_closes_and_opens_again_is_told_each_time() {
    let (needs, bodies) = play(&[open("a"), close("a"), open("a")]);
    assert_eq!(needs.unwrap().open[0].opened_seq, 3);
    let kinds: Vec<_> = bodies.iter().map(|body| body["kind"].as_str().unwrap().to_owned()).collect();
    assert_eq!(kinds, ["attention_opened", "attention_closed", "attention_opened"]);
}
