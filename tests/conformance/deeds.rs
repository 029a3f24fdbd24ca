//! The table of everything that participants do for a global transaction: a forward call with its second phase.
//! A new service is some more rows here.
use crate::bodies::Body;
use crate::wire::{self, Reply};
use crate::world::World;
use amends_dtm::Gid;
use amends_stack::Role;

/// What a forward call may answer to bad input.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Manner {
    /// ABORTED, remembered.
    Refuses,
    /// It comes after the pivot: INTERNAL, nothing remembered, so that a repaired service can go on.
    MustNotRefuse,
}

/// One forward method with the methods of its second phase; empty = there is none.
#[derive(Debug, Clone, Copy)]
pub struct Deed {
    pub role: Role,
    pub body: Body,
    pub manner: Manner,
    pub forward: &'static str,
    pub confirm: &'static str,
    pub undo: &'static str,
}

/// One branch that does a deed.
#[derive(Debug, Clone)]
pub struct Branch {
    pub deed: Deed,
    pub gid: Gid,
}

/// Which of a deed's methods.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Call {
    Forward,
    Confirm,
    Undo,
}

const fn tcc(role: Role, body: Body, [forward, confirm, undo]: [&'static str; 3]) -> Deed {
    Deed { role, body, manner: Manner::Refuses, forward, confirm, undo }
}

const fn saga(role: Role, body: Body, manner: Manner, [forward, undo]: [&'static str; 2]) -> Deed {
    Deed { role, body, manner, forward, confirm: "", undo }
}

/// Every branch method of every participant.
pub const DEEDS: [Deed; 13] = [
    tcc(Role::Order, Body::Place, ["TryPlace", "ConfirmPlace", "CancelPlace"]),
    saga(Role::Order, Body::Place, Manner::Refuses, ["Place", "ClosePlaced"]),
    saga(Role::Order, Body::MarkPaid, Manner::MustNotRefuse, ["MarkPaid", "RevertPaid"]),
    tcc(Role::Account, Body::Transfer, ["TryTransfer", "ConfirmTransfer", "CancelTransfer"]),
    saga(Role::Account, Body::Transfer, Manner::Refuses, ["Transfer", "ReverseTransfer"]),
    tcc(Role::Inventory, Body::Reserve, ["TryReserve", "ConfirmReserve", "CancelReserve"]),
    saga(Role::Inventory, Body::Reserve, Manner::Refuses, ["Deduct", "ReturnStock"]),
    tcc(Role::Points, Body::Points, ["TryBurn", "ConfirmBurn", "CancelBurn"]),
    tcc(Role::Points, Body::Points, ["TryEarn", "ConfirmEarn", "CancelEarn"]),
    saga(Role::Points, Body::Points, Manner::Refuses, ["Burn", "ReturnBurn"]),
    saga(Role::Points, Body::Points, Manner::MustNotRefuse, ["Earn", "RevokeEarn"]),
    tcc(Role::Gateway, Body::Pay, ["TryPay", "ConfirmPay", "CancelPay"]),
    saga(Role::Gateway, Body::Pay, Manner::Refuses, ["Charge", "ReverseCharge"]),
];

/// Full name of a participant's service.
pub fn service(role: Role) -> String {
    let name = role.as_str();
    format!("pay.{name}.v1.{}{}Service", name[..1].to_uppercase(), &name[1..])
}

impl Deed {
    pub fn method(&self, call: Call) -> &'static str {
        match call {
            Call::Forward => self.forward,
            Call::Confirm => self.confirm,
            Call::Undo => self.undo,
        }
    }

    /// Full name of a method.
    pub fn path(&self, call: Call) -> String {
        format!("{}/{}", service(self.role), self.method(call))
    }

    /// The methods that there are.
    pub fn calls(&self) -> Vec<Call> {
        let all = [Call::Forward, Call::Confirm, Call::Undo];
        all.into_iter().filter(|call| !self.method(*call).is_empty()).collect()
    }

    pub fn trans_type(&self) -> &'static str {
        if self.confirm.is_empty() { "saga" } else { "tcc" }
    }

    /// DTM's word for one of the methods.
    pub fn op(&self, call: Call) -> &'static str {
        match (call, self.trans_type()) {
            (Call::Forward, "saga") => "action",
            (Call::Undo, "saga") => "compensate",
            (Call::Forward, _) => "try",
            (Call::Confirm, _) => "confirm",
            (Call::Undo, _) => "cancel",
        }
    }

    /// A new branch that does it.
    pub fn branch(self) -> Branch {
        Branch { deed: self, gid: Gid::generate() }
    }
}

impl Branch {
    /// Calls one method of the branch as a coordinator does.
    pub async fn call(&self, world: &World, call: Call, body: &[u8]) -> Reply {
        let deed = &self.deed;
        let mac = world.mac(&self.gid);
        let metadata =
            wire::branch_metadata(&self.gid, "01", deed.trans_type(), deed.op(call), mac.as_deref());
        wire::call(world.channel(deed.role), &deed.path(call), body.to_vec(), metadata).await
    }
}
