//! Bad input of an operator's acts: INVALID_ARGUMENT, NOT_FOUND or FAILED_PRECONDITION with its reason, and the history of
//! the orchestrator as it was.
use crate::bad_start::{input, start};
use crate::bodies::id;
use crate::steady::Steady;
use crate::wire::Reply;
use crate::world::{Auth, World, alone, run};
use amends_proto::amends::v1::{RedriveRequest, RetryRequest, StartRequest, StartResponse, Status};
use amends_stack::Role;
use prost::Message;
use tonic::Code;

const INVALID: (Code, &str) = (Code::InvalidArgument, "INVALID_REQUEST");

async fn act(world: &World, method: &str, request: &impl Message) -> Reply {
    let path = format!("amends.v1.Operations/{method}");
    world.direct(Role::Orchestrator, &path, request.encode_to_vec()).await
}

/// What is wrong, how a right request becomes so, and the refusal.
type Wrong = (&'static str, fn(&mut RedriveRequest), (Code, &'static str));

const WRONG: [Wrong; 8] = [
    ("no gid", |it| it.gid.clear(), INVALID),
    ("a gid in capitals", |it| it.gid = it.gid.to_uppercase(), INVALID),
    ("a gid that is cut", |it| it.gid.truncate(35), INVALID),
    ("a gid that nobody knows", |it| it.gid = id(), (Code::NotFound, "GID_NOT_FOUND")),
    ("a reason of 201", |it| it.reason = "r".repeat(201), INVALID),
    ("a reason with control characters", |it| it.reason = "a\u{0}b".into(), INVALID),
    ("a negative seq", |it| it.expected_last_seq = -1, INVALID),
    ("one that has ended", |_| {}, (Code::FailedPrecondition, "ENDED")),
];

#[test]
fn a_retry_and_a_redrive_refuse_bad_input_and_change_nothing() {
    run(async {
        let turn = alone(Auth::Required).await;
        let world = turn.world;
        let request = StartRequest { wait_ms: 30_000, ..start(&input()) };
        let path = "amends.v1.Transactions/Start";
        let started: StartResponse =
            world.direct(Role::Orchestrator, path, request.encode_to_vec()).await.decoded();
        assert_eq!(started.status(), Status::Succeeded, "{started:?}");
        let right = RedriveRequest { gid: started.gid, reason: "again".into(), expected_last_seq: 0 };
        for (what, spoil, refusal) in WRONG {
            let mut wrong = right.clone();
            spoil(&mut wrong);
            let RedriveRequest { gid, reason, expected_last_seq } = wrong.clone();
            let retry = RetryRequest { gid, reason, expected_last_seq, ..RetryRequest::default() };
            let before = Steady::of(world, Role::Orchestrator).await;
            let redriven = act(world, "Redrive", &wrong).await;
            let retried = act(world, "Retry", &retry).await;
            assert_eq!(redriven.refusal(), refusal, "Redrive with {what}: {redriven:?}");
            assert_eq!(retried.refusal(), refusal, "Retry with {what}: {retried:?}");
            before.still(0, what).await;
        }
    });
}
