//! What a coordinator sends: calls of one branch, and what came back in a form that tests can compare.

use amends_dtm::{BranchId, Gid, Op, metadata};
use amends_proto::pay::points::v1::points_service_client::PointsServiceClient;
use amends_proto::pay::points::v1::{PointsRequest, PointsResponse};
use tonic::transport::Channel;
use tonic::{Code, Request, Response, Status};

pub type Answer = Result<Response<PointsResponse>, Status>;

/// A branch of a global transaction, and the body that all its calls carry.
#[derive(Clone)]
pub struct Caller {
    pub client: PointsServiceClient<Channel>,
    pub gid: Gid,
    pub body: PointsRequest,
    pub mac: Option<String>,
}

impl Caller {
    /// The request of an op.
    pub fn request(&self, op: Op) -> Request<PointsRequest> {
        let mut request = Request::new(self.body.clone());
        let kind = match op {
            Op::Action | Op::Compensate => "saga",
            Op::Try | Op::Confirm | Op::Cancel => "tcc",
        };
        let words = [
            (metadata::GID, self.gid.as_str()),
            (metadata::BRANCH_ID, BranchId::of_index(0).as_str()),
            (metadata::OP, op.as_str()),
            (metadata::TRANS_TYPE, kind),
        ]
        .map(|(name, value)| (name, value.to_owned()));
        let mac = self.mac.clone().map(|mac| (metadata::PLAN_MAC, mac));
        for (name, value) in words.into_iter().chain(mac) {
            request.metadata_mut().insert(name, value.parse().unwrap());
        }
        request
    }

    /// Calls the method that is for this op: Burn and ReturnBurn, or TryBurn and its second phase.
    pub async fn burn(&self, op: Op) -> Answer {
        let (mut client, request) = (self.client.clone(), self.request(op));
        match op {
            Op::Action => client.burn(request).await,
            Op::Compensate => client.return_burn(request).await,
            Op::Try => client.try_burn(request).await,
            Op::Confirm => client.confirm_burn(request).await,
            Op::Cancel => client.cancel_burn(request).await,
        }
    }

    /// The same for the methods that go outside.
    pub async fn earn(&self, op: Op) -> Answer {
        let (mut client, request) = (self.client.clone(), self.request(op));
        match op {
            Op::Action => client.earn(request).await,
            Op::Compensate => client.revoke_earn(request).await,
            Op::Try => client.try_earn(request).await,
            Op::Confirm => client.confirm_earn(request).await,
            Op::Cancel => client.cancel_earn(request).await,
        }
    }

    /// The same branch with another body.
    pub fn forged(&self) -> Caller {
        let mut forged = self.clone();
        forged.body.points += 1;
        forged
    }
}

/// `OK`, or the code and the reason; `replayed` behind it when the answer says so.
pub fn told(answer: &Answer) -> String {
    let (words, metadata) = match answer {
        Ok(response) => ("OK".to_owned(), response.metadata()),
        Err(status) => {
            let reason = status.message().split('|').next().unwrap_or_default();
            (format!("{} {reason}", code(status.code())), status.metadata())
        }
    };
    match metadata.get("x-replayed").map(|value| value.to_str().unwrap()) {
        Some("1") => format!("{words} replayed"),
        Some(other) => format!("{words} x-replayed={other}"),
        None => words,
    }
}

fn code(code: Code) -> String {
    format!("{code:?}").to_uppercase()
}
