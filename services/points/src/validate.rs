//! Requests as they come in, checked and turned into what the service works with. Knows no store.

use amends_participant::{Refusal, fields, money::Amount};
use amends_proto::pay::points::v1::{GrantRequest, PointsRequest};

/// Points that a branch may move.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Move {
    pub op_id: String,
    pub user_id: String,
    pub order_id: String,
    pub points: i64,
    pub basis: Amount,
}

/// Points that may be given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grant {
    pub user_id: String,
    pub points: i64,
}

impl Move {
    /// Checks every field of the request.
    pub fn checked(request: &PointsRequest) -> Result<Move, Refusal> {
        Ok(Move {
            op_id: fields::uuid7(&request.op_id, "op_id")?.to_owned(),
            user_id: user_id(&request.user_id)?,
            order_id: fields::uuid7(&request.order_id, "order_id")?.to_owned(),
            points: fields::quantity(request.points, "points")?,
            basis: Amount::checked(request.basis.as_ref(), "basis")?,
        })
    }
}

impl Grant {
    /// Checks user and points; the key is the idempotency guard's to check.
    pub fn checked(request: &GrantRequest) -> Result<Grant, Refusal> {
        Ok(Grant { user_id: user_id(&request.user_id)?, points: fields::quantity(request.points, "points")? })
    }
}

/// A user's id.
pub fn user_id(value: &str) -> Result<String, Refusal> {
    fields::name(value, "user_id").map(str::to_owned)
}
