//! A participant in memory that keeps the rules of branch calls, but for one flaw. Its books outlive its server, as a
//! database does.
use amends_dtm::plan_mac::PlanMacKey;
use amends_dtm::{Op, metadata};
use amends_proto::pay::branch::v1::{ListBranchOpsRequest, ListBranchOpsResponse};
use amends_proto::pay::inventory::v1::inventory_service_server::InventoryService;
use amends_proto::pay::inventory::v1::{
    GetRequest, ListRequest, ListReservationsResponse, ListStockResponse, ReservationState, ReserveRequest,
    ReserveResponse, RestockRequest, Stock,
};
use prost::Message as _;
use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tonic::metadata::MetadataMap;
use tonic::{Request, Response, Status};

/// What one participant does wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flaw {
    None,
    AlwaysRefuses,
    ForgetsAnswers,
    LooksThenWrites,
    ConfirmsTwice,
    UndoesTwice,
    WantsActionFirst,
    StaysOpen,
    StaysRunning,
    ServesOtherPayload,
    UndoesOtherPayload,
    NeedsNoNames,
    IgnoresOp,
    IgnoresMac,
    ConfirmsNothing,
    ConfirmsCancelled,
    CancelsConfirmed,
    ForgetsRefusals,
    BlamesRefused,
    TellsAll,
    RefusesUndo,
    LosesMemory,
}

/// Longer names are refused.
const MAX_NAME: usize = 64;
/// More is refused.
const MAX_QUANTITY: i64 = 100;
/// The longest that the effect of [`Flaw::StaysRunning`] takes: callers give up long before.
const SLOW: Duration = Duration::from_millis(500);

/// What became of a forward call.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Forward {
    Running,
    Done(ReserveResponse),
    Refused(String),
    Closed,
}

/// Memory of one branch.
#[derive(Debug, Clone, Default)]
struct Row {
    forward: Option<Forward>,
    body: Vec<u8>,
    is_confirmed: bool,
    is_undone: bool,
}

/// Memory and effects.
#[derive(Debug, Default)]
struct Books {
    rows: HashMap<(String, String), Row>,
    effects: HashMap<String, Vec<&'static str>>,
}

/// The participant; a clone has the same books.
#[derive(Clone)]
pub struct Participant {
    flaw: Flaw,
    key: Option<PlanMacKey>,
    books: Arc<Mutex<Books>>,
}

/// One call.
struct Call {
    gid: String,
    branch_id: String,
    body: Vec<u8>,
    request: ReserveRequest,
}

type Answer = Result<ReserveResponse, Status>;

impl Participant {
    pub fn new(flaw: Flaw, key: Option<PlanMacKey>) -> Participant {
        Participant { flaw, key, books: Arc::default() }
    }

    /// What was done for a gid.
    pub fn effect(&self, gid: &str) -> String {
        self.books.lock().unwrap().effects.get(gid).map(|done| done.join(" ")).unwrap_or_default()
    }

    /// What a crash leaves.
    pub fn crash(&self) {
        if self.flaw == Flaw::LosesMemory {
            self.books.lock().unwrap().rows.clear();
        }
    }

    fn is(&self, flaw: Flaw) -> bool {
        self.flaw == flaw
    }

    fn admit(&self, request: Request<ReserveRequest>, ops: [Op; 2]) -> Result<Call, Status> {
        let (words, _, request) = request.into_parts();
        let gid = word(&words, metadata::GID);
        if let Some(key) = self.key.as_ref().filter(|_| !self.is(Flaw::IgnoresMac)) {
            let mac = word(&words, metadata::PLAN_MAC).unwrap_or_default();
            let gid = gid.clone().unwrap_or_default();
            key.verify(gid, &mac, 0).map_err(|_| Status::unauthenticated("BAD_MAC|no"))?;
        }
        let named = |name: &str| match word(&words, name) {
            None if self.is(Flaw::NeedsNoNames) => Ok(String::new()),
            None => Err(Status::invalid_argument(format!("NO_NAME|{name} is missing"))),
            Some(word) => Ok(word),
        };
        let op = word(&words, metadata::OP).and_then(|op| op.parse().ok());
        if !op.is_some_and(|op| ops.contains(&op)) && !self.is(Flaw::IgnoresOp) {
            return Err(Status::invalid_argument("OP|not for this method"));
        }
        let (gid, branch_id) = (named(metadata::GID)?, named(metadata::BRANCH_ID)?);
        Ok(Call { gid, branch_id, body: request.encode_to_vec(), request })
    }

