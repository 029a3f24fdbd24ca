//! Starts every checkout in order, so many in flight at a time, waits for each end and counts. Knows no service.
use super::course::Course;
use super::data::{CURRENCY, Data, MERCHANT, Names, Order};
use crate::connect::Connection;
use crate::exit::Exit;
use crate::start::checkout_request;
use amends_orchestrator::reason;
use amends_proto::amends::v1::transactions_client::TransactionsClient;
use amends_proto::amends::v1::{Mode, StartRequest, Status, WaitRequest};
use amends_proto::pay::checkout::v1::{Card, CheckoutInput, Line};
use amends_proto::pay::money::v1::Money;
use anyhow::{Context as _, bail};
use futures::{StreamExt as _, TryStreamExt as _};
use std::collections::BTreeMap;
use std::num::NonZeroUsize;
use std::time::Duration;
use tokio::time::Instant;
use tonic::Code;

/// Points earned, in basis points.
const EARN_BP: i32 = 100;
/// `Start` waits this long for the end by itself.
const START_WAIT_MS: i32 = 10_000;
/// One `Wait` for those that take longer.
const WAIT_MS: i32 = 30_000;
/// An order that is not final after this ends the replay with an error: something is stuck.
const ORDER_LIMIT: Duration = Duration::from_secs(600);
/// How long an orchestrator may be away, and how often it is asked meanwhile.
const AWAY_LIMIT: Duration = Duration::from_secs(60);
const AWAY_PAUSE: Duration = Duration::from_millis(200);

type Client = TransactionsClient<Connection>;

/// How orders become checkouts.
pub struct Plan {
    pub mode: Mode,
    /// Each N-th order is declined by the PSP.
    pub decline_every: Option<NonZeroUsize>,
    pub names: Names,
}

/// A checkout to start, and what it is worth.
pub struct Checkout {
    request: StartRequest,
    total: i64,
}

/// What came of the orders that ended.
#[derive(Debug, Clone, Default)]
pub struct Tally {
    pub succeeded: u64,
    pub failed: u64,
    pub failed_by_reason: BTreeMap<String, u64>,
    /// Σ total of those that succeeded.
    pub paid_minor: i64,
    /// From the first start to the last end.
    pub elapsed: Duration,
}

/// How one checkout ended.
struct End {
    status: Status,
    reason: String,
    total: i64,
}

impl Plan {
    /// The checkouts of all orders, in file order.
    pub fn requests(&self, data: &Data) -> Vec<Checkout> {
        let numbered = data.orders.iter().zip(1_usize..);
        numbered
            .map(|(order, number)| {
                let declined = self.decline_every.is_some_and(|every| number % every == 0);
                let input = self.input(order, if declined { "tok_decline" } else { "tok_ok" });
                let request_id = self.names.name(&format!("replay-{}", order.order_no));
                let mut request = checkout_request(request_id, String::new(), self.mode, &input);
                request.wait_ms = START_WAIT_MS;
                Checkout { request, total: order.total }
            })
            .collect()
    }

    fn input(&self, order: &Order, card_token: &str) -> CheckoutInput {
        let usd = |minor_units| Some(Money { minor_units, currency: CURRENCY.to_owned() });
        let user_id = self.names.name(&order.customer_id);
        let line = |line: &super::data::Line| Line {
            sku: self.names.name(&line.sku),
            quantity: line.quantity,
            unit_price: usd(line.unit_price_minor),
        };
        CheckoutInput {
            order_id: String::new(),
            merchant_id: MERCHANT.to_owned(),
            out_trade_no: self.names.name(&order.order_no),
            lines: order.lines.iter().map(line).collect(),
            total: usd(order.total),
            wallet: usd(order.total / 5),
            points: 0,
            points_value: usd(0),
            card: Some(Card {
                psp: "sim".to_owned(),
                method: "card".to_owned(),
                card_token: card_token.to_owned(),
                card_fingerprint: format!("fp-{user_id}"),
            }),
            user_id,
            earn_bp: EARN_BP,
            pay_ttl_s: 0,
        }
    }
}

/// Starts all in order, `concurrency` in flight, and counts their ends.
pub async fn all(
    client: Client,
    checkouts: Vec<Checkout>,
    concurrency: NonZeroUsize,
    course: &Course,
) -> anyhow::Result<()> {
    let began = Instant::now();
    // Each is polled first in the order of the list, which is when its Start is sent.
    let ends = futures::stream::iter(checkouts).map(|checkout| play(client.clone(), checkout));
    let mut ends = ends.buffer_unordered(concurrency.get());
    while let Some(end) = ends.try_next().await? {
        course.count(|tally| tally.count(&end, began.elapsed()));
    }
    Ok(())
}

impl Tally {
    /// All orders that ended.
    pub fn orders(&self) -> u64 {
        self.succeeded + self.failed
    }

    /// Orders per second.
    pub fn per_second(&self) -> f64 {
        let seconds = self.elapsed.as_secs_f64();
        // Replays have far fewer than 2^32 orders; more would only blunt a figure for people.
        let orders = f64::from(u32::try_from(self.orders()).unwrap_or(u32::MAX));
        if seconds > 0.0 { orders / seconds } else { 0.0 }
    }

