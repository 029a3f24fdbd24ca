//! Handlers of the gateway, without its worker: at one whose provider answers by a script, or at one whose provider is
//! away. The script goes by the last digit of an amount, so that a message alone says what will happen.
use crate::handlers::{PARTICIPANT, call, guard};
use crate::host::{Fault, Host, Started, Words};
use crate::judge::Rules;
use amends_gateway::{Gateway, Tuning};
use amends_migrations::gateway::Migrator;
use amends_proto::pay::money::v1::Money;
use amends_proto::pay::psp::v1::psp_service_server::{PspService, PspServiceServer};
use amends_proto::pay::psp::v1::{
    CloseRequest, FactsRequest, FactsResponse, PspRequest, PspResult, PspStatus, QueryRequest, ResetRequest,
    ResetResponse, ScriptRequest, ScriptResponse,
};
use amends_serve::grpc::{GrpcOptions, serve};
use amends_serve::listener::bind;
use amends_serve::store::Store;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::LazyLock;
use std::time::Duration;
use tonic::service::Routes;
use tonic::{Code, Request, Response, Status};

/// Nobody listens there: a privileged port that no machine has used for decades.
pub const NOWHERE: &str = "127.0.0.1:1";
/// Items in doubt have ids that only the gateway knows.
const RULES: Rules = Rules {
    newest: Some((
        "the-newest-item-in-doubt-of-this-sys",
        "SELECT item_id FROM in_doubt_item ORDER BY seq DESC LIMIT 1",
    )),
    ..PARTICIPANT
};

/// Methods of `pay.gateway.v1.GatewayService`.
pub fn gateway(data: &[u8]) -> Option<Code> {
    static ANSWERED: Started = LazyLock::new(|| {
        start(async || {
            let listener = bind(SocketAddr::from((Ipv4Addr::LOCALHOST, 0))).await?;
            let address = listener.local_addr()?;
            let routes = Routes::new(PspServiceServer::new(Provider));
            tokio::spawn(serve(listener, routes, GrpcOptions::default(), std::future::pending()));
            Ok(address.to_string())
        })
    });
    static ALONE: Started = LazyLock::new(|| start(async || Ok(NOWHERE.to_owned())));
    call(if Words::of(data).second() { &ALONE } else { &ANSWERED }, data)
}

fn start(provider: impl AsyncFnOnce() -> Result<String, Fault>) -> Result<Host, Fault> {
    Host::start("pay.gateway.v1.GatewayService", RULES, async |store: Store| {
        store.migrate::<Migrator>().await?;
        // Nobody asks by itself: what is unknown stays so until a call does something about it.
        let tuning = Tuning {
            psp_timeout: Duration::from_secs(2),
            schedule: "1h".parse()?,
            in_doubt_every: Duration::from_secs(3_600),
            queries_per_s: 1_000.0,
            approve_above: 5,
        };
        Ok(Gateway::new(guard(store), &provider().await?, tuning)?.routes())
    })
}

/// A provider without books: what it is asked about it has never heard of, and closes.
struct Provider;

type Said = Result<Response<PspResult>, Status>;

fn said(status: PspStatus, code: &str) -> Said {
    let result = PspResult {
        status: status.into(),
        psp_txn_id: "txn".to_owned(),
        auth_code: "auth".to_owned(),
        duplicate: false,
        code: code.to_owned(),
    };
    Ok(Response::new(result))
}

fn last_digit(request: &Request<PspRequest>) -> i64 {
    let Money { minor_units, .. } = request.get_ref().amount.clone().unwrap_or_default();
    minor_units.rem_euclid(10)
}

/// Authorize and Sale.
fn opened(request: &Request<PspRequest>) -> Said {
    match last_digit(request) {
        1 => said(PspStatus::Declined, "insufficient_funds"),
        2 => Err(Status::unavailable("no answer")),
        5 => said(PspStatus::Processing, ""),
        _plain => said(PspStatus::Success, ""),
    }
}

/// Refused for one digit.
fn settled(request: &Request<PspRequest>, refused: i64, code: &str) -> Said {
    if last_digit(request) == refused { said(PspStatus::Refused, code) } else { said(PspStatus::Success, "") }
}

#[tonic::async_trait]
impl PspService for Provider {
    async fn authorize(&self, request: Request<PspRequest>) -> Said {
        opened(&request)
    }

    async fn sale(&self, request: Request<PspRequest>) -> Said {
        opened(&request)
    }

    async fn capture(&self, request: Request<PspRequest>) -> Said {
        settled(&request, 3, "expired")
    }

    async fn void(&self, request: Request<PspRequest>) -> Said {
        settled(&request, 4, "captured")
    }

    async fn refund(&self, request: Request<PspRequest>) -> Said {
        settled(&request, 4, "too_late")
    }

    async fn query(&self, _request: Request<QueryRequest>) -> Said {
        said(PspStatus::NotFound, "")
    }

    async fn close(&self, _request: Request<CloseRequest>) -> Said {
        said(PspStatus::Closed, "")
    }

    async fn script(&self, _request: Request<ScriptRequest>) -> Result<Response<ScriptResponse>, Status> {
        Err(Status::unimplemented("it has one"))
    }

    async fn reset(&self, _request: Request<ResetRequest>) -> Result<Response<ResetResponse>, Status> {
        Err(Status::unimplemented("it stays as it is"))
    }

    async fn facts(&self, _request: Request<FactsRequest>) -> Result<Response<FactsResponse>, Status> {
        Err(Status::unimplemented("it keeps none"))
    }
}
