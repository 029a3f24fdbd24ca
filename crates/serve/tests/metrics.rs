//! Figures of a process as somebody reads them who asks over HTTP: of real calls, one gRPC server and one page.
#![allow(clippy::unwrap_used)] // all of it is test code

use amends_serve::grpc::{self, GrpcOptions};
use amends_serve::listener;
use amends_serve::metrics::{self, CALL_SECONDS, Gauges, Kept, Kind, Metric, Source, age_s, page};
use std::net::{Ipv4Addr, SocketAddr};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::oneshot;
use tonic::service::Routes;
use tonic::transport::{Channel, Endpoint};
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_client::HealthClient;

const ASKED: Metric =
    Metric::new("amends_test_asked_total", Kind::Counter, &["by"], "How often it was asked.");
const THERE: Metric = Metric::new("amends_test_there", Kind::Gauge, &["who"], "Who is there.");
const STORE: Metric = Metric::new("amends_test_store_readable", Kind::Gauge, &[], "1 = it was read.");
const TOOK: Metric =
    Metric::new("amends_test_seconds", Kind::Histogram(CALL_SECONDS), &["what"], "How long it took.");

/// One that is there at the first reading and gone at the second.
struct Guests {
    readings: AtomicU64,
    there: Gauges,
}

impl Source for Guests {
    fn read(&self) -> Pin<Box<dyn Future<Output = ()> + Send + '_>> {
        Box::pin(async {
            let reading = self.readings.fetch_add(1, Ordering::SeqCst);
            let ann = (reading == 0).then(|| (vec!["ann".to_owned()], 2.0));
            self.there.tell(ann.into_iter().chain([(vec!["ben".to_owned()], 1.0)]));
        })
    }

    fn overdue(&self) {}
}

/// A store is looked at once, and again only where that failed.
async fn a_store_is_looked_at_seldom() {
    let (kept, looks) = (Kept::new(STORE), AtomicU64::new(0));
    let look = |outcome: Result<(), &'static str>| {
        looks.fetch_add(1, Ordering::SeqCst);
        std::future::ready(outcome)
    };
    kept.read(async { look(Err("away")).await }).await;
    assert_eq!(value(&metrics::render().await.unwrap(), "amends_test_store_readable"), Some(0.0));
    for _ in 0..3 {
        kept.read(async { look(Ok(())).await }).await;
    }
    assert_eq!(looks.load(Ordering::SeqCst), 2);
    assert_eq!(value(&metrics::render().await.unwrap(), "amends_test_store_readable"), Some(1.0));
    kept.old();
    assert_eq!(value(&metrics::render().await.unwrap(), "amends_test_store_readable"), Some(0.0));
    assert_eq!(age_s(1_000_000, 4_999_999), 3.0);
    assert_eq!(age_s(5_000_000, 1), 0.0);
}

/// One whose reading never ends.
struct Stuck;

impl Source for Stuck {
    fn read(&self) -> Pin<Box<dyn Future<Output = ()> + Send + '_>> {
        Box::pin(std::future::pending())
    }

    fn overdue(&self) {
        ASKED.counter(&["overdue"]).increment(1);
    }
}

async fn free() -> tokio::net::TcpListener {
    listener::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, 0))).await.unwrap()
}

/// The head and the body of what a plain HTTP/1.1 client is told.
async fn get(address: SocketAddr, path: &str) -> (String, String) {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let request = format!("GET {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    (head.to_owned(), body.to_owned())
}

/// The value of a series; `None` = it is not told.
fn value(page: &str, series: &str) -> Option<f64> {
    let line = page.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' '))?;
    line.parse().ok()
}

fn series(method: &str, code: &str) -> String {
    format!(
        "amends_rpc_requests_total{{service=\"grpc.health.v1.Health\",method=\"{method}\",code=\"{code}\"}}"
    )
}

async fn calls(channel: Channel) {
    let mut health = HealthClient::new(channel.clone());
    for service in ["", ""] {
        health.check(HealthCheckRequest { service: service.to_owned() }).await.unwrap();
    }
    let unknown = health.check(HealthCheckRequest { service: "nobody".to_owned() }).await.unwrap_err();
    assert_eq!(unknown.code(), tonic::Code::NotFound);
    // A stream that its caller leaves, without having heard its end.
    let mut watch = health.watch(HealthCheckRequest::default()).await.unwrap().into_inner();
    assert!(watch.message().await.unwrap().is_some());
    drop(watch);
    for n in 0..3 {
        let path = format!("/made.up.Service/Method{n}").parse().unwrap();
        let mut client = tonic::client::Grpc::new(channel.clone());
        client.ready().await.unwrap();
        let codec = tonic_prost::ProstCodec::<(), ()>::default();
        let refused = client.unary(tonic::Request::new(()), path, codec).await.unwrap_err();
        assert_eq!(refused.code(), tonic::Code::Unimplemented);
    }
}

