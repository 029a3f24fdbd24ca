//! `amends start`: starts a global transaction from JSON. Knows which message a definition takes, nothing of its steps.
use crate::connect::{Connection, Target};
use crate::exit::Exit;
use crate::output::{Format, print_json, print_text, status_name};
use crate::{json, standing};
use amends_proto::amends::v1::transactions_client::TransactionsClient;
use amends_proto::amends::v1::{
    GlobalTransaction, Mode, StartRequest, StartResponse, StartSagaRequest, StartTccRequest, WaitRequest,
};
use amends_proto::pay::checkout::v1::CheckoutInput;
use amends_serve::traces::{self, Kind, Span, TraceArgs};
use anyhow::Context as _;
use prost::Message as _;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::time::Instant;

/// The longest that one `Wait` call is asked to take; more calls follow.
const WAIT_SLICE: Duration = Duration::from_secs(30);

/// Starts a global transaction; it is durable when this returns
#[derive(Debug, clap::Args)]
pub struct Start {
    #[command(subcommand)]
    definition: Definition,
}

#[derive(Debug, clap::Subcommand)]
enum Definition {
    /// A customer pays for an order with wallet, points and card
    ///
    /// Input is the JSON of pay.checkout.v1.CheckoutInput, e.g.
    /// {"merchant_id":"demo","out_trade_no":"1","user_id":"alice",
    /// "lines":[{"sku":"tea","quantity":1,"unit_price":{"minor_units":500,"currency":"USD"}}],
    /// "total":{"minor_units":500,"currency":"USD"},"card":{"psp":"sim","method":"card","card_token":"tok_ok"}}
    Checkout(Deed),
    /// Steps of your own, over any gRPC service on the orchestrator's allow-list
    ///
    /// Input is the JSON of amends.v1.StartSagaRequest (--mode saga) or StartTccRequest (--mode tcc), e.g.
    /// {"steps":[{"name":"hotel","participant":"hotel","action":"trip.v1.Hotel/Book","compensate":"trip.v1.Hotel/Free"},
    /// {"name":"car","participant":"car","action":"trip.v1.Car/Book","compensate":"trip.v1.Car/Free","after":["hotel"]}]}
    /// with payloads in base64. Steps run in order, or each behind those that its `after` names
    Own(Deed),
}

#[derive(Debug, clap::Args)]
struct Deed {
    /// How the coordinator runs it
    #[arg(long, value_enum)]
    mode: ModeArg,
    /// File with the input as JSON; - reads standard input
    #[arg(long, value_name = "FILE|-")]
    input: PathBuf,
    /// Makes a repeated start harmless: the same id with the same content answers the same gid [default: a new one]
    #[arg(long, value_name = "ID")]
    request_id: Option<String>,
    /// Your own name of the deed [default: MERCHANT_ID/OUT_TRADE_NO of a checkout, else the gid]
    #[arg(long, value_name = "KEY")]
    business_key: Option<String>,
    /// Wait so many seconds for the end
    #[arg(long, value_name = "SECONDS")]
    wait: Option<u64>,
    #[command(flatten)]
    target: Target,
    #[command(flatten)]
    traces: TraceArgs,
}

/// How the coordinator runs a global transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum ModeArg {
    /// Forward steps, compensated in reverse
    Saga,
    /// Try all, then confirm all or cancel all
    Tcc,
}

impl From<ModeArg> for Mode {
    fn from(mode: ModeArg) -> Mode {
        match mode {
            ModeArg::Saga => Mode::Saga,
            ModeArg::Tcc => Mode::Tcc,
        }
    }
}

impl Start {
    /// Runs the verb.
    pub async fn run(self, format: Format) -> anyhow::Result<Exit> {
        match self.definition {
            Definition::Checkout(deed) => traced(&deed.traces.clone(), deed.checkout(format)).await,
            Definition::Own(deed) => traced(&deed.traces.clone(), deed.own(format)).await,
        }
    }
}

/// Does the work of the verb in a trace of its own, if a collector is named.
async fn traced(args: &TraceArgs, work: impl Future<Output = anyhow::Result<Exit>>) -> anyhow::Result<Exit> {
    traces::install(args, "cli").context("--otlp-endpoint")?;
    let mut span = Span::root(Kind::Client, "amends start");
    let outcome = traces::within(span.context(), work).await;
    if outcome.is_err() {
        span.fail("the verb failed");
    }
    drop(span);
    traces::flush().await;
    outcome
}

impl Deed {
    async fn checkout(self, format: Format) -> anyhow::Result<Exit> {
        let input: CheckoutInput = json::parse("pay.checkout.v1.CheckoutInput", &read(&self.input)?)?;
        let request = checkout_request(
            self.request_id.unwrap_or_else(new_id),
            self.business_key.unwrap_or_default(),
            self.mode.into(),
            &input,
        );
        let connection = self.target.connect().await?;
        let mut client = TransactionsClient::new(connection.clone());
        let started = client.start(request.clone()).await.context("start checkout")?.into_inner();
        tell(connection, &request.request_id, &started, self.wait, format).await
    }

