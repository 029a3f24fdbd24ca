//! Servers that are wrong on purpose: what the fuzzer is for must be found, kept, and found again from the file.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use amends_wire_fuzz::{
    Catalog, Finding, Forge, Known, Plan, Process, Progress, Report, Target, attack, replay,
};
use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Empty;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use std::convert::Infallible;
use std::io::Write as _;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;

/// A server that answers this status to everything; none = an HTTP answer without one.
async fn server(status: Option<&'static str>) -> Target {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let answer = move |_: Request<Incoming>| async move {
                let mut response = Response::builder().header("content-type", "application/grpc");
                if let Some(status) = status {
                    response = response.header("grpc-status", status);
                }
                Ok::<_, Infallible>(response.body(Empty::<Bytes>::new()).unwrap())
            };
            let builder = hyper::server::conn::http2::Builder::new(TokioExecutor::new());
            tokio::spawn(builder.serve_connection(TokioIo::new(stream), service_fn(answer)));
        }
    });
    Target { name: "wrong".to_owned(), address }
}

fn forge() -> Forge {
    Forge { catalog: Arc::new(Catalog::read().unwrap()), key: None, known: Known::default() }
}

async fn attacked(target: Target, processes: Vec<Process>) -> Report {
    let plan = Plan {
        seed: 5,
        duration: Duration::from_millis(500),
        workers: 1,
        targets: vec![target],
        processes,
        memory_limit: 512 << 20,
        forge: forge(),
        traffic: None,
    };
    attack(plan, Arc::new(Progress::default())).await.unwrap()
}

#[tokio::test]
async fn a_status_that_nobody_thought_of_is_found_and_can_be_sent_again() {
    for (status, word) in [(Some("13"), "INTERNAL"), (Some("2"), "UNKNOWN"), (None, "HTTP 200")] {
        let target = server(status).await;
        let report = attacked(target.clone(), Vec::new()).await;
        let finding = report.findings.iter().find(|finding| finding.why.starts_with(word)).unwrap();
        assert_eq!((finding.seed, finding.shots.len()), (5, 1));
        let folder = tempfile::tempdir().unwrap();
        let files = report.save(folder.path()).unwrap();
        assert_eq!(files.len(), report.findings.len());
        let kept: Finding = serde_json::from_slice(&std::fs::read(&files[0]).unwrap()).unwrap();
        let outcomes = replay(&kept, &[target], &forge()).await.unwrap();
        assert!(outcomes.iter().any(|(_, breach)| breach.is_some()), "{outcomes:?}");
    }
}

#[tokio::test]
async fn a_server_that_refuses_everything_is_in_order() {
    let report = attacked(server(Some("3")).await, Vec::new()).await;
    assert!(report.findings.is_empty(), "{:?}", report.findings);
    assert!(report.sent > 0 && report.totals()["INVALID_ARGUMENT"] > 0, "{:?}", report.totals());
}

#[tokio::test]
async fn a_panic_in_a_log_is_found_with_what_was_sent_before() {
    let log = tempfile::NamedTempFile::new().unwrap();
    let (path, pid) = (log.path().to_owned(), std::process::id());
    let process = Process { name: "wrong".to_owned(), pid, log: path.clone() };
    let writer = tokio::spawn(async move {
        tokio::time::sleep(Duration::from_millis(100)).await;
        let mut log = std::fs::OpenOptions::new().append(true).open(path).unwrap();
        writeln!(log, "thread 'worker' panicked at src/api.rs:1:1").unwrap();
    });
    let report = attacked(server(Some("3")).await, vec![process]).await;
    writer.await.unwrap();
    assert_eq!(report.findings.len(), 1, "{:?}", report.findings);
    assert!(report.findings[0].why.contains("src/api.rs") && report.processes[0].panics == 1);
}
