//! Every row of the table in payments-domain §2, in the words of the answers. Each line of a story is: the call, what
//! the coordinator is told. Behind it: which effects are in the database, and the guard's rows.

use amends_dtm::Op::{self, Action, Cancel, Compensate, Confirm, Try};

use crate::client::{Caller, told};
use crate::world::World;

struct Story {
    name: &'static str,
    user: &'static str,
    calls: &'static [(Body, Op, &'static str)],
    effects: &'static str,
    rows: &'static str,
}

enum Body {
    Own,
    Forged,
}

use Body::{Forged, Own};

const STORIES: &[Story] = &[
    Story {
        name: "a saga's action runs once and its answer is replayed",
        user: "u",
        calls: &[(Own, Action, "OK"), (Own, Action, "OK replayed"), (Own, Action, "OK replayed")],
        effects: "burn",
        rows: "action=done",
    },
    Story {
        name: "a refusal leaves no trace but is remembered",
        user: "refuse",
        calls: &[
            (Own, Action, "ABORTED INSUFFICIENT_POINTS"),
            (Own, Action, "ABORTED INSUFFICIENT_POINTS replayed"),
        ],
        effects: "",
        rows: "action=refused",
    },
    Story {
        name: "a forged duplicate of a success is no refusal",
        user: "u",
        calls: &[
            (Own, Try, "OK"),
            (Forged, Try, "ALREADYEXISTS IDEMPOTENCY_MISMATCH"),
            (Own, Try, "OK replayed"),
        ],
        effects: "try",
        rows: "try=done",
    },
    Story {
        name: "a forged duplicate of a refusal",
        user: "refuse",
        calls: &[
            (Own, Try, "ABORTED INSUFFICIENT_POINTS"),
            (Forged, Try, "ALREADYEXISTS IDEMPOTENCY_MISMATCH"),
        ],
        effects: "",
        rows: "try=refused",
    },
    Story {
        name: "undo of a success",
        user: "u",
        calls: &[(Own, Action, "OK"), (Own, Compensate, "OK"), (Own, Compensate, "OK replayed")],
        effects: "burn return",
        rows: "action=done compensate=done",
    },
    Story {
        name: "the action after its undo is still the first answer",
        user: "u",
        calls: &[(Own, Action, "OK"), (Own, Compensate, "OK"), (Own, Action, "OK replayed")],
        effects: "burn return",
        rows: "action=done compensate=done",
    },
    Story {
        name: "undo of a refusal undoes nothing",
        user: "refuse",
        calls: &[
            (Own, Action, "ABORTED INSUFFICIENT_POINTS"),
            (Own, Compensate, "OK"),
            (Own, Compensate, "OK replayed"),
        ],
        effects: "",
        rows: "action=refused compensate=done",
    },
    Story {
        name: "an empty compensation closes the branch to the hanging action",
        user: "u",
        calls: &[
            (Own, Compensate, "OK"),
            (Own, Action, "ABORTED BRANCH_CLOSED"),
            (Forged, Action, "ABORTED BRANCH_CLOSED"),
            (Own, Compensate, "OK replayed"),
        ],
        effects: "",
        rows: "action=tombstone compensate=done",
    },
    Story {
        name: "an empty cancel closes the branch to the hanging try and to its confirm",
        user: "u",
        calls: &[
            (Own, Cancel, "OK"),
            (Own, Try, "ABORTED BRANCH_CLOSED"),
            (Own, Confirm, "INTERNAL CONFIRM_WITHOUT_TRY"),
            (Own, Cancel, "OK replayed"),
        ],
        effects: "",
        rows: "cancel=done try=tombstone",
    },
    Story {
        name: "an undo with another body than the action's has no effect",
        user: "u",
        calls: &[
            (Own, Action, "OK"),
            (Forged, Compensate, "INTERNAL IDEMPOTENCY_MISMATCH"),
            (Own, Compensate, "OK"),
            (Forged, Compensate, "INTERNAL IDEMPOTENCY_MISMATCH"),
        ],
        effects: "burn return",
        rows: "action=done compensate=done",
    },
    Story {
        name: "confirm after try",
        user: "u",
        calls: &[(Own, Try, "OK"), (Own, Confirm, "OK"), (Own, Confirm, "OK replayed")],
        effects: "try confirm",
        rows: "confirm=done try=done",
    },
    Story {
        name: "a confirm with another body than the try's has no effect",
        user: "u",
        calls: &[
            (Own, Try, "OK"),
            (Forged, Confirm, "INTERNAL IDEMPOTENCY_MISMATCH"),
            (Own, Confirm, "OK"),
            (Forged, Confirm, "INTERNAL IDEMPOTENCY_MISMATCH"),
        ],
        effects: "try confirm",
        rows: "confirm=done try=done",
    },
    Story {
        name: "confirm without try stores nothing, so that the try may still come",
        user: "u",
        calls: &[(Own, Confirm, "INTERNAL CONFIRM_WITHOUT_TRY"), (Own, Try, "OK"), (Own, Confirm, "OK")],
        effects: "try confirm",
        rows: "confirm=done try=done",
    },
    Story {
        name: "confirm of a refused try",
        user: "refuse",
        calls: &[(Own, Try, "ABORTED INSUFFICIENT_POINTS"), (Own, Confirm, "INTERNAL CONFIRM_WITHOUT_TRY")],
        effects: "",
        rows: "try=refused",
    },
    Story {
        name: "cancel of a refused try, then its confirm",
        user: "refuse",
        calls: &[
            (Own, Try, "ABORTED INSUFFICIENT_POINTS"),
            (Own, Cancel, "OK"),
            (Own, Confirm, "INTERNAL CONFIRM_WITHOUT_TRY"),
        ],
        effects: "",
        rows: "cancel=done try=refused",
    },
    Story {
        name: "confirm after cancel",
        user: "u",
        calls: &[(Own, Try, "OK"), (Own, Cancel, "OK"), (Own, Confirm, "INTERNAL PHASE_CONFLICT")],
        effects: "try cancel",
        rows: "cancel=done try=done",
    },
    Story {
        name: "cancel after confirm",
        user: "u",
        calls: &[(Own, Try, "OK"), (Own, Confirm, "OK"), (Own, Cancel, "INTERNAL PHASE_CONFLICT")],
        effects: "try confirm",
        rows: "confirm=done try=done",
    },
    Story {
        name: "a fault that is no refusal is not remembered: not finished",
        user: "not_yet",
        calls: &[
            (Own, Action, "FAILEDPRECONDITION UNDER_REVIEW"),
            (Own, Action, "FAILEDPRECONDITION UNDER_REVIEW"),
        ],
        effects: "",
        rows: "",
    },
    Story {
        name: "a fault that is no refusal is not remembered: broken",
        user: "broken",
        calls: &[(Own, Try, "INTERNAL BROKEN"), (Own, Try, "INTERNAL BROKEN")],
        effects: "",
        rows: "",
    },
    Story {
        name: "a fault that is no refusal is not remembered: database away",
        user: "store",
        calls: &[
            (Own, Action, "UNAVAILABLE STORAGE_UNAVAILABLE"),
            (Own, Action, "UNAVAILABLE STORAGE_UNAVAILABLE"),
        ],
        effects: "",
        rows: "",
    },
    Story {
        name: "a refusal whose code is not ABORTED is not remembered",
        user: "rate",
        calls: &[
            (Own, Action, "RESOURCEEXHAUSTED RATE_LIMITED"),
            (Own, Action, "RESOURCEEXHAUSTED RATE_LIMITED"),
        ],
        effects: "",
        rows: "",
    },
    Story {
        name: "an effect that panics is rolled back and can be called again",
        user: "panic",
        calls: &[(Own, Action, "INTERNAL BROKEN"), (Own, Action, "INTERNAL BROKEN"), (Own, Compensate, "OK")],
        effects: "",
        rows: "action=tombstone compensate=done",
    },
];

