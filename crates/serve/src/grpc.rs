//! One gRPC server as all processes run it: limits, health, reflection, drain. Knows no service.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use crate::envelope;
use crate::metrics::RpcLayer;
use crate::traces;
use tokio::net::TcpListener;
use tokio::sync::Notify;
use tonic::service::Routes;
use tonic::transport::Server;
use tonic::transport::server::TcpIncoming;
use tonic_health::ServingStatus;
use tonic_health::server::HealthReporter;
use tower::util::{MapResponseLayer, option_layer};

/// Largest request any of our services takes; put it on each generated server with `max_decoding_message_size`.
pub const MAX_MESSAGE_BYTES: usize = 1024 * 1024;
/// Calls in flight on one connection. The orchestrator and DTM each talk over one or a few connections.
const MAX_CONCURRENT_STREAMS: u32 = 1024;
/// Metadata of a call: a plan MAC, a trace and a few words fit many times.
const MAX_HEADER_BYTES: u32 = 16 * 1024;
/// A caller whose deadline passed resets its stream; DTM does that to many at once, which is no attack here.
const MAX_PENDING_RESETS: usize = 512;
const STREAM_WINDOW_BYTES: u32 = 1024 * 1024;
const CONNECTION_WINDOW_BYTES: u32 = 8 * 1024 * 1024;
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(20);
const KEEPALIVE_TIMEOUT: Duration = Duration::from_secs(20);

/// What differs from server to server.
#[derive(Debug, Clone)]
pub struct GrpcOptions {
    /// Offer reflection v1 of all our proto files.
    pub reflection: bool,
    /// Full names whose health is told beside that of the whole server (the empty name).
    pub services: Vec<String>,
    /// How long calls in flight may take to end once the server was asked to stop.
    pub drain: Duration,
    /// Longest time until a call's response begins; a caller's `grpc-timeout` may make it shorter, never longer.
    pub request_timeout: Duration,
}

impl Default for GrpcOptions {
    fn default() -> Self {
        GrpcOptions {
            reflection: false,
            services: Vec::new(),
            drain: Duration::from_secs(10),
            request_timeout: Duration::from_secs(600),
        }
    }
}

/// The server could not start or broke down.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// The descriptor set cannot be served by reflection.
    #[error("reflection cannot serve the descriptor set")]
    Reflection(#[from] tonic_reflection::server::Error),
    /// The transport ended with an error.
    #[error("the gRPC server ended with an error")]
    Transport(#[from] tonic::transport::Error),
}

/// Serves `routes` until `shutdown` ends, then lets calls in flight finish for at most `options.drain`.
/// Health says SERVING from the first accepted connection and NOT_SERVING during the drain.
pub async fn serve(
    listener: TcpListener,
    routes: Routes,
    options: GrpcOptions,
    shutdown: impl Future<Output = ()> + Send,
) -> Result<(), ServeError> {
    let health = HealthReporter::new();
    report(&health, &options.services, ServingStatus::Serving).await;
    let mut routes = routes.add_service(tonic_health::pb::health_server::HealthServer::new(
        tonic_health::server::HealthService::from_health_reporter(health.clone()),
    ));
    if options.reflection {
        let reflection = tonic_reflection::server::Builder::configure()
            .register_encoded_file_descriptor_set(amends_proto::DESCRIPTORS)
            .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
            .build_v1()?;
        routes = routes.add_service(reflection);
    }
    let stopping = Arc::new(Notify::new());
    let until = {
        let (stopping, services) = (stopping.clone(), options.services.clone());
        async move {
            shutdown.await;
            report(&health, &services, ServingStatus::NotServing).await;
            forget(health, &services).await;
            stopping.notify_one();
        }
    };
    let incoming = TcpIncoming::from(listener).with_nodelay(Some(true));
    let server = builder(&options).layer(RpcLayer).layer(option_layer(traces::layer()));
    let mut server = server.layer(MapResponseLayer::new(envelope::own_up));
    let server = server.add_routes(routes);
    let server = server.serve_with_incoming_shutdown(incoming, until);
    let give_up = async {
        stopping.notified().await;
        tokio::time::sleep(options.drain).await;
    };
    tokio::select! {
        ended = server => Ok(ended?),
        () = give_up => {
            tracing::warn!(drain_s = options.drain.as_secs(), "calls still in flight after the drain were cut off");
            Ok(())
        }
    }
}

fn builder(options: &GrpcOptions) -> Server {
    Server::builder()
        .timeout(options.request_timeout)
        .max_concurrent_streams(MAX_CONCURRENT_STREAMS)
        .http2_max_header_list_size(MAX_HEADER_BYTES)
        .http2_max_pending_accept_reset_streams(Some(MAX_PENDING_RESETS))
        .initial_stream_window_size(STREAM_WINDOW_BYTES)
        .initial_connection_window_size(CONNECTION_WINDOW_BYTES)
        .http2_keepalive_interval(Some(KEEPALIVE_INTERVAL))
        .http2_keepalive_timeout(Some(KEEPALIVE_TIMEOUT))
}

async fn report(health: &HealthReporter, services: &[String], status: ServingStatus) {
    health.set_service_status("", status).await;
    for service in services {
        health.set_service_status(service, status).await;
    }
}

/// Ends the streams of those who watch our health; they would hold up the drain to its bound.
async fn forget(mut health: HealthReporter, services: &[String]) {
    health.clear_service_status("").await;
    for service in services {
        health.clear_service_status(service).await;
    }
}
