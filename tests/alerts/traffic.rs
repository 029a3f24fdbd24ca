//! Global transactions of one step each, which points refuses: nobody holds what is asked for. Knows no alert.
use amends_proto::amends::v1::{SagaStep, StartSagaRequest};
use amends_proto::pay::money::v1::Money;
use amends_proto::pay::points::v1::PointsRequest;
use amends_testkit::World;
use futures::StreamExt as _;
use prost::Message as _;
use std::time::Duration;
use tonic::Status;
use uuid::Uuid;

/// Starts at a time.
const AT_ONCE: usize = 16;
/// Between two starts of steady traffic.
const PAUSE: Duration = Duration::from_millis(200);

/// Starts one; the answer is the caller's affair.
pub async fn start(world: &World) -> Result<String, Status> {
    let burn = PointsRequest {
        op_id: Uuid::now_v7().to_string(),
        user_id: "nobody".to_owned(),
        order_id: Uuid::now_v7().to_string(),
        points: 5,
        basis: Some(Money { minor_units: 500, currency: "USD".to_owned() }),
    };
    let step = SagaStep {
        participant: "points".to_owned(),
        action: "pay.points.v1.PointsService/Burn".to_owned(),
        compensate: "pay.points.v1.PointsService/ReturnBurn".to_owned(),
        payload: burn.encode_to_vec().into(),
        ..SagaStep::default()
    };
    let request_id = Uuid::now_v7().to_string();
    let request = StartSagaRequest { request_id, steps: vec![step], ..StartSagaRequest::default() };
    Ok(world.clients().transactions.start_saga(request).await?.into_inner().gid)
}

/// Starts so many as quickly as they are taken.
pub async fn many(world: &World, count: usize) {
    let starts = futures::stream::iter(0..count).map(|_| start(world)).buffer_unordered(AT_ONCE);
    starts.for_each(|started| async { drop(started.unwrap()) }).await;
}

/// Starts one after another until `end` is over, whatever becomes of them; none waits for the one before.
pub async fn until_over(world: &World, end: impl Future<Output = ()>) {
    let starting = async {
        let mut under_way = futures::stream::FuturesUnordered::new();
        let mut due = tokio::time::interval(PAUSE);
        loop {
            tokio::select! {
                _ = due.tick(), if under_way.len() < AT_ONCE => under_way.push(start(world)),
                Some(_) = under_way.next(), if !under_way.is_empty() => {}
            }
        }
    };
    tokio::select! {
        () = end => {}
        never = starting => never,
    }
}
