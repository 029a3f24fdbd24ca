//! One delivery of one notice to the receiver. Knows HTTP; must not know the store, nor when it is tried again.

use super::signature::{Key, KeyError};
use crate::history::bounded;
use amends_crash_points::{Place, around};
use bytes::Bytes;
use http::{HeaderName, Request, Uri, header};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper_rustls::{ConfigBuilderExt as _, HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use rustls::crypto::ring;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use rustls::{ClientConfig, RootCertStore};
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// So much of a receiver's answer is read, and told where it refuses.
const MAX_ANSWER: usize = 4_096;
const NONCE_BYTES: usize = 16;
const EVENT_ID: HeaderName = HeaderName::from_static("amends-event-id");
const KEY_ID: HeaderName = HeaderName::from_static("amends-key-id");
const TIMESTAMP: HeaderName = HeaderName::from_static("amends-timestamp");
const NONCE: HeaderName = HeaderName::from_static("amends-nonce");
const SIGNATURE: HeaderName = HeaderName::from_static("amends-signature");

/// Where notices go, and what signs them.
#[derive(Debug)]
pub struct Webhook {
    client: Client<HttpsConnector<HttpConnector>, Full<Bytes>>,
    url: Uri,
    key_file: PathBuf,
    timeout: Duration,
}

/// Whose word for the receiver's name counts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Trust {
    /// The machine's own root certificates.
    Machine,
    /// Those of this file alone, in PEM.
    File(PathBuf),
}