    /// What the command line says goes before what the file says.
    async fn own(self, format: Format) -> anyhow::Result<Exit> {
        let text = read(&self.input)?;
        let named = |asked: Option<String>, read: String| asked.unwrap_or(read);
        let id = |read: String| if read.is_empty() { new_id() } else { read };
        let connection = self.target.connect().await?;
        let mut client = TransactionsClient::new(connection.clone());
        let (request_id, started) = match self.mode {
            ModeArg::Saga => {
                let mut request: StartSagaRequest = json::parse("amends.v1.StartSagaRequest", &text)?;
                request.request_id = id(named(self.request_id, request.request_id));
                request.business_key = named(self.business_key, request.business_key);
                (request.request_id.clone(), client.start_saga(request).await)
            }
            ModeArg::Tcc => {
                let mut request: StartTccRequest = json::parse("amends.v1.StartTccRequest", &text)?;
                request.request_id = id(named(self.request_id, request.request_id));
                request.business_key = named(self.business_key, request.business_key);
                (request.request_id.clone(), client.start_tcc(request).await)
            }
        };
        let started = started.context("start own steps")?.into_inner();
        tell(connection, &request_id, &started, self.wait, format).await
    }
}

fn new_id() -> String {
    uuid::Uuid::now_v7().to_string()
}

/// Prints what was started, or its end if that is to be waited for.
async fn tell(
    connection: Connection,
    request_id: &str,
    started: &StartResponse,
    wait_s: Option<u64>,
    format: Format,
) -> anyhow::Result<Exit> {
    match wait_s {
        None => tell_started(request_id, started, format),
        Some(seconds) => {
            let mut client = TransactionsClient::new(connection.clone());
            let transaction = wait(&mut client, &started.gid, Duration::from_secs(seconds)).await?;
            standing::tell(connection, &transaction, format).await
        }
    }
}

/// The request that starts a checkout.
pub fn checkout_request(
    request_id: String,
    business_key: String,
    mode: Mode,
    input: &CheckoutInput,
) -> StartRequest {
    StartRequest {
        request_id,
        business_key,
        definition: "checkout".to_owned(),
        mode: mode.into(),
        input: Some(prost_types::Any {
            type_url: "type.googleapis.com/pay.checkout.v1.CheckoutInput".to_owned(),
            value: input.encode_to_vec(),
        }),
        wait_ms: 0,
    }
}

/// Waits for the end of a global transaction, at most for `limit`; gives its state then, whatever it is.
pub async fn wait(
    client: &mut TransactionsClient<Connection>,
    gid: &str,
    limit: Duration,
) -> anyhow::Result<GlobalTransaction> {
    // A limit that no clock can count to is none.
    let end = Instant::now().checked_add(limit);
    let left = || end.map_or(WAIT_SLICE, |end| end.saturating_duration_since(Instant::now()));
    loop {
        let slice = left().min(WAIT_SLICE);
        // 0 would mean the server's default, so the shortest wait is 1 ms.
        let timeout_ms = i32::try_from(slice.as_millis()).unwrap_or(i32::MAX).max(1);
        let request = WaitRequest { gid: gid.to_owned(), timeout_ms };
        let transaction = client.wait(request).await.context("wait")?.into_inner();
        if Exit::of_status(transaction.status()) != Exit::Running || left().is_zero() {
            return Ok(transaction);
        }
    }
}

fn tell_started(request_id: &str, started: &StartResponse, format: Format) -> anyhow::Result<Exit> {
    match format {
        Format::Json => {
            let mut value = json::of("amends.v1.StartResponse", started)?;
            value["request_id"] = request_id.into();
            print_json(&value)?;
        }
        Format::Text => {
            let known = if started.existing { " (started earlier by the same request id)" } else { "" };
            let status = status_name(started.status());
            print_text(&format!("{}  {status}{known}\nrequest id {request_id}\n", started.gid))?;
        }
    }
    // Nobody asked to wait, so that it still runs is as it should be.
    match Exit::of_status(started.status()) {
        Exit::Running | Exit::Ok => Ok(Exit::Ok),
        other @ (Exit::Undone | Exit::Unsound | Exit::Usage) => Ok(other),
    }
}

/// The text of a file, or of standard input.
pub fn read(path: &Path) -> anyhow::Result<String> {
    if path == Path::new("-") {
        let mut text = String::new();
        std::io::stdin().read_to_string(&mut text).context("read standard input")?;
        return Ok(text);
    }
    std::fs::read_to_string(path).with_context(|| format!("read {}", path.display()))
}