    async fn forward(&self, request: Request<ReserveRequest>) -> Answer {
        let call = self.admit(request, [Op::Action, Op::Try])?;
        if self.is(Flaw::AlwaysRefuses) {
            return Err(Status::aborted("NO|never"));
        }
        let decide = |row: &Row| self.before_forward(row, &call);
        if self.is(Flaw::LooksThenWrites) {
            let known = self.with(&call, |row, _| decide(row));
            tokio::time::sleep(Duration::from_millis(20)).await;
            return known.unwrap_or_else(|| self.with(&call, |row, done| self.take(row, done, &call)));
        }
        if self.is(Flaw::StaysRunning) {
            let known = self.with(&call, |row, _| {
                let known = decide(row);
                if known.is_none() {
                    row.body.clone_from(&call.body);
                    row.forward = Some(Forward::Running);
                }
                known
            });
            if let Some(answer) = known {
                return answer;
            }
            tokio::time::sleep(SLOW).await;
            return self.with(&call, |row, done| self.take(row, done, &call));
        }
        self.with(&call, |row, done| decide(row).unwrap_or_else(|| self.take(row, done, &call)))
    }

    /// The answer of a forward call that must not take effect.
    fn before_forward(&self, row: &Row, call: &Call) -> Option<Answer> {
        let is_same = row.body == call.body || self.is(Flaw::ServesOtherPayload);
        match row.forward.as_ref()? {
            Forward::Closed if self.is(Flaw::StaysOpen) => None,
            Forward::Closed => Some(Err(Status::aborted("CLOSED|undone before"))),
            Forward::Done(_) | Forward::Refused(_) | Forward::Running if !is_same => {
                Some(Err(Status::already_exists("MISMATCH|another payload")))
            }
            Forward::Running => Some(Err(Status::failed_precondition("RUNNING|ask again"))),
            Forward::Done(_) if self.is(Flaw::ForgetsAnswers) => None,
            Forward::Done(answer) => Some(Ok(answer.clone())),
            Forward::Refused(_) if self.is(Flaw::ForgetsRefusals) => Some(Ok(ReserveResponse::default())),
            Forward::Refused(why) => Some(Err(Status::aborted(why.clone()))),
        }
    }

    /// The effect of a forward call, and its memory.
    fn take(&self, row: &mut Row, done: &mut Vec<&'static str>, call: &Call) -> Answer {
        row.body.clone_from(&call.body);
        if let Some(why) = self.refusal(&call.request) {
            row.forward = Some(Forward::Refused(why.clone()));
            return Err(Status::aborted(why));
        }
        done.push("taken");
        let reservation_id = call.request.reservation_id.clone();
        let answer = ReserveResponse { reservation_id, state: ReservationState::Reserved.into() };
        row.forward = Some(Forward::Done(answer.clone()));
        Ok(answer)
    }

    fn refusal(&self, request: &ReserveRequest) -> Option<String> {
        let skus = request.lines.iter().map(|line| &line.sku);
        let mut names = [&request.reservation_id, &request.order_id].into_iter().chain(skus);
        if let Some(name) = names.find(|name| name.len() > MAX_NAME) {
            let told = if self.is(Flaw::TellsAll) { name.as_str() } else { "a name" };
            return Some(format!("INVALID|{told} is too long"));
        }
        let is_scarce = request.lines.iter().any(|line| line.quantity > MAX_QUANTITY);
        is_scarce.then(|| "SCARCE|not enough".to_owned())
    }

    fn confirm(&self, request: Request<ReserveRequest>) -> Answer {
        let call = self.admit(request, [Op::Confirm, Op::Confirm])?;
        self.with(&call, |row, done| {
            let is_tried = matches!(row.forward, Some(Forward::Done(_)));
            if row.is_undone && is_tried && !self.is(Flaw::ConfirmsCancelled) {
                return Err(Status::internal("CONFLICT|cancelled before"));
            }
            if !is_tried && !self.is(Flaw::ConfirmsNothing) {
                return Err(Status::internal("NO_TRY|nothing to confirm"));
            }
            if is_tried && row.body != call.body {
                return Err(Status::internal("MISMATCH|another payload"));
            }
            if !row.is_confirmed || self.is(Flaw::ConfirmsTwice) {
                done.push("applied");
            }
            row.is_confirmed = true;
            Ok(ReserveResponse { state: ReservationState::Committed.into(), ..ReserveResponse::default() })
        })
    }

