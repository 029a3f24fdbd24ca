//! The processor as the gateway sees it: one request out, one answer in, within a deadline. Decides nothing: what an
//! answer proves is said in `finding`.

use std::error::Error;
use std::time::Duration;

use amends_crash_points::{Place, around};
use amends_participant::Branch;
use amends_proto::pay::money::v1::Money;
use amends_proto::pay::psp::v1::psp_service_client::PspServiceClient;
use amends_proto::pay::psp::v1::{CloseRequest, PspRequest, PspResult, PspStatus, QueryRequest};
use amends_serve::traces::{self, Kind, Span};
use tokio::sync::Mutex;
use tokio::time::Instant;
use tonic::transport::{Channel, Endpoint};
use tonic::{ConnectError, Request, Response, Status};

use crate::finding::{Answer, Receipt};
use crate::meters::{Call, PspMeters, word};
use crate::state::PspOp;

/// Longest time for a connection to come about.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);
/// How often a connection has to show that it lives, and how long that may take: a processor's machine that vanishes
/// without a word must not be called for ever over a dead connection.
const KEEPALIVE: Duration = Duration::from_secs(10);

/// Everything the processor needs to carry out a request.
#[derive(Debug, Clone)]
pub struct Errand {
    /// The branch of the forward call.
    pub branch: Branch,
    /// The attempt that records it.
    pub attempt_id: String,
    /// The payment it is for.
    pub payment_id: String,
    /// What is asked.
    pub op: PspOp,
    /// What is sent.
    pub request: PspRequest,
}

/// The connection to one processor. A clone is the same connection.
#[derive(Debug, Clone)]
pub struct PspClient {
    client: PspServiceClient<Channel>,
    timeout: Duration,
    pace: std::sync::Arc<Pace>,
    meters: std::sync::Arc<PspMeters>,
}

/// At most so many queries a second.
#[derive(Debug)]
struct Pace {
    between: Duration,
    next: Mutex<Instant>,
}

impl Pace {
    async fn turn(&self) {
        let mut next = self.next.lock().await;
        let turn = (*next).max(Instant::now());
        *next = turn + self.between;
        drop(next);
        tokio::time::sleep_until(turn).await;
    }
}

impl PspClient {
    /// A connection that comes about at the first call.
    pub fn new(
        address: &str,
        timeout: Duration,
        queries_per_s: f64,
    ) -> Result<PspClient, tonic::transport::Error> {
        let channel = Endpoint::from_shared(format!("http://{address}"))?
            .connect_timeout(CONNECT_TIMEOUT)
            .tcp_nodelay(true)
            .http2_keep_alive_interval(KEEPALIVE)
            .keep_alive_timeout(KEEPALIVE)
            .keep_alive_while_idle(true)
            .connect_lazy();
        let between = Duration::from_secs_f64(1.0 / queries_per_s.max(0.001));
        let pace = Pace { between, next: Mutex::new(Instant::now()) };
        let (client, pace) = (PspServiceClient::new(channel), std::sync::Arc::new(pace));
        Ok(PspClient { client, timeout, pace, meters: PspMeters::new() })
    }

    /// How long a call may take.
    #[must_use]
    pub fn timeout(&self) -> Duration {
        self.timeout
    }

    /// Sends the request of `errand`.
    pub async fn send(&self, errand: &Errand) -> Answer {
        let mut client = self.client.clone();
        let asked = Call::Money(errand.op);
        let (span, request) = self.asked(asked, errand.request.clone());
        let call = async {
            match errand.op {
                PspOp::Authorize => client.authorize(request).await,
                PspOp::Sale => client.sale(request).await,
                PspOp::Capture => client.capture(request).await,
                PspOp::Void => client.void(request).await,
                PspOp::Refund => client.refund(request).await,
            }
        };
        around!(Place::ProviderRequest, self.answer(asked, span, call).await)
    }

