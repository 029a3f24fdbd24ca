//! amends.v1.Transactions: start, get, list, wait, history, cancel.

use super::error::ApiError;
use super::start::{self, Caller, Started, text};
use super::watch::{Events, Watchers, first_seq};
use super::{start_own, view};
use crate::definitions::StepTimes;
use crate::engine::{Cancelled, Engine, Live};
use crate::filter;
use crate::history::{Act, ListFilter, State};
use crate::trace;
use amends_dtm::Gid;
use amends_proto::amends::v1::transactions_server::Transactions;
use amends_proto::amends::v1::{
    self as pb, CancelRequest, GetByBusinessKeyRequest, GetHistoryRequest, GetHistoryResponse, GetRequest,
    GlobalTransaction, ListRequest, ListResponse, StartRequest, StartResponse, StartSagaRequest,
    StartTccRequest, WaitRequest, WatchRequest,
};
use std::sync::Arc;
use std::time::Duration;
use tonic::metadata::MetadataMap;
use tonic::{Request, Response, Status};

/// Longest time that one call waits: a little less than the server lets any call last.
const MAX_WAIT: Duration = Duration::from_secs(590);
/// Time that `Wait` waits where the request names none.
const DEFAULT_WAIT: Duration = Duration::from_secs(30);
/// Rows of one page.
const MAX_PAGE: i32 = 1_000;
const DEFAULT_PAGE: i32 = 50;
/// Events of one page of a history: even with the longest reasons well below a message's limit.
const MAX_EVENTS: i32 = 1_000;
/// Longest reason of a cancel.
const MAX_REASON: usize = 200;

/// The transactions service.
pub struct TransactionsService {
    engine: Arc<Engine>,
    times: StepTimes,
    watchers: Watchers,
}

impl TransactionsService {
    /// Clients' calls to `engine`.
    #[must_use]
    pub fn new(engine: Arc<Engine>, times: StepTimes, watchers: Watchers) -> Self {
        Self { engine, times, watchers }
    }

    /// What every start needs.
    fn starting(&self, metadata: &MetadataMap) -> Result<(Caller, Arc<Engine>, StepTimes), ApiError> {
        Ok((caller(metadata)?, Arc::clone(&self.engine), self.times))
    }

    async fn live(&self, gid: &str) -> Result<Arc<Live>, ApiError> {
        let parsed = Gid::parse(gid).map_err(|_| ApiError::Invalid {
            field: "gid",
            what: "must be a lower-case UUIDv7 with hyphens".to_owned(),
        })?;
        self.engine.find(parsed.as_str()).await?.ok_or_else(|| ApiError::NotFound(gid.to_owned()))
    }
}

/// Runs work that must not be dropped when the caller gives up.
pub(super) async fn undropped<T: Send + 'static>(
    work: impl Future<Output = Result<T, ApiError>> + Send + 'static,
) -> Result<T, ApiError> {
    tokio::spawn(work).await.map_err(|_| ApiError::Stopping)?
}

/// Carries a start out, and answers where it stands at its end or after `patience`.
async fn answer(
    patience: Duration,
    start: impl Future<Output = Result<Started, ApiError>> + Send + 'static,
) -> Result<Response<StartResponse>, Status> {
    let started = undropped(start).await?;
    if !patience.is_zero() {
        wait_for_end(&started.live, patience).await;
    }
    let shown = view::transaction(&started.live);
    Ok(Response::new(StartResponse {
        gid: shown.gid,
        status: shown.status,
        existing: started.existing,
        reason: shown.reason,
    }))
}

/// Waits for the end at most so long; whatever it then is, is the answer.
async fn wait_for_end(live: &Live, patience: Duration) {
    let ended = live.until(|state: &State| state.end.is_some());
    let _ = tokio::time::timeout(patience.min(MAX_WAIT), ended).await;
}

fn millis(ms: i32) -> Duration {
    Duration::from_millis(u64::try_from(ms).unwrap_or(0))
}

pub(super) fn caller(metadata: &MetadataMap) -> Result<Caller, ApiError> {
    let value = |key| metadata.get(key).and_then(|value| value.to_str().ok()).unwrap_or_default().to_owned();
    let name = match value("amends-caller") {
        name if name.is_empty() => "anonymous".to_owned(),
        name => name,
    };
    text("amends-caller", &name, 1, 64)?;
    Ok(Caller { name, trace: trace::of_client(metadata) })
}

#[tonic::async_trait]
impl Transactions for TransactionsService {
    type WatchStream = Events;

    async fn start(&self, request: Request<StartRequest>) -> Result<Response<StartResponse>, Status> {
        let (caller, engine, times) = self.starting(request.metadata())?;
        let request = request.into_inner();
        let patience = millis(request.wait_ms);
        answer(patience, async move { start::start(&engine, times, &caller, &request).await }).await
    }

    async fn start_saga(
        &self,
        request: Request<StartSagaRequest>,
    ) -> Result<Response<StartResponse>, Status> {
        let (caller, engine, times) = self.starting(request.metadata())?;
        let request = request.into_inner();
        let patience = millis(request.wait_ms);
        answer(patience, async move { start_own::saga(&engine, times, &caller, &request).await }).await
    }

    async fn start_tcc(&self, request: Request<StartTccRequest>) -> Result<Response<StartResponse>, Status> {
        let (caller, engine, times) = self.starting(request.metadata())?;
        let request = request.into_inner();
        let patience = millis(request.wait_ms);
        answer(patience, async move { start_own::tcc(&engine, times, &caller, &request).await }).await
    }

