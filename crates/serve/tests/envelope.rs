//! What a server answers to a message that it cannot read: the caller's mistake, never a defect of ours.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::net::SocketAddr;

use amends_serve::grpc::{GrpcOptions, serve};
use amends_serve::listener;
use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::TcpStream;
use tonic::service::Routes;
use tonic::{Code, Status};

const PATH: &str = "/grpc.health.v1.Health/Check";

async fn start() -> SocketAddr {
    let listener = listener::bind("127.0.0.1:0".parse().unwrap()).await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(serve(listener, Routes::default(), GrpcOptions::default(), std::future::pending()));
    address
}

/// The status of a call with this body.
async fn call(address: SocketAddr, body: &[u8], encoding: Option<&str>) -> Status {
    let stream = TcpStream::connect(address).await.unwrap();
    let builder = hyper::client::conn::http2::Builder::new(TokioExecutor::new());
    let (mut requests, connection) = builder.handshake(TokioIo::new(stream)).await.unwrap();
    tokio::spawn(connection);
    let mut request = http::Request::post(format!("http://{address}{PATH}"))
        .header("content-type", "application/grpc")
        .header("te", "trailers");
    if let Some(encoding) = encoding {
        request = request.header("grpc-encoding", encoding);
    }
    let body = Full::new(Bytes::copy_from_slice(body));
    let response = requests.send_request(request.body(body).unwrap()).await.unwrap();
    let (head, body) = response.into_parts();
    if let Some(status) = Status::from_header_map(&head.headers) {
        return status;
    }
    let trailers = body.collect().await.unwrap().trailers().cloned().unwrap();
    Status::from_header_map(&trailers).unwrap()
}

#[tokio::test]
async fn a_message_that_cannot_be_read_is_the_callers_mistake() {
    let address = start().await;
    let wrong: [(&str, &[u8]); 8] = [
        ("torn", &[0, 0, 0, 0, 2, 0x0a, 0x05]),
        ("not UTF-8", &[0, 0, 0, 0, 4, 0x0a, 2, 0xff, 0xfe]),
        ("of another type", &[0, 0, 0, 0, 2, 0x08, 1]),
        ("of no wire type", &[0, 0, 0, 0, 1, 0x07]),
        ("missing", &[]),
        ("shorter than it says", &[0, 0, 0, 0, 9, 0]),
        ("compressed by nothing", &[1, 0, 0, 0, 0]),
        ("with an unknown flag", &[7, 0, 0, 0, 0]),
    ];
    for (label, body) in wrong {
        let status = call(address, body, None).await;
        assert_eq!(status.code(), Code::InvalidArgument, "{label}: {status:?}");
        assert!(status.message().starts_with("INVALID_MESSAGE|"), "{label}: {status:?}");
        assert!(status.message().len() <= 256 && !status.details().is_empty(), "{label}: {status:?}");
    }
}

#[tokio::test]
async fn every_other_answer_stays_as_it_is() {
    let address = start().await;
    assert_eq!(call(address, &[0, 0, 0, 0, 0], None).await.code(), Code::Ok);
    let unknown = call(address, &[0, 0, 0, 0, 3, 0x0a, 1, b'x'], None).await;
    assert_eq!(unknown.code(), Code::NotFound);
    assert_eq!(call(address, &[0, 0xff, 0xff, 0xff, 0xff], None).await.code(), Code::OutOfRange);
    assert_eq!(call(address, &[1, 0, 0, 0, 0], Some("gzip")).await.code(), Code::Unimplemented);
}
