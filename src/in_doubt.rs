//! `amends in-doubt`: payments that nobody can prove, and what people state about them. The gateway is asked itself; the
//! orchestrator only says where it is.
use crate::connect::{Connection, Target};
use crate::exit::Exit;
use crate::json;
use crate::output::{Format, money, print_json, print_text, table};
use amends_proto::amends::v1::operations_client::OperationsClient;
use amends_proto::amends::v1::{ExplainRequest, ExplainResponse, ExplainedOp, Situation, TopologyRequest};
use amends_proto::pay::gateway::v1::gateway_service_client::GatewayServiceClient;
use amends_proto::pay::gateway::v1::{
    ApproveResolutionRequest, ClaimInDoubtRequest, GetInDoubtRequest, InDoubtItem, ListInDoubtResponse,
    ListRequest, ProposeResolutionRequest, Resolution,
};
use anyhow::Context as _;
use std::fmt::Write as _;
use std::time::Duration;
use tonic::Status;

const ITEM: &str = "pay.gateway.v1.InDoubtItem";
const LONGEST_PAGE: i32 = 1_000;
/// The state of an item that nobody has to look at any more.
const RESOLVED: &str = "resolved";
/// The item of a payment is named where the gateway tells it in this time.
const PATIENCE: Duration = Duration::from_secs(2);
/// The cause of attention, and the gateway's reason, of a payment that nobody can prove.
const CAUSE: &str = "payment_in_doubt";
const REASON: &str = "PAYMENT_UNKNOWN";

/// Payments in doubt: lists them, and lets two people state with evidence what is the case
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  \
    amends in-doubt list\n  \
    amends in-doubt propose ITEM --outcome not-charged --evidence 'provider confirmed by phone' --caller alice\n  \
    amends in-doubt approve ITEM --caller bob")]
pub struct InDoubt {
    #[command(subcommand)]
    act: Act,
    /// The gateway; otherwise the orchestrator says where it is
    #[arg(long, global = true, value_name = "HOST:PORT")]
    gateway: Option<String>,
}

#[derive(Debug, clap::Subcommand)]
enum Act {
    /// Lists what is in doubt
    List {
        /// Those that are resolved too
        #[arg(long)]
        all: bool,
        #[command(flatten)]
        target: Target,
    },
    /// Shows one with everything that was done about it
    Show(Item),
    /// Takes one for a while, so that nobody else acts on it
    Claim {
        #[command(flatten)]
        item: Item,
        /// For so many seconds, at most 300
        #[arg(long, value_name = "SECONDS", default_value_t = 300, value_parser = clap::value_parser!(i32).range(1..=300))]
        ttl: i32,
    },
    /// States what is the case, with evidence
    Propose(Box<Propose>),
    /// Carries out what was proposed
    Approve {
        #[command(flatten)]
        item: Item,
        /// Number of your claim; without it, one is made first
        #[arg(long)]
        token: Option<i64>,
    },
}

#[derive(Debug, clap::Args)]
struct Item {
    /// Its id
    item: String,
    #[command(flatten)]
    target: Target,
}

