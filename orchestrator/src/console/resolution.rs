//! What two people do about one payment in doubt: one states what is the case, the other approves it. Each act takes the
//! item first, as the gateway demands, and hands over to it. Decides nothing.

use super::api::by;
use super::failure::Failure;
use amends_proto::pay::gateway::v1::gateway_service_client::GatewayServiceClient;
use amends_proto::pay::gateway::v1::{
    ApproveResolutionRequest, ClaimInDoubtRequest, GetInDoubtRequest, InDoubtItem, ProposeResolutionRequest,
    Resolution,
};
use axum::http::StatusCode;
use maud::{Markup, html};
use serde::Deserialize;
use tonic::transport::Channel;

/// An act.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Act {
    /// Somebody states what is the case.
    Propose,
    /// Somebody else says the same.
    Approve,
}

/// A form that was sent.
#[derive(Debug, Clone, Deserialize)]
pub struct Sent {
    /// See [`super::form`].
    pub token: String,
    /// Who sent it.
    pub name: String,
    #[serde(default)]
    outcome: String,
    #[serde(default)]
    psp_txn_id: String,
    #[serde(default)]
    evidence: String,
    #[serde(default)]
    reference: String,
}

const STATEMENTS: [(Resolution, &str, &str); 3] = [
    (Resolution::Charged, "charged", "The money was taken"),
    (Resolution::NotCharged, "not_charged", "No money was taken, or none is kept, and none will be"),
    (Resolution::QueryAgain, "query_again", "Nobody can say yet: ask the provider again now"),
];

/// A statement in words.
#[must_use]
pub fn said(resolution: Resolution) -> &'static str {
    STATEMENTS.into_iter().find(|(known, ..)| *known == resolution).map_or("nothing", |(.., says)| says)
}

impl Act {
    /// The act of that name.
    ///
    /// # Errors
    /// Where there is none.
    pub fn named(name: &str) -> Result<Self, Failure> {
        let none = || Failure::plain(StatusCode::NOT_FOUND, "There is no such act.");
        [Self::Propose, Self::Approve].into_iter().find(|act| act.name() == name).ok_or_else(none)
    }