#[tokio::test]
async fn calls_and_sources_are_read_over_http() {
    metrics::install("tester", &[&[ASKED, THERE, TOOK, STORE]]).unwrap();
    metrics::install("tester", &[]).unwrap();
    a_store_is_looked_at_seldom().await;
    metrics::watch(Arc::new(Guests { readings: AtomicU64::new(0), there: Gauges::of(THERE) }));
    let address = page::listen(SocketAddr::from((Ipv4Addr::LOCALHOST, 0))).await.unwrap();
    let listener = free().await;
    let server = listener.local_addr().unwrap();
    let (stop, stopped) = oneshot::channel::<()>();
    let served = tokio::spawn(grpc::serve(listener, Routes::default(), GrpcOptions::default(), async {
        let _ = stopped.await;
    }));
    let channel = Endpoint::from_shared(format!("http://{server}")).unwrap().connect().await.unwrap();
    calls(channel).await;
    ASKED.counter(&["us"]).increment(3);
    TOOK.histogram(&["it"]).record(Duration::from_millis(30));

    let (head, first) = get(address, "/metrics").await;
    assert!(head.starts_with("HTTP/1.1 200") && head.contains("text/plain; version=0.0.4"), "{head}");
    assert_eq!(value(&first, &series("Check", "OK")), Some(2.0), "{first}");
    assert_eq!(value(&first, &series("Check", "NOT_FOUND")), Some(1.0));
    let other = "amends_rpc_requests_total{service=\"other\",method=\"other\",code=\"UNIMPLEMENTED\"}";
    assert_eq!(value(&first, other), Some(3.0), "what callers make up is one series");
    let check = "{service=\"grpc.health.v1.Health\",method=\"Check\"";
    assert_eq!(value(&first, &format!("amends_rpc_duration_seconds_count{check}}}")), Some(3.0));
    assert_eq!(value(&first, &format!("amends_rpc_duration_seconds_bucket{check},le=\"+Inf\"}}")), Some(3.0));
    assert_eq!(value(&first, &format!("amends_rpc_in_flight{check}}}")), Some(0.0));
    assert_eq!(value(&first, "amends_test_asked_total{by=\"us\"}"), Some(3.0));
    assert_eq!(value(&first, "amends_test_seconds_bucket{what=\"it\",le=\"0.025\"}"), Some(0.0));
    assert_eq!(value(&first, "amends_test_seconds_bucket{what=\"it\",le=\"0.05\"}"), Some(1.0));
    assert_eq!(value(&first, "amends_test_there{who=\"ann\"}"), Some(2.0));
    assert!(first.contains("amends_build_info{role=\"tester\",version=\""), "{first}");
    assert!(first.contains("# HELP amends_test_there Who is there.\n# TYPE amends_test_there gauge"));

    // The stream's end is the server's to notice; that whoever left is no longer told as there is seen in the same page.
    let end = tokio::time::Instant::now() + Duration::from_secs(60);
    let second = loop {
        let (_, page) = get(address, "/metrics").await;
        if value(&page, &series("Watch", "CANCELLED")) == Some(1.0) {
            break page;
        }
        assert!(tokio::time::Instant::now() < end, "a stream that was left was never counted:\n{page}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    };
    assert_eq!(value(&second, "amends_test_there{who=\"ann\"}"), Some(0.0), "who left is not told for ever");
    assert_eq!(value(&second, "amends_test_there{who=\"ben\"}"), Some(1.0));
    assert_eq!(get(address, "/healthz").await.1, "ok\n");
    assert!(get(address, "/secrets").await.0.starts_with("HTTP/1.1 404"));

    metrics::watch(Arc::new(Stuck));
    let (_, page) = get(address, "/metrics").await;
    assert_eq!(
        value(&page, "amends_test_there{who=\"ben\"}"),
        Some(1.0),
        "one stuck source costs the others nothing"
    );
    assert_eq!(value(&page, "amends_test_asked_total{by=\"overdue\"}"), Some(1.0));
    stop.send(()).unwrap();
    served.await.unwrap().unwrap();
}