    fn count(&mut self, end: &End, elapsed: Duration) {
        self.elapsed = elapsed;
        if end.status == Status::Succeeded {
            self.succeeded += 1;
            self.paid_minor += end.total;
        } else {
            self.failed += 1;
            *self.failed_by_reason.entry(short_reason(end)).or_default() += 1;
        }
    }
}

fn short_reason(end: &End) -> String {
    match reason::split(&end.reason) {
        ("", "") => end.status.as_str_name().to_owned(),
        ("", text) => text.to_owned(),
        (reason, _) => reason.to_owned(),
    }
}

/// Starts one checkout and waits for its end. That it still runs is never a failure.
async fn play(mut client: Client, checkout: Checkout) -> anyhow::Result<End> {
    let Checkout { request, total } = checkout;
    let name = request.request_id.clone();
    let started = patiently(async || client.start(request.clone()).await)
        .await
        .with_context(|| format!("start {name}"))?
        .into_inner();
    if Exit::of_status(started.status()) != Exit::Running {
        return Ok(End { status: started.status(), reason: started.reason, total });
    }
    let deadline = Instant::now() + ORDER_LIMIT;
    while Instant::now() < deadline {
        let wait = WaitRequest { gid: started.gid.clone(), timeout_ms: WAIT_MS };
        let now = patiently(async || client.wait(wait.clone()).await)
            .await
            .with_context(|| format!("wait for {name}"))?
            .into_inner();
        if Exit::of_status(now.status()) != Exit::Running {
            return Ok(End { status: now.status(), reason: now.reason, total });
        }
    }
    bail!("{name} ({}) is still running after {} s", started.gid, ORDER_LIMIT.as_secs())
}

/// Calls until there is an answer; an orchestrator that is away for a while is asked again. Start is idempotent.
async fn patiently<Answer>(
    mut call: impl AsyncFnMut() -> Result<Answer, tonic::Status>,
) -> Result<Answer, tonic::Status> {
    let deadline = Instant::now() + AWAY_LIMIT;
    loop {
        match call().await {
            Err(status) if is_away(status.code()) && Instant::now() < deadline => {
                tokio::time::sleep(AWAY_PAUSE).await;
            }
            answer => return answer,
        }
    }
}

/// A connection that broke comes as any of these.
fn is_away(code: Code) -> bool {
    matches!(
        code,
        Code::Unavailable
            | Code::Unknown
            | Code::Cancelled
            | Code::DeadlineExceeded
            | Code::ResourceExhausted
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use prost::Message as _;
    use std::path::Path;

    fn data() -> Data {
        Data::read(&Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/northwind")).unwrap()
    }

    fn inputs(decline_every: Option<NonZeroUsize>) -> Vec<CheckoutInput> {
        let plan = Plan { mode: Mode::Tcc, decline_every, names: Names::prefixed("abc-") };
        let requests = plan.requests(&data());
        requests
            .iter()
            .map(|c| CheckoutInput::decode(&*c.request.input.as_ref().unwrap().value).unwrap())
            .collect()
    }

    #[test]
    fn an_order_becomes_a_checkout_as_agreed() {
        let inputs = inputs(None);
        let first = &inputs[0];
        assert_eq!((first.merchant_id.as_str(), first.out_trade_no.as_str()), ("northwind", "abc-10248"));
        assert_eq!((first.user_id.as_str(), first.lines[0].sku.as_str()), ("abc-VINET", "abc-P11"));
        assert_eq!((first.earn_bp, first.points), (100, 0));
        for input in &inputs {
            let total = input.total.as_ref().unwrap().minor_units;
            let lines =
                input.lines.iter().map(|line| line.quantity * line.unit_price.as_ref().unwrap().minor_units);
            assert_eq!(total, lines.sum::<i64>());
            assert_eq!(input.wallet.as_ref().unwrap().minor_units, total / 5);
            assert_eq!(input.card.as_ref().unwrap().card_token, "tok_ok");
        }
    }

    #[test]
    fn each_nth_order_is_declined() {
        let declined = |input: &CheckoutInput| input.card.as_ref().unwrap().card_token == "tok_decline";
        let inputs = inputs(NonZeroUsize::new(10));
        assert_eq!(inputs.iter().filter(|input| declined(input)).count(), 83);
        assert!(declined(&inputs[9]) && !declined(&inputs[0]));
    }

    #[test]
    fn ends_are_counted_by_reason() {
        let mut tally = Tally::default();
        let end = |status, reason: &str| End { status, reason: reason.to_owned(), total: 5 };
        for end in [
            end(Status::Succeeded, ""),
            end(Status::Failed, "INSUFFICIENT_STOCK|P1"),
            end(Status::Failed, "INSUFFICIENT_STOCK|P2"),
            end(Status::Failed, "PSP_DECLINED"),
            end(Status::Cancelled, ""),
        ] {
            tally.count(&end, Duration::from_secs(2));
        }
        let reasons: Vec<(&str, u64)> =
            tally.failed_by_reason.iter().map(|(r, n)| (r.as_str(), *n)).collect();
        assert_eq!(reasons, [("INSUFFICIENT_STOCK", 2), ("PSP_DECLINED", 1), ("STATUS_CANCELLED", 1)]);
        assert_eq!((tally.orders(), tally.succeeded, tally.paid_minor), (5, 1, 5));
        assert!((tally.per_second() - 2.5).abs() < f64::EPSILON, "{tally:?}");
    }
}
