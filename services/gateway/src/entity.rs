//! Rows of the gateway's tables, and how states are spelt in them. Holds no rule.

use amends_participant::{Fault, Reason, Refusal};

use crate::state::{Doubt, Form, PspOp, State};

/// A payment.
pub mod payment {
    use sea_orm::entity::prelude::*;

    #[sea_orm::model]
    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "payment")]
    pub struct Model {
        #[sea_orm(primary_key)]
        pub seq: i64,
        #[sea_orm(unique)]
        pub payment_id: String,
        pub gid: String,
        pub branch_id: String,
        /// Op of the guard's forward row: `try` or `action`.
        pub forward_op: String,
        pub order_id: String,
        pub merchant_id: String,
        pub user_id: String,
        pub amount_minor: i64,
        pub currency: String,
        pub method: String,
        pub psp: String,
        pub card_token: String,
        pub state: String,
        /// The request that is pending or in doubt; see `encode`.
        pub pending: String,
        pub authorized: i64,
        pub captured: i64,
        pub refunded: i64,
        /// The undo was asked for: whatever is found out now, nothing may be kept.
        pub undo_wanted: bool,
        pub in_doubt_since_us: Option<i64>,
        /// Id of the Authorize or Sale: what captures, voids and refunds refer to.
        pub psp_request_id: String,
        pub psp_txn_id: String,
        pub auth_code: String,
        pub duplicate: bool,
        pub version: i64,
        pub created_at_us: i64,
        pub updated_at_us: i64,
    }

    impl ActiveModelBehavior for ActiveModel {}
}

/// A request to the processor.
pub mod attempt {
    use sea_orm::entity::prelude::*;

    #[sea_orm::model]
    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "attempt")]
    pub struct Model {
        #[sea_orm(primary_key)]
        pub seq: i64,
        #[sea_orm(unique)]
        pub attempt_id: String,
        pub payment_id: String,
        pub op: String,
        #[sea_orm(unique)]
        pub psp_request_id: String,
        pub state: String,
        /// False only while it is proven that nothing left this machine.
        pub sent: bool,
        pub psp_txn_id: String,
        pub auth_code: String,
        pub duplicate: bool,
        pub psp_code: String,
        pub queries: i32,
        /// Set exactly while the outcome is open.
        pub next_query_at_us: Option<i64>,
        pub created_at_us: i64,
    }

    impl ActiveModelBehavior for ActiveModel {}
}

/// Something that only a person, or patience, can decide.
pub mod in_doubt_item {
    use sea_orm::entity::prelude::*;

    #[sea_orm::model]
    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "in_doubt_item")]
    pub struct Model {
        #[sea_orm(primary_key)]
        pub seq: i64,
        #[sea_orm(unique)]
        pub item_id: String,
        pub kind: String,
        pub gid: String,
        pub payment_id: String,
        pub amount_minor: i64,
        pub currency: String,
        pub state: String,
        pub resolution: String,
        pub opened_at_us: i64,
        pub resolved_at_us: Option<i64>,
        /// Who has taken it; empty = nobody.
        pub holder: String,
        /// Number of the newest claim.
        pub token: i64,
        pub held_until_us: i64,
        /// What was stated last, under which claim, by whom.
        pub proposed: String,
        pub psp_txn_id: String,
        pub evidence: String,
        pub reference: String,
        pub proposed_by: String,
        pub proposed_token: i64,
        pub approved_by: String,
        pub approved_token: i64,
        /// The request that the processor is still asked about after a statement, and when.
        pub watched_request_id: String,
        pub watch_next_us: Option<i64>,
    }

    impl ActiveModelBehavior for ActiveModel {}
}

/// Something that was done about an item.
pub mod in_doubt_act {
    use sea_orm::entity::prelude::*;

    #[sea_orm::model]
    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "in_doubt_act")]
    pub struct Model {
        #[sea_orm(primary_key)]
        pub seq: i64,
        pub item_id: String,
        pub at_us: i64,
        pub actor: String,
        pub act: String,
        pub token: i64,
        pub detail: String,
    }

    impl ActiveModelBehavior for ActiveModel {}
}

/// What came of a request to the processor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AttemptState {
    /// Committed before it is sent; no answer yet.
    Initiated,
    /// Carried out.
    Succeeded,
    /// Refused.
    Declined,
    /// No answer, or one that proves nothing.
    Unknown,
    /// Never carried out, and never will be.
    Cancelled,
}

