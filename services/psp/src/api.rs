//! The processor on the wire. Each call: choose the behaviour, wait, carry out, reply or keep silent. The work runs in
//! a task of its own, so a caller that gives up does not stop it.

use std::time::Duration;

use amends_proto::pay::psp::v1::psp_service_server::PspService;
use amends_proto::pay::psp::v1::{
    CloseRequest, FactsRequest, FactsResponse, PspRequest, PspResult, QueryRequest, ResetRequest,
    ResetResponse, ScriptRequest, ScriptResponse,
};
use amends_serve::store::Store;
use amends_serve::traces;
use sea_orm::DbErr;
use tonic::{Request, Response, Status};

use crate::behaviour::{Course, Effect, Reply};
use crate::books::{Books, refused};
use crate::money_call::MoneyCall;
use crate::now_us;
use crate::op::Op;
use crate::outage::Outage;
use crate::queries::{self, FactsError};
use crate::script::{Call, Scripts};
use crate::validate::{self, Script};

/// Longest silence towards a caller that set no deadline.
const LONGEST_SILENCE: Duration = Duration::from_secs(60);

/// The service. A clone is the same processor.
#[derive(Debug, Clone)]
pub struct Psp {
    store: Store,
    books: Books,
    scripts: Scripts,
    outage: Outage,
}

/// What a call wants done to the books.
enum Work {
    Money(MoneyCall),
    Query(String),
    Close(String),
}

impl Psp {
    /// A processor over these parts, which all use `store`.
    #[must_use]
    pub fn new(store: Store, books: Books, scripts: Scripts, outage: Outage) -> Psp {
        Psp { store, books, scripts, outage }
    }

    async fn serve(&self, op: Op, work: Work) -> Result<Response<PspResult>, Status> {
        self.doors_open()?;
        let psp = self.clone();
        let (result, reply) = tokio::spawn(traces::carried(async move { psp.run(op, &work).await }))
            .await
            .map_err(|_| Status::internal("the call broke down"))?
            .map_err(away)?;
        match reply {
            Reply::Answer => Ok(Response::new(result)),
            Reply::Error => Err(Status::internal("processor error")),
            Reply::Outage(_) => Err(Status::unavailable("processor is away")),
            Reply::Silence(length) => {
                tokio::time::sleep(length.unwrap_or(LONGEST_SILENCE)).await;
                Err(Status::deadline_exceeded("no answer"))
            }
        }
    }

    async fn run(&self, op: Op, work: &Work) -> Result<(PspResult, Reply), DbErr> {
        let choice = self.scripts.choose(work.call(op)).await?;
        let Course { wait, effect, reply } = choice.course;
        if !wait.is_zero() {
            tokio::time::sleep(wait).await;
        }
        if let Reply::Outage(length) = reply {
            self.outage.begin(length, now_us()).await?;
        }
        let result = match (work, &effect) {
            (Work::Money(call), _) => {
                let (result, repeated) = self.books.carry_out(call, &effect, choice.kept, now_us()).await?;
                return Ok((result, if repeated { Reply::Answer } else { reply }));
            }
            (Work::Close(_) | Work::Query(_), Effect::Nothing) => PspResult::default(),
            (Work::Close(_), Effect::TurnDown(code)) => refused(code),
            // REFUSED would be read as the standing of the request that is asked about.
            (Work::Query(_), Effect::TurnDown(_)) => return Ok((PspResult::default(), Reply::Error)),
            (Work::Query(id), _) => self.books.query(id, now_us()).await?,
            (Work::Close(id), _) => self.books.close(id, now_us()).await?,
        };
        Ok((result, reply))
    }

    fn doors_open(&self) -> Result<(), Status> {
        if self.outage.left(now_us()).is_zero() {
            Ok(())
        } else {
            Err(Status::unavailable("processor is away"))
        }
    }

    async fn money(&self, op: Op, request: Request<PspRequest>) -> Result<Response<PspResult>, Status> {
        let call = validate::money_call(op, request.into_inner())?;
        self.serve(op, Work::Money(call)).await
    }
}

impl Work {
    fn call(&self, op: Op) -> Call<'_> {
        match self {
            Work::Money(call) => Call {
                op,
                request_id: &call.request_id,
                order_id: &call.order_id,
                card_token: &call.card_token,
                payment_id: if op.opens_payment() { &call.request_id } else { &call.original_request_id },
            },
            Work::Query(id) | Work::Close(id) => {
                Call { op, request_id: id, order_id: "", card_token: "", payment_id: id }
            }
        }
    }
}

#[tonic::async_trait]
impl PspService for Psp {
    async fn authorize(&self, request: Request<PspRequest>) -> Result<Response<PspResult>, Status> {
        self.money(Op::Authorize, request).await
    }

    async fn capture(&self, request: Request<PspRequest>) -> Result<Response<PspResult>, Status> {
        self.money(Op::Capture, request).await
    }

    async fn sale(&self, request: Request<PspRequest>) -> Result<Response<PspResult>, Status> {
        self.money(Op::Sale, request).await
    }

    async fn void(&self, request: Request<PspRequest>) -> Result<Response<PspResult>, Status> {
        self.money(Op::Void, request).await
    }

    async fn refund(&self, request: Request<PspRequest>) -> Result<Response<PspResult>, Status> {
        self.money(Op::Refund, request).await
    }

    async fn query(&self, request: Request<QueryRequest>) -> Result<Response<PspResult>, Status> {
        let id = request.into_inner().psp_request_id;
        validate::request_id(&id)?;
        self.serve(Op::Query, Work::Query(id)).await
    }

    async fn close(&self, request: Request<CloseRequest>) -> Result<Response<PspResult>, Status> {
        let id = request.into_inner().psp_request_id;
        validate::request_id(&id)?;
        self.serve(Op::Close, Work::Close(id)).await
    }

    async fn script(&self, request: Request<ScriptRequest>) -> Result<Response<ScriptResponse>, Status> {
        let stored = match validate::script(request.into_inner())? {
            Script::Rule(rule) => self.scripts.set(rule).await,
            Script::Profile { seed, profile } => self.scripts.set_profile(seed, &profile).await,
            Script::OutageNow(length) => self.outage.begin(length, now_us()).await,
        };
        stored.map_err(away)?;
        Ok(Response::new(ScriptResponse {}))
    }

    async fn reset(&self, _request: Request<ResetRequest>) -> Result<Response<ResetResponse>, Status> {
        self.scripts.reset().await.map_err(away)?;
        Ok(Response::new(ResetResponse {}))
    }

    async fn facts(&self, request: Request<FactsRequest>) -> Result<Response<FactsResponse>, Status> {
        match queries::facts(&self.store, request.get_ref(), now_us()).await {
            Ok(page) => Ok(Response::new(page)),
            Err(error @ (FactsError::Cursor | FactsError::Limit)) => {
                Err(Status::invalid_argument(error.to_string()))
            }
            Err(FactsError::Store(error)) => Err(away(error)),
        }
    }
}

#[expect(clippy::needless_pass_by_value, reason = "used as the function of map_err")]
fn away(error: DbErr) -> Status {
    tracing::error!(%error, "store is away");
    Status::unavailable("store is away")
}
