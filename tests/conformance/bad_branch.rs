//! Bad input of every branch call: the documented code and reason, and not a row changed outside of the guard.
use crate::bodies::done;
use crate::deeds::{Call, DEEDS, Deed, Manner, service};
use crate::mutations::{self, Case};
use crate::related::related;
use crate::steady::Steady;
use crate::world::{Auth, World, alone, run};
use tonic::Code;

/// How many cases there must be at least; a generator that finds nothing would prove nothing.
const LEAST: usize = 900;

#[test]
fn a_forward_call_refuses_bad_input_and_changes_nothing() {
    run(async {
        let turn = alone(Auth::Required).await;
        let mut count = 0;
        for deed in DEEDS {
            let valid = deed.body.fresh(turn.world).await;
            let kind = mutations::input(&service(deed.role), deed.forward);
            let mut cases = mutations::cases(kind, &valid);
            cases.extend(related(deed, &valid));
            for case in &cases {
                refused(turn.world, deed, case).await;
            }
            let accepted = deed.branch().call(turn.world, Call::Forward, &valid).await;
            assert_eq!(
                accepted.code,
                Code::Ok,
                "{}: what was made wrong must be right: {accepted:?}",
                deed.forward
            );
            count += cases.len();
        }
        println!("{count} bad forward calls, each sent twice");
        assert!(count >= LEAST, "only {count} cases");
    });
}

/// Sends the case twice: a refusal is remembered, byte by byte, an alarm is not.
async fn refused(world: &World, deed: Deed, case: &Case) {
    let what = format!("{} with {}", deed.forward, case.name);
    let before = Steady::of(world, deed.role).await;
    let branch = deed.branch();
    let first = branch.call(world, Call::Forward, &case.body).await;
    let (code, rows) = match deed.manner {
        Manner::Refuses => (Code::Aborted, 1),
        Manner::MustNotRefuse => (Code::Internal, 0),
    };
    assert_eq!(first.code, code, "{what}: {first:?}");
    assert_eq!(first.refusal(), (code, case.reason), "{what}");
    assert!(!first.message.contains(mutations::CARD_NUMBER), "{what}: a card number is repeated");
    let second = branch.call(world, Call::Forward, &case.body).await;
    assert_eq!((second.unmarked(), second.replayed), (first, rows == 1), "{what}, again");
    before.still(rows, &what).await;
}

#[test]
fn a_second_phase_with_another_body_than_the_forward_call_has_no_effect() {
    run(async {
        let turn = alone(Auth::Required).await;
        let mut count = 0;
        for deed in DEEDS {
            let valid = deed.body.fresh(turn.world).await;
            let kind = mutations::input(&service(deed.role), deed.forward);
            let cases = mutations::cases(kind, &valid);
            let branch = done(turn.world, deed.forward, &valid).await;
            for call in [Call::Confirm, Call::Undo].into_iter().filter(|call| deed.calls().contains(call)) {
                let before = Steady::of(turn.world, deed.role).await;
                for case in &cases {
                    let what = format!("{} with {}", deed.method(call), case.name);
                    let reply = branch.call(turn.world, call, &case.body).await;
                    assert_eq!(reply.refusal(), (Code::Internal, "IDEMPOTENCY_MISMATCH"), "{what}");
                    before.still(0, &what).await;
                }
                count += cases.len();
            }
            let last = deed.calls()[1];
            let right = branch.call(turn.world, last, &valid).await;
            assert_eq!(right.code, Code::Ok, "{}: the same body must do: {right:?}", deed.method(last));
        }
        println!("{count} bad second phases after a good forward call");
        assert!(count >= LEAST, "only {count} cases");
    });
}

#[test]
fn a_second_phase_without_a_forward_call_never_refuses_and_changes_nothing() {
    run(async {
        let turn = alone(Auth::Required).await;
        let mut count = 0;
        for deed in DEEDS {
            let valid = deed.body.fresh(turn.world).await;
            let kind = mutations::input(&service(deed.role), deed.forward);
            for case in mutations::cases(kind, &valid) {
                without_forward(turn.world, deed, &case).await;
                count += deed.calls().len() - 1;
            }
        }
        println!("{count} bad second phases without a forward call");
    });
}

async fn without_forward(world: &World, deed: Deed, case: &Case) {
    let before = Steady::of(world, deed.role).await;
    let branch = deed.branch();
    if deed.calls().contains(&Call::Confirm) {
        let reply = branch.call(world, Call::Confirm, &case.body).await;
        let what = format!("{} with {}", deed.confirm, case.name);
        assert_eq!(reply.refusal(), (Code::Internal, "CONFIRM_WITHOUT_TRY"), "{what}");
        before.still(0, &what).await;
    }
    let what = format!("{} with {}", deed.undo, case.name);
    let reply = branch.call(world, Call::Undo, &case.body).await;
    assert_eq!(reply.code, Code::Ok, "{what}: {reply:?}");
    before.still(2, &what).await;
}
