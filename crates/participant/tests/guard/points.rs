//! A small participant with a table of its own: every effect that ran leaves one line in table `effect`.
//! What an effect does is chosen by the request's `user_id`.

use amends_dtm::Gid;
use amends_participant::{
    Begun, Call, Fault, ForwardState, Guard, Phase, Progress, Reason, Refusal, Settled, branch_ops,
    idempotency, outlive,
};
use amends_proto::pay::branch::v1::{ListBranchOpsRequest, ListBranchOpsResponse};
use amends_proto::pay::points::v1::points_service_server::PointsService;
use amends_proto::pay::points::v1::{
    GetRequest, GrantRequest, ListAccountsResponse, ListOpsResponse, ListRequest, PointsAccount,
    PointsRequest, PointsResponse,
};
use amends_serve::store::LocalTransaction;
use sea_orm::{EntityTrait as _, Set, Statement};
use tonic::{Request, Response, Status};

use crate::client::Answer;
use crate::world::{Desk, Outside};

pub struct Points {
    pub guard: Guard,
    pub desk: Desk,
}

mod effect_row {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
    #[sea_orm(table_name = "effect")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub gid: String,
        pub name: String,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

async fn note(tx: &LocalTransaction, gid: &Gid, name: &str) -> Result<i64, Fault> {
    let row = effect_row::ActiveModel { gid: Set(gid.to_string()), name: Set(name.to_owned()) };
    tx.run(effect_row::Entity::insert(row)).await?;
    let effects = tx.count(effect_row::Entity::find()).await?;
    Ok(i64::try_from(effects).expect("few effects"))
}

/// Notes itself, then does what `user_id` says. The answer tells how many effects there were: run twice, it differs.
async fn effect(
    tx: &LocalTransaction,
    call: Call<PointsRequest>,
    name: &'static str,
    desk: Desk,
) -> Result<PointsResponse, Fault> {
    let balance_after = note(tx, &call.branch.gid, name).await?;
    let refusal = |reason| Refusal::new(reason, "as asked").with("asked_by", "test");
    match call.body.user_id.as_str() {
        "refuse" => return Err(Fault::Refused(refusal(Reason::InsufficientPoints))),
        "rate" => return Err(Fault::Refused(refusal(Reason::RateLimited))),
        "not_yet" => return Err(Fault::NotYet(refusal(Reason::UnderReview))),
        "broken" => return Err(Fault::Broken(refusal(Reason::Broken))),
        "store" => {
            let nowhere = Statement::from_string(tx.backend(), "INSERT INTO nowhere VALUES (1)");
            tx.statement(nowhere).await.map(drop)?;
        }
        "panic" => panic!("as asked"),
        "slow" => desk.pass().await,
        _ => {}
    }
    Ok(PointsResponse { op_id: call.body.op_id, state: 0, balance_after })
}

impl Points {
    /// A call that goes outside: notes `a`, asks the outside, notes `b` and settles.
    async fn outside(&self, begun: Begun<PointsRequest, (), PointsResponse>, name: &'static str) -> Answer {
        let branch = match begun {
            Begun::Answer(answer) => return answer,
            Begun::Running(call) => {
                assert_eq!(call.body.points, 7);
                let unknown = Refusal::new(Reason::PaymentUnknown, "nobody knows yet");
                return Err(unknown.into_branch_status(Phase::Forward));
            }
            Begun::Started { branch, .. } => branch,
        };
        let (guard, desk) = (self.guard.clone(), self.desk.clone());
        outlive(async move {
            let answer = desk.ask_outside().await;
            let no = || Refusal::new(Reason::PspDeclined, "no");
            let (settled, result) = match answer {
                Outside::Yes => (Settled::Done(said(name)), Ok(Response::new(said(name)))),
                Outside::No => (Settled::Refused(no()), Err(Fault::Refused(no()))),
                Outside::NeverLeft | Outside::Silent => (Settled::Withdrawn, Err(Fault::NotYet(no()))),
            };
            let b = async {
                let tx = guard.store().transaction().await?;
                guard.settle(&tx, &branch, settled).await?;
                note(&tx, &branch.gid, &format!("{name}_b")).await?;
                tx.commit().await?;
                result
            };
            b.await.map_err(|fault: Fault| fault.into_branch_status(Phase::of(branch.op)))
        })
        .await?
    }
}

pub fn said(name: &str) -> PointsResponse {
    PointsResponse { op_id: name.into(), ..Default::default() }
}

async fn a(
    tx: &LocalTransaction,
    call: Call<PointsRequest>,
    name: &str,
) -> Result<Progress<(), PointsResponse>, Fault> {
    note(tx, &call.branch.gid, &format!("{name}_a")).await?;
    match call.body.user_id.as_str() {
        "refuse" => Err(Refusal::new(Reason::RiskDenied, "as asked").into()),
        "at_once" => Ok(Progress::Final(said(name))),
        _ => Ok(Progress::Outside(())),
    }
}

async fn undo_a(
    tx: &LocalTransaction,
    call: Call<PointsRequest>,
    forward: ForwardState,
) -> Result<Progress<(), PointsResponse>, Fault> {
    match forward {
        ForwardState::Done => a(tx, call, "undo").await,
        ForwardState::Running => a(tx, call, "undo_of_running").await,
    }
}

macro_rules! local {
    ($self:ident, $request:ident, $kind:ident, $name:literal) => {{
        let desk = $self.desk.clone();
        $self.guard.$kind($request, move |tx, call| Box::pin(effect(tx, call, $name, desk))).await
    }};
}

#[tonic::async_trait]
impl PointsService for Points {
    async fn burn(&self, request: Request<PointsRequest>) -> Answer {
        local!(self, request, forward, "burn")
    }
    async fn return_burn(&self, request: Request<PointsRequest>) -> Answer {
        local!(self, request, undo, "return")
    }
    async fn try_burn(&self, request: Request<PointsRequest>) -> Answer {
        local!(self, request, forward, "try")
    }
    async fn confirm_burn(&self, request: Request<PointsRequest>) -> Answer {
        local!(self, request, confirm, "confirm")
    }
    async fn cancel_burn(&self, request: Request<PointsRequest>) -> Answer {
        local!(self, request, undo, "cancel")
    }
    async fn try_earn(&self, request: Request<PointsRequest>) -> Answer {
        let begun = self.guard.begin(request, |tx, call| Box::pin(a(tx, call, "try"))).await;
        self.outside(begun, "try").await
    }
    async fn confirm_earn(&self, request: Request<PointsRequest>) -> Answer {
        let begun = self.guard.begin_confirm(request, |tx, call| Box::pin(a(tx, call, "confirm"))).await;
        self.outside(begun, "confirm").await
    }
    async fn cancel_earn(&self, request: Request<PointsRequest>) -> Answer {
        let begun =
            self.guard.begin_undo(request, |tx, call, forward| Box::pin(undo_a(tx, call, forward))).await;
        self.outside(begun, "undo").await
    }
    async fn earn(&self, request: Request<PointsRequest>) -> Answer {
        let begun = self.guard.begin(request, |tx, call| Box::pin(a(tx, call, "forward"))).await;
        self.outside(begun, "forward").await
    }
    async fn revoke_earn(&self, request: Request<PointsRequest>) -> Answer {
        let begun =
            self.guard.begin_undo(request, |tx, call, forward| Box::pin(undo_a(tx, call, forward))).await;
        self.outside(begun, "undo").await
    }
    async fn grant(&self, request: Request<GrantRequest>) -> Result<Response<PointsAccount>, Status> {
        let (key, desk) = (request.get_ref().idempotency_key.clone(), self.desk.clone());
        idempotency::run(&self.guard, request, &key, move |tx, direct| {
            Box::pin(async move {
                let gid = Gid::parse("0192d3c4-5b6a-7f01-8abc-0123456789ab").expect("a gid");
                let balance = note(tx, &gid, &direct.caller).await?;
                match direct.body.user_id.as_str() {
                    "refuse" => return Err(Refusal::new(Reason::AccountFrozen, "as asked").into()),
                    "degraded" => return Err(Refusal::new(Reason::ServiceDegraded, "as asked").into()),
                    "slow" => desk.pass().await,
                    _ => {}
                }
                Ok(PointsAccount { user_id: direct.body.user_id, balance, ..Default::default() })
            })
        })
        .await
    }
    async fn list_branch_ops(
        &self,
        request: Request<ListBranchOpsRequest>,
    ) -> Result<Response<ListBranchOpsResponse>, Status> {
        branch_ops::list(&self.guard.store().clone(), request.into_inner()).await.map(Response::new)
    }
    async fn get(&self, _: Request<GetRequest>) -> Result<Response<PointsAccount>, Status> {
        Err(Status::unimplemented("not part of this participant"))
    }
    async fn list_ops(&self, _: Request<ListRequest>) -> Result<Response<ListOpsResponse>, Status> {
        Err(Status::unimplemented("not part of this participant"))
    }
    async fn list_accounts(&self, _: Request<ListRequest>) -> Result<Response<ListAccountsResponse>, Status> {
        Err(Status::unimplemented("not part of this participant"))
    }
}