#[derive(Debug, clap::Args)]
struct Propose {
    #[command(flatten)]
    item: Item,
    /// What is the case
    #[arg(long, value_enum)]
    outcome: Outcome,
    /// What the provider calls the payment, if it was charged
    #[arg(long, value_name = "ID", default_value = "", required_if_eq("outcome", "charged"))]
    psp_txn_id: String,
    /// What proves it, for the record
    #[arg(long, value_name = "TEXT")]
    evidence: String,
    /// Where that is to be found: a ticket, a letter
    #[arg(long, value_name = "TEXT", default_value = "")]
    reference: String,
    /// Number of your claim; without it, one is made first
    #[arg(long)]
    token: Option<i64>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Outcome {
    /// The money was taken
    Charged,
    /// No money was taken, or none is kept, and none will be
    NotCharged,
    /// Nobody can say: ask the provider again now
    QueryAgain,
}

type Client = GatewayServiceClient<Connection>;

impl InDoubt {
    /// Runs the verb.
    pub async fn run(self, format: Format) -> anyhow::Result<Exit> {
        let gateway = self.gateway;
        let item = match self.act {
            Act::List { all, target } => {
                return list(&mut connect(gateway, &target).await?, all, format).await;
            }
            Act::Show(item) => {
                let mut client = connect(gateway, &item.target).await?;
                client
                    .get_in_doubt(GetInDoubtRequest { item_id: item.item })
                    .await
                    .context("show")?
                    .into_inner()
            }
            Act::Claim { item, ttl } => {
                let mut client = connect(gateway, &item.target).await?;
                claim(&mut client, item.item, ttl).await.context("claim")?
            }
            Act::Propose(propose) => {
                propose.carry_out(&mut connect(gateway, &propose.item.target).await?).await?
            }
            Act::Approve { item, token } => {
                let mut client = connect(gateway, &item.target).await?;
                if token.is_none() {
                    is_of_another(&mut client, &item).await.context("approve")?;
                }
                let token = token_or_claim(&mut client, &item.item, token).await.context("approve")?;
                let request = ApproveResolutionRequest { item_id: item.item, token };
                client.approve_resolution(request).await.context("approve")?.into_inner()
            }
        };
        match format {
            Format::Json => print_json(&json::of(ITEM, &item)?)?,
            Format::Text => print_text(&text(&item))?,
        }
        Ok(Exit::Ok)
    }
}

impl Propose {
    async fn carry_out(&self, client: &mut Client) -> anyhow::Result<InDoubtItem> {
        let item_id = self.item.item.clone();
        let token = token_or_claim(client, &item_id, self.token).await.context("propose")?;
        let resolution = match self.outcome {
            Outcome::Charged => Resolution::Charged,
            Outcome::NotCharged => Resolution::NotCharged,
            Outcome::QueryAgain => Resolution::QueryAgain,
        };
        let request = ProposeResolutionRequest {
            item_id,
            token,
            resolution: resolution.into(),
            psp_txn_id: self.psp_txn_id.clone(),
            evidence: self.evidence.clone(),
            reference: self.reference.clone(),
        };
        Ok(client.propose_resolution(request).await.context("propose")?.into_inner())
    }
}

/// A claim keeps everybody else away for minutes: none is made for an approval that the gateway refuses to whoever proposed.
async fn is_of_another(client: &mut Client, item: &Item) -> Result<(), Status> {
    let request = GetInDoubtRequest { item_id: item.item.clone() };
    let found = client.get_in_doubt(request).await?.into_inner();
    if found.needs_second_person && found.proposed_by == item.target.caller {
        let text = "an amount like this is approved by somebody else than who proposed";
        return Err(Status::permission_denied(format!("APPROVER_IS_PROPOSER|{text}")));
    }
    Ok(())
}

async fn token_or_claim(client: &mut Client, item_id: &str, token: Option<i64>) -> Result<i64, Status> {
    match token {
        Some(token) => Ok(token),
        None => Ok(claim(client, item_id.to_owned(), 0).await?.token),
    }
}

async fn claim(client: &mut Client, item_id: String, ttl_s: i32) -> Result<InDoubtItem, Status> {
    let request = ClaimInDoubtRequest { item_id, ttl_s };
    Ok(client.claim_in_doubt(request).await?.into_inner())
}

/// A step whose payment is in doubt, which whoever states the outcome of an op of it has to know.
pub struct Caution {
    step: String,
    /// Id of the gateway's item; `None` = it was not told in time.
    item: Option<String>,
}

/// What a statement past the gateway does to what is held for the payment.
#[derive(Debug, Clone, Copy)]
pub enum Release {
    /// It stays as it is.
    Nothing,
    /// It is given back.
    Now,
    /// It is given back when another person states the same.
    OnceApproved,
}

/// Looks; `None` = the step's payment is not in doubt, as far as can be told.
pub async fn caution(target: &Target, gid: &str, step: &str) -> Option<Caution> {
    let request = ExplainRequest { gid: gid.to_owned() };
    let mut operations = OperationsClient::new(target.connect().await.ok()?);
    let told = operations.explain(request).await.ok()?.into_inner();
    if !is_in_doubt(&told, step) {
        return None;
    }
    let found = tokio::time::timeout(PATIENCE, async {
        items(&mut connect(None, target).await?, |item| item.gid == gid && item.state != RESOLVED).await
    });
    let item = found.await.ok().and_then(Result::ok).and_then(|items| items.into_iter().next());
    Some(Caution { step: step.to_owned(), item: item.map(|item| item.item_id) })
}

/// Whether the payment of a step is: an op of it that waits says so, also during a pause, or the need for a person does.
fn is_in_doubt(told: &ExplainResponse, step: &str) -> bool {
    let of_op = |op: &ExplainedOp| {
        op.situation() == Situation::PaymentInDoubt || op.last_reason.split('|').next() == Some(REASON)
    };
    told.ops.iter().any(|op| op.branch_id == step && of_op(op))
        || told.attention.iter().any(|need| need.branch_id == step && need.cause == CAUSE)
}

impl Caution {
    /// Says what the statement leaves open, what it does, and what would be better.
    pub fn text(&self, release: Release) -> String {
        let step = &self.step;
        let (named, id) = match &self.item {
            Some(id) => (format!(" (item {id})"), id.as_str()),
            None => (String::new(), "ITEM"),
        };
        let though = match release {
            Release::Nothing => "",
            Release::Now => ", though it releases what is held for the payment",
            Release::OnceApproved => {
                ", though it would release what is held for the payment once it is approved"
            }
        };
        format!(
            "the payment of step {step} is in doubt at the gateway{named}: this statement settles nothing \
             there{though}. Better: `amends in-doubt propose {id} --outcome … --evidence …`, then \
             `amends in-doubt approve {id}` by another person"
        )
    }
}

async fn connect(gateway: Option<String>, target: &Target) -> anyhow::Result<Client> {
    let address = match gateway {
        Some(address) => address,
        None => {
            let mut operations = OperationsClient::new(target.connect().await?);
            let known = operations.topology(TopologyRequest {}).await.context("topology")?.into_inner();
            let gateway = known.participants.into_iter().find(|participant| participant.name == "gateway");
            gateway.context("the orchestrator names no gateway; give --gateway HOST:PORT")?.address
        }
    };
    let target = Target { target: address, caller: target.caller.clone() };
    Ok(GatewayServiceClient::new(target.connect().await?))
}

async fn items(
    client: &mut Client,
    wanted: impl Fn(&InDoubtItem) -> bool,
) -> anyhow::Result<Vec<InDoubtItem>> {
    let mut items: Vec<InDoubtItem> = Vec::new();
    let mut cursor = String::new();
    loop {
        let request = ListRequest { cursor, limit: LONGEST_PAGE };
        let page = client.list_in_doubt(request).await.context("list")?.into_inner();
        items.extend(page.items.into_iter().filter(&wanted));
        cursor = page.next_cursor;
        if cursor.is_empty() {
            return Ok(items);
        }
    }
}

async fn list(client: &mut Client, all: bool, format: Format) -> anyhow::Result<Exit> {
    let items = items(client, |item| all || item.state != RESOLVED).await?;
    match format {
        Format::Json => {
            let found = ListInDoubtResponse { items, next_cursor: String::new() };
            print_json(&json::of("pay.gateway.v1.ListInDoubtResponse", &found)?)?;
        }
        Format::Text => print_text(&table(
            &["item", "kind", "amount", "since", "state", "holder", "gid"],
            &["amount"],
            items.iter().map(row).collect(),
        ))?,
    }
    Ok(Exit::Ok)
}

fn row(item: &InDoubtItem) -> Vec<String> {
    let amount = item.amount.as_ref();
    vec![
        item.item_id.clone(),
        item.kind.clone(),
        amount.map(|amount| money(amount.minor_units, &amount.currency)).unwrap_or_default(),
        item.opened_at.map(|at| at.to_string()).unwrap_or_default(),
        item.state.clone(),
        item.holder.clone(),
        item.gid.clone(),
    ]
}

fn text(item: &InDoubtItem) -> String {
    let amount = item.amount.as_ref().map(|amount| money(amount.minor_units, &amount.currency));
    let mut text = format!("{} {} {}: {}\n", item.item_id, item.kind, amount.unwrap_or_default(), item.state);
    let _ = writeln!(text, "payment {} of {}", item.payment_id, item.gid);
    if let (false, Some(until)) = (item.holder.is_empty(), &item.held_until) {
        let _ = writeln!(text, "held by {} until {until}, token {}", item.holder, item.token);
    }
    if item.proposed() != Resolution::Unspecified {
        let said = json::short_name("Resolution", item.proposed().as_str_name());
        let _ = writeln!(text, "{} stated {said}: {} {}", item.proposed_by, item.evidence, item.reference);
    }
    if item.state == "proposed" && item.needs_second_person {
        let _ = writeln!(text, "somebody else than {} has to approve it", item.proposed_by);
    }
    if !item.resolution.is_empty() {
        let _ = writeln!(text, "resolved: {}", item.resolution);
    }
    for act in &item.acts {
        let at = act.at.map(|at| at.to_string()).unwrap_or_default();
        let line = format!("  {at}  {} {} {}", act.actor, act.act, act.detail);
        let _ = writeln!(text, "{}", line.trim_end());
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use amends_proto::amends::v1::Attention;

    #[test]
    fn a_payment_is_in_doubt_by_what_is_said_of_its_step() {
        let op = |branch: &str, situation: Situation, reason: &str| ExplainResponse {
            ops: vec![ExplainedOp {
                branch_id: branch.into(),
                situation: situation.into(),
                last_reason: reason.into(),
                ..ExplainedOp::default()
            }],
            ..ExplainResponse::default()
        };
        assert!(is_in_doubt(&op("05", Situation::PaymentInDoubt, ""), "05"));
        assert!(is_in_doubt(&op("05", Situation::Paused, "PAYMENT_UNKNOWN|silence"), "05"));
        assert!(!is_in_doubt(&op("05", Situation::PaymentInDoubt, ""), "04"));
        assert!(!is_in_doubt(&op("05", Situation::WaitingForRetry, "GONE|x"), "05"));
        let need = Attention { cause: CAUSE.into(), branch_id: "05".into(), ..Attention::default() };
        let told = ExplainResponse { attention: vec![need], ..ExplainResponse::default() };
        assert!(is_in_doubt(&told, "05") && !is_in_doubt(&told, "01"));
    }

    #[test]
    fn a_caution_says_what_the_statement_releases() {
        let text = |release| Caution { step: "05".into(), item: None }.text(release);
        let nothing = text(Release::Nothing);
        assert!(nothing.contains("at the gateway: this") && nothing.contains("ITEM"), "{nothing}");
        assert!(nothing.contains("settles nothing there. Better"), "{nothing}");
        assert!(
            text(Release::Now).contains("there, though it releases what is held for the payment. Better")
        );
        let proposed = text(Release::OnceApproved);
        assert!(proposed.contains("would release what is held for the payment once it is approved"));
        let named = Caution { step: "05".into(), item: Some("i-1".into()) }.text(Release::Nothing);
        assert!(named.contains("(item i-1)") && named.contains("approve i-1"), "{named}");
    }

    #[test]
    fn an_item_tells_who_stated_what_and_who_has_to_approve() {
        let item = InDoubtItem {
            item_id: "i".into(),
            kind: "payment_unknown".into(),
            gid: "g".into(),
            payment_id: "p".into(),
            state: "proposed".into(),
            proposed: Resolution::NotCharged.into(),
            proposed_by: "alice".into(),
            evidence: "a letter".into(),
            reference: "CASE-7".into(),
            needs_second_person: true,
            ..InDoubtItem::default()
        };
        let wanted = "i payment_unknown : proposed\npayment p of g\nalice stated not_charged: a letter CASE-7\n\
            somebody else than alice has to approve it\n";
        assert_eq!(text(&item), wanted);
    }
}