/// Why there is no webhook.
#[derive(Debug, thiserror::Error)]
pub enum WebhookError {
    /// The URL is not one that notices may go to.
    #[error("{0}")]
    Url(&'static str),
    /// There is no key.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// The file of root certificates has none that can be used.
    #[error("root certificates of {path}")]
    Roots {
        /// Which file.
        path: PathBuf,
        /// Why.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// TLS cannot be spoken: most often no root certificates are installed.
    #[error("TLS")]
    Tls(#[source] Box<dyn std::error::Error + Send + Sync>),
}

/// The receiver has not acknowledged; the text says why.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Undelivered(pub String);

impl Webhook {
    /// Checks URL and key.
    ///
    /// # Errors
    /// See [`WebhookError`].
    pub fn new(url: &str, key_file: PathBuf, trust: &Trust, timeout: Duration) -> Result<Self, WebhookError> {
        let url = checked(url)?;
        Key::from_file(&key_file)?;
        let tls = client_config(&url, trust)?;
        let mut http = HttpConnector::new();
        http.enforce_http(false);
        let https = HttpsConnectorBuilder::new()
            .with_tls_config(tls)
            .https_or_http()
            .enable_http1()
            .wrap_connector(http);
        let client = Client::builder(TokioExecutor::new()).build(https);
        Ok(Self { client, url, key_file, timeout })
    }

    /// How long one delivery may take.
    #[must_use]
    pub fn timeout(&self) -> Duration {
        self.timeout
    }

    /// Sends a notice once, freshly signed. The key is read anew: it may have been changed.
    ///
    /// # Errors
    /// Where the receiver did not answer with 2xx in time; it may have taken the notice all the same.
    pub async fn deliver(&self, event_id: &str, body: &str, unix_s: i64) -> Result<(), Undelivered> {
        let request = self.request(event_id, body, unix_s)?;
        let exchange = async {
            let answer = self.client.request(request).await.map_err(|error| Undelivered(causes(&error)))?;
            let status = answer.status();
            let text = Limited::new(answer.into_body(), MAX_ANSWER).collect().await;
            if status.is_success() {
                return Ok(());
            }
            let text = text.map(|text| String::from_utf8_lossy(&text.to_bytes()).into_owned());
            Err(Undelivered(bounded(&format!("HTTP {} {}", status.as_u16(), text.unwrap_or_default()))))
        };
        match around!(Place::Webhook, tokio::time::timeout(self.timeout, exchange).await) {
            Ok(outcome) => outcome,
            Err(_) => Err(Undelivered(format!("no answer within {} ms", self.timeout.as_millis()))),
        }
    }

    fn request(&self, event_id: &str, body: &str, unix_s: i64) -> Result<Request<Full<Bytes>>, Undelivered> {
        let key = Key::from_file(&self.key_file).map_err(|error| Undelivered(causes(&error)))?;
        let mut nonce = [0; NONCE_BYTES];
        getrandom::fill(&mut nonce).map_err(|error| Undelivered(error.to_string()))?;
        let nonce = hex::encode(nonce);
        let path = self.url.path_and_query().map_or("/", http::uri::PathAndQuery::as_str);
        let signature = key.sign(unix_s, &nonce, path, body.as_bytes());
        Request::post(self.url.clone())
            .header(header::CONTENT_TYPE, "application/json")
            .header(header::USER_AGENT, concat!("amends/", env!("CARGO_PKG_VERSION")))
            .header(EVENT_ID, event_id)
            .header(KEY_ID, key.id())
            .header(TIMESTAMP, unix_s)
            .header(NONCE, nonce)
            .header(SIGNATURE, signature)
            .body(Full::new(Bytes::copy_from_slice(body.as_bytes())))
            .map_err(|error| Undelivered(error.to_string()))
    }
}

/// What notices say is for the receiver alone: in clear text they go no further than this machine.
fn checked(url: &str) -> Result<Uri, WebhookError> {
    let uri: Uri = url.parse().map_err(|_| WebhookError::Url("is not a URL"))?;
    let authority = uri.authority().ok_or(WebhookError::Url("must name a host"))?;
    if authority.as_str().contains('@') {
        return Err(WebhookError::Url("must hold no password: notices are signed instead"));
    }
    match uri.scheme_str() {
        Some("https") => Ok(uri),
        Some("http") if is_loopback(authority.host()) => Ok(uri),
        Some(_) | None => Err(WebhookError::Url("must be https://…, or http://… on this machine")),
    }
}

fn is_loopback(host: &str) -> bool {
    let address = host.trim_matches(['[', ']']).parse::<IpAddr>();
    host == "localhost" || address.is_ok_and(|address| address.is_loopback())
}

/// The machine's own root certificates where no others are named, so that a private authority is trusted where it is
/// installed.
fn client_config(url: &Uri, trust: &Trust) -> Result<ClientConfig, WebhookError> {
    let versions = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|error| WebhookError::Tls(error.into()))?;
    let trusting = match (url.scheme_str(), trust) {
        (Some("https"), Trust::Machine) => {
            versions.with_native_roots().map_err(|error| WebhookError::Tls(error.into()))?
        }
        (Some("https"), Trust::File(path)) => versions.with_root_certificates(roots(path)?),
        (_, Trust::File(_)) => return Err(WebhookError::Url("must be https://… where roots are named")),
        (_, Trust::Machine) => versions.with_root_certificates(RootCertStore::empty()),
    };
    Ok(trusting.with_no_client_auth())
}

/// All certificates of a file; one that is none must not go unnoticed.
fn roots(path: &Path) -> Result<RootCertStore, WebhookError> {
    let read = || -> Result<RootCertStore, Box<dyn std::error::Error + Send + Sync>> {
        let mut roots = RootCertStore::empty();
        for certificate in CertificateDer::pem_file_iter(path)? {
            roots.add(certificate?)?;
        }
        if roots.is_empty() { Err("it has no certificate".into()) } else { Ok(roots) }
    };
    read().map_err(|source| WebhookError::Roots { path: path.to_owned(), source })
}

/// An error with all that caused it, on one line.
fn causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    bounded(&text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clear_text_stays_on_this_machine() {
        for good in [
            "https://ops.example/hook?team=a",
            "http://127.0.0.1:9/x",
            "http://[::1]:9/",
            "http://localhost/",
        ] {
            assert!(checked(good).is_ok(), "{good}");
        }
        for bad in [
            "",
            "ops.example",
            "/hook",
            "http://ops.example/",
            "http://10.0.0.1/",
            "ftp://127.0.0.1/",
            "https://me:secret@ops.example/",
        ] {
            assert!(matches!(checked(bad), Err(WebhookError::Url(_))), "{bad}");
        }
    }
}
