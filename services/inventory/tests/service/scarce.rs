//! Many who want the same few goods at once.
use crate::harness::{Branch, Service, reason, reserve, row};
use amends_proto::pay::inventory::v1::ReservationState;
use futures::future::join_all;
use tonic::Code;

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn sixty_four_at_once_get_no_more_than_there_is() {
    let service = Service::start().await.stocked(&[("P1", 10), ("P2", 1_000)]).await;
    let calls = (0..64).map(|n| {
        let mut client = service.client.clone();
        // Half name the skus the other way round; a third takes at once instead of setting aside.
        let lines = if n % 2 == 0 { [("P1", 1), ("P2", 2)] } else { [("P2", 2), ("P1", 1)] };
        let body = reserve(&lines);
        async move {
            if n % 3 == 0 {
                client.deduct(Branch::saga().call("action", &body)).await
            } else {
                client.try_reserve(Branch::tcc().call("try", &body)).await
            }
        }
    });
    let answers = join_all(calls).await;
    let (won, lost): (Vec<_>, Vec<_>) = answers.into_iter().partition(Result::is_ok);
    assert_eq!((won.len(), lost.len()), (10, 54));
    for status in lost.into_iter().filter_map(Result::err) {
        assert_eq!(reason(&status), (Code::Aborted, "INSUFFICIENT_STOCK"));
    }
    let states = service.states().await;
    let sold =
        i64::try_from(states.iter().filter(|state| **state == ReservationState::Committed).count()).unwrap();
    assert_eq!(states.len(), 10);
    assert_eq!(
        service.stock().await,
        [
            row("P1", [10, 10 - sold, 10 - sold, sold, 0]),
            row("P2", [1_000, 1_000 - 2 * sold, 20 - 2 * sold, 2 * sold, 0])
        ]
    );
}
