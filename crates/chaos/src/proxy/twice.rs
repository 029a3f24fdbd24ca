//! Delivers gRPC requests a second time, a while later, whatever became of the first: the caller gets the first answer.
//! Knows requests as heads and bytes; knows no service.
use super::Forecast;
use crate::error::ChaosError;
use crate::fault::Weather;
use bytes::Bytes;
use futures::FutureExt as _;
use futures::future::BoxFuture;
use http_body_util::{BodyExt as _, Full};
use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio_stream::wrappers::TcpListenerStream;
use tonic::Status;
use tonic::body::Body;
use tonic::codegen::Service;
use tonic::transport::{Channel, Endpoint, Server};

type Answer = http::Response<Body>;

/// A running server; dropping it closes it.
pub(super) struct Twice {
    address: SocketAddr,
    upstream: Arc<OnceLock<Channel>>,
    server: JoinHandle<()>,
}

impl Twice {
    pub(super) async fn open(forecast: watch::Receiver<Forecast>) -> Result<Twice, ChaosError> {
        let listener = super::listen().await?;
        let address = listener.local_addr().map_err(ChaosError::Proxy)?;
        let upstream = Arc::new(OnceLock::new());
        let desk = Desk { upstream: Arc::clone(&upstream), forecast };
        let server = tokio::spawn(async move {
            let server = Server::builder().tcp_nodelay(true);
            // It ends with its task; a listener that fails shows as a system that cannot be reached.
            server.serve_with_incoming(desk, TcpListenerStream::new(listener)).await.ok();
        });
        Ok(Twice { address, upstream, server })
    }

    pub(super) fn address(&self) -> String {
        self.address.to_string()
    }

    pub(super) fn lead_to(&self, address: &str) -> Result<(), ChaosError> {
        let endpoint = Endpoint::from_shared(format!("http://{address}"))?;
        self.upstream.get_or_init(|| endpoint.tcp_nodelay(true).connect_lazy());
        Ok(())
    }
}

impl Drop for Twice {
    fn drop(&mut self) {
        self.server.abort();
    }
}

#[derive(Clone)]
struct Desk {
    upstream: Arc<OnceLock<Channel>>,
    forecast: watch::Receiver<Forecast>,
}

impl Service<http::Request<Body>> for Desk {
    type Response = Answer;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<Answer, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        let desk = self.clone();
        async move { Ok(desk.serve(request).await.unwrap_or_else(Status::into_http)) }.boxed()
    }
}

impl Desk {
    async fn serve(self, request: http::Request<Body>) -> Result<Answer, Status> {
        let (head, body) = request.into_parts();
        let message = body.collect().await?.to_bytes();
        let now = *self.forecast.borrow();
        if let Weather::Twice { lag_ms } = now.weather {
            let (desk, head, message) = (self.clone(), head.clone(), message.clone());
            // In a task of its own: a double arrives although its caller has an answer or has given up.
            tokio::spawn(async move {
                tokio::time::sleep(Duration::from_millis(lag_ms)).await;
                if let Ok(answer) = desk.pass(head, message).await {
                    // Nobody wants it.
                    answer.into_body().collect().await.ok();
                }
            });
        }
        self.pass(head, message).await
    }

    async fn pass(&self, head: http::request::Parts, message: Bytes) -> Result<Answer, Status> {
        let away = |why: &str| Status::unavailable(why.to_owned());
        let mut channel = self.upstream.get().cloned().ok_or_else(|| away("it leads nowhere yet"))?;
        std::future::poll_fn(|context| channel.poll_ready(context))
            .await
            .map_err(|e| away(&e.to_string()))?;
        let request = http::Request::from_parts(head, Body::new(Full::new(message)));
        channel.call(request).await.map_err(|error| away(&error.to_string()))
    }
}
