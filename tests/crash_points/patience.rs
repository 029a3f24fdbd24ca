//! A client that repeats a call until it is answered: whoever is away comes back. Knows nothing of what is asked.
use std::time::Duration;
use tonic::transport::{Channel, Endpoint};
use tonic::{Code, Response, Status};

/// Before the same is asked again.
pub const PAUSE: Duration = Duration::from_millis(25);
/// A process that vanished over a call must not be waited for.
const CALL_TIMEOUT: Duration = Duration::from_secs(5);

/// A connection that comes about at the first call, and again whenever it is lost.
pub fn connection(address: &str) -> Channel {
    let endpoint = Endpoint::from_shared(format!("http://{address}")).unwrap();
    endpoint.timeout(CALL_TIMEOUT).connect_timeout(CALL_TIMEOUT).connect_lazy()
}

/// Repeats a call until it is answered. Any answer but "ask again" is wrong.
pub async fn patiently<T, F>(what: &str, call: impl Fn() -> F) -> T
where
    F: Future<Output = Result<Response<T>, Status>>,
{
    loop {
        match call().await {
            Ok(answer) => return answer.into_inner(),
            Err(status) => assert!(is_away(&status), "{what}: {status}"),
        }
        tokio::time::sleep(PAUSE).await;
    }
}

/// A connection that broke comes as any of these codes, and so does a service that has no turn; one whose store is locked
/// says so (payments-domain.md §2).
pub fn is_away(status: &Status) -> bool {
    let locked = status.code() == Code::FailedPrecondition && status.message().starts_with("LOCKED");
    let broken = [Code::Unavailable, Code::Unknown, Code::Cancelled, Code::DeadlineExceeded, Code::Aborted];
    locked || broken.contains(&status.code())
}
