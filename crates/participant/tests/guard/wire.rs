//! What is on the wire: byte-identical replays, where the replay marker travels, error details, plan MACs.

use amends_dtm::Op::{Action, Compensate, Try};
use amends_dtm::plan_mac::PlanMacKey;
use amends_participant::BranchAuth;
use amends_proto::pay::points::v1::{PointsRequest, PointsResponse};
use prost::Message as _;
use tonic::codegen::http::uri::PathAndQuery;
use tonic_prost::ProstCodec;
use tonic_types::StatusExt as _;

use crate::client::{Caller, told};
use crate::world::{START_US, World};

#[tokio::test(flavor = "multi_thread")]
async fn a_replay_is_byte_identical() {
    let world = World::new().await;
    let caller = world.caller("u");
    let first = caller.burn(Action).await.unwrap().into_inner().encode_to_vec();
    world.caller("u").burn(Action).await.unwrap(); // the answer would be another one now
    assert_eq!(caller.burn(Action).await.unwrap().into_inner().encode_to_vec(), first);
    let refused = world.caller("refuse");
    let first = refused.burn(Try).await.unwrap_err();
    let again = refused.burn(Try).await.unwrap_err();
    assert_eq!(
        (first.code(), first.message(), first.details()),
        (again.code(), again.message(), again.details())
    );
    assert_eq!(first.message(), "INSUFFICIENT_POINTS|as asked");
    let info = again.get_error_details().error_info().unwrap().clone();
    assert_eq!((info.reason.as_str(), info.domain.as_str()), ("INSUFFICIENT_POINTS", "amends"));
    assert_eq!(info.metadata.get("asked_by").map(String::as_str), Some("test"));
}

/// Reads headers and trailers apart, which a unary client does not.
async fn headers_and_trailers(world: &World, caller: &Caller) -> (bool, bool) {
    let mut grpc = tonic::client::Grpc::new(world.channel.clone());
    grpc.ready().await.unwrap();
    let path = PathAndQuery::from_static("/pay.points.v1.PointsService/Burn");
    let codec = ProstCodec::<PointsRequest, PointsResponse>::default();
    let answer = grpc.server_streaming(caller.request(Action), path, codec).await.unwrap();
    let in_headers = answer.metadata().contains_key("x-replayed");
    let mut body = answer.into_inner();
    assert!(body.message().await.unwrap().is_some());
    let trailers = body.trailers().await.unwrap().unwrap();
    (in_headers, trailers.get("x-replayed").is_some_and(|value| value == "1"))
}

#[tokio::test(flavor = "multi_thread")]
async fn the_replay_marker_is_a_trailer() {
    let world = World::new().await;
    let caller = world.caller("u");
    assert_eq!(headers_and_trailers(&world, &caller).await, (false, false));
    assert_eq!(headers_and_trailers(&world, &caller).await, (false, true));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_without_a_valid_plan_mac_has_no_effect_and_leaves_no_row() {
    let key = PlanMacKey::generate().unwrap();
    let world = World::with(BranchAuth::Required(key.clone())).await;
    let caller = world.caller("u");
    let (now_s, gid) = (START_US / 1_000_000, caller.gid.as_str());
    let foreign = PlanMacKey::generate().unwrap();
    let bad = [
        None,
        Some("v1.nonsense".to_owned()),
        Some(key.mint(amends_dtm::Gid::generate().as_str(), &[1; 32], now_s + 60)),
        Some(foreign.mint(gid, &[1; 32], now_s + 60)),
        Some(key.mint(gid, &[1; 32], now_s - 1)),
    ];
    for mac in bad {
        let caller = Caller { mac: mac.clone(), ..caller.clone() };
        for op in [Action, Compensate] {
            assert_eq!(told(&caller.burn(op).await), "UNAUTHENTICATED BAD_PLAN_MAC", "{mac:?} {op}");
        }
    }
    assert_eq!((world.rows(&caller).await.as_str(), world.effects(&caller).await.as_str()), ("", ""));
    let good = Caller { mac: Some(key.mint(gid, &[1; 32], now_s + 60)), ..caller };
    assert_eq!(told(&good.burn(Action).await), "OK");
    assert_eq!(
        told(&Caller { mac: None, ..good }.burn(Action).await),
        "UNAUTHENTICATED BAD_PLAN_MAC",
        "not even a replay"
    );
}
