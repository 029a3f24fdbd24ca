//! Place as a branch of a TCC.
use crate::harness::{Branch, Service, answer, place, reason, replayed};
use amends_proto::pay::order::v1::OrderState;
use futures::future::join_all;
use tonic::Code;

#[tokio::test]
async fn a_tried_and_confirmed_order_is_paid() {
    let service = Service::start().await;
    let (branch, body, mut client) = (Branch::tcc(), place(), service.client.clone());
    let tried = client.try_place(branch.call("try", &body)).await.unwrap().into_inner();
    assert_eq!((tried.state(), tried.version), (OrderState::Pending, 1));
    let confirmed = client.confirm_place(branch.call("confirm", &body)).await.unwrap().into_inner();
    assert_eq!((confirmed.state(), confirmed.version), (OrderState::Paid, 2));
    let order = service.order(&body.order_id).await.unwrap();
    assert_eq!(order.paid, body.total);
    assert_eq!(order.lines, body.lines);
    assert_eq!(order.gid, branch.gid.as_str());
    let (made, until) = (order.created_at.unwrap(), order.pay_until.unwrap());
    assert_eq!(until.seconds - made.seconds, 1_800);
}

#[tokio::test]
async fn a_cancelled_order_is_closed_and_stays_closed() {
    let service = Service::start().await;
    let (branch, body, mut client) = (Branch::tcc(), place(), service.client.clone());
    client.try_place(branch.call("try", &body)).await.unwrap();
    let cancelled = client.cancel_place(branch.call("cancel", &body)).await.unwrap().into_inner();
    assert_eq!(cancelled.state(), OrderState::Closed);
    let late = client.confirm_place(branch.call("confirm", &body)).await.unwrap_err();
    assert_eq!(reason(&late), (Code::Internal, "PHASE_CONFLICT"));
    assert_eq!(service.order(&body.order_id).await.unwrap().state(), OrderState::Closed);
}

#[tokio::test]
async fn a_try_that_hangs_until_after_its_cancel_places_nothing() {
    let service = Service::start().await;
    let (branch, body, mut client) = (Branch::tcc(), place(), service.client.clone());
    client.cancel_place(branch.call("cancel", &body)).await.unwrap();
    let late = client.try_place(branch.call("try", &body)).await.unwrap_err();
    assert_eq!(reason(&late), (Code::Aborted, "BRANCH_CLOSED"));
    assert_eq!(service.order(&body.order_id).await, None);
}

#[tokio::test]
async fn a_confirm_without_its_try_is_an_alarm_and_not_an_order() {
    let service = Service::start().await;
    let (branch, body, mut client) = (Branch::tcc(), place(), service.client.clone());
    let alone = client.confirm_place(branch.call("confirm", &body)).await.unwrap_err();
    assert_eq!(reason(&alone), (Code::Internal, "CONFIRM_WITHOUT_TRY"));
    assert_eq!(service.count().await, 0);
}

#[tokio::test]
async fn each_op_again_and_at_once_is_one_op_with_one_answer() {
    let service = Service::start().await;
    let (branch, body) = (Branch::tcc(), place());
    for op in ["try", "confirm"] {
        let calls = (0..64).map(|_| {
            let (mut client, request) = (service.client.clone(), branch.call(op, &body));
            async move {
                match op {
                    "try" => client.try_place(request).await,
                    _confirm => client.confirm_place(request).await,
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
    let order = service.order(&body.order_id).await.unwrap();
    assert_eq!((order.state(), order.version), (OrderState::Paid, 2));
    assert_eq!(service.count().await, 1);
}

#[tokio::test]
async fn answers_survive_a_restart_down_to_the_byte() {
    let service = Service::start().await;
    let (good, body) = (Branch::tcc(), place());
    let (bad, mut refused) = (Branch::tcc(), place());
    refused.lines[0].quantity = 2;
    let mut client = service.client.clone();
    let tried = answer(client.try_place(good.call("try", &body)).await);
    let no = answer(client.try_place(bad.call("try", &refused)).await);
    let confirmed = answer(client.confirm_place(good.call("confirm", &body)).await);
    drop(client);

    let service = service.restart().await;
    let mut client = service.client.clone();
    assert_eq!(answer(client.try_place(good.call("try", &body)).await), tried);
    assert_eq!(answer(client.try_place(bad.call("try", &refused)).await), no);
    assert_eq!(answer(client.confirm_place(good.call("confirm", &body)).await), confirmed);
    assert_eq!(service.order(&body.order_id).await.unwrap().version, 2);
}
