//! A receiver of notices: a real HTTP server that answers by a script, checks each signature by the documented words
//! alone, and remembers what it was told.
use bytes::Bytes;
use hmac::{Hmac, KeyInit as _, Mac as _};
use http::{HeaderMap, Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use sha2::{Digest as _, Sha256};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tokio::net::TcpListener;
use tokio::sync::watch;

/// The key that sender and receiver share.
pub const KEY: [u8; 32] = [0x5a; 32];
/// What a receiver allows clocks to differ.
const SKEW_S: i64 = 300;

/// What the receiver does with a notice that it was sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    /// Takes it.
    Take,
    /// Refuses it.
    Refuse(u16),
    /// Takes it, and its answer gets lost with the connection.
    TakeAndVanish,
    /// Takes it, and never answers.
    TakeAndHang,
}

/// One notice as it came.
#[derive(Debug, Clone)]
pub struct Sent {
    pub event_id: String,
    pub nonce: String,
    pub body: String,
    pub answer: Answer,
}

#[derive(Default)]
struct Book {
    sent: Vec<Sent>,
    script: VecDeque<Answer>,
    always: Option<Answer>,
    never: BTreeSet<String>,
    in_flight: usize,
    most_in_flight: usize,
}

/// The receiver; it ends with the test.
pub struct Receiver {
    pub url: String,
    book: Arc<Mutex<Book>>,
    count: watch::Sender<usize>,
}

impl Receiver {
    /// Listens on a free port; takes everything unless told otherwise.
    pub async fn start() -> Receiver {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/hooks/amends?team=a", listener.local_addr().unwrap());
        let (book, count) = (Arc::<Mutex<Book>>::default(), watch::Sender::new(0));
        let (shared, told) = (Arc::clone(&book), count.clone());
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (book, count) = (Arc::clone(&shared), told.clone());
                let service = service_fn(move |request| answer(Arc::clone(&book), count.clone(), request));
                tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), service));
            }
        });
        Receiver { url, book, count }
    }

    /// What it does with the next ones.
    pub fn will(&self, answers: impl IntoIterator<Item = Answer>) {
        self.book.lock().unwrap().script.extend(answers);
    }

    /// What it does with all that the script does not name.
    pub fn always(&self, answer: Answer) {
        self.book.lock().unwrap().always = Some(answer);
    }

    /// It never takes this one.
    pub fn never_takes(&self, event_id: &str) {
        self.book.lock().unwrap().never.insert(event_id.to_owned());
    }

    pub fn sent(&self) -> Vec<Sent> {
        self.book.lock().unwrap().sent.clone()
    }

    pub fn most_in_flight(&self) -> usize {
        self.book.lock().unwrap().most_in_flight
    }

    /// Returns when it was sent so many notices.
    pub async fn was_sent(&self, wanted: usize) {
        let mut count = self.count.subscribe();
        let patience = Duration::from_secs(30);
        let came = tokio::time::timeout(patience, count.wait_for(|count| *count >= wanted)).await;
        assert!(came.is_ok(), "{} of {wanted} came: {:?}", self.sent().len(), self.sent());
    }

    /// Returns when it has acknowledged so many different ones.
    pub async fn has_taken(&self, wanted: usize) {
        let mut count = self.count.subscribe();
        let patience = Duration::from_secs(30);
        let taken = async {
            while self.taken().len() < wanted {
                count.changed().await.unwrap();
            }
        };
        let came = tokio::time::timeout(patience, taken).await;
        assert!(came.is_ok(), "{} of {wanted} were taken", self.taken().len());
    }

    /// Event ids that it has acknowledged.
    pub fn taken(&self) -> BTreeSet<String> {
        let sent = self.sent();
        sent.into_iter().filter(|sent| sent.answer == Answer::Take).map(|sent| sent.event_id).collect()
    }

    /// The bodies that came under each event id; of each there is one.
    pub fn contents(&self) -> BTreeMap<String, String> {
        let mut contents = BTreeMap::new();
        for Sent { event_id, body, .. } in self.sent() {
            let known = contents.entry(event_id.clone()).or_insert_with(|| body.clone());
            assert_eq!(*known, body, "{event_id} came with two contents");
        }
        contents
    }
}

async fn answer(
    book: Arc<Mutex<Book>>,
    count: watch::Sender<usize>,
    request: Request<Incoming>,
) -> Result<Response<Full<Bytes>>, std::io::Error> {
    let (head, body) = request.into_parts();
    let body = body.collect().await.map_err(std::io::Error::other)?.to_bytes();
    assert_eq!(
        (head.method.as_str(), head.headers["content-type"].to_str().unwrap()),
        ("POST", "application/json")
    );
    let path = head.uri.path_and_query().unwrap().as_str();
    verify(&head.headers, path, &body);
    let answer = {
        let mut book = book.lock().unwrap();
        let text = |name: &str| head.headers[name].to_str().unwrap().to_owned();
        let (event_id, nonce) = (text("amends-event-id"), text("amends-nonce"));
        let answer = if book.never.contains(&event_id) {
            Answer::Refuse(400)
        } else {
            book.script.pop_front().or(book.always).unwrap_or(Answer::Take)
        };
        let body = String::from_utf8(body.to_vec()).unwrap();
        book.sent.push(Sent { event_id, nonce, body, answer });
        book.in_flight += 1;
        book.most_in_flight = book.most_in_flight.max(book.in_flight);
        answer
    };
    let _leaving = Leaving(Arc::clone(&book));
    count.send_modify(|count| *count += 1);
    let status = match answer {
        Answer::Take => StatusCode::NO_CONTENT,
        Answer::Refuse(status) => StatusCode::from_u16(status).unwrap(),
        Answer::TakeAndVanish => return Err(std::io::Error::other("gone")),
        Answer::TakeAndHang => return std::future::pending().await,
    };
    Ok(Response::builder().status(status).body(Full::new(Bytes::from_static(b"because"))).unwrap())
}

/// A call that is over, also where its caller gave up.
struct Leaving(Arc<Mutex<Book>>);

impl Drop for Leaving {
    fn drop(&mut self) {
        self.0.lock().unwrap().in_flight -= 1;
    }
}

/// As docs/attention.md says it.
fn verify(headers: &HeaderMap, path: &str, body: &[u8]) {
    let text = |name: &str| headers[name].to_str().unwrap();
    let timestamp: i64 = text("amends-timestamp").parse().unwrap();
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    assert!((i64::try_from(now).unwrap() - timestamp).abs() <= SKEW_S);
    assert_eq!(text("amends-key-id"), &hex::encode(Sha256::digest(KEY))[..16]);
    let digest = hex::encode(Sha256::digest(body));
    let signed = format!("{timestamp}\n{}\nPOST\n{path}\n{digest}\n", text("amends-nonce"));
    let mut mac = Hmac::<Sha256>::new_from_slice(&KEY).unwrap();
    mac.update(signed.as_bytes());
    mac.verify_slice(&hex::decode(text("amends-signature")).unwrap()).expect("the signature is ours");
}
