//! Notices over TLS: they go to a receiver whose certificate comes from the authority that is named, and to no other.
use crate::delivering::key_file;
use crate::receiver::Receiver;
use amends_orchestrator::attention::{Undelivered, Webhook, WebhookArgs};
use clap::Parser as _;
use rcgen::{
    BasicConstraints, Certificate, CertificateParams, DistinguishedName, DnType, IsCa, Issuer, KeyPair,
    date_time_ymd,
};
use rustls::ServerConfig;
use rustls::crypto::ring;
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;

/// Where the receiver is reached.
const HERE: &str = "127.0.0.1";

/// An authority of the test's own.
struct Authority {
    certificate: Certificate,
    issuer: Issuer<'static, KeyPair>,
}

impl Authority {
    fn called(name: &str) -> Authority {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.distinguished_name = DistinguishedName::new();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let certificate = params.self_signed(&key).unwrap();
        Authority { certificate, issuer: Issuer::new(params, key) }
    }

    /// What a receiver of this name shows.
    fn certified(&self, name: &str, change: impl FnOnce(&mut CertificateParams)) -> ServerConfig {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new([name.to_owned()]).unwrap();
        change(&mut params);
        let shown = params.signed_by(&key, &self.issuer).unwrap();
        let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
        ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![shown.der().clone()], key)
            .unwrap()
    }

    fn file(&self, folder: &Path, name: &str) -> PathBuf {
        let path = folder.join(name);
        std::fs::write(&path, self.certificate.pem()).unwrap();
        path
    }
}

/// Speaks TLS before a receiver that does not; where it is reached.
async fn front(receiver: &Receiver, config: ServerConfig) -> String {
    let listener = TcpListener::bind((HERE, 0)).await.unwrap();
    let (inside, path) = receiver.url.strip_prefix("http://").unwrap().split_once('/').unwrap();
    let url = format!("https://{}/{path}", listener.local_addr().unwrap());
    let (inside, acceptor) = (inside.to_owned(), TlsAcceptor::from(Arc::new(config)));
    tokio::spawn(async move {
        while let Ok((outside, _)) = listener.accept().await {
            let (inside, acceptor) = (inside.clone(), acceptor.clone());
            tokio::spawn(async move {
                // A caller who does not trust it goes away in the middle.
                if let Ok(mut outside) = acceptor.accept(outside).await {
                    let mut inside = TcpStream::connect(&inside).await.unwrap();
                    drop(tokio::io::copy_bidirectional(&mut outside, &mut inside).await);
                }
            });
        }
    });
    url
}

#[derive(clap::Parser)]
struct Command {
    #[command(flatten)]
    webhook: WebhookArgs,
}

/// As a process makes it of its flags.
fn webhook(url: &str, folder: &Path, ca_file: &Path) -> anyhow::Result<Webhook> {
    let (key, ca_file) = (folder.join("webhook-key"), ca_file.to_str().unwrap());
    let flags = [
        ("--attention-webhook", url),
        ("--attention-webhook-key-file", key.to_str().unwrap()),
        ("--attention-webhook-ca-file", ca_file),
        // A debug build on a busy machine shakes hands slowly.
        ("--attention-webhook-timeout-ms", "30000"),
    ];
    let words = flags.into_iter().flat_map(|(flag, value)| [flag, value]);
    Ok(Command::try_parse_from(["amends"].into_iter().chain(words))?.webhook.webhook()?.unwrap())
}

async fn deliver(webhook: &Webhook, event_id: &str) -> Result<(), Undelivered> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    webhook.deliver(event_id, "{}", i64::try_from(now).unwrap()).await
}

#[tokio::test]
async fn a_receiver_of_the_named_authority_is_told() {
    let folder = tempfile::tempdir().unwrap();
    key_file(folder.path());
    let (authority, receiver) = (Authority::called("ours"), Receiver::start().await);
    let url = front(&receiver, authority.certified(HERE, |_| {})).await;
    let webhook = webhook(&url, folder.path(), &authority.file(folder.path(), "ca.pem")).unwrap();
    for event_id in ["1", "2"] {
        deliver(&webhook, event_id).await.unwrap();
    }
    assert_eq!(receiver.taken().into_iter().collect::<Vec<_>>(), ["1", "2"]);
}

#[tokio::test]
async fn whoever_cannot_prove_its_name_is_told_nothing() {
    let folder = tempfile::tempdir().unwrap();
    key_file(folder.path());
    let [authority, pretender, other] = ["ours", "ours", "another"].map(Authority::called);
    let receiver = Receiver::start().await;
    let ca_file = authority.file(folder.path(), "ca.pem");
    let past = |params: &mut CertificateParams| params.not_after = date_time_ymd(2020, 1, 1);
    for (shown, why) in [
        (other.certified(HERE, |_| {}), "UnknownIssuer"),
        (pretender.certified(HERE, |_| {}), "BadSignature"),
        (authority.certified("ops.example", |_| {}), "not valid for name"),
        (authority.certified(HERE, past), "expired"),
    ] {
        let url = front(&receiver, shown).await;
        let webhook = webhook(&url, folder.path(), &ca_file).unwrap();
        let Undelivered(text) = deliver(&webhook, "1").await.unwrap_err();
        assert!(text.contains(why), "{text}");
    }
    assert!(receiver.sent().is_empty(), "{:?}", receiver.sent());
}

#[tokio::test]
async fn roots_that_cannot_be_used_are_told_at_the_start() {
    let folder = tempfile::tempdir().unwrap();
    key_file(folder.path());
    let good = Authority::called("ours").file(folder.path(), "ca.pem");
    let (empty, broken) = (folder.path().join("empty.pem"), folder.path().join("broken.pem"));
    std::fs::write(&empty, "").unwrap();
    std::fs::write(&broken, "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n").unwrap();
    let url = "https://ops.example/hook";
    for (url, ca_file) in [
        (url, folder.path().join("absent.pem")),
        (url, empty),
        (url, broken),
        ("http://127.0.0.1:9/hook", good.clone()),
    ] {
        let refused = webhook(url, folder.path(), &ca_file);
        assert!(refused.is_err(), "{url} {}", ca_file.display());
    }
    webhook(url, folder.path(), &good).unwrap();
}
