//! A proxy before a server that gives back what it gets, in each weather.
use super::*;
use crate::fault::Direction;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::time::{Instant, timeout};

/// Nothing of these tests takes longer, however busy the machine is.
const LONG: Duration = Duration::from_secs(20);
/// What shall not come has not come by then.
const A_WHILE: Duration = Duration::from_millis(200);

/// A server that sends back each byte, and a proxy before it.
async fn echo() -> Proxy {
    let listener = listen().await.unwrap();
    let proxy = Proxy::open(Reading::Bytes, 7).await.unwrap();
    proxy.lead_to(&listener.local_addr().unwrap().to_string()).unwrap();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let (mut from, mut to) = stream.split();
                tokio::io::copy(&mut from, &mut to).await.ok();
            });
        }
    });
    proxy
}

async fn connect(proxy: &Proxy) -> TcpStream {
    TcpStream::connect(proxy.address()).await.unwrap()
}

/// What comes back of these bytes.
async fn round_trip(stream: &mut TcpStream, bytes: &[u8]) -> std::io::Result<Vec<u8>> {
    stream.write_all(bytes).await?;
    let mut back = vec![0; bytes.len()];
    timeout(LONG, stream.read_exact(&mut back)).await.expect("it comes or breaks")?;
    Ok(back)
}

async fn is_silent(stream: &mut TcpStream) -> bool {
    let mut byte = [0];
    timeout(A_WHILE, stream.read(&mut byte)).await.is_err()
}

#[tokio::test]
async fn in_fair_weather_everything_comes_back() {
    let proxy = echo().await;
    let mut stream = connect(&proxy).await;
    let large = vec![3; 200_000];
    let (mut from, mut to) = stream.split();
    let mut back = vec![0; large.len()];
    let (sent, got) = tokio::join!(to.write_all(&large), timeout(LONG, from.read_exact(&mut back)));
    sent.unwrap();
    got.unwrap().unwrap();
    assert_eq!(back, large);
}

#[tokio::test]
async fn a_delay_holds_bytes_back_and_loses_none() {
    let proxy = echo().await;
    let mut stream = connect(&proxy).await;
    assert_eq!(round_trip(&mut stream, b"before").await.unwrap(), b"before");
    proxy.set(Weather::Delay { ms: 150 });
    let began = Instant::now();
    assert_eq!(round_trip(&mut stream, b"late").await.unwrap(), b"late");
    assert!(began.elapsed() >= Duration::from_millis(300), "{:?}", began.elapsed());
}

#[tokio::test]
async fn a_reset_breaks_what_stands_in_the_middle_and_new_ones_work() {
    let proxy = echo().await;
    let mut stream = connect(&proxy).await;
    assert_eq!(round_trip(&mut stream, b"before").await.unwrap(), b"before");
    proxy.set(Weather::Reset);
    round_trip(&mut stream, b"half of it").await.unwrap_err();
    proxy.set(Weather::Fair);
    assert_eq!(round_trip(&mut connect(&proxy).await, b"after").await.unwrap(), b"after");
}

#[tokio::test]
async fn loss_breaks_connections_and_turns_new_ones_away() {
    let proxy = echo().await;
    let mut stream = connect(&proxy).await;
    assert_eq!(round_trip(&mut stream, b"before").await.unwrap(), b"before");
    proxy.set(Weather::Loss { percent: 100 });
    round_trip(&mut stream, b"lost").await.unwrap_err();
    round_trip(&mut connect(&proxy).await, b"lost").await.unwrap_err();
}

#[tokio::test]
async fn a_half_open_connection_is_silent_until_it_is_over_and_new_ones_work() {
    let proxy = echo().await;
    let mut stream = connect(&proxy).await;
    assert_eq!(round_trip(&mut stream, b"before").await.unwrap(), b"before");
    proxy.set(Weather::HalfOpen);
    assert!(is_silent(&mut stream).await);
    assert_eq!(round_trip(&mut connect(&proxy).await, b"new").await.unwrap(), b"new");
    proxy.set(Weather::Fair);
    round_trip(&mut stream, b"gone").await.unwrap_err();
}

#[tokio::test]
async fn one_way_is_silent_and_then_delivers() {
    for silent in [Direction::Requests, Direction::Answers] {
        let proxy = echo().await;
        let mut stream = connect(&proxy).await;
        assert_eq!(round_trip(&mut stream, b"before").await.unwrap(), b"before");
        proxy.set(Weather::OneWay { silent });
        stream.write_all(b"x").await.unwrap();
        assert!(is_silent(&mut stream).await, "{silent:?}");
        proxy.set(Weather::Fair);
        assert_eq!(round_trip(&mut stream, b"y").await.unwrap(), b"x", "{silent:?}");
    }
}

#[tokio::test]
async fn slow_is_a_byte_at_a_time() {
    let proxy = echo().await;
    let mut stream = connect(&proxy).await;
    proxy.set(Weather::Slow);
    stream.write_all(b"abc").await.unwrap();
    let mut first = [0; 3];
    let read = timeout(LONG, stream.read(&mut first)).await.unwrap().unwrap();
    assert_eq!((read, first[0]), (1, b'a'));
    proxy.set(Weather::Fair);
    assert_eq!(round_trip(&mut stream, b"de").await.unwrap(), b"bc");
}

/// Counts gRPC requests and answers each.
#[derive(Clone, Default)]
struct Counter(Arc<std::sync::atomic::AtomicUsize>);

impl tonic::codegen::Service<http::Request<tonic::body::Body>> for Counter {
    type Response = http::Response<tonic::body::Body>;
    type Error = std::convert::Infallible;
    type Future = std::future::Ready<Result<Self::Response, Self::Error>>;

    fn poll_ready(&mut self, _: &mut std::task::Context<'_>) -> std::task::Poll<Result<(), Self::Error>> {
        std::task::Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: http::Request<tonic::body::Body>) -> Self::Future {
        self.0.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
        std::future::ready(Ok(tonic::Status::already_exists("counted").into_http()))
    }
}

#[tokio::test]
async fn each_request_is_delivered_twice_and_answered_once() {
    use tonic::codegen::Service as _;
    let (listener, counter) = (listen().await.unwrap(), Counter::default());
    let proxy = Proxy::open(Reading::Requests, 7).await.unwrap();
    proxy.lead_to(&listener.local_addr().unwrap().to_string()).unwrap();
    let incoming = tokio_stream::wrappers::TcpListenerStream::new(listener);
    tokio::spawn(tonic::transport::Server::builder().serve_with_incoming(counter.clone(), incoming));
    let endpoint = tonic::transport::Endpoint::from_shared(format!("http://{}", proxy.address())).unwrap();
    let mut channel = endpoint.connect().await.unwrap();
    let counted = || counter.0.load(std::sync::atomic::Ordering::SeqCst);
    for (weather, expected) in [(Weather::Fair, 1), (Weather::Twice { lag_ms: 20 }, 3)] {
        proxy.set(weather);
        std::future::poll_fn(|context| channel.poll_ready(context)).await.unwrap();
        let request = http::Request::post("/a.Service/Method").header("content-type", "application/grpc");
        let request = request.body(tonic::body::Body::empty()).unwrap();
        let answer = timeout(LONG, channel.call(request)).await.unwrap().unwrap();
        assert_eq!(answer.headers()["grpc-status"], "6");
        let all = async {
            while counted() < expected {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        timeout(LONG, all).await.expect("the double comes");
        assert_eq!(counted(), expected, "{weather:?}");
    }
}