    /// Asks what became of a request.
    pub async fn query(&self, psp_request_id: &str) -> Answer {
        self.pace.turn().await;
        let mut client = self.client.clone();
        let message = QueryRequest { psp_request_id: psp_request_id.to_owned() };
        let (span, request) = self.asked(Call::Query, message);
        around!(Place::ProviderQuery, self.answer(Call::Query, span, client.query(request)).await)
    }

    /// Forbids a request for ever.
    pub async fn close(&self, psp_request_id: &str) -> Answer {
        let mut client = self.client.clone();
        let message = CloseRequest { psp_request_id: psp_request_id.to_owned() };
        let (span, request) = self.asked(Call::Close, message);
        around!(Place::ProviderClose, self.answer(Call::Close, span, client.close(request)).await)
    }

    /// What goes out, and its span.
    fn asked<T>(&self, call: Call, message: T) -> (Span, Request<T>) {
        let span = Span::begin(Kind::Client, call.span_name(), traces::current());
        let mut request = Request::new(message);
        request.set_timeout(self.timeout);
        traces::tell(request.metadata_mut(), span.context());
        (span, request)
    }

    async fn answer(
        &self,
        call: Call,
        mut span: Span,
        reply: impl Future<Output = Result<Response<PspResult>, Status>>,
    ) -> Answer {
        let began = Instant::now();
        let answer = self.heard(reply).await;
        span.set("amends.answer", word(&answer));
        if matches!(answer, Answer::Silence | Answer::NeverLeft) {
            span.fail("no answer");
        }
        self.meters.answered(call, &answer, began.elapsed());
        answer
    }

    async fn heard(&self, reply: impl Future<Output = Result<Response<PspResult>, Status>>) -> Answer {
        match tokio::time::timeout(self.timeout, reply).await {
            Ok(Ok(response)) => understood(response.into_inner()),
            Ok(Err(status)) if never_left(&status) => Answer::NeverLeft,
            Ok(Err(status)) => {
                tracing::warn!(code = ?status.code(), "the processor gave no result");
                Answer::Silence
            }
            Err(_) => {
                tracing::warn!("the processor did not answer in time");
                Answer::Silence
            }
        }
    }
}

fn understood(result: PspResult) -> Answer {
    match result.status() {
        PspStatus::Success => Answer::Success(Receipt {
            psp_txn_id: short(result.psp_txn_id, 64),
            auth_code: short(result.auth_code, 16),
            duplicate: result.duplicate,
        }),
        PspStatus::Declined => Answer::Declined(short(result.code, 64)),
        PspStatus::Refused => Answer::Refused(short(result.code, 64)),
        PspStatus::Processing => Answer::Processing,
        PspStatus::NotFound => Answer::NotFound,
        PspStatus::Closed => Answer::Closed,
        PspStatus::Unspecified => Answer::Silence,
    }
}

/// The processor's texts go into columns of this length.
fn short(text: String, max: usize) -> String {
    if text.chars().count() <= max { text } else { text.chars().take(max).collect() }
}

/// No connection came about, so nothing was sent. Everything else may have arrived.
fn never_left(status: &Status) -> bool {
    let mut cause: Option<&(dyn Error + 'static)> = status.source();
    while let Some(error) = cause {
        if error.is::<ConnectError>() {
            return true;
        }
        cause = error.source();
    }
    false
}

/// The message for a request.
#[must_use]
pub fn psp_request(
    payment: &crate::entity::payment::Model,
    attempt: &crate::entity::attempt::Model,
) -> PspRequest {
    let opens = attempt.psp_request_id == payment.psp_request_id;
    PspRequest {
        psp_request_id: attempt.psp_request_id.clone(),
        merchant_id: payment.merchant_id.clone(),
        order_id: payment.order_id.clone(),
        amount: Some(Money { minor_units: payment.amount_minor, currency: payment.currency.clone() }),
        card_token: if opens { payment.card_token.clone() } else { String::new() },
        original_request_id: if opens { String::new() } else { payment.psp_request_id.clone() },
    }
}