    fn undo(&self, request: Request<ReserveRequest>) -> Answer {
        let call = self.admit(request, [Op::Compensate, Op::Cancel])?;
        if self.is(Flaw::RefusesUndo) && call.request.reservation_id.is_empty() {
            return Err(Status::aborted("INVALID|which reservation?"));
        }
        self.with(&call, |row, done| {
            if row.is_confirmed && !self.is(Flaw::CancelsConfirmed) {
                return Err(Status::internal("CONFLICT|confirmed before"));
            }
            let is_other = row.body != call.body && !self.is(Flaw::UndoesOtherPayload);
            match row.forward {
                None if self.is(Flaw::WantsActionFirst) => {
                    return Err(Status::internal("UNKNOWN|no such reservation"));
                }
                Some(Forward::Refused(_)) if self.is(Flaw::BlamesRefused) => {
                    return Err(Status::internal("REFUSED|there is no reservation"));
                }
                Some(Forward::Done(_)) if is_other => {
                    return Err(Status::internal("MISMATCH|another payload"));
                }
                Some(Forward::Running) => return Err(Status::failed_precondition("RUNNING|ask again")),
                Some(Forward::Done(_)) if !row.is_undone || self.is(Flaw::UndoesTwice) => {
                    done.push("returned");
                }
                None => row.forward = Some(Forward::Closed),
                Some(Forward::Done(_) | Forward::Refused(_) | Forward::Closed) => {}
            }
            row.is_undone = true;
            Ok(ReserveResponse { state: ReservationState::Released.into(), ..ReserveResponse::default() })
        })
    }

    /// The local transaction of a call.
    fn with<T>(&self, call: &Call, run: impl FnOnce(&mut Row, &mut Vec<&'static str>) -> T) -> T {
        let Books { rows, effects } = &mut *self.books.lock().unwrap();
        let row = rows.entry((call.gid.clone(), call.branch_id.clone())).or_default();
        run(row, effects.entry(call.gid.clone()).or_default())
    }
}

/// A word of the metadata; an empty one is none.
fn word(words: &MetadataMap, name: &str) -> Option<String> {
    let word = words.get(name)?.to_str().ok()?;
    (!word.is_empty()).then(|| word.to_owned())
}

type Reserved = Result<Response<ReserveResponse>, Status>;

#[tonic::async_trait]
impl InventoryService for Participant {
    async fn try_reserve(&self, request: Request<ReserveRequest>) -> Reserved {
        self.forward(request).await.map(Response::new)
    }

    async fn confirm_reserve(&self, request: Request<ReserveRequest>) -> Reserved {
        self.confirm(request).map(Response::new)
    }

    async fn cancel_reserve(&self, request: Request<ReserveRequest>) -> Reserved {
        self.undo(request).map(Response::new)
    }

    async fn deduct(&self, request: Request<ReserveRequest>) -> Reserved {
        self.forward(request).await.map(Response::new)
    }

    async fn return_stock(&self, request: Request<ReserveRequest>) -> Reserved {
        self.undo(request).map(Response::new)
    }

    async fn get(&self, _: Request<GetRequest>) -> Result<Response<Stock>, Status> {
        Err(Status::unimplemented("not here"))
    }

    async fn list_stock(&self, _: Request<ListRequest>) -> Result<Response<ListStockResponse>, Status> {
        Err(Status::unimplemented("not here"))
    }

    async fn list_reservations(
        &self,
        _: Request<ListRequest>,
    ) -> Result<Response<ListReservationsResponse>, Status> {
        Err(Status::unimplemented("not here"))
    }

    async fn restock(&self, _: Request<RestockRequest>) -> Result<Response<Stock>, Status> {
        Err(Status::unimplemented("not here"))
    }

    async fn list_branch_ops(
        &self,
        _: Request<ListBranchOpsRequest>,
    ) -> Result<Response<ListBranchOpsResponse>, Status> {
        Err(Status::unimplemented("not here"))
    }
}
