//! Every participant in one: cards are declined, everything else is done, and nothing is remembered. Reads no message.
use crate::host::Fault;
use amends_dtm::metadata;
use amends_serve::grpc::{GrpcOptions, serve};
use amends_serve::listener::bind;
use std::convert::Infallible;
use std::net::{Ipv4Addr, SocketAddr};
use tonic::codegen::{Body, StdError};
use tonic::server::Grpc;
use tonic::service::Routes;
use tonic::{Request, Response, Status};
use tonic_prost::ProstCodec;
use tower::service_fn;

/// The service that refuses.
const REFUSES: &str = "/pay.gateway.v1.GatewayService/";

/// Answers on a free port from now on.
pub async fn listen() -> Result<SocketAddr, Fault> {
    let listener = bind(SocketAddr::from((Ipv4Addr::LOCALHOST, 0))).await?;
    let address = listener.local_addr()?;
    let router = Routes::default().into_axum_router().fallback_service(service_fn(answer::<_>));
    tokio::spawn(serve(listener, Routes::from(router), GrpcOptions::default(), std::future::pending()));
    Ok(address)
}

async fn answer<B>(request: http::Request<B>) -> Result<http::Response<tonic::body::Body>, Infallible>
where
    B: Body + Send + 'static,
    B::Error: Into<StdError> + Send,
{
    let op = request.headers().get(metadata::OP).and_then(|op| op.to_str().ok()).unwrap_or_default();
    let refused = request.uri().path().starts_with(REFUSES) && ["action", "try"].contains(&op);
    // Any message can be read as one without fields.
    let answer = move || {
        if refused { Err(Status::aborted("PSP_DECLINED|by the script")) } else { Ok(Response::new(())) }
    };
    let say = service_fn(move |_: Request<()>| std::future::ready(answer()));
    Ok(Grpc::new(ProstCodec::<(), ()>::default()).unary(say, request).await)
}
