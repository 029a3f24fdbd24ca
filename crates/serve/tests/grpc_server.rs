//! The gRPC server of every process: health while it serves, the end of calls in flight, the bound of the drain.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use amends_serve::grpc::{GrpcOptions, ServeError, serve};
use amends_serve::listener;
use tokio::sync::{Notify, oneshot};
use tokio::task::JoinHandle;
use tonic::Code;
use tonic::body::Body;
use tonic::codegen::{BoxFuture, Service};
use tonic::service::Routes;
use tonic::transport::Channel;
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;
use tonic_prost::ProstCodec;

struct Running {
    address: SocketAddr,
    stop: oneshot::Sender<()>,
    server: JoinHandle<Result<(), ServeError>>,
}

async fn start(options: GrpcOptions) -> Running {
    start_with(Routes::default(), options).await
}

async fn start_with(routes: Routes, options: GrpcOptions) -> Running {
    let listener = listener::bind("127.0.0.1:0".parse().unwrap()).await.unwrap();
    let address = listener.local_addr().unwrap();
    let (stop, stopped) = oneshot::channel();
    let server = tokio::spawn(serve(listener, routes, options, async {
        stopped.await.ok();
    }));
    Running { address, stop, server }
}

async fn connect(running: &Running) -> Channel {
    Channel::from_shared(format!("http://{}", running.address)).unwrap().connect().await.unwrap()
}

async fn health(running: &Running) -> HealthClient<Channel> {
    HealthClient::new(connect(running).await)
}

fn of(service: &str) -> HealthCheckRequest {
    HealthCheckRequest { service: service.into() }
}

#[tokio::test]
async fn health_is_told_for_the_server_and_for_each_named_service() {
    let running = start(GrpcOptions { services: vec!["pay.x.v1.X".into()], ..GrpcOptions::default() }).await;
    let mut client = health(&running).await;
    for service in ["", "pay.x.v1.X"] {
        assert_eq!(client.check(of(service)).await.unwrap().get_ref().status(), ServingStatus::Serving);
    }
    assert_eq!(client.check(of("pay.other.v1.Y")).await.unwrap_err().code(), Code::NotFound);
}

#[tokio::test]
async fn who_watches_health_sees_the_end_and_does_not_hold_up_the_drain() {
    let running = start(GrpcOptions::default()).await;
    let mut watch = health(&running).await.watch(of("")).await.unwrap().into_inner();
    assert_eq!(watch.message().await.unwrap().unwrap().status(), ServingStatus::Serving);
    let asked = Instant::now();
    running.stop.send(()).unwrap();
    running.server.await.unwrap().unwrap();
    assert!(asked.elapsed() < Duration::from_secs(5), "{:?}", asked.elapsed());
    assert_eq!(watch.message().await.unwrap().unwrap().status(), ServingStatus::NotServing);
}

#[tokio::test]
async fn reflection_is_there_only_when_asked_for() {
    use tonic::client::Grpc;
    let path =
        http::uri::PathAndQuery::from_static("/grpc.reflection.v1.ServerReflection/ServerReflectionInfo");
    for reflection in [true, false] {
        let running = start(GrpcOptions { reflection, ..GrpcOptions::default() }).await;
        let mut grpc = Grpc::new(connect(&running).await);
        grpc.ready().await.unwrap();
        let codec: ProstCodec<HealthCheckRequest, HealthCheckRequest> = ProstCodec::default();
        let requests = tonic::Request::new(tokio_stream::empty());
        let answer = grpc.streaming(requests, path.clone(), codec).await;
        let code = answer.err().map_or(Code::Ok, |status| status.code());
        assert_eq!(code, if reflection { Code::Ok } else { Code::Unimplemented });
    }
}

/// A service whose one call says that it was entered, waits until it is released and then answers ABORTED.
#[derive(Clone, Default)]
struct Slow {
    entered: Arc<Notify>,
    release: Arc<Notify>,
}

impl tonic::server::NamedService for Slow {
    const NAME: &'static str = "test.Slow";
}

impl Service<http::Request<Body>> for Slow {
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = BoxFuture<Self::Response, Self::Error>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: http::Request<Body>) -> Self::Future {
        let slow = self.clone();
        Box::pin(async move {
            slow.entered.notify_one();
            slow.release.notified().await;
            Ok(tonic::Status::aborted("done").into_http())
        })
    }
}

async fn call_slow(channel: Channel) -> Code {
    let mut grpc = tonic::client::Grpc::new(channel);
    grpc.ready().await.unwrap();
    let codec: ProstCodec<HealthCheckRequest, HealthCheckRequest> = ProstCodec::default();
    let path = http::uri::PathAndQuery::from_static("/test.Slow/Call");
    grpc.unary(tonic::Request::new(of("")), path, codec).await.unwrap_err().code()
}

#[tokio::test]
async fn a_call_in_flight_is_answered_after_the_server_was_asked_to_stop() {
    let slow = Slow::default();
    let running = start_with(Routes::new(slow.clone()), GrpcOptions::default()).await;
    let answer = tokio::spawn(call_slow(connect(&running).await));
    slow.entered.notified().await;
    running.stop.send(()).unwrap();
    slow.release.notify_one();
    assert_eq!(answer.await.unwrap(), Code::Aborted);
    running.server.await.unwrap().unwrap();
}

#[tokio::test]
async fn a_call_that_never_ends_does_not_outlive_the_drain() {
    let slow = Slow::default();
    let drain = Duration::from_millis(200);
    let running =
        start_with(Routes::new(slow.clone()), GrpcOptions { drain, ..GrpcOptions::default() }).await;
    let answer = tokio::spawn(call_slow(connect(&running).await));
    slow.entered.notified().await;
    let asked = Instant::now();
    running.stop.send(()).unwrap();
    running.server.await.unwrap().unwrap();
    assert!((drain..Duration::from_secs(5)).contains(&asked.elapsed()), "{:?}", asked.elapsed());
    answer.abort();
}
