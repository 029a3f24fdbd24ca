//! Goods set aside as a branch of a TCC.
use crate::harness::{Branch, Service, answer, reason, replayed, reserve, row};
use amends_proto::pay::inventory::v1::ReservationState;
use futures::future::join_all;
use tonic::Code;

#[tokio::test]
async fn reserved_goods_are_sold_by_the_confirm() {
    let service = Service::start().await.stocked(&[("P1", 10), ("P2", 5)]).await;
    let (branch, body, mut client) =
        (Branch::tcc(), reserve(&[("P2", 5), ("P1", 3)]), service.client.clone());
    let tried = client.try_reserve(branch.call("try", &body)).await.unwrap().into_inner();
    assert_eq!(
        (tried.state(), tried.reservation_id),
        (ReservationState::Reserved, body.reservation_id.clone())
    );
    assert_eq!(service.stock().await, [row("P1", [10, 10, 3, 0, 0]), row("P2", [5, 5, 5, 0, 0])]);
    let confirmed = client.confirm_reserve(branch.call("confirm", &body)).await.unwrap().into_inner();
    assert_eq!(confirmed.state(), ReservationState::Committed);
    assert_eq!(service.stock().await, [row("P1", [10, 7, 0, 3, 0]), row("P2", [5, 0, 0, 5, 0])]);
}

#[tokio::test]
async fn reserved_goods_are_free_again_after_the_cancel() {
    let service = Service::start().await.stocked(&[("P1", 10)]).await;
    let (branch, body, mut client) = (Branch::tcc(), reserve(&[("P1", 10)]), service.client.clone());
    client.try_reserve(branch.call("try", &body)).await.unwrap();
    let no = client.try_reserve(Branch::tcc().call("try", &reserve(&[("P1", 1)]))).await.unwrap_err();
    assert_eq!(reason(&no), (Code::Aborted, "INSUFFICIENT_STOCK"));
    let cancelled = client.cancel_reserve(branch.call("cancel", &body)).await.unwrap().into_inner();
    assert_eq!(cancelled.state(), ReservationState::Released);
    client.try_reserve(Branch::tcc().call("try", &reserve(&[("P1", 1)]))).await.unwrap();
    let late = client.confirm_reserve(branch.call("confirm", &body)).await.unwrap_err();
    assert_eq!(reason(&late), (Code::Internal, "PHASE_CONFLICT"));
    assert_eq!(service.stock().await, [row("P1", [10, 10, 1, 0, 0])]);
}

#[tokio::test]
async fn a_try_that_hangs_until_after_its_cancel_holds_nothing() {
    let service = Service::start().await.stocked(&[("P1", 10)]).await;
    let (branch, body, mut client) = (Branch::tcc(), reserve(&[("P1", 3)]), service.client.clone());
    client.cancel_reserve(branch.call("cancel", &body)).await.unwrap();
    let late = client.try_reserve(branch.call("try", &body)).await.unwrap_err();
    assert_eq!(reason(&late), (Code::Aborted, "BRANCH_CLOSED"));
    let alone = client.confirm_reserve(Branch::tcc().call("confirm", &body)).await.unwrap_err();
    assert_eq!(reason(&alone), (Code::Internal, "CONFIRM_WITHOUT_TRY"));
    assert_eq!(service.stock().await, [row("P1", [10, 10, 0, 0, 0])]);
    assert_eq!(service.states().await, []);
}

#[tokio::test]
async fn each_op_again_and_at_once_moves_the_stock_once() {
    let service = Service::start().await.stocked(&[("P1", 10)]).await;
    let (branch, body) = (Branch::tcc(), reserve(&[("P1", 3)]));
    for op in ["try", "confirm"] {
        let calls = (0..64).map(|_| {
            let (mut client, request) = (service.client.clone(), branch.call(op, &body));
            async move {
                match op {
                    "try" => client.try_reserve(request).await,
                    _confirm => client.confirm_reserve(request).await,
                }
            }
        });
        let answers = join_all(calls).await;
        let fresh = answers.iter().flatten().filter(|response| !replayed(response)).count();
        assert_eq!(fresh, 1, "{op}");
        let mut answers = answers.into_iter().map(answer);
        let first = answers.next().unwrap();
        answers.for_each(|other| assert_eq!(other, first, "{op}"));
    }
    assert_eq!(service.stock().await, [row("P1", [10, 7, 0, 3, 0])]);
    assert_eq!(service.states().await, [ReservationState::Committed]);
}

#[tokio::test]
async fn answers_survive_a_restart_down_to_the_byte() {
    let service = Service::start().await.stocked(&[("P1", 10)]).await;
    let (good, body) = (Branch::tcc(), reserve(&[("P1", 3)]));
    let (bad, refused) = (Branch::tcc(), reserve(&[("P1", 11)]));
    let mut client = service.client.clone();
    let tried = answer(client.try_reserve(good.call("try", &body)).await);
    let no = answer(client.try_reserve(bad.call("try", &refused)).await);
    let confirmed = answer(client.confirm_reserve(good.call("confirm", &body)).await);
    drop(client);

    let service = service.restart().await.stocked(&[("P1", 10)]).await;
    let mut client = service.client.clone();
    assert_eq!(answer(client.try_reserve(good.call("try", &body)).await), tried);
    assert_eq!(answer(client.try_reserve(bad.call("try", &refused)).await), no);
    assert_eq!(answer(client.confirm_reserve(good.call("confirm", &body)).await), confirmed);
    assert_eq!(service.stock().await, [row("P1", [10, 7, 0, 3, 0])]);
}