#[tokio::test(flavor = "multi_thread")]
async fn every_row_of_the_guards_table() {
    let world = World::new().await;
    for story in STORIES {
        let caller = world.caller(story.user);
        for (step, (body, op, expected)) in story.calls.iter().enumerate() {
            let caller = match body {
                Own => caller.clone(),
                Forged => caller.forged(),
            };
            let answer = caller.burn(*op).await;
            assert_eq!(told(&answer), *expected, "{}: call {step}", story.name);
        }
        assert_eq!(world.effects(&caller).await, story.effects, "{}", story.name);
        assert_eq!(world.rows(&caller).await, story.rows, "{}", story.name);
    }
}

/// A second phase cannot refuse: what a forward call would be refused for is an alarm there, and asked again.
#[tokio::test(flavor = "multi_thread")]
async fn a_second_phase_never_answers_aborted_and_remembers_no_failure() {
    let world = World::new().await;
    let cases = [
        ("refuse", "INTERNAL INSUFFICIENT_POINTS"),
        ("rate", "FAILEDPRECONDITION RATE_LIMITED"),
        ("not_yet", "FAILEDPRECONDITION UNDER_REVIEW"),
        ("broken", "INTERNAL BROKEN"),
        ("store", "UNAVAILABLE STORAGE_UNAVAILABLE"),
        ("panic", "INTERNAL BROKEN"),
    ];
    for (user, expected) in cases {
        for (forward, second) in [(Action, Compensate), (Try, Confirm), (Try, Cancel)] {
            // The forward row is made by a call that succeeds, then the same row is given the failing request's hash.
            let caller = world.caller(user);
            let done = world.caller("u").in_branch_of(&caller);
            assert_eq!(told(&done.burn(forward).await), "OK");
            world.give_hash_of(&caller).await;
            for _ in 0..2 {
                assert_eq!(told(&caller.burn(second).await), expected, "{user} {second}");
            }
            assert_eq!(world.rows(&caller).await, format!("{forward}=done"), "{user} {second}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_op_that_does_not_fit_the_method_has_no_effect() {
    let world = World::new().await;
    let caller = world.caller("u");
    for wrong in [Compensate, Confirm, Cancel] {
        let answer = caller.client.clone().burn(caller.request(wrong)).await;
        assert_eq!(told(&answer), "UNAUTHENTICATED MISSING_BRANCH_METADATA", "burn as {wrong}");
    }
    for wrong in [Action, Try, Confirm] {
        let answer = caller.client.clone().cancel_burn(caller.request(wrong)).await;
        assert_eq!(told(&answer), "UNAUTHENTICATED MISSING_BRANCH_METADATA", "cancel_burn as {wrong}");
    }
    for wrong in [Action, Try, Compensate, Cancel] {
        let answer = caller.client.clone().confirm_burn(caller.request(wrong)).await;
        assert_eq!(told(&answer), "UNAUTHENTICATED MISSING_BRANCH_METADATA", "confirm_burn as {wrong}");
    }
    assert_eq!(world.rows(&caller).await, "");
}

#[tokio::test(flavor = "multi_thread")]
async fn metadata_that_is_missing_or_malformed_has_no_effect() {
    let world = World::new().await;
    let caller = world.caller("u");
    for name in ["dtm-gid", "dtm-branch_id", "dtm-op", "dtm-trans_type"] {
        for value in [None, Some("nonsense")] {
            let mut request = caller.request(Action);
            match value {
                None => drop(request.metadata_mut().remove(name)),
                Some(value) => drop(request.metadata_mut().insert(name, value.parse().unwrap())),
            }
            let answer = caller.client.clone().burn(request).await;
            assert_eq!(told(&answer), "UNAUTHENTICATED MISSING_BRANCH_METADATA", "{name} {value:?}");
        }
    }
    assert_eq!(world.rows(&caller).await, "");
}

impl Caller {
    fn in_branch_of(mut self, other: &Caller) -> Caller {
        self.gid = other.gid.clone();
        self
    }
}