    async fn get(&self, request: Request<GetRequest>) -> Result<Response<GlobalTransaction>, Status> {
        let live = self.live(&request.into_inner().gid).await?;
        Ok(Response::new(view::transaction(&live)))
    }

    async fn get_by_business_key(
        &self,
        request: Request<GetByBusinessKeyRequest>,
    ) -> Result<Response<GlobalTransaction>, Status> {
        let GetByBusinessKeyRequest { definition, business_key } = request.into_inner();
        let reader = &self.engine.history().reader;
        let newest = reader.newest_of_key(&definition, &business_key).await.map_err(ApiError::from)?;
        let gid =
            newest.ok_or_else(|| ApiError::NotFound(format!("of {definition} with key {business_key}")))?;
        let live = self.live(&gid).await?;
        Ok(Response::new(view::transaction(&live)))
    }

    async fn list(&self, request: Request<ListRequest>) -> Result<Response<ListResponse>, Status> {
        let filter = list_filter(&request.into_inner(), self.engine.now_us())?;
        let page = self.engine.history().reader.list(&filter).await.map_err(ApiError::from)?;
        let transactions = page.rows.iter().map(view::row).collect();
        Ok(Response::new(ListResponse { transactions, next_page_token: page.next.unwrap_or_default() }))
    }

    async fn wait(&self, request: Request<WaitRequest>) -> Result<Response<GlobalTransaction>, Status> {
        let WaitRequest { gid, timeout_ms } = request.into_inner();
        if timeout_ms < 0 {
            let what = "must not be negative".to_owned();
            return Err(ApiError::Invalid { field: "timeout_ms", what }.into());
        }
        let live = self.live(&gid).await?;
        wait_for_end(&live, if timeout_ms == 0 { DEFAULT_WAIT } else { millis(timeout_ms) }).await;
        Ok(Response::new(view::transaction(&live)))
    }

    async fn watch(&self, request: Request<WatchRequest>) -> Result<Response<Events>, Status> {
        let WatchRequest { gid, from_seq } = request.into_inner();
        let live = self.live(&gid).await?;
        let reader = &self.engine.history().reader;
        Ok(Response::new(self.watchers.watch(live, reader, from_seq).await?))
    }

    async fn get_history(
        &self,
        request: Request<GetHistoryRequest>,
    ) -> Result<Response<GetHistoryResponse>, Status> {
        let GetHistoryRequest { gid, from_seq, page_size } = request.into_inner();
        let (first, limit) = (first_seq(from_seq)?, page_limit(page_size, MAX_EVENTS, MAX_EVENTS)?);
        let live = self.live(&gid).await?;
        let reader = &self.engine.history().reader;
        let rows = reader.page(&live.base().gid, first, limit).await.map_err(ApiError::from)?;
        let full = u64::try_from(rows.len()).is_ok_and(|count| count == limit);
        let next_seq = rows.last().filter(|_| full).map_or(0, |last| last.seq + 1);
        Ok(Response::new(GetHistoryResponse {
            events: rows.into_iter().map(view::event).collect(),
            next_seq,
        }))
    }

    async fn cancel(&self, request: Request<CancelRequest>) -> Result<Response<GlobalTransaction>, Status> {
        let subject = caller(request.metadata())?.name;
        let CancelRequest { gid, reason } = request.into_inner();
        text("reason", &reason, 0, MAX_REASON)?;
        let act = Act::of(&subject, &reason);
        let live = self.live(&gid).await?;
        let engine = Arc::clone(&self.engine);
        let live = undropped(async move {
            match engine.cancel(&live, &act).await? {
                Cancelled::Decided | Cancelled::Already => Ok(live),
                Cancelled::PastPivot => Err(ApiError::PastPivot { gid }),
                Cancelled::PivotInFlight => Err(ApiError::PivotInFlight { gid }),
            }
        })
        .await?;
        Ok(Response::new(view::transaction(&live)))
    }
}

/// Rows of a page, of which the request says 0 for the default.
pub(super) fn page_limit(asked: i32, default: i32, most: i32) -> Result<u64, ApiError> {
    let fits = (0..=most).contains(&asked);
    let limit = if asked == 0 { default } else { asked };
    u64::try_from(limit)
        .ok()
        .filter(|_| fits)
        .ok_or_else(|| ApiError::Invalid { field: "page_size", what: format!("must be 0 to {most}") })
}

fn list_filter(request: &ListRequest, now_us: i64) -> Result<ListFilter, ApiError> {
    let invalid = |field, what: &str| ApiError::Invalid { field, what: what.to_owned() };
    let mut statuses = Vec::new();
    for number in &request.statuses {
        let name = pb::Status::try_from(*number).ok().and_then(view::status_name);
        statuses.push(name.ok_or_else(|| invalid("statuses", "unknown status"))?);
    }
    let limit = page_limit(request.page_size, DEFAULT_PAGE, MAX_PAGE)?;
    let before = match request.page_token.as_str() {
        "" => None,
        token => Some(
            Gid::parse(token)
                .map_err(|_| invalid("page_token", "is not from an earlier answer"))?
                .as_str()
                .to_owned(),
        ),
    };
    let filter = Some(filter::parse(&request.filter)?);
    Ok(ListFilter { statuses, attention_only: request.attention_only, filter, now_us, before, limit })
}
