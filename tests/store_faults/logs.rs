//! A log that cannot be written, because the disk that it is on is full, ends nobody and nothing.
use amends_testkit::{Must as _, until, within};
use std::process::Stdio;
use tokio::process::Command;
use tonic::transport::Endpoint;
use tonic_health::pb::{HealthCheckRequest, health_client::HealthClient};

/// Every write to it is refused: no space left on device.
const FULL: &str = "/dev/full";

#[tokio::test(flavor = "multi_thread")]
async fn a_process_whose_log_is_full_starts_works_and_ends() {
    let folder = tempfile::tempdir().unwrap();
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let address = format!("127.0.0.1:{port}");
    let full = || Stdio::from(std::fs::File::options().write(true).open(FULL).unwrap());
    let mut psp = Command::new(crate::AMENDS)
        .args(["serve", "--exit-on-stdin-eof", "psp", "--listen", &address, "--data-dir"])
        .arg(folder.path())
        .env("AMENDS_LOG", "trace")
        .stdin(Stdio::piped())
        .stdout(full())
        .stderr(full())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let channel = Endpoint::from_shared(format!("http://{address}")).unwrap().connect_lazy();
    until("a process without a log serves", async || {
        assert_eq!(psp.try_wait().unwrap(), None, "it has ended");
        HealthClient::new(channel.clone()).check(HealthCheckRequest::default()).await.ok()
    })
    .await;
    // Its end of the pipe, and so the word to end.
    drop(psp.stdin.take());
    let ended = within("it ends", psp.wait()).await.must("wait for its end");
    assert!(ended.success(), "{ended}");
}