    /// As it stands in addresses.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Propose => "propose",
            Self::Approve => "approve",
        }
    }

    /// As a headline.
    #[must_use]
    pub fn title(self) -> &'static str {
        match self {
            Self::Propose => "State what is the case",
            Self::Approve => "Approve what was stated",
        }
    }

    /// What it means.
    #[must_use]
    pub fn says(self) -> &'static str {
        match self {
            Self::Propose => {
                "You state, with evidence, what became of the payment. Look it up at the provider first: nobody checks what \
                 you state. It counts when it is approved; above a limit by a second person."
            }
            Self::Approve => {
                "What stands here is carried out: the payment moves, and what waits for it goes on. Above a limit whoever \
                 stated it cannot approve it."
            }
        }
    }

    /// What the button says.
    #[must_use]
    pub fn button(self) -> &'static str {
        match self {
            Self::Propose => "State it",
            Self::Approve => "Approve it",
        }
    }

    /// Fields of its form.
    #[must_use]
    pub fn fields(self, item: &InDoubtItem) -> Markup {
        match self {
            Self::Propose => html! {
                fieldset {
                    legend { "What is the case" }
                    @for (_, name, says) in STATEMENTS {
                        label { input type="radio" name="outcome" value=(name) required; " " (says) }
                    }
                }
                label for="psp_txn_id" { "What the provider calls the payment, if money was taken" }
                input #psp_txn_id name="psp_txn_id" maxlength="64";
                label for="evidence" { "Evidence: what proves it, in words" }
                textarea #evidence name="evidence" required maxlength="1000" rows="4" {}
                label for="reference" { "Where the proof can be looked up (optional)" }
                input #reference name="reference" maxlength="200";
            },
            // What was read is what is approved: another statement made meanwhile is not.
            Self::Approve => html! {
                input type="hidden" name="outcome" value=(name_of(item.proposed()));
                input type="hidden" name="evidence" value=(item.evidence);
                input type="hidden" name="reference" value=(item.reference);
                input type="hidden" name="psp_txn_id" value=(item.psp_txn_id);
            },
        }
    }

    /// Takes the item and does it.
    ///
    /// # Errors
    /// As the gateway refuses it, or where something else was stated meanwhile.
    pub async fn carry_out(
        self,
        mut client: GatewayServiceClient<Channel>,
        id: &str,
        sent: &Sent,
    ) -> Result<(), Failure> {
        let item_id = id.to_owned();
        if self == Self::Approve {
            let read = by(&sent.name, GetInDoubtRequest { item_id: item_id.clone() })?;
            sent.may_approve(&client.get_in_doubt(read).await?.into_inner())?;
        }
        let claim = by(&sent.name, ClaimInDoubtRequest { item_id: item_id.clone(), ttl_s: 0 })?;
        let taken = client.claim_in_doubt(claim).await?.into_inner();
        let token = taken.token;
        match self {
            Self::Propose => {
                let known = STATEMENTS.into_iter().find(|(_, name, _)| *name == sent.outcome);
                let resolution = known.map_or(Resolution::Unspecified, |(resolution, ..)| resolution).into();
                let Sent { psp_txn_id, evidence, reference, .. } = sent.clone();
                let request =
                    ProposeResolutionRequest { item_id, token, resolution, psp_txn_id, evidence, reference };
                drop(client.propose_resolution(by(&sent.name, request)?).await?);
            }
            Self::Approve => {
                sent.may_approve(&taken)?;
                let request = by(&sent.name, ApproveResolutionRequest { item_id, token })?;
                drop(client.approve_resolution(request).await?);
            }
        }
        Ok(())
    }
}

impl Sent {
    /// What the gateway would refuse is refused before the item is taken, too: that keeps the others from it for minutes.
    fn may_approve(&self, item: &InDoubtItem) -> Result<(), Failure> {
        if !self.is_of(item) {
            let what = "Something else was stated meanwhile: open the page again, and read it.";
            return Err(Failure::plain(StatusCode::CONFLICT, what));
        }
        if item.needs_second_person && item.proposed_by == self.name {
            let what = "You stated it: an amount like this is approved by somebody else.";
            return Err(Failure::plain(StatusCode::FORBIDDEN, what));
        }
        Ok(())
    }

    /// Whether the form showed what is stated of the item.
    fn is_of(&self, item: &InDoubtItem) -> bool {
        self.outcome == name_of(item.proposed())
            && self.evidence == item.evidence
            && self.reference == item.reference
            && self.psp_txn_id == item.psp_txn_id
    }
}

fn name_of(resolution: Resolution) -> &'static str {
    STATEMENTS.into_iter().find(|(known, ..)| *known == resolution).map_or("", |(_, name, _)| name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_was_read_is_approved() {
        let mut item = InDoubtItem {
            proposed: Resolution::NotCharged.into(),
            evidence: "a letter".into(),
            proposed_by: "bob".into(),
            ..InDoubtItem::default()
        };
        let sent = |outcome: &str, evidence: &str| Sent {
            token: String::new(),
            name: "bob".into(),
            outcome: outcome.into(),
            psp_txn_id: String::new(),
            evidence: evidence.into(),
            reference: String::new(),
        };
        assert!(sent("not_charged", "a letter").is_of(&item));
        assert!(!sent("charged", "a letter").is_of(&item));
        assert!(!sent("not_charged", "another letter").is_of(&item));
        assert!(sent("not_charged", "another letter").may_approve(&item).is_err());
        assert!(sent("not_charged", "a letter").may_approve(&item).is_ok(), "one person is enough");
        item.needs_second_person = true;
        assert!(
            sent("not_charged", "a letter").may_approve(&item).is_err(),
            "and who stated it is the first"
        );
    }
}