impl AttemptState {
    /// All, for reading words.
    pub const ALL: [AttemptState; 5] = [
        AttemptState::Initiated,
        AttemptState::Succeeded,
        AttemptState::Declined,
        AttemptState::Unknown,
        AttemptState::Cancelled,
    ];

    /// The word in the store.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            AttemptState::Initiated => "initiated",
            AttemptState::Succeeded => "succeeded",
            AttemptState::Declined => "declined",
            AttemptState::Unknown => "unknown",
            AttemptState::Cancelled => "cancelled",
        }
    }
}

const CAPTURE_REFUSED: &str = "capture_refused";

/// Columns `state` and `pending` of a state.
#[must_use]
pub fn encode(state: State) -> (&'static str, &'static str) {
    match state {
        State::Created => ("created", ""),
        State::Authorizing(form) => ("authorizing", form.op().as_str()),
        State::Authorized => ("authorized", ""),
        State::Capturing => ("capturing", ""),
        State::Captured => ("captured", ""),
        State::Voiding => ("voiding", ""),
        State::Reversing => ("reversing", ""),
        State::InDoubt(Doubt::Outcome(op)) => ("in_doubt", op.as_str()),
        State::InDoubt(Doubt::CaptureRefused) => ("in_doubt", CAPTURE_REFUSED),
        State::Declined => ("declined", ""),
        State::Closed => ("closed", ""),
        State::Voided => ("voided", ""),
        State::Reversed => ("reversed", ""),
    }
}

fn decode(state: &str, pending: &str) -> Option<State> {
    Some(match state {
        "created" => State::Created,
        "authorizing" if pending == PspOp::Authorize.as_str() => State::Authorizing(Form::Authorize),
        "authorizing" if pending == PspOp::Sale.as_str() => State::Authorizing(Form::Sale),
        "authorized" => State::Authorized,
        "capturing" => State::Capturing,
        "captured" => State::Captured,
        "voiding" => State::Voiding,
        "reversing" => State::Reversing,
        "in_doubt" if pending == CAPTURE_REFUSED => State::InDoubt(Doubt::CaptureRefused),
        "in_doubt" => State::InDoubt(Doubt::Outcome(PspOp::parse(pending)?)),
        "declined" => State::Declined,
        "closed" => State::Closed,
        "voided" => State::Voided,
        "reversed" => State::Reversed,
        _ => return None,
    })
}

impl payment::Model {
    /// Where the payment stands.
    pub fn stands(&self) -> Result<State, Fault> {
        decode(&self.state, &self.pending).ok_or_else(|| damaged("payment", self.seq))
    }
}

impl attempt::Model {
    /// What was asked.
    pub fn asked(&self) -> Result<PspOp, Fault> {
        PspOp::parse(&self.op).ok_or_else(|| damaged("attempt", self.seq))
    }

    /// What came of it.
    pub fn came_to(&self) -> Result<AttemptState, Fault> {
        let found = AttemptState::ALL.into_iter().find(|state| state.as_str() == self.state);
        found.ok_or_else(|| damaged("attempt", self.seq))
    }

    /// Whether the outcome is open.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.next_query_at_us.is_some()
    }
}

fn damaged(table: &str, seq: i64) -> Fault {
    Fault::Broken(Refusal::new(Reason::Broken, format!("row {seq} of {table} holds an unknown word")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_state_is_read_back_as_written() {
        let doubts = PspOp::ALL.map(|op| State::InDoubt(Doubt::Outcome(op)));
        let states = [
            State::Created,
            State::Authorizing(Form::Authorize),
            State::Authorizing(Form::Sale),
            State::Authorized,
            State::Capturing,
            State::Captured,
            State::Voiding,
            State::Reversing,
            State::InDoubt(Doubt::CaptureRefused),
            State::Declined,
            State::Closed,
            State::Voided,
            State::Reversed,
        ];
        for state in states.into_iter().chain(doubts) {
            let (word, pending) = encode(state);
            assert_eq!(decode(word, pending), Some(state));
        }
        assert_eq!(decode("in_doubt", ""), None);
        assert_eq!(decode("authorizing", "void"), None);
    }
}
